"""Views and routines are GoogleSQL over declared tables, and give what they say."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from shared.adapters.duckdb import DuckDBWarehouse
from shared.config import ROOT
from shared.ports import Query, Rows
from shared.score import LedgerRow, Role
from shared.tables import all_tables
from tests.conftest import Trained
from tests.infra.workshop import INFRA

MORNING = datetime(2025, 9, 1, 9, tzinfo=UTC)
FILES = sorted([*INFRA.glob("views/*.sql"), *INFRA.glob("routines/*.sql")])


@pytest.fixture
def warehouse(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> DuckDBWarehouse:
    return trained.copy(tmp_path_factory.mktemp("views") / "world").warehouse()


def _row(lead: str, hours: int, band: str, role: Role = "champion") -> LedgerRow:
    at = MORNING + timedelta(hours=hours)
    numbers = (-1.0, 0.2, 50.0, 500)
    return LedgerRow(lead, MORNING, f"model-{role}", at, at, role, "event", "e", *numbers, band, "Call", "[]", "hash")


def _run(warehouse: DuckDBWarehouse, file: str, more: str = "", **params: object) -> Rows:
    text = (ROOT / "infra" / file).read_text()
    return warehouse.query(Query(file, f"SELECT lead_id, band FROM ({text}) ORDER BY lead_id {more}", {"moment": "TIMESTAMP"}), **params)


def test_the_latest_score_is_the_champions_last(warehouse: DuckDBWarehouse) -> None:
    rows = [_row("a", 0, "Cold"), _row("a", 2, "Hot"), _row("a", 3, "Warm", "challenger"), _row("b", 1, "Cool")]
    warehouse.append("scores.ledger", rows)
    assert _run(warehouse, "views/scores.latest.sql").values == [("a", "Hot"), ("b", "Cool")]


def test_what_was_shown_at_a_moment_is_what_was_known_then(warehouse: DuckDBWarehouse) -> None:
    warehouse.append("scores.ledger", [_row("a", 0, "Cold"), _row("a", 2, "Hot"), _row("b", 3, "Cool")])
    text = (INFRA / "routines" / "scores.shown_at.sql").read_text().replace("<= moment", "<= @moment")
    query = Query("shown_at", f"SELECT lead_id, band FROM ({text})", {"moment": "TIMESTAMP"})
    assert warehouse.query(query, moment=MORNING + timedelta(hours=1)).values == [("a", "Cold")]


def test_the_days_scores_are_counted_by_band(warehouse: DuckDBWarehouse) -> None:
    warehouse.append("scores.ledger", [_row("a", 0, "Cold"), _row("b", 1, "Cold"), _row("c", 30, "Hot")])
    text = (INFRA / "views" / "scores.lead_scores_daily.sql").read_text()
    found = warehouse.query(Query("daily", f"SELECT band, scores FROM ({text}) ORDER BY day"))
    assert found.values == [("Cold", 2), ("Hot", 1)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_declared_tables_are_read(path: object) -> None:
    read = set(re.findall(r"`([\w.]+)`", path.read_text()))  # type: ignore[attr-defined]
    assert read
    assert read <= {table.name for table in all_tables()}
