"""The figures every judgement of a model starts with."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from shared.metrics.calibration import Bins, brier, brier_skill, calibration_line, ece, log_loss
from shared.metrics.compare import require_both_classes
from shared.metrics.intervals import Estimate, Resamples, Statistic, bootstrap
from shared.metrics.ranking import Ranked, auc_pr, auc_roc, bottom_rate, ks, lift_at, precision_at, recall_at

Floats = NDArray[np.float64]

FEW_WEEKS = 12
CUTS = {"5": 0.05, "10": 0.1, "20": 0.2}


def headline(margin: Floats, probability: Floats, outcome: Floats, period: NDArray[np.generic]) -> dict[str, Estimate]:
    """AUC-ROC, AUC-PR and lift@10 of the margin, Brier skill of the probability, each with its interval by period."""
    ranked = Ranked.of(margin, outcome)
    statistics: dict[str, Statistic] = {
        "auc_roc": partial(auc_roc, ranked),
        "auc_pr": partial(auc_pr, ranked),
        "lift_at_10": partial(lift_at, ranked, 0.1),
        "brier_skill": partial(brier_skill, probability, outcome),
    }
    return {name: bootstrap(statistic, outcome, period) for name, statistic in statistics.items()}


def figures(
    margin: Floats, probability: Floats, outcome: Floats, period: NDArray[np.generic], *, alpha: float = 0.05, resamples: int = 500
) -> dict[str, Estimate]:
    """Every figure of a judgement, each with its interval at 1 - alpha by period: ranks by the margin, truth by the probability.

    `tie_share` is a property of the sample and has no interval of its own. `gap` is mean predicted minus the positive rate.
    Raises DataError with one class only.
    """
    require_both_classes(outcome)
    draws, ranked = Resamples.of(period, resamples, 0, alpha), Ranked.of(margin, outcome)
    found = {name: draws.estimate(statistic, outcome) for name, statistic in _statistics(ranked, probability, outcome).items()}
    if np.ptp(probability) > 0:
        line = calibration_line(probability, outcome, period, alpha)
        found |= {"calibration_slope": line.slope, "calibration_intercept": line.intercept}
    share = ranked.tie_share
    return {**found, "tie_share": Estimate(share, share, share, len(outcome), int(outcome.sum()))}


def _statistics(ranked: Ranked, probability: Floats, outcome: Floats) -> dict[str, Statistic]:
    at_cuts: dict[str, Statistic] = {}
    for name, share in CUTS.items():
        at_cuts |= {f"{figure.__name__}_{name}": partial(figure, ranked, share) for figure in (lift_at, precision_at, recall_at)}
    return {
        "auc_roc": partial(auc_roc, ranked),
        "auc_pr": partial(auc_pr, ranked),
        "ks": partial(ks, ranked),
        **at_cuts,
        "bottom_20_rate": partial(bottom_rate, ranked, 0.2),
        "brier": partial(brier, probability, outcome),
        "brier_skill": partial(brier_skill, probability, outcome),
        "log_loss": partial(log_loss, probability, outcome),
        "ece": partial(ece, probability, outcome, Bins.equal_mass(probability)),
        "ece_equal_width": partial(ece, probability, outcome, Bins.equal_width(probability)),
        "gap": partial(_gap, probability, outcome),
    }


def gains(
    margin: Floats, outcome: Floats, period: NDArray[np.generic], *, alpha: float = 0.05, resamples: int = 500
) -> dict[int, Estimate]:
    """The share of positives found in the best 10, 20 ... 100 % of rows, each with its interval by period."""
    require_both_classes(outcome)
    draws, ranked = Resamples.of(period, resamples, 0, alpha), Ranked.of(margin, outcome)
    return {percent: draws.estimate(partial(recall_at, ranked, percent / 100), outcome) for percent in range(10, 101, 10)}


def _gap(probability: Floats, outcome: Floats, weight: Floats | None = None) -> float:
    return float(np.average(probability - outcome, weights=weight))


def week_of(moments: NDArray[np.datetime64]) -> NDArray[np.generic]:
    """The week of each instant, as the period its lead shares its luck with."""
    return moments.astype("datetime64[W]")


def period_of(moments: NDArray[np.datetime64]) -> NDArray[np.generic]:
    """The week of each instant, or its day where the weeks are too few to draw from."""
    weeks = week_of(moments)
    return weeks if len(np.unique(weeks)) >= FEW_WEEKS else moments.astype("datetime64[D]")
