"""Served vectors asked for again, through the path training reads."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from functions.score_lead import score_lead
from shared.adapters.directory import DirectoryObjects
from shared.adapters.duckdb import DuckDBWarehouse
from shared.model.registry import Registry
from tests.functional.conftest import House
from training_job.parity import ParityReport, parity

START = datetime(2025, 1, 1, tzinfo=UTC)
SCORED = 40


@pytest.fixture
def served(house: House) -> House:
    for change in house.known()[:SCORED]:
        score_lead(change, house.scoring)
    return house


def replayed(house: House, warehouse: DuckDBWarehouse | None = None) -> ParityReport:
    registry = Registry(DirectoryObjects(house.world.objects))
    return parity(warehouse or house.warehouse, registry.load, START, house.world.matured_by)


def test_what_was_served_is_what_training_reads(served: House) -> None:
    report = replayed(served)
    assert report.vectors == SCORED
    assert report.mismatches == ()


def test_nothing_served_is_nothing_replayed(house: House) -> None:
    assert replayed(house) == ParityReport(0, ())


def test_a_vintage_row_that_changes_afterwards_is_named_with_lead_feature_and_both_values(served: House) -> None:
    lead = served.known()[0]
    execute = served.warehouse._connection.execute
    (firm,) = execute(
        "SELECT firm_crd FROM vendor.employment WHERE rep_crd = ? AND recorded_at <= ? ORDER BY start_date DESC LIMIT 1",
        [lead.crd, lead.stage_entered_at],
    ).fetchone() or (None,)
    execute("UPDATE vendor.firm_snapshots SET number_of_reps = number_of_reps + 7 WHERE firm_crd = ?", [firm])
    report = replayed(served)
    mine = [m for m in report.mismatches if m.lead_id == lead.lead_id]
    assert [m.feature for m in mine] == ["firm_rep_count_at_contact"]
    assert float(str(mine[0].replayed)) - float(str(mine[0].served)) == 7


def test_a_row_that_arrives_late_under_an_early_date_is_caught(served: House) -> None:
    lead = served.known()[1]
    served.warehouse._connection.execute(
        "INSERT INTO vendor.employment (rep_crd, firm_crd, prior_firm_crd, start_date, recorded_at) "
        "SELECT ?, 100001, 100002, CAST(? AS DATE) - 5, CAST(? AS TIMESTAMPTZ) - INTERVAL 2 DAY",
        [lead.crd, lead.stage_entered_at, lead.stage_entered_at],
    )
    assert {m.feature for m in replayed(served).mismatches if m.lead_id == lead.lead_id} >= {"current_firm_tenure_months", "is_fresh_start"}


def test_a_lead_that_is_gone_is_a_mismatch(served: House, tmp_path: Path) -> None:
    lead = served.known()[2]
    served.warehouse._connection.execute("DELETE FROM crm.lead_snapshots WHERE lead_id = ?", [lead.lead_id])
    (gone,) = replayed(served).mismatches
    assert (gone.lead_id, gone.feature) == (lead.lead_id, "")
