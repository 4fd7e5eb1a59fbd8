"""How true the probabilities are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_CONVERGED = 1e-10


def brier_skill(predicted: Floats, outcome: Floats, weight: Floats | None = None) -> float:
    """1 - Brier / Brier of always saying the base rate. 0 is no better than a constant; NaN with one class only.

    A constant already scores p (1 - p), which is small when positives are rare; so skill, not Brier, is reported.
    """
    rate = np.average(outcome, weights=weight)
    constant = rate * (1 - rate)
    return float(1 - np.average((predicted - outcome) ** 2, weights=weight) / constant) if constant else float("nan")


def brier(predicted: Floats, outcome: Floats, weight: Floats | None = None) -> float:
    """Mean squared error of the probability."""
    return float(np.average((predicted - outcome) ** 2, weights=weight))


def ece(predicted: Floats, outcome: Floats, weight: Floats | None = None, bins: int = 10) -> float:
    """Expected calibration error: |mean predicted - rate| over equal-mass bins by rising prediction, weighted by their rows."""
    ones = np.ones(len(outcome)) if weight is None else weight
    total, gap = ones.sum(), 0.0
    for part in np.array_split(np.argsort(predicted, kind="stable"), bins):
        mass = ones[part].sum()
        if mass:
            gap += abs(float(ones[part] @ (predicted[part] - outcome[part])))
    return gap / float(total) if total else float("nan")


def calibration_slope(margin: Floats, outcome: Floats) -> tuple[float, float]:
    """Slope and intercept of a logistic regression of the outcome on the log-odds (Cox 1958); (1, 0) is true. By Newton's method."""
    design = np.column_stack([margin, np.ones(len(margin))])
    weights = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-(design @ weights)))
        curvature = design.T @ (design * (p * (1 - p))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (outcome - p))
        weights += step
        if np.abs(step).max() < _CONVERGED:
            break
    return float(weights[0]), float(weights[1])


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
