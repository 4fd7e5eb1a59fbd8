"""No number without its interval."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval, and the rows and positives behind it."""

    value: float
    low: float
    high: float
    n: int
    positives: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] n={self.n:,}"


def wilson(positives: int, n: int) -> Estimate:
    """A rate with Wilson's score interval (Wilson 1927), which stays inside [0, 1] at any n."""
    if n == 0:
        return Estimate(math.nan, 0.0, 1.0, 0, 0)
    rate = positives / n
    spread = 1 + Z95**2 / n
    centre = (rate + Z95**2 / (2 * n)) / spread
    half = Z95 * math.sqrt(rate * (1 - rate) / n + Z95**2 / (4 * n * n)) / spread
    return Estimate(rate, min(rate, max(0.0, centre - half)), max(rate, min(1.0, centre + half)), n, positives)


def bootstrap(
    statistic: Callable[[Floats | None], float],
    outcome: Floats,
    cluster: NDArray[np.generic],
    *,
    seed: int = 0,
    resamples: int = 500,
    level: float = 0.95,
) -> Estimate:
    """The statistic with its percentile interval of `level` over resampled clusters, such as weeks.

    `statistic` takes row weights [rows], or None for the sample itself. Leads of one period share its luck, so whole
    periods are drawn. Resamples on which the statistic is not defined, such as those without positives, are left out.
    """
    names, member = np.unique(cluster, return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
    values = np.array([statistic(draw[member].astype(np.float64)) for draw in draws])
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]) if len(values) else (math.nan, math.nan)
    return Estimate(statistic(None), float(low), float(high), len(outcome), int(outcome.sum()))
