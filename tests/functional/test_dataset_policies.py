"""Four ways to build training rows, judged as each judges itself and as production would."""

from pathlib import Path

import pytest

from sandbox.pathologies import make_pathological_world
from sandbox.world import World, make_market_world
from shared.config import ROOT
from shared.errors import DataError
from tests.conftest import CONTRACTS
from training_job.dataset_policies import Comparison, Verdict, compare_policies
from training_job.policy import training


def compared(world: World) -> dict[str, Verdict]:
    return {verdict.policy: verdict for verdict in _compare(world).verdicts}


def _compare(world: World) -> Comparison:
    with world.reading() as warehouse:
        return compare_policies(warehouse, world.contract, world.known_by, training(ROOT / "policies"), lambda _: None)


def test_where_fields_are_filled_in_later_todays_values_promise_too_much(tmp_path: Path) -> None:
    found = compared(make_pathological_world(tmp_path / "w", CONTRACTS / "advisor.yaml", 7, 24_000, []))
    for name in ("current", "financials_current"):
        assert found[name].lie["auc_pr"].low > 0.05
        assert found[name].lie["lift_at_10"].low > 0
        assert "promises too much" in found[name].words
    assert found["as_of"].lie["auc_pr"].value == 0


def test_on_the_clean_market_no_policy_lies_much(tmp_path: Path) -> None:
    comparison = _compare(make_market_world(tmp_path / "w", CONTRACTS / "advisor.yaml", 7, 24_000))
    assert all(abs(verdict.lie["auc_pr"].value) < 0.02 for verdict in comparison.verdicts)
    assert comparison.changed["current_firm_tenure_months"] > 0.5


def test_too_few_positives_are_named(tmp_path: Path) -> None:
    world = make_market_world(tmp_path / "w", CONTRACTS / "advisor.yaml", 1, 1200)
    with pytest.raises(DataError, match=r"\d+ positives"):
        _compare(world)
