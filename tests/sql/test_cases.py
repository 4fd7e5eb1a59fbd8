"""Every query's cases: rows in, rows out."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from shared import sql
from shared.adapters.duckdb import DuckDBWarehouse
from shared.sql import FOLDER
from shared.tables import table

CASES = sorted(FOLDER.glob("*/cases/*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=[f"{path.parent.parent.name}/{path.stem}" for path in CASES])
def test_case(path: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    for name, content in case["tables"].items():
        rows = [{**content.get("defaults", {}), **row} for row in content["rows"]]
        columns = {column: pa.array([_typed(kind, row.get(column)) for row in rows]) for column, kind in table(name).columns.items()}
        warehouse.load_arrow(name, pa.table(columns))
    query = sql.load(path.parent.parent.name)
    params = {name: _typed(str(query.params[name]), value) for name, value in case["params"].items()}
    found = list(warehouse.query(query, **params))
    expected = case["expect"]
    shown = [{key: _plain(row[key]) for key in expected[0]} for row in found]
    assert sorted(shown, key=str) == sorted(expected, key=str)
    warehouse.close()


def test_every_query_has_a_case() -> None:
    queries = {path.parent.name for path in FOLDER.glob("*/query.sql")}
    assert queries == {path.parent.parent.name for path in CASES}


def _typed(kind: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if kind == "TIMESTAMP" and value is not None else value


def _plain(value: object) -> object:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
