"""The base rate as it is now: a level of log-odds that wanders from month to month, seen through counts that scatter."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from shared.matrix import Matrix
from shared.model import calibrate

MONTH = np.timedelta64(30, "D")
WEEK = np.timedelta64(7, "D")
STEPS = np.linspace(0, 1.5, 76)
USUAL_STEP = 0.1
"""A priori a month moves the odds by about a tenth; the months themselves may say otherwise, so the tail is long (half-Cauchy)."""
_FARTHEST = 40.0


@dataclass(frozen=True, slots=True)
class Level:
    """Log-odds to add to what was predicted, as of the last month, and its standard error."""

    now: float
    error: float


def level(predicted: Matrix, outcome: Matrix, contacted_at: NDArray[np.datetime64]) -> Level:
    """The local level model (Harvey 1989): a random walk under noisy months, filtered, averaged over how far a step may go.

    predicted [rows] by models that had not seen the rows, outcome [rows] in 0/1. Leads of one week share their luck, so a
    month scatters more than its count alone would have it (a random effect of the week, by moments: DerSimonian and Laird 1986).
    """
    predicted = calibrate.moved(predicted, 0.0)  # never quite 0 or 1, of which nothing could be moved
    month = ((contacted_at.max() - contacted_at) // MONTH).astype(np.int64)
    at, month = np.unique(month.max() - month, return_inverse=True)
    seen = np.array([_off_by(predicted[month == m], outcome[month == m]) for m in range(month.max() + 1)])
    noise = _noise(predicted, outcome, month, contacted_at, seen)
    apart = np.diff(at, prepend=at[0])
    ran = [_filtered(seen, noise, apart, step) for step in STEPS]
    weight = np.array([likelihood for likelihood, _, _ in ran]) - np.log1p((STEPS / USUAL_STEP) ** 2)
    weight = np.exp(weight - weight.max())
    weight /= weight.sum()
    means, variances = (np.array([each[part] for each in ran]) for part in (1, 2))
    now = float(weight @ means)
    return Level(now, float(np.sqrt(weight @ (variances + (means - now) ** 2))))


def shift_to(predicted: Matrix, rate: float) -> float:
    """The log-odds to add so that the mean probability is `rate`, 0 where none will do."""
    if not 0 < rate < 1:
        return 0.0
    return float(brentq(lambda by: calibrate.moved(predicted, by).mean() - rate, -_FARTHEST, _FARTHEST))


def _off_by(predicted: Matrix, outcome: Matrix) -> float:
    """The log-odds that a month stands off by, half a positive added on either side."""
    return shift_to(predicted, (float(outcome.sum()) + 0.5) / (len(outcome) + 1))


def _noise(predicted: Matrix, outcome: Matrix, month: NDArray[np.intp], contacted_at: NDArray[np.datetime64], seen: Matrix) -> Matrix:
    """The variance [months] of what was seen: of the count, by the information expected of it, and of its weeks' common luck."""
    week = np.unique(np.stack([month, (contacted_at - contacted_at.min()) // WEEK]).astype(np.int64), axis=1, return_inverse=True)
    of_week, row = week[0][0], week[1]
    there = calibrate.moved(predicted, seen[month])
    gap, variance = (np.bincount(row, values) for values in (outcome - there, there * (1 - there)))
    whole, squares = (np.bincount(of_week, values) for values in (variance, variance**2))
    excess = (gap**2 / variance).sum() - (len(variance) - len(seen))
    luck = max(0.0, float(excess / max((whole - squares / whole).sum(), 1e-9)))
    return np.asarray(1 / np.bincount(month, predicted * (1 - predicted)) + luck * squares / whole**2)


def _filtered(seen: Matrix, noise: Matrix, apart: NDArray[np.int64], step: float) -> tuple[float, float, float]:
    """Log-likelihood of the months after the first, and mean and variance of the level in the last (Kalman 1960).

    apart [months]: how many months lie between each and the one before it.
    """
    likelihood, mean, variance = 0.0, float(seen[0]), float(noise[0])
    for value, scatter, steps in zip(seen[1:].tolist(), noise[1:].tolist(), apart[1:].tolist(), strict=True):
        variance += steps * step**2
        spread, surprise = variance + scatter, value - mean
        likelihood -= 0.5 * (np.log(2 * np.pi * spread) + surprise**2 / spread)
        mean, variance = mean + variance / spread * surprise, variance * scatter / spread
    return likelihood, mean, variance
