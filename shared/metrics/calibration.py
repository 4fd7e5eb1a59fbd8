"""How true the probabilities are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import t

from shared.errors import DataError
from shared.metrics.intervals import Estimate

Floats = NDArray[np.float64]

_CLIP = 1e-12


def brier(predicted: Floats, outcome: Floats, weight: Floats | None = None) -> float:
    """Mean squared error of the probability (Brier 1950)."""
    return float(np.average((predicted - outcome) ** 2, weights=weight))


def brier_skill(predicted: Floats, outcome: Floats, weight: Floats | None = None) -> float:
    """1 - Brier / Brier of always saying the base rate. 0 is no better than a constant; NaN with one class only.

    A constant already scores p (1 - p), which is small when positives are rare; so skill, not Brier, is reported.
    """
    rate = np.average(outcome, weights=weight)
    constant = rate * (1 - rate)
    return float(1 - brier(predicted, outcome, weight) / constant) if constant else float("nan")


def log_loss(predicted: Floats, outcome: Floats, weight: Floats | None = None) -> float:
    """Mean negative log likelihood in nats; probabilities are kept 1e-12 away from 0 and 1."""
    sure = np.clip(predicted, _CLIP, 1 - _CLIP)
    return float(-np.average(np.where(outcome > 0, np.log(sure), np.log1p(-sure)), weights=weight))


@dataclass(frozen=True, slots=True)
class Bins:
    """Which bin each row falls into [rows], so that resamples are binned alike."""

    member: NDArray[np.intp]
    bins: int

    @classmethod
    def equal_mass(cls, predicted: Floats, bins: int = 10) -> "Bins":
        """Cuts at quantiles; equal predictions stay together."""
        edges = np.unique(np.quantile(predicted, np.linspace(0, 1, bins + 1)[1:-1]))
        return cls(np.searchsorted(edges, predicted, "left"), bins)

    @classmethod
    def equal_width(cls, predicted: Floats, bins: int = 10) -> "Bins":
        edges = np.linspace(0, 1, bins + 1)[1:-1]
        return cls(np.searchsorted(edges, predicted, "right"), bins)


def ece(predicted: Floats, outcome: Floats, bins: Bins, weight: Floats | None = None) -> float:
    """Expected calibration error: mean over rows of their bin's |mean predicted - positive rate| (Naeini 2015).

    Noise alone makes it larger than 0: read it beside its interval.
    """
    ones = np.ones(len(outcome)) if weight is None else weight
    gap = np.bincount(bins.member, ones * (predicted - outcome), bins.bins)
    return float(np.abs(gap).sum() / ones.sum())


@dataclass(frozen=True, slots=True)
class Line:
    """Outcome regressed on the log odds predicted (Cox 1958): slope 1 and intercept 0 are true probabilities.

    A slope under 1 says the probabilities are too extreme, an intercept above 0 with slope 1 that they are too low.
    """

    slope: Estimate
    intercept: Estimate


def calibration_line(predicted: Floats, outcome: Floats, period: NDArray[np.generic], alpha: float = 0.05) -> Line:
    """Cox's line with intervals that hold when leads of one period share its luck (sandwich by period, t of periods - 1).

    Raises DataError with one class or one prediction only, where there is no line.
    """
    design = np.stack([np.ones(len(outcome)), logit(np.clip(predicted, _CLIP, 1 - _CLIP))], axis=1)
    if not 0 < outcome.mean() < 1 or np.ptp(design[:, 1]) == 0:
        raise DataError("A calibration line needs both outcomes and more than one prediction.", fix="Judge on a longer period.")
    beta = _logistic(design, outcome)
    error = _clustered_errors(design, outcome - expit(design @ beta), expit(design @ beta), period)
    reach = error * t.ppf(1 - alpha / 2, max(len(np.unique(period)) - 1, 1))
    n, positives = len(outcome), int(outcome.sum())
    intercept, slope = (Estimate(float(b), float(b - r), float(b + r), n, positives) for b, r in zip(beta, reach, strict=True))
    return Line(slope, intercept)


def _logistic(design: Floats, outcome: Floats) -> Floats:
    """Maximum likelihood by Newton's method; the log likelihood is concave, so it needs no step control near 0."""
    beta: Floats = np.array([logit(outcome.mean()), 0.0])
    for _ in range(50):
        rate = expit(design @ beta)
        step = np.linalg.solve(design.T @ (design * (rate * (1 - rate))[:, None]), design.T @ (outcome - rate))
        beta = beta + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-10:  # noqa: PLR2004 - converged
            break
    return beta


def _clustered_errors(design: Floats, residual: Floats, rate: Floats, period: NDArray[np.generic]) -> Floats:
    names, member = np.unique(period, return_inverse=True)
    if len(names) < 2:  # noqa: PLR2004 - one period says nothing about periods, so each row is its own
        names = member = np.arange(len(residual))
    inverse = np.linalg.inv(design.T @ (design * (rate * (1 - rate))[:, None]))
    scores = np.stack([np.bincount(member, column * residual) for column in design.T], axis=1)
    clusters, n, k = len(names), *design.shape
    correction = clusters / (clusters - 1) * (n - 1) / (n - k)
    covariance: Floats = correction * inverse @ (scores.T @ scores) @ inverse
    return np.sqrt(np.diag(covariance))


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
