"""Four ways to build training rows, judged as each judges itself and as production would."""

from pathlib import Path

import pytest

from sandbox.pathologies import make_pathological_world
from sandbox.world import World, make_market_world
from shared.asof.labels import labels
from shared.config import ROOT
from shared.errors import DataError
from tests.conftest import CONTRACTS
from training_job.dataset_policies import Comparison, Verdict, compare_policies
from training_job.policy import training

LEADS = 24_000


def compared(world: World) -> Comparison:
    with world.reading() as warehouse:
        return compare_policies(warehouse, world.contract, world.known_by, training(ROOT / "policies"), lambda _: None)


@pytest.fixture(scope="module")
def back_filled_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_pathological_world(tmp_path_factory.mktemp("b") / "w", CONTRACTS / "advisor.yaml", 7, LEADS, [])


@pytest.fixture(scope="module")
def back_filled(back_filled_world: World) -> Comparison:
    return compared(back_filled_world)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return compared(make_pathological_world(tmp_path_factory.mktemp("q") / "w", CONTRACTS / "advisor.yaml", 7, LEADS, [], quiet=True))


def by_name(comparison: Comparison) -> dict[str, Verdict]:
    return {verdict.policy: verdict for verdict in comparison.verdicts}


@pytest.mark.parametrize("name", ["current", "financials_current"])
def test_where_fields_are_filled_in_later_todays_values_promise_too_much(back_filled: Comparison, name: str) -> None:
    verdict = by_name(back_filled)[name]
    assert verdict.lie["auc_pr"].low > 0.05
    assert verdict.lie["lift_at_10"].low > 0
    assert "promises too much" in verdict.words


@pytest.mark.parametrize("name", ["as_of", "current", "hybrid", "financials_current"])
def test_on_the_quiet_twin_no_policy_promises_too_much(quiet: Comparison, name: str) -> None:
    lie = by_name(quiet)[name].lie["auc_pr"]
    assert lie.low <= 0
    assert abs(lie.value) < 0.02


def test_the_twins_have_the_same_leads_and_outcomes(back_filled: Comparison, quiet: Comparison) -> None:
    for part in ("split", "trained_on", "judged_on", "positives"):
        assert getattr(back_filled, part) == getattr(quiet, part)


def test_as_of_asks_the_same_question_twice(back_filled: Comparison) -> None:
    as_of = by_name(back_filled)["as_of"]
    assert as_of.lie["auc_pr"].value == as_of.against_as_of["lift_at_10"].value == 0


def test_the_feature_that_learnt_of_the_outcome_leads_the_list(back_filled: Comparison, quiet: Comparison) -> None:
    first = back_filled.drift[0]
    assert first.feature == "personal_aum_m"
    assert first.filled.value == first.changed.value > 0.01
    assert first.learnt > 0.2
    assert max(each.learnt for each in quiet.drift) < 0.1
    assert next(each for each in quiet.drift if each.feature == "current_firm_tenure_months").changed.value > 0.95


def test_a_lead_that_production_would_refuse_judges_nobody(back_filled: Comparison, back_filled_world: World) -> None:
    """One CRD in twenty is unknown to the vendor: such leads are never scored."""
    with back_filled_world.reading() as warehouse:
        rows = list(warehouse.query(labels(back_filled_world.contract), known_by=back_filled_world.known_by))
    later = [row for row in rows if row["status"] in {"positive", "negative"} and row["contacted_at"] >= back_filled.split]  # type: ignore[operator]
    known = [row for row in later if int(str(row["crd"])) < 9_000_000]
    assert back_filled.judged_on == len(known) < len(later)


def test_too_few_positives_are_named(tmp_path: Path) -> None:
    world = make_market_world(tmp_path / "w", CONTRACTS / "advisor.yaml", 1, 1200)
    with pytest.raises(DataError, match=r"\d+ positives"):
        compared(world)
