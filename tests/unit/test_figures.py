"""Figures of a judgement, held against scikit-learn, statsmodels and scipy, and for the properties they must have."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss as sklearn_log_loss

from shared.errors import DataError
from shared.metrics.calibration import Bins, brier_skill, calibration_line, ece, log_loss
from shared.metrics.intervals import jeffreys, wilson
from shared.metrics.ranking import Ranked, auc_pr, auc_roc, bottom_rate, ks, lift_at, precision_at, ranks_within, recall_at
from shared.metrics.summary import figures, gains, period_of

SHARES = (0.05, 0.1, 0.33)


def _judged(seed: int, n: int = 800) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    margin = random.normal(-2, 1, n)
    probability = 1 / (1 + np.exp(-margin))
    return margin, probability, (random.uniform(size=n) < probability).astype(float), np.sort(random.integers(0, 12, n))


@pytest.mark.parametrize("seed", range(5))
def test_figures_of_two_classes_are_those_of_scikit_learn_and_scipy(seed: int) -> None:
    margin, probability, outcome, _ = _judged(seed)
    weight = np.random.default_rng(seed).integers(0, 3, len(outcome)).astype(float)
    assert ks(Ranked.of(margin, outcome)) == pytest.approx(ks_2samp(margin[outcome == 1], margin[outcome == 0]).statistic)
    assert log_loss(probability, outcome, weight) == pytest.approx(sklearn_log_loss(outcome, probability, sample_weight=weight))


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_is_the_weighted_gap_of_scikit_learn_s_curve(seed: int) -> None:
    _, probability, outcome, _ = _judged(seed)
    bins = Bins.equal_width(probability)
    true, predicted = calibration_curve(outcome, probability, n_bins=10, strategy="uniform")
    rows = np.bincount(bins.member, minlength=10)
    assert ece(probability, outcome, bins) == pytest.approx((rows[rows > 0] * np.abs(true - predicted)).sum() / len(outcome))


@pytest.mark.parametrize("seed", range(4))
def test_the_calibration_line_is_statsmodels_logit_with_clustered_errors(seed: int) -> None:
    margin, probability, outcome, period = _judged(seed)
    line = calibration_line(probability, outcome, period)
    fit = sm.Logit(outcome, sm.add_constant(margin)).fit(disp=0, cov_type="cluster", cov_kwds={"groups": period}, use_t=True)
    assert (line.intercept.value, line.slope.value) == pytest.approx(fit.params, abs=1e-6)
    assert [line.intercept.low, line.intercept.high, line.slope.low, line.slope.high] == pytest.approx(fit.conf_int().ravel(), abs=1e-5)


def test_probabilities_that_are_too_extreme_have_a_slope_under_one() -> None:
    margin, _, outcome, period = _judged(1, 5000)
    extreme = calibration_line(1 / (1 + np.exp(-3 * margin)), outcome, period)
    assert extreme.slope.value == pytest.approx(1 / 3, abs=0.05)


@pytest.mark.parametrize("positives", [0, 1, 7, 12])
def test_jeffreys_is_statsmodels_interval_closed_at_the_ends(positives: int) -> None:
    from statsmodels.stats.proportion import proportion_confint  # noqa: PLC0415

    rate, low_high = jeffreys(positives, 12), proportion_confint(positives, 12, method="jeffreys")
    assert rate.low == (pytest.approx(low_high[0]) if positives else 0)
    assert rate.high == (pytest.approx(low_high[1]) if positives < 12 else 1)
    assert rate.n == 12
    assert np.isnan(jeffreys(0, 0).value)
    assert jeffreys(30, 1000).low == pytest.approx(wilson(30, 1000).low, abs=0.002)


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_ranking_figures_do_not_see_a_rising_transform(seed: int, ties: bool) -> None:
    margin, _, outcome, _ = _judged(seed, 200)
    scores = np.round(margin) if ties else margin
    before, after = Ranked.of(scores, outcome), Ranked.of(np.exp(scores / 3) - 7, outcome)
    for figure in (auc_roc, auc_pr, ks):
        assert figure(before) == pytest.approx(figure(after), nan_ok=True)
    assert before.tie_share == after.tie_share


@given(st.integers(0, 2**32 - 1), st.sampled_from(SHARES))
def test_ties_are_shared_whatever_the_order_of_rows(seed: int, share: float) -> None:
    margin, _, outcome, _ = _judged(seed, 200)
    scores, shuffle = np.round(margin), np.random.default_rng(seed).permutation(200)
    before, after = Ranked.of(scores, outcome), Ranked.of(scores[shuffle], outcome[shuffle])
    for figure in (recall_at, precision_at, lift_at, bottom_rate):
        assert figure(before, share) == pytest.approx(figure(after, share), nan_ok=True)


@pytest.mark.parametrize("share", SHARES)
def test_figures_at_a_cut_say_one_thing_in_three_ways(share: float) -> None:
    margin, _, outcome, _ = _judged(3, 1000)
    ranked, cut = Ranked.of(margin, outcome), round(1000 * share)
    best = outcome[np.argsort(-margin)[:cut]]
    assert precision_at(ranked, share) == pytest.approx(best.mean())
    assert recall_at(ranked, share) == pytest.approx(best.sum() / outcome.sum())
    assert lift_at(ranked, share) == pytest.approx(best.mean() / outcome.mean())
    worst = outcome[np.argsort(margin)[:cut]]
    assert bottom_rate(ranked, share) == pytest.approx(worst.mean())


def test_the_tie_share_counts_rows_that_a_cut_could_split() -> None:
    outcome = np.array([1.0, 0, 0, 0])
    assert Ranked.of(np.array([1.0, 2, 3, 4]), outcome).tie_share == 0
    assert Ranked.of(np.array([1.0, 1, 3, 4]), outcome).tie_share == 0.5


def test_ranks_within_a_period_do_not_see_its_level() -> None:
    margin, _, _, period = _judged(4)
    ranks = ranks_within(margin, period)
    assert ranks == pytest.approx(ranks_within(margin + 5 * period, period))
    assert 0 < ranks.min() <= ranks.max() < 1
    assert ranks_within(np.zeros(4), np.zeros(4)) == pytest.approx(0.5)


def test_every_figure_has_its_interval_its_rows_and_its_positives() -> None:
    margin, probability, outcome, period = _judged(6, 2000)
    found = figures(margin, probability, outcome, period, resamples=200)
    assert {"auc_roc", "auc_pr", "lift_at_10", "precision_at_10", "brier", "brier_skill", "ece", "calibration_slope"} <= found.keys()
    assert all(f.low <= f.value <= f.high for f in found.values())
    assert {(f.n, f.positives) for f in found.values()} == {(2000, int(outcome.sum()))}
    assert found["brier_skill"].value == pytest.approx(brier_skill(probability, outcome))
    assert found["tie_share"].value == 0


def test_a_constant_score_has_figures_but_no_line() -> None:
    _, _, outcome, period = _judged(7)
    found = figures(np.zeros(800), np.full(800, 0.1), outcome, period, resamples=50)
    assert "calibration_slope" not in found
    assert found["tie_share"].value == 1
    assert found["auc_roc"].value == 0.5
    with pytest.raises(DataError, match="more than one prediction"):
        calibration_line(np.full(800, 0.1), outcome, period)


@pytest.mark.parametrize("everyone", [0.0, 1.0])
def test_one_class_only_is_an_error_that_says_so(everyone: float) -> None:
    margin, probability, _, period = _judged(8)
    with pytest.raises(DataError, match="of the 800 leads judged are positive"):
        figures(margin, probability, np.full(800, everyone), period)


def test_gains_rise_to_everything() -> None:
    margin, _, outcome, period = _judged(9)
    curve = gains(margin, outcome, period, resamples=50)
    values = [point.value for point in curve.values()]
    assert list(curve) == list(range(10, 101, 10))
    assert values == sorted(values)
    assert values[-1] == pytest.approx(1)


def test_a_smaller_alpha_widens_every_interval() -> None:
    margin, probability, outcome, period = _judged(10)
    usual = figures(margin, probability, outcome, period, resamples=300)
    dearer = figures(margin, probability, outcome, period, resamples=300, alpha=0.01)
    for name in ("auc_roc", "lift_at_10", "brier_skill", "calibration_slope"):
        assert dearer[name].low < usual[name].low < usual[name].high < dearer[name].high


def test_periods_are_weeks_unless_they_are_few() -> None:
    year = np.datetime64("2025-01-01") + np.arange(365)
    assert len(np.unique(period_of(year))) == 53
    assert len(np.unique(period_of(year[:30]))) == 30
