import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.config import ROOT
from shared.errors import DataError, Refused
from shared.metrics.drift import psi
from shared.metrics.intervals import Estimate
from tests.bench.market import Pair, evidence
from training_job.gate.evidence import Evidence, Parity, Sealed
from training_job.gate.figures import known_figures
from training_job.gate.policy import Bound, GatePolicy, gates
from training_job.gate.verdict import Verdict, about, decide, judge, needed_leads

BETTER = Pair(8000, 0.70)
POLICY = gates(ROOT / "policies")


@pytest.fixture(scope="module")
def better() -> Evidence:
    return evidence(BETTER, 1)


def _judged(found: Evidence) -> Verdict:
    return judge(found, POLICY)


def _outcomes(verdict: Verdict) -> dict[str, str]:
    return {check.name: check.outcome for check in verdict.checks}


def test_a_truly_better_model_ships_with_every_check_on_record(better: Evidence) -> None:
    verdict = _judged(better)
    assert (verdict.verdict, verdict.needed_leads) == ("ship", 0)
    assert verdict.words.startswith("ship: ")
    assert {"leak audit", "better than the champion", "better than the rules"} <= _outcomes(verdict).keys()
    assert all(check.source and check.threshold for check in verdict.checks)


def test_equal_models_wait_and_say_for_how_many_leads() -> None:
    verdict = _judged(evidence(Pair(3393, 0.62), 1))
    assert verdict.verdict == "hold"
    assert verdict.words.startswith(f"hold: needs about {about(verdict.needed_leads)} more leads to decide")
    assert _outcomes(verdict)["better than the champion"] == "undecided"


def test_a_model_that_is_clearly_worse_is_rejected() -> None:
    verdict = _judged(evidence(Pair(8000, 0.55, champion=0.68), 2))
    assert verdict.verdict == "reject"
    assert "better than the champion" in verdict.words


@pytest.mark.parametrize(
    ("change", "ruling", "said"),
    [
        ({"leaks": ("days_in_gap",)}, "reject", "leak audit"),
        ({"leaks": None}, "hold", "there is no such evidence"),
        ({"parity": Parity(500, 3)}, "reject", "parity"),
        ({"parity": None}, "ship", "ship"),
        ({"train": {}}, "hold", "train-test gap"),
        ({"train": {"auc_roc": Estimate(0.95, 0.94, 0.96, 20_000, 800)}}, "hold", "train-test gap"),
        ({"drift": {"age": psi(np.zeros(5000), np.ones(5000))}}, "hold", "drift: age"),
        ({"extra": {"folds.ks": Estimate(0.3, 0.25, 0.35, 5000, 200)}}, "hold", "distance between folds"),
    ],
)
def test_each_piece_of_evidence_can_stop_a_better_model(better: Evidence, change: dict[str, object], ruling: str, said: str) -> None:
    verdict = _judged(replace(better, **change))  # type: ignore[arg-type]
    assert verdict.verdict == ruling
    assert said in verdict.words


def test_without_a_champion_the_rules_are_the_bar(better: Evidence) -> None:
    first = replace(better, champion=None, sealed=replace(better.sealed, champion=None))
    verdict = _judged(first)
    assert verdict.verdict == "ship"
    assert _outcomes(verdict)["better than the champion"] == "absent"
    no_better = replace(first, sealed=replace(first.sealed, rules=first.sealed.margin))
    assert _judged(no_better).verdict == "reject"


def test_a_harmed_segment_rejects_a_model_that_is_better_overall(better: Evidence) -> None:
    sealed, random = better.sealed, np.random.default_rng(0)
    high = sealed.segment == "high"
    harmed = replace(sealed, margin=np.where(high, -sealed.margin, sealed.margin), rules=random.normal(size=len(sealed)))
    verdict = _judged(replace(better, sealed=harmed))
    assert _outcomes(verdict)["segment no worse than under the champion: high"] == "failed"
    assert verdict.verdict == "reject"


def test_a_model_that_says_too_little_is_held_in_words_even_if_it_ranks_well(better: Evidence) -> None:
    low = replace(better.sealed, probability=better.sealed.probability * 0.6)
    verdict = _judged(replace(better, sealed=low))
    assert _outcomes(verdict)["mean prediction"] == "failed"
    assert verdict.verdict == "hold"
    assert "interval holds 0: failed, too low" in verdict.words


def test_a_smaller_alpha_asks_for_more(better: Evidence) -> None:
    usual, dearer = (known_figures(replace(better, alpha=alpha))["champion.auc_roc_gain"]() for alpha in (0.05, 0.005))
    assert dearer.low < usual.low
    assert dearer.value == usual.value


BOUND = {"name": "b", "figure": "f", "source": "s", "failed": "reject", "undecided": "hold", "absent": "hold"}


@pytest.mark.parametrize(
    ("rule", "low", "high", "outcome"),
    [
        ({"at_least": 0.5}, 0.5, 0.7, "passed"),
        ({"at_least": 0.5}, 0.4, 0.7, "undecided"),
        ({"at_least": 0.5}, 0.3, 0.49, "failed"),
        ({"at_most": 0.5}, 0.3, 0.5, "passed"),
        ({"at_most": 0.5}, 0.3, 0.6, "undecided"),
        ({"at_most": 0.5}, 0.51, 0.6, "failed"),
        ({"covers": 0.0}, -0.1, 0.1, "passed"),
        ({"covers": 0.0}, 0.01, 0.1, "failed"),
        ({"at_least": 0.0, "worth": 0.005, "reject_below_worth": True}, 0.0, 0.01, "undecided"),
        ({"at_least": 0.0, "worth": 0.005, "reject_below_worth": True}, -0.01, 0.004, "failed"),
        ({"at_least": 0.5, "by": "point"}, 0.0, 1.0, "passed"),
        ({"at_least": 0.5}, float("nan"), float("nan"), "undecided"),
    ],
)
def test_an_interval_passes_fails_or_leaves_open(rule: dict[str, object], low: float, high: float, outcome: str) -> None:
    bound = Bound.model_validate({**BOUND, **rule})
    assert decide(bound, Estimate((low + high) / 2, low, high, 1000, 40)) == outcome


@pytest.mark.parametrize("value", [0.02, 0.001, -0.03])
def test_the_leads_asked_for_would_decide_a_difference_like_the_one_seen_or_worth_seeing(value: float) -> None:
    bound = Bound.model_validate({**BOUND, "at_least": 0.0, "worth": 0.005})
    half = 0.04
    more = needed_leads(bound, Estimate(value, value - half, value + half, 3000, 120))
    half_then = half * np.sqrt(3000 / (3000 + more))
    assert max(abs(value), 0.005) / (half_then / 1.96) == pytest.approx(1.96 + 0.8416, rel=0.01)


def test_two_digits_are_all_a_waiting_time_knows() -> None:
    assert [about(leads) for leads in (0, 7, 94, 9437, 123_456)] == ["0", "7", "94", "9,400", "120,000"]


def test_folds_that_differ_by_chance_alone_do_not_vary() -> None:
    def folds(values: list[float]) -> Evidence:
        found = tuple({name: Estimate(v, v - 0.04, v + 0.04, 1000, 40) for name in ("auc_roc", "auc_pr")} for v in values)
        return replace(evidence(Pair(1000, 0.7), 3), folds=found)

    assert known_figures(folds([0.6, 0.62, 0.61, 0.63, 0.6]))["folds.auc_roc_sd"]().value == 0
    apart = known_figures(folds([0.5, 0.7, 0.5, 0.7, 0.6]))
    assert apart["folds.auc_roc_sd"]().value == pytest.approx(0.1, abs=0.01)
    assert apart["folds.auc_pr_cov"]().value == pytest.approx(0.1 / 0.6, abs=0.02)


def test_verdict_and_evidence_are_json_and_the_hash_is_of_every_row(better: Evidence) -> None:
    verdict = _judged(better)
    said = json.loads(verdict.to_bytes())
    assert said["verdict"] == "ship"
    assert said["evidence_sha256"] == better.sha256 == verdict.evidence_sha256
    assert said["checks"][2]["value"].keys() == {"value", "low", "high", "n", "positives"}
    assert len(json.loads(better.to_bytes())["sealed"]["margin"]) == len(better.sealed)
    touched = better.sealed.margin.copy()
    touched[7] += 1e-9
    assert replace(better, sealed=replace(better.sealed, margin=touched)).sha256 != better.sha256
    assert evidence(BETTER, 1).sha256 == better.sha256


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"margin": np.zeros(3)}, "margin has 3 rows"),
        ({"rules": np.array([0.0, np.nan, 0, 1])}, "rules holds NaN"),
        ({"probability": np.array([0, 0.5, 1.2, 0])}, "outside"),
        ({"outcome": np.zeros(4)}, "0 of the 4 leads judged are positive"),
    ],
)
def test_rows_that_cannot_be_judged_are_named(change: dict[str, np.ndarray], said: str) -> None:
    rows = {"outcome": np.array([0.0, 1, 0, 1]), "period": np.arange(4), "margin": np.zeros(4), "probability": np.full(4, 0.5)}
    with pytest.raises(DataError, match=said):
        Sealed(**{**rows, **change})


def test_a_champion_without_scores_is_an_error(better: Evidence) -> None:
    with pytest.raises(DataError, match="names a champion without its scores"):
        replace(better, sealed=replace(better.sealed, champion=None))


def test_every_figure_the_shipped_policy_asks_for_is_one_the_evidence_can_give(better: Evidence) -> None:
    full = replace(better, extra={"folds.ks": Estimate(0.05, 0.04, 0.06, 5000, 200)}, train={**better.train})
    assert "absent" not in _outcomes(_judged(full)).values()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("worth: 0.1", "exactly one of at_least"),
        ("at_most: 0.2, at_least: 0.1", "exactly one of at_least"),
        ("at_least: 0.1, reject_below_worth: true", "needs at_least and a worth"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_where_it_stands(tmp_path: Path, edit: str, said: str) -> None:
    (tmp_path / "gates.yaml").write_text(
        f"checks:\n  - {{name: one, figure: sealed.auc_roc, source: s, failed: hold, undecided: hold, absent: hold, {edit}}}\n"
    )
    with pytest.raises(Refused, match=said):
        gates(tmp_path)


def test_two_checks_of_one_name_are_refused() -> None:
    bound = Bound.model_validate({**BOUND, "at_most": 1.0})
    with pytest.raises(ValueError, match="twice here: b"):
        GatePolicy(checks=(bound, bound))
