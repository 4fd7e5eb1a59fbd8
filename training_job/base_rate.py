"""The base rate as it is now: a level of log-odds that wanders from month to month, seen through counts that scatter."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from shared.matrix import Matrix
from shared.model import calibrate

MONTH = np.timedelta64(30, "D")
WEEK = np.timedelta64(7, "D")
STEPS = np.linspace(0, 0.6, 61)
USUAL_STEP = 0.1
"""A priori a month moves the odds by a tenth, seldom more than two (half-normal); the months themselves may say otherwise."""
_FARTHEST = 12.0


@dataclass(frozen=True, slots=True)
class Level:
    """Log-odds to add to what was predicted, as of the last month, and its standard error."""

    now: float
    error: float


def level(predicted: Matrix, outcome: Matrix, contacted_at: NDArray[np.datetime64]) -> Level:
    """The local level model (Harvey 1989): a random walk under noisy months, filtered, averaged over how far a step may go.

    predicted [rows] by models that had not seen the rows, outcome [rows] in 0/1. Leads of one week share their luck, so a
    month scatters more than its count alone would have it (Pearson's dispersion over weeks).
    """
    months = (contacted_at.max() - contacted_at) // MONTH
    found = [_month(predicted[months == month], outcome[months == month]) for month in np.unique(months)[::-1]]
    seen, information = (np.array(values) for values in zip(*found, strict=True))
    shift = dict(zip(np.unique(months)[::-1].tolist(), seen.tolist(), strict=True))
    expected = calibrate.moved(predicted, np.array([shift[month] for month in months.tolist()]))
    noise = _dispersion(expected, outcome, contacted_at, len(seen)) / information
    ran = [_filtered(seen, noise, step) for step in STEPS]
    weight = np.array([likelihood for likelihood, _, _ in ran]) - STEPS**2 / (2 * USUAL_STEP**2)
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


def _month(predicted: Matrix, outcome: Matrix) -> tuple[float, float]:
    """The log-odds that this month stands off by, half a positive added on either side, and the information expected in it.

    The information seen would be larger in months of many positives, and weigh them more than they deserve.
    """
    by = shift_to(predicted, (float(outcome.sum()) + 0.5) / (len(outcome) + 1))
    return by, float((predicted * (1 - predicted)).sum())


def _dispersion(expected: Matrix, outcome: Matrix, contacted_at: NDArray[np.datetime64], months: int) -> float:
    weeks = ((contacted_at - contacted_at.min()) // WEEK).astype(np.int64)
    gap, variance = (np.bincount(weeks, values) for values in (outcome - expected, expected * (1 - expected)))
    full = variance > 0
    return max(1.0, float((gap[full] ** 2 / variance[full]).sum()) / max(int(full.sum()) - months, 1))


def _filtered(seen: Matrix, noise: Matrix, step: float) -> tuple[float, float, float]:
    """Log-likelihood of the months after the first, and mean and variance of the level in the last (Kalman 1960)."""
    likelihood, mean, variance = 0.0, float(seen[0]), float(noise[0])
    for value, scatter in zip(seen[1:].tolist(), noise[1:].tolist(), strict=True):
        variance += step**2
        spread, surprise = variance + scatter, value - mean
        likelihood -= 0.5 * (np.log(2 * np.pi * spread) + surprise**2 / spread)
        mean, variance = mean + variance / spread * surprise, variance * scatter / spread
    return likelihood, mean, variance
