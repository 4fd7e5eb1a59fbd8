from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from shared.adapters.duckdb import DuckDBWarehouse
from shared.asof.contract import Contract
from shared.asof.label_report import label_report
from shared.errors import DataError
from tests.conftest import Trained

CONTRACT = Contract.model_validate(
    {
        "name": "t",
        "lead": {
            "table": "crm.t",
            "key": "id",
            "contacted_at": "at",
            "known_at": "known",
            "outcome": {"event_at": "won", "window_days": 30},
        },
        "sources": {"t": {"kind": "event", "known_at": "at"}},
        "features": [{"name": "id_length", "source": "t", "sql": "LENGTH(id)", "dtype": "float"}],
    }
)
DAY = timedelta(days=1)
KNOWN = datetime(2025, 7, 1, tzinfo=UTC)


def _warehouse(path: Path, rows: Sequence[tuple[str, datetime, datetime | None, datetime]]) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(path / "w.duckdb")
    instants = pa.timestamp("us", "UTC")
    ids, at, won, known = zip(*rows, strict=True)
    warehouse.load_arrow(
        "crm.t", pa.table({"id": ids, "at": pa.array(at, instants), "won": pa.array(won, instants), "known": pa.array(known, instants)})
    )
    return warehouse


def test_counts_add_up_and_lags_are_those_of_the_rows(tmp_path: Path) -> None:
    at = datetime(2025, 1, 1, tzinfo=UTC)
    wins = {"a": 0.5, "b": 3, "c": 20, "d": 40, "e": -2}
    rows: list[tuple[str, datetime, datetime | None, datetime]] = [(name, at, at + days * DAY, KNOWN) for name, days in wins.items()]
    rows += [("never", at, None, KNOWN), ("fresh", KNOWN - 3 * DAY, None, KNOWN)]
    rows += [("again", at - 20 * DAY, None, KNOWN - 60 * DAY), ("again", at, None, KNOWN)]
    report = label_report(_warehouse(tmp_path, rows), CONTRACT, KNOWN)
    assert report.statuses == {"positive": 3, "negative": 3, "mql_before_contact": 1, "immature": 1}
    assert sum(report.statuses.values()) == report.contacted == 8
    assert (report.converted_late, report.reopened) == (1, 1)
    assert report.lag_days["p50"] == pytest.approx(11.5)
    assert {days: share.positives for days, share in report.captured.items()} == {7: 2, 14: 2, 30: 3, 43: 4, 60: 4, 90: 4}
    assert report.same_day.positives == 1


def test_without_any_outcome_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No outcome follows a contact"):
        label_report(_warehouse(tmp_path, [("a", KNOWN - 90 * DAY, None, KNOWN)]), CONTRACT, KNOWN)


def test_a_world_says_how_many_of_each(trained: Trained, tmp_path: Path) -> None:
    world = trained.copy(tmp_path / "world")
    with world.reading() as warehouse:
        report = label_report(warehouse, world.contract, world.known_by)
    assert sum(report.statuses.values()) == report.contacted
    assert report.captured[7].value < report.captured[30].value < report.captured[90].value
