"""The gates between data and model, on a small market and on markets with one fault."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ops.cli import app
from sandbox.world import World
from shared.adapters.duckdb import DuckDBWarehouse
from shared.asof.contract import Contract
from shared.config import ROOT
from shared.errors import FanOut
from shared.metrics.intervals import wilson
from tests.conftest import BANK_CALLS, CONTRACTS, Trained, needs_bank_calls
from training_job.audit.findings import Report
from training_job.audit.run import audit
from training_job.dataset import load_dataset
from training_job.quality.gates import Gate, QualityPolicy, Threshold, evaluate, failed, quality
from training_job.statistics import fit_statistics

KNOWN = datetime(2025, 6, 1, tzinfo=UTC)


def gates(world: World) -> dict[str, Gate]:
    with world.reading() as warehouse:
        contract = fit_statistics(warehouse, world.contract, world.known_by)
        report = audit(warehouse, contract, world.known_by, date(2026, 1, 1), lambda _: None)
        try:
            dataset = load_dataset(warehouse, contract, world.known_by)
        except FanOut:
            dataset = None
        found = evaluate(dataset, report, warehouse, contract, world.known_by, quality(ROOT / "policies"))
    return {gate.name: gate for gate in found}


def changed(trained: Trained, path: Path, sql: str) -> dict[str, Gate]:
    world = trained.copy(path / "world")
    with world.reading() as warehouse:
        warehouse._connection.execute(sql)
    return gates(world)


def test_each_gate_has_a_value_a_bound_and_a_source(trained: Trained, tmp_path: Path) -> None:
    found = gates(trained.copy(tmp_path / "world"))
    assert set(found) == QualityPolicy.model_fields.keys() - {"critical"}
    assert all(gate.source and gate.bound and gate.value is not None for gate in found.values())
    assert 0.94 < (found["match"].value or 0) < 0.97
    assert (found["match"].n or 0) > 6000
    assert {gate.name for gate in failed(found.values())} == {"rows", "drift"}  # a small market, and a feature that is a clock
    assert found["drift"].about == "most: aum_growth_since_jan2024_pct"


CONTACT = "stage_entered_contacting"
WON = "stage_entered_call_scheduled"


@pytest.mark.parametrize(
    ("gate", "about", "sql"),
    [
        ("known_before_event", "source firm_", "UPDATE vendor.firm_months SET known_at = known_at - INTERVAL 5 YEAR"),
        (
            "told_ahead",
            "contacts and outcomes",
            f"UPDATE crm.lead_snapshots SET {CONTACT} = known_at + INTERVAL 3 HOUR WHERE hash(lead_id) % 50 = 0",
        ),
        (
            "hour_jump",
            "2025-01",
            f"UPDATE crm.lead_snapshots SET {CONTACT} = {CONTACT} - INTERVAL 5 HOUR WHERE {CONTACT} >= TIMESTAMPTZ '2025-01-01'",
        ),
        (
            "outcome_before_contact",
            "of outcomes",
            f"UPDATE crm.lead_snapshots SET {WON} = {CONTACT} - INTERVAL 1 DAY WHERE {WON} IS NOT NULL AND hash(lead_id) % 3 = 0",
        ),
        ("match", "unmatched", "UPDATE crm.lead_snapshots SET fa_crd = NULL WHERE hash(lead_id) % 5 = 0"),
        ("completeness", "least: ", "DELETE FROM vendor.employment WHERE rep_crd % 7 = 0"),
    ],
)
def test_a_fault_fails_the_gate_that_is_about_it(trained: Trained, tmp_path: Path, gate: str, about: str, sql: str) -> None:
    found = changed(trained, tmp_path, sql)[gate]
    assert found.verdict == "fails"
    assert about in found.about


def test_where_joins_multiply_that_gate_fails_and_what_rests_on_the_joins_is_not_checked(trained: Trained, tmp_path: Path) -> None:
    found = changed(trained, tmp_path, "INSERT INTO vendor.rep_snapshots SELECT * FROM vendor.rep_snapshots WHERE vintage = '2025-07-06'")
    assert (found["repeated_keys"].verdict, found["repeated_keys"].about) == ("fails", "source rep")
    assert {name for name, gate in found.items() if gate.verdict == "not checked"} == {"match", "completeness", "drift", "hour_jump"}


def test_a_lead_that_stands_there_twice_has_a_label_too_many(tmp_path: Path) -> None:
    at = pa.array([datetime(2025, 1, day, tzinfo=UTC) for day in (1, 2, 3)], pa.timestamp("us", "UTC"))
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    warehouse.load_arrow("crm.t", pa.table({"id": ["a", "a", "b"], "at": at, "won": ["1", "0", "0"]}))
    contract = Contract.model_validate(
        {
            "name": "t",
            "lead": {"table": "crm.t", "key": "id", "contacted_at": "at", "outcome": {"column": "won", "positive": "1"}},
            "sources": {"t": {"kind": "event", "known_at": "at"}},
            "features": [{"name": "id_length", "source": "t", "sql": "LENGTH(id)", "dtype": "float"}],
        }
    )
    nothing = Report("t", contract.hash, KNOWN, 3, 1, 1, (), {})
    found = {gate.name: gate for gate in evaluate(None, nothing, warehouse, contract, KNOWN, quality(ROOT / "policies"))}
    assert (found["one_label_each"].verdict, found["one_label_each"].value) == ("fails", 1)


@pytest.mark.parametrize(
    ("positives", "n", "verdict"), [(970, 1000, "holds"), (88, 100, "undecided"), (920, 1000, "undecided"), (800, 1000, "fails")]
)
def test_a_share_is_judged_by_its_interval(positives: int, n: int, verdict: str) -> None:
    assert Threshold(min=0.91, source="s").judge(wilson(positives, n)) == verdict


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0, 3))
def test_a_plain_number_holds_exactly_when_it_keeps_its_bounds(value: float, low: float, width: float) -> None:
    limit = Threshold(min=low, max=low + width, source="s")
    assert limit.judge(value) == ("holds" if low <= value <= low + width else "fails")


def test_the_command_writes_json_and_page_and_exits_2(trained: Trained, tmp_path: Path) -> None:
    world, out = trained.copy(tmp_path / "world"), tmp_path / "quality.json"
    done = CliRunner().invoke(app, ["quality", "--world", str(world.path), "--json", str(out)])
    assert done.exit_code == 2, done.output
    said = json.loads(out.read_text())
    assert {gate["name"] for gate in said["gates"] if gate["verdict"] == "fails"} == {"rows", "drift"}
    html = out.with_suffix(".html").read_text()
    assert f"2 of {len(said['gates'])} gates do not hold" in html
    assert "http" not in html


@needs_bank_calls
def test_what_a_contract_has_no_evidence_for_is_not_checked(tmp_path: Path) -> None:
    """Calls are dates without extracts, and none of their columns is listed as critical: none of that passes in silence."""
    out, contract = tmp_path / "quality.json", str(CONTRACTS / "bank_marketing.yaml")
    CliRunner().invoke(app, ["quality", "--data", str(BANK_CALLS), "--contract", contract, "--json", str(out)])
    unchecked = {gate["name"] for gate in json.loads(out.read_text())["gates"] if gate["verdict"] == "not checked"}
    assert unchecked == {"told_ahead", "known_before_event", "hour_jump", "completeness"}
