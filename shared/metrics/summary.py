"""The four figures every judgement of a model starts with."""

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from shared.metrics.calibration import brier, brier_skill, ece
from shared.metrics.intervals import Estimate, bootstrap
from shared.metrics.ranking import Ranked, auc_pr, auc_roc, lift_at, precision_at

Floats = NDArray[np.float64]


HEADLINE = ("auc_roc", "auc_pr", "lift_at_10", "brier_skill")


def headline(margin: Floats, probability: Floats, outcome: Floats, period: NDArray[np.generic]) -> dict[str, Estimate]:
    """AUC-ROC, AUC-PR and lift@10 of the margin, Brier skill of the probability, each with its interval by period."""
    return judged(margin, probability, outcome, period, HEADLINE)


def judged(
    margin: Floats,
    probability: Floats,
    outcome: Floats,
    period: NDArray[np.generic],
    names: Collection[str] = (),
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Each measure of `names` (all of them) with its interval of `level`, whole periods resampled."""
    ranked = Ranked.of(margin, outcome)
    statistics: dict[str, Callable[[Floats | None], float]] = {
        "auc_roc": lambda weight: auc_roc(ranked, weight),
        "auc_pr": lambda weight: auc_pr(ranked, weight),
        "lift_at_10": lambda weight: lift_at(ranked, 0.1, weight),
        "precision_at_10": lambda weight: precision_at(ranked, 0.1, weight),
        "brier": lambda weight: brier(probability, outcome, weight),
        "ece": lambda weight: ece(probability, outcome, weight),
        "brier_skill": lambda weight: brier_skill(probability, outcome, weight),
    }
    wanted = names or statistics
    return {name: bootstrap(statistics[name], outcome, period, level=level) for name in wanted}


def week_of(moments: NDArray[np.datetime64]) -> NDArray[np.generic]:
    """The week of each instant, as the period its lead shares its luck with."""
    return moments.astype("datetime64[W]")
