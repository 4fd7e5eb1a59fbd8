import json
from functools import partial

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from shared.metrics.calibration import brier_skill, reliability
from shared.metrics.intervals import bootstrap, wilson
from shared.metrics.ranking import Ranked, auc_pr, auc_roc, deciles, lift_at
from shared.metrics.summary import headline, week_of
from tests.conftest import SHARED_DATA

KNOWN = SHARED_DATA / "known_answers" / "known_answers.json"


def _scores(seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    scores = random.normal(size=500)
    outcome = (random.uniform(size=500) < 1 / (1 + np.exp(2 - scores))).astype(float)
    return (np.round(scores, 0) if ties else scores), outcome


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_auc_and_average_precision_are_scikit_learn_s(seed: int, ties: bool) -> None:
    scores, outcome = _scores(seed, ties)
    ranked = Ranked.of(scores, outcome)
    assert auc_roc(ranked) == pytest.approx(roc_auc_score(outcome, scores))
    assert auc_pr(ranked) == pytest.approx(average_precision_score(outcome, scores))
    weight = np.random.default_rng(seed).integers(0, 4, 500).astype(float)
    assert auc_roc(ranked, weight) == pytest.approx(roc_auc_score(outcome, scores, sample_weight=weight))
    assert auc_pr(ranked, weight) == pytest.approx(average_precision_score(outcome, scores, sample_weight=weight))


def test_weighting_rows_is_repeating_them() -> None:
    scores, outcome = _scores(9, ties=True)
    weight = np.random.default_rng(9).integers(0, 4, 500)
    repeated = Ranked.of(np.repeat(scores, weight), np.repeat(outcome, weight))
    assert lift_at(Ranked.of(scores, outcome), 0.1, weight.astype(float)) == pytest.approx(lift_at(repeated, 0.1))


def test_lift_shares_a_tie_instead_of_trusting_the_order_of_rows() -> None:
    outcome = np.array([1.0] * 10 + [0.0] * 90)
    assert lift_at(Ranked.of(np.zeros(100), outcome), 0.1) == pytest.approx(1.0)
    assert lift_at(Ranked.of(outcome, outcome), 0.1) == pytest.approx(10.0)


def test_one_class_only_gives_no_number() -> None:
    ranked = Ranked.of(np.arange(10.0), np.zeros(10))
    assert np.isnan([auc_roc(ranked), auc_pr(ranked), lift_at(ranked, 0.1), brier_skill(np.zeros(10), np.zeros(10))]).all()


def test_deciles_hold_everybody_once_best_first() -> None:
    scores, outcome = _scores(4, ties=False)
    table = deciles(scores, outcome, scores)
    assert sum(d.n for d in table) == 500
    assert sum(d.positives for d in table) == outcome.sum()
    assert table[0].mean_predicted > table[-1].mean_predicted


def test_brier_skill_is_nothing_for_a_constant_and_one_for_the_truth() -> None:
    _, outcome = _scores(1, ties=False)
    constant = np.full(500, outcome.mean())
    assert brier_skill(constant, outcome) == pytest.approx(0)
    assert brier_skill(outcome, outcome) == 1
    guess = np.clip(constant + 0.1, 0, 1)
    expected = 1 - brier_score_loss(outcome, guess) / brier_score_loss(outcome, constant)
    assert brier_skill(guess, outcome) == pytest.approx(expected)


def test_reliability_bins_add_up() -> None:
    scores, outcome = _scores(2, ties=False)
    bins = reliability(1 / (1 + np.exp(-scores)), outcome)
    assert (sum(b.n for b in bins), sum(b.positives for b in bins)) == (500, outcome.sum())


def test_wilson_stays_a_rate_where_others_leave_it() -> None:
    nothing, everything = wilson(0, 12), wilson(12, 12)
    assert nothing.low == 0
    assert nothing.high == pytest.approx(0.2425, abs=1e-4)
    assert everything.high == pytest.approx(1)
    assert wilson(0, 0).high == 1


@pytest.mark.skipif(not KNOWN.exists(), reason=f"the published answers are not at {KNOWN}")
def test_wilson_gives_the_published_numbers() -> None:
    for answer in json.loads(KNOWN.read_text())["wilson"]:
        rate = wilson(answer["x"], answer["n"])
        assert (rate.low, rate.high) == pytest.approx(answer["ci"], abs=1e-9)


def _mean(values: np.ndarray, weight: np.ndarray | None) -> float:
    return float(np.average(values, weights=weight))


def test_the_bootstrap_draws_whole_periods() -> None:
    """Where all rows of a period are alike, a period is one observation, however many rows it has."""
    luck = np.random.default_rng(3).integers(0, 2, 20).astype(float)
    outcome, period = np.repeat(luck, 50), np.repeat(np.arange(20), 50)
    rate = partial(_mean, outcome)
    by_period, by_row = bootstrap(rate, outcome, period), bootstrap(rate, outcome, np.arange(1000))
    assert by_period.high - by_period.low > 5 * (by_row.high - by_row.low)
    assert (by_period.n, by_period.positives) == (1000, outcome.sum())


def test_too_few_periods_to_draw_from_does_not_make_a_figure_certain() -> None:
    scores, outcome = _scores(3, ties=False)
    ranked = Ranked.of(scores, outcome)
    one = bootstrap(lambda weight: auc_roc(ranked, weight), outcome, np.zeros(500))
    assert one.low < one.value - 0.02 < one.value + 0.02 < one.high


def test_few_periods_widen_the_interval_so_that_it_still_covers() -> None:
    """Nine of ten intervals from eight periods hold the truth; unwidened percentiles would miss one in seven."""
    random = np.random.default_rng(5)
    covered = 0
    for seed in range(300):
        values = np.repeat(random.normal(size=8), 10)
        draw = bootstrap(partial(_mean, values), values, np.repeat(np.arange(8), 10), seed=seed)
        covered += draw.low <= 0 <= draw.high
    assert covered / 300 > 0.91


def test_the_headline_has_an_interval_for_each_figure() -> None:
    scores, outcome = _scores(6, ties=False)
    moments = np.datetime64("2025-01-01") + np.arange(500) // 5
    figures = headline(scores, 1 / (1 + np.exp(2 - scores)), outcome, week_of(moments))
    assert list(figures) == ["auc_roc", "auc_pr", "lift_at_10", "brier_skill"]
    assert all(f.low <= f.value <= f.high and f.n == 500 for f in figures.values())
