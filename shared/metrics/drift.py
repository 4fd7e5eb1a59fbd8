"""How far two samples of one feature lie apart, and how far they may lie apart by chance."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from shared.metrics.binning import Bins

Floats = NDArray[np.float64]

_EMPTY = 1e-4


@dataclass(frozen=True, slots=True)
class Drift:
    """psi: population stability index. critical: what it stays below in 1 - alpha of pairs that do not differ. n: rows compared."""

    psi: float
    critical: float
    bins: int
    n: int

    @property
    def beyond_chance(self) -> bool:
        return self.psi > self.critical


def psi(reference: Floats, current: Floats, alpha: float = 0.001) -> Drift:
    """Population stability index, sum of (p - q) ln(p / q) over bins set on `reference`; missing is a bin of its own.

    Under no difference PSI is about (1/n + 1/m) chi2(bins - 1) (Yurdakul & Naranjo 2020), which gives the critical value.
    Raises ValueError on an empty sample.
    """
    if not len(reference) or not len(current):
        raise ValueError("PSI needs rows on both sides.")
    bins = Bins.of(reference)
    p, q = (counts / counts.sum() for counts in (bins.counts(reference), bins.counts(current)))
    kept = (p > 0) | (q > 0)
    spread = 1 / len(reference) + 1 / len(current)
    critical = float(chi2.ppf(1 - alpha, max(int(kept.sum()) - 1, 1))) * spread
    return Drift(psi_of(p[kept], q[kept]), critical, int(kept.sum()), min(len(reference), len(current)))


def psi_of(expected: Floats, actual: Floats) -> float:
    """PSI of two distributions over the same bins, as shares; an empty bin counts as one in ten thousand."""
    p, q = np.maximum(expected, _EMPTY), np.maximum(actual, _EMPTY)
    return float(((p - q) * np.log(p / q)).sum())


@dataclass(frozen=True, slots=True)
class Gap:
    """ks: largest gap between two distribution functions. critical: what it stays below in 1 - alpha of pairs that do not differ."""

    ks: float
    critical: float
    n: int

    @property
    def beyond_chance(self) -> bool:
        return self.ks > self.critical


def ks_two_sample(reference: Floats, current: Floats, alpha: float = 0.001) -> Gap:
    """Kolmogorov-Smirnov between two samples without missing values; critical value of Smirnov (1948), cautious under ties."""
    if not len(reference) or not len(current):
        raise ValueError("KS needs rows on both sides.")
    points = np.concatenate([reference, current])
    shares = [np.searchsorted(np.sort(side), points, "right") / len(side) for side in (reference, current)]
    spread = math.sqrt(1 / len(reference) + 1 / len(current))
    return Gap(float(np.abs(shares[0] - shares[1]).max()), math.sqrt(-math.log(alpha / 2) / 2) * spread, min(len(reference), len(current)))
