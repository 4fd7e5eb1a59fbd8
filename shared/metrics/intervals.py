"""No number without its interval."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, t

Floats = NDArray[np.float64]
Statistic = Callable[[Floats | None], float]

Z95 = NormalDist().inv_cdf(0.975)
FEW_CLUSTERS = 5


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


def jeffreys(positives: int, n: int) -> Estimate:
    """A rate with the equal-tailed interval of Beta(x + 1/2, n - x + 1/2); an end is closed at 0 or n positives (Brown 2001)."""
    if n == 0:
        return Estimate(math.nan, 0.0, 1.0, 0, 0)
    posterior = beta(positives + 0.5, n - positives + 0.5)
    low = float(posterior.ppf(0.025)) if positives else 0.0
    high = float(posterior.ppf(0.975)) if positives < n else 1.0
    return Estimate(positives / n, low, high, n, positives)


@dataclass(frozen=True, slots=True)
class Resamples:
    """Draws of whole clusters: `counts` [resamples, clusters] says how often each is drawn, `member` [rows] whose each row is.

    Intervals are at 1 - `alpha`. Under FEW_CLUSTERS clusters there is too little to draw from, so rows are drawn one by one.
    """

    counts: NDArray[np.int64]
    member: NDArray[np.intp]
    alpha: float = 0.05

    @classmethod
    def of(cls, cluster: NDArray[np.generic], resamples: int, seed: int, alpha: float = 0.05) -> "Resamples":
        member = np.unique(cluster, return_inverse=True)[1]
        if member.max(initial=-1) + 1 < FEW_CLUSTERS:
            member = np.arange(len(cluster))
        clusters = int(member.max(initial=-1)) + 1
        draws = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), resamples)
        return cls(draws, member, alpha)

    def values(self, statistic: Statistic) -> Floats:
        """The statistic on every draw [resamples]; NaN where it is not defined, as without positives."""
        return np.array([statistic(count[self.member].astype(np.float64)) for count in self.counts])

    def interval(self, values: Floats) -> tuple[float, float]:
        """The percentile interval of a statistic's values, widened for few clusters (expanded percentile, Hesterberg 2015)."""
        kept = values[np.isfinite(values)]
        if not len(kept):
            return math.nan, math.nan
        low, high = np.quantile(kept, [self._tail(), 1 - self._tail()])
        return float(low), float(high)

    def _tail(self) -> float:
        clusters = self.counts.shape[1]
        if clusters == 1:
            return self.alpha / 2
        return NormalDist().cdf(math.sqrt(clusters / (clusters - 1)) * float(t.ppf(self.alpha / 2, clusters - 1)))

    def estimate(self, statistic: Statistic, outcome: Floats) -> Estimate:
        """The statistic on the rows themselves; its interval holds it, also where resampling biases it, as it does an ECE."""
        value, (low, high) = statistic(None), self.interval(self.values(statistic))
        return Estimate(value, min(low, value), max(high, value), len(outcome), int(outcome.sum()))


def bootstrap(
    statistic: Statistic,
    outcome: Floats,
    cluster: NDArray[np.generic],
    *,
    seed: int = 0,
    resamples: int = 500,
    alpha: float = 0.05,
) -> Estimate:
    """The statistic with its interval at 1 - alpha over resampled clusters, such as weeks.

    `statistic` takes row weights [rows], or None for the sample itself. Leads of one period share its luck, so whole
    periods are drawn. Resamples on which the statistic is not defined, such as those without positives, are left out.
    """
    return Resamples.of(cluster, resamples, seed, alpha).estimate(statistic, outcome)
