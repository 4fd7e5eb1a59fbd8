from functools import partial

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from shared.errors import DataError
from shared.metrics.compare import benjamini_hochberg, delong, paired, paired_auc
from shared.metrics.intervals import Resamples
from shared.metrics.ranking import Ranked, auc_roc


def _pair(seed: int, n: int = 1500, gain: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    outcome = (random.uniform(size=n) < 0.15).astype(float)
    shared = 0.5 * outcome + random.normal(size=n)
    first, second = (shared + extra * outcome + 0.7 * random.normal(size=n) for extra in (gain, 0.0))
    return first, second, outcome, np.repeat(np.arange(20), n // 20)


@pytest.mark.parametrize("ties", [False, True])
def test_the_quick_paired_difference_is_the_plain_one(ties: bool) -> None:
    first, second, outcome, period = _pair(1, 600)
    if ties:
        first, second = np.round(first), np.round(second)
    draws = Resamples.of(period, 100, 3)
    a, b = Ranked.of(first, outcome), Ranked.of(second, outcome)
    plain = paired(lambda w: auc_roc(a, w), lambda w: auc_roc(b, w), outcome, draws)
    quick = paired_auc(first, second, outcome, draws)
    assert quick.estimate.value == pytest.approx(plain.estimate.value)
    assert (quick.estimate.low, quick.estimate.high, quick.p_value) == pytest.approx(
        (plain.estimate.low, plain.estimate.high, plain.p_value)
    )


def test_many_clusters_are_compared_too() -> None:
    first, second, outcome, _ = _pair(2, 400)
    found = paired_auc(first, second, outcome, Resamples.of(np.arange(400), 50, 0))
    assert found.estimate.value == pytest.approx(delong(first, second, outcome).estimate.value)


@pytest.mark.parametrize("seed", range(3))
def test_delong_and_the_bootstrap_agree_where_rows_are_independent(seed: int) -> None:
    first, second, outcome, period = _pair(seed, 3000, gain=0.1)
    closed, drawn = delong(first, second, outcome), paired_auc(first, second, outcome, Resamples.of(period, 2000, 0))
    value = auc_roc(Ranked.of(first, outcome)) - auc_roc(Ranked.of(second, outcome))
    assert closed.estimate.value == pytest.approx(value)
    assert drawn.estimate.value == pytest.approx(value)
    assert drawn.standard_error == pytest.approx(closed.standard_error, rel=0.5)


def test_delong_s_error_is_what_repeating_the_sample_shows() -> None:
    found = [delong(*_pair(seed, 1000)[:3]) for seed in range(400)]
    spread = np.std([each.estimate.value for each in found])
    assert np.mean([each.standard_error for each in found]) == pytest.approx(spread, rel=0.1)
    assert np.mean([each.p_value < 0.05 for each in found]) == pytest.approx(0.05, abs=0.03)


def test_pairing_narrows_what_two_separate_intervals_would_say() -> None:
    first, second, outcome, period = _pair(4, 3000)
    draws = Resamples.of(period, 500, 0)
    a, b = (draws.estimate(partial(auc_roc, Ranked.of(scores, outcome)), outcome) for scores in (first, second))
    together = paired_auc(first, second, outcome, draws).estimate
    assert together.high - together.low < 0.8 * np.hypot(a.high - a.low, b.high - b.low)


def test_a_score_is_no_better_than_itself() -> None:
    first, _, outcome, period = _pair(5)
    same = paired_auc(first, first, outcome, Resamples.of(period, 200, 0))
    assert (same.estimate.value, same.estimate.low, same.estimate.high, same.p_value) == (0, 0, 0, 1)
    assert delong(first, first, outcome).p_value == 1


def test_one_class_cannot_be_compared() -> None:
    first, second, outcome, period = _pair(6)
    with pytest.raises(DataError, match="both outcomes"):
        delong(first, second, np.zeros(len(outcome)))
    with pytest.raises(DataError, match="both outcomes"):
        paired_auc(first, second, np.ones(len(outcome)), Resamples.of(period, 10, 0))


def test_false_discoveries_are_adjusted_as_statsmodels_does() -> None:
    p_values = np.random.default_rng(0).uniform(size=40) ** 2
    assert benjamini_hochberg(p_values) == pytest.approx(multipletests(p_values, method="fdr_bh")[1])
