"""How much single features tell, and how much they tell of each other."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shared.metrics.drift import binned

Floats = NDArray[np.float64]

_TAKES_PART = 1e-6
_HALF = 0.5
"""Added to each cell so that an empty one has a weight of evidence (Siddiqi 2006)."""


def information_value(values: Floats, outcome: Floats) -> float:
    """IV: sum over bins of (p - q) ln(p / q), p and q being the shares of positives and negatives; missing is a bin.

    Frequent values have bins of their own, so that a zero-inflated column is not called constant.
    """
    won, lost = (counts + _HALF for counts in binned(values, values[outcome == 1], values[outcome == 0]))
    p, q = won / won.sum(), lost / lost.sum()
    return float(((p - q) * np.log(p / q)).sum())


def variance_inflation(columns: Floats, limit: float) -> Iterator[tuple[int, float]]:
    """Columns to take away, worst first, until no VIF exceeds `limit`, with the VIF each had: diag(inv(correlation)).

    Missing values stand at their column's mean; constant columns are left alone.
    """
    filled = np.where(np.isnan(columns), np.nanmean(np.where(np.isnan(columns).all(axis=0), 0.0, columns), axis=0), columns)
    left = [index for index in range(filled.shape[1]) if filled[:, index].std() > 0]
    while len(left) > 1:
        correlation = np.corrcoef(filled[:, left], rowvar=False)
        vif = np.diag(np.linalg.pinv(correlation, hermitian=True))
        singular = np.linalg.matrix_rank(correlation) < len(left)
        worst = int(_most_told(correlation)) if singular else int(np.argmax(vif))
        if not singular and vif[worst] <= limit:
            return
        yield left.pop(worst), float("inf") if singular else float(vif[worst])


def _most_told(correlation: Floats) -> int:
    """Of linearly dependent columns, the last one that takes part: its null vector has weight there."""
    _, vectors = np.linalg.eigh(correlation)
    return int(np.flatnonzero(np.abs(vectors[:, 0]) > _TAKES_PART)[-1])
