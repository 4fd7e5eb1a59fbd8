from datetime import date
from pathlib import Path

from sandbox.world import World
from shared.config import ROOT
from tests.conftest import Trained
from training_job.audit.run import audit
from training_job.dataset import load_dataset
from training_job.quality import Gate, evaluate, quality
from training_job.statistics import fit_statistics


def gates(world: World) -> dict[str, Gate]:
    with world.reading() as warehouse:
        contract = fit_statistics(warehouse, world.contract, world.known_by)
        report = audit(warehouse, contract, world.known_by, date(2026, 1, 1), lambda _: None)
        dataset = load_dataset(warehouse, contract, world.known_by)
        found = evaluate(dataset, report, warehouse, contract, world.known_by, quality(ROOT / "policies"))
    return {gate.name: gate for gate in found}


def test_each_gate_has_a_value_a_bound_and_a_source(trained: Trained, tmp_path: Path) -> None:
    found = gates(trained.copy(tmp_path / "world"))
    assert found["match"].passed
    assert 0.94 < found["match"].value < 0.97
    assert found["leaks"].passed
    assert found["outcome before contact"].passed
    assert found["known before event"].value == 0
    assert not found["rows"].passed  # a small market
    assert not found["drift"].passed
    assert found["drift"].about == "most: aum_growth_since_jan2024_pct"
    assert all(gate.source and gate.bound for gate in found.values())


def test_rows_known_before_they_happened_are_counted_by_source(trained: Trained, tmp_path: Path) -> None:
    world = trained.copy(tmp_path / "world")
    with world.reading() as warehouse:
        warehouse._connection.execute("UPDATE vendor.firm_months SET known_at = known_at - INTERVAL 5 YEAR")
    found = gates(world)["known before event"]
    assert not found.passed
    assert found.about.startswith("source firm_")
