from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from sandbox.world import make_file_world
from shared.adapters.duckdb import DuckDBWarehouse
from shared.asof.contract import Contract
from shared.asof.label_report import label_report
from shared.errors import DataError
from tests.conftest import SHARED_DATA, Trained

OLIST = SHARED_DATA / "olist_funnel"

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
    assert report.same_day is not None
    assert report.same_day.positives == 1


def test_leads_contacted_anew_are_counted_from_the_record_of_entries(tmp_path: Path) -> None:
    """An extract a month shows only the last contact of the month."""
    entries = {"table": "crm.stage_events", "key": "lead_id", "stage": "stage", "contacted": "Contacted"}
    lead = {**CONTRACT.lead.model_dump(), "entries": {**entries, "entered_at": "entered_at", "known_at": "known_at"}}
    at, instants = KNOWN - 100 * DAY, pa.timestamp("us", "UTC")
    warehouse = _warehouse(tmp_path, [("a", at, at + DAY, KNOWN), ("b", at, None, KNOWN)])
    told = [("a", "Contacted", at), ("a", "Contacted", at - 9 * DAY), ("a", "New", at - 9 * DAY), ("b", "Contacted", at), ("b", "New", at)]
    ids, stages, entered = zip(*told, strict=True)
    moments = pa.array(entered, instants)
    warehouse.load_arrow("crm.stage_events", pa.table({"lead_id": ids, "stage": stages, "entered_at": moments, "known_at": moments}))
    report = label_report(warehouse, Contract.model_validate({**CONTRACT.model_dump(), "lead": lead}), KNOWN)
    assert (report.reopened, report.reopened_rule) == (1, "latest")


def test_lags_of_leads_too_young_or_from_before_the_recording_are_left_out(tmp_path: Path) -> None:
    """A lead of last week can only have converted fast, one from before the recording only late."""
    old, young = KNOWN - 150 * DAY, KNOWN - 20 * DAY
    rows: list[tuple[str, datetime, datetime | None, datetime]] = [(f"o{n}", old, old + 10 * DAY, KNOWN) for n in range(20)]
    rows += [(f"y{n}", young, young + DAY, KNOWN) for n in range(20)]
    rows += [(f"e{n}", old - 200 * DAY, old - DAY, KNOWN) for n in range(20)]
    report = label_report(_warehouse(tmp_path, rows), CONTRACT, KNOWN)
    assert report.statuses == {"positive": 20, "immature": 20, "left_truncated": 20}
    assert report.lag_days["p50"] == 10
    assert report.captured[90].n == 20


def test_an_outcome_without_an_instant_says_nothing_of_how_late_it_comes(tmp_path: Path) -> None:
    lead = {**CONTRACT.lead.model_dump(), "outcome": {"column": "id", "positive": "won"}}
    contract = Contract.model_validate({**CONTRACT.model_dump(), "lead": lead})
    at = KNOWN - 200 * DAY
    report = label_report(_warehouse(tmp_path, [("won", at, None, KNOWN), ("lost", at, None, KNOWN)]), contract, KNOWN)
    assert report.statuses == {"positive": 1, "negative": 1}
    assert (report.lag_days, report.captured, report.same_day) == ({}, {}, None)


def test_without_any_outcome_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No outcome follows a contact"):
        label_report(_warehouse(tmp_path, [("a", KNOWN - 90 * DAY, None, KNOWN)]), CONTRACT, KNOWN)


def test_a_world_says_how_many_of_each(trained: Trained, tmp_path: Path) -> None:
    world = trained.copy(tmp_path / "world")
    with world.reading() as warehouse:
        report = label_report(warehouse, world.contract, world.known_by)
    assert sum(report.statuses.values()) == report.contacted
    assert report.captured[7].value < report.captured[30].value < report.captured[90].value


@pytest.mark.skipif(not OLIST.exists(), reason=f"the Olist funnel is not at {OLIST}")
def test_on_the_olist_funnel_the_report_leaves_out_what_was_never_recorded(tmp_path: Path) -> None:
    leads = pd.read_csv(OLIST / "olist_marketing_qualified_leads_dataset.csv")
    deals = pd.read_csv(OLIST / "olist_closed_deals_dataset.csv")
    leads.merge(deals, on="mql_id", how="left", validate="one_to_one").to_csv(tmp_path / "olist.csv", index=False)
    (tmp_path / "olist.yaml").write_text(
        "name: olist\n"
        "lead: {table: olist, key: mql_id, contacted_at: first_contact_date, outcome: {event_at: won_date, window_days: 90}}\n"
        "sources: {leads: {kind: event, known_at: first_contact_date}}\n"
        "features: [{name: from_paid_search, source: leads, dtype: bool, sql: \"origin = 'paid_search'\"}]\n"
    )
    world = make_file_world(tmp_path / "world", tmp_path / "olist.yaml", tmp_path / "olist.csv", None)
    with world.reading() as warehouse:
        report = label_report(warehouse, world.contract, world.matured_by)
    assert sum(report.statuses.values()) == report.contacted == 8000
    assert report.statuses["left_truncated"] > 1300
    assert report.captured[30].value < report.captured[90].value < 1
