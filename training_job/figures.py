"""The figures every judgement of a model starts with, each with its interval by period, n and positives."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shared.metrics.calibration import brier_skill
from shared.metrics.intervals import Estimate, bootstrap
from shared.metrics.ranking import Ranked, auc_pr, auc_roc, lift_at

Floats = NDArray[np.float64]
Moments = NDArray[np.datetime64]

FEW_WEEKS = 12
ECE_BINS = 10


def figures(margin: Floats, probability: Floats, outcome: Floats, contacted_at: Moments, alpha: float = 0.05) -> dict[str, Estimate]:
    """Ranking by the margin, truth of the probability; intervals at 1 - alpha over weeks, or days where the weeks are few."""
    ranked = Ranked.of(margin, outcome)
    error, bins = (probability - outcome) ** 2, _equal_mass(probability)
    statistics: dict[str, Callable[[Floats | None], float]] = {
        "auc_roc": lambda w: auc_roc(ranked, w),
        "auc_pr": lambda w: auc_pr(ranked, w),
        "lift_at_10": lambda w: lift_at(ranked, 0.1, w),
        "precision_at_10": lambda w: lift_at(ranked, 0.1, w) * float(np.average(outcome, weights=w)),
        "brier": lambda w: float(np.average(error, weights=w)),
        "brier_skill": lambda w: brier_skill(probability, outcome, w),
        "ece": lambda w: expected_calibration_error(probability, outcome, bins, w),
    }
    period = period_of(contacted_at)
    return {name: bootstrap(statistic, outcome, period, alpha=alpha) for name, statistic in statistics.items()}


def period_of(contacted_at: Moments) -> NDArray[np.generic]:
    """The week of each contact; its day where there are too few weeks to draw from."""
    weeks = contacted_at.astype("datetime64[W]")
    return weeks if len(np.unique(weeks)) >= FEW_WEEKS else contacted_at.astype("datetime64[D]")


def expected_calibration_error(probability: Floats, outcome: Floats, bins: NDArray[np.intp], weight: Floats | None = None) -> float:
    """Mean over bins, by their mass, of |mean predicted - rate| (Naeini et al. 2015)."""
    mass = np.ones(len(outcome)) if weight is None else weight
    return float(np.abs(np.bincount(bins, mass * (probability - outcome))).sum() / mass.sum())


def _equal_mass(probability: Floats) -> NDArray[np.intp]:
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, ECE_BINS + 1)[1:-1]))
    return np.searchsorted(edges, probability, "right")
