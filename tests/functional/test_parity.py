"""Served vectors asked for again, through the path training reads."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from functions.score_lead import score_lead
from ops.cli import app
from shared.adapters.directory import DirectoryObjects
from shared.adapters.duckdb import DuckDBWarehouse
from shared.errors import FanOut
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
    assert replayed(house) == ParityReport(0, 0, (), ())


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


def test_a_lead_contacted_since_the_newest_extract_waits(served: House) -> None:
    """Training cannot read it yet, so there is nothing to hold it against; the others are compared."""
    newest = served.known()[20].stage_entered_at
    served.warehouse._connection.execute("DELETE FROM crm.lead_snapshots WHERE known_at > ?", [newest])
    report = replayed(served)
    assert report.vectors == SCORED
    assert 0 < report.waiting <= SCORED
    assert report.mismatches == ()


def test_a_log_that_was_changed_by_hand_is_named(served: House) -> None:
    lead = served.known()[3]
    served.warehouse._connection.execute(
        "UPDATE scores.feature_log SET features = replace(features, '\"is_fresh_start\":', '\"is_fresh_start_\":') WHERE lead_id = ?",
        [lead.lead_id],
    )
    report = replayed(served)
    assert report.altered == (lead.lead_id,)
    assert not report.holds
    assert {m.feature: m.served for m in report.mismatches if m.replayed != "absent"} == {"is_fresh_start": "absent"}
    assert {m.feature for m in report.mismatches if m.replayed == "absent"} == {"is_fresh_start_"}


def test_a_vendor_file_delivered_twice_is_said_and_not_picked_from(served: House) -> None:
    served.warehouse._connection.execute("INSERT INTO vendor.rep_snapshots SELECT * FROM vendor.rep_snapshots WHERE vintage = '2025-07-06'")
    with pytest.raises(FanOut, match="rep_crd"):
        replayed(served)


def test_the_command_names_lead_feature_and_both_values_and_exits_2(served: House) -> None:
    lead = served.known()[0]
    served.warehouse._connection.execute("UPDATE vendor.firm_months SET total_aum_m = total_aum_m + 1000000")
    served.warehouse.close()
    out = served.world.path / "parity.json"
    done = CliRunner().invoke(app, ["parity", "--world", str(served.world.path), "--since", "2025-09-01", "--json", str(out)])
    assert done.exit_code == 2
    said = [m for m in json.loads(out.read_text())["mismatches"] if m["lead_id"] == lead.lead_id and m["feature"] == "firm_aum_pit"]
    assert [round(m["replayed"] - m["served"]) for m in said] == [1_000_000]
