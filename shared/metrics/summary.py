"""The four figures every judgement of a model starts with."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shared.metrics.calibration import brier_skill
from shared.metrics.intervals import Estimate, bootstrap
from shared.metrics.ranking import Ranked, auc_pr, auc_roc, lift_at

Floats = NDArray[np.float64]


def headline(margin: Floats, probability: Floats, outcome: Floats, period: NDArray[np.generic]) -> dict[str, Estimate]:
    """AUC-ROC, AUC-PR and lift@10 of the margin, Brier skill of the probability, each with its interval by period."""
    ranked = Ranked.of(margin, outcome)
    statistics: dict[str, Callable[[Floats | None], float]] = {
        "auc_roc": lambda weight: auc_roc(ranked, weight),
        "auc_pr": lambda weight: auc_pr(ranked, weight),
        "lift_at_10": lambda weight: lift_at(ranked, 0.1, weight),
        "brier_skill": lambda weight: brier_skill(probability, outcome, weight),
    }
    return {name: bootstrap(statistic, outcome, period) for name, statistic in statistics.items()}


def week_of(moments: NDArray[np.datetime64]) -> NDArray[np.generic]:
    """The week of each instant, as the period its lead shares its luck with."""
    return moments.astype("datetime64[W]")
