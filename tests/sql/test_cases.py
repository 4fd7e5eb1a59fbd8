"""Every query's cases, and every contract's: rows in, rows out."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shared import sql
from shared.adapters.duckdb import DuckDBWarehouse
from shared.asof.compile import ASK, SERVED_ASKS, fitted_params, statistic_params, vectors_sql
from shared.asof.contract import Contract, load_contract
from shared.ports import Query
from shared.sql import FOLDER
from tests.conftest import CONTRACTS
from tests.sql.rows import load_rows, plain, typed

CASES = sorted(FOLDER.glob("*/cases/*.yaml"))
CONTRACT_CASES = sorted((CONTRACTS / "cases").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=[f"{path.parent.parent.name}/{path.stem}" for path in CASES])
def test_case(path: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    load_rows(warehouse, case["tables"])
    query = sql.load(path.parent.parent.name)
    params = {name: typed(str(query.params[name]), value) for name, value in case["params"].items()}
    found = list(warehouse.query(query, **params))
    expected = case["expect"]
    shown = [{key: plain(row[key]) for key in expected[0]} for row in found]
    assert sorted(shown, key=str) == sorted(expected, key=str)
    warehouse.close()


def test_every_query_has_a_case() -> None:
    queries = {path.parent.name for path in FOLDER.glob("*/query.sql")}
    assert queries == {path.parent.parent.name for path in CASES}


@pytest.mark.parametrize("path", CONTRACT_CASES, ids=lambda path: path.stem)
def test_contract_case(path: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    contract = load_contract(CONTRACTS / f"{case['contract']}.yaml")
    expected = {name: values for name, values in case["expect"].items() if name != "stale"}
    rows = run_case(tmp_path, contract, case, list(expected))
    assert {name: [row[name] for row in rows] for name in case["expect"]} == {
        name: [pytest.approx(value) if isinstance(value, float) else value for value in values] for name, values in case["expect"].items()
    }


def test_every_formula_has_a_case() -> None:
    """A column read as it is needs none; a formula does, except that of a helper whose users have one."""
    covered = {(case["contract"], name) for case in map(yaml.safe_load, (p.read_text() for p in CONTRACT_CASES)) for name in case["expect"]}
    for path in sorted(CONTRACTS.glob("*.yaml")):
        contract = load_contract(path)
        formulas = [f.name for f in contract.features if f.sql and not f.helper and f.name not in contract.refused]
        assert [name for name in formulas if (contract.name, name) not in covered] == []


def run_case(tmp_path: Path, contract: Contract, case: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
    """The rows of `names`, one per ask in order, by the query that serves."""
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    load_rows(warehouse, case["tables"])
    contract = contract.with_fitted(case.get("fitted", {}))
    features = [feature for feature in contract.features if feature.name in names]
    assert {feature.name for feature in features} == set(names)
    text = vectors_sql(contract, SERVED_ASKS, features=features)
    query = Query("case", text, {"asks": ASK, **statistic_params(contract, features)})
    asks = [{"lead_id": str(n), "crd": ask.get("crd"), "as_of": typed("TIMESTAMP", ask["as_of"])} for n, ask in enumerate(case["asks"])]
    rows = {str(row["lead_id"]): row for row in warehouse.query(query, asks=asks, **fitted_params(contract, features))}
    warehouse.close()
    return [rows[str(n)] for n in range(len(asks))]
