"""Labels, rows in and rows out: each case names leads, an instant, and what every lead counts as then."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from shared.adapters.duckdb import DuckDBWarehouse
from shared.asof.contract import Contract
from shared.asof.labels import labels
from tests.sql.rows import typed

CASES = sorted((Path(__file__).parent / "labels").glob("*.yaml"))
COLUMNS = {"id": "STRING", "stage": "STRING", "at": "TIMESTAMP", "won": "TIMESTAMP", "known": "TIMESTAMP"}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    contract = Contract.model_validate(
        {
            "name": "case",
            "lead": {"table": "crm.t", "key": "id", "contacted_at": "at", **case["lead"]},
            "sources": {"t": {"kind": "event", "known_at": "at"}},
            "features": [{"name": "id_length", "source": "t", "sql": "LENGTH(id)", "dtype": "float"}],
        }
    )
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    warehouse.load_arrow("crm.t", _table(case["leads"]))
    warehouse.load_arrow("crm.entries", _table(case.get("entries", [])))
    rows = warehouse.query(labels(contract), known_by=typed("TIMESTAMP", case["known_by"]))
    found = [(str(row["lead_id"]).split("#")[0], row["status"]) for row in rows]
    assert sorted(set(found)) == sorted(case["expect"].items())
    assert len(rows) == len({lead["id"] for lead in _copied(case["leads"]) if "at" in lead and lead["id"].split("#")[0] in case["expect"]})
    warehouse.close()


def _copied(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "id": f"{row['id']}#{n}" if "copies" in row else row["id"]} for row in rows for n in range(row.get("copies", 1))]


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    kinds = {"STRING": pa.string(), "TIMESTAMP": pa.timestamp("us", "UTC")}
    return pa.table({name: pa.array([typed(kind, row.get(name)) for row in _copied(rows)], kinds[kind]) for name, kind in COLUMNS.items()})
