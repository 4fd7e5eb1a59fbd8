"""How far two samples of one feature lie apart, and how far they may lie apart by chance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Floats = NDArray[np.float64]

BINS = 10
FEW_LEVELS = 20
LEVEL_SHARE = 0.05
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

    Values that hold LEVEL_SHARE of the reference by themselves, such as the 0 of a zero-inflated column, get a bin each, so
    that quantile bins cannot collapse on them. Under no difference PSI is about (1/n + 1/m) chi2(bins - 1) (Yurdakul 2018),
    which gives the critical value. Raises ValueError on an empty sample.
    """
    if not len(reference) or not len(current):
        raise ValueError("PSI needs rows on both sides.")
    p, q = (counts / counts.sum() for counts in binned(reference, reference, current))
    kept = (p > 0) | (q > 0)
    p, q = np.maximum(p[kept], _EMPTY), np.maximum(q[kept], _EMPTY)
    spread = 1 / len(reference) + 1 / len(current)
    critical = float(chi2.ppf(1 - alpha, max(int(kept.sum()) - 1, 1))) * spread
    return Drift(float(((p - q) * np.log(p / q)).sum()), critical, int(kept.sum()), min(len(reference), len(current)))


def binned(reference: Floats, *samples: Floats) -> list[Floats]:
    """Rows per bin of each sample, in bins set on `reference`: missing, each frequent value, and quantiles of the rest."""
    known = reference[np.isfinite(reference)]
    values, counts = np.unique(known, return_counts=True)
    levels = values if len(values) <= FEW_LEVELS else values[counts >= LEVEL_SHARE * len(reference)]
    rest = known[~np.isin(known, levels)]
    edges = np.unique(np.quantile(rest, np.linspace(0, 1, BINS + 1)[1:-1])) if len(rest) else np.empty(0)
    return [_counts(sample, levels, edges) for sample in samples]


def _counts(values: Floats, levels: Floats, edges: Floats) -> Floats:
    """Rows per bin: missing, each level, then between the edges."""
    missing = ~np.isfinite(values)
    own = np.isin(values, levels) & ~missing
    rest = values[~own & ~missing]
    per_level = (values[own][:, None] == levels[None, :]).sum(axis=0) if own.any() else np.zeros(len(levels))
    between = np.bincount(np.searchsorted(edges, rest, "right"), minlength=len(edges) + 1)
    return np.concatenate([[missing.sum()], per_level, between]).astype(np.float64)
