"""How true the probabilities are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def brier_skill(predicted: Floats, outcome: Floats, weight: Floats | None = None) -> float:
    """1 - Brier / Brier of always saying the base rate. 0 is no better than a constant; NaN with one class only.

    A constant already scores p (1 - p), which is small when positives are rare; so skill, not Brier, is reported.
    """
    rate = np.average(outcome, weights=weight)
    constant = rate * (1 - rate)
    return float(1 - np.average((predicted - outcome) ** 2, weights=weight) / constant) if constant else float("nan")


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One equal-mass bin: how many, how many positive, and the mean prediction."""

    n: int
    positives: int
    mean_predicted: float


def reliability(predicted: Floats, outcome: Floats, bins: int = 10) -> list[ReliabilityBin]:
    """Equal-mass bins by rising prediction; empty ones are left out."""
    parts = np.array_split(np.argsort(predicted, kind="stable"), bins)
    return [ReliabilityBin(len(p), int(outcome[p].sum()), float(predicted[p].mean())) for p in parts if len(p)]
