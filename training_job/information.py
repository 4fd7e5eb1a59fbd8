"""What a feature says of the outcome (information value) and what it repeats of others (variance inflation)."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

BINS = 10
FEW_LEVELS = 20
LEVEL_SHARE = 0.05
_RIDGE = 1e-9


def binned(values: Floats) -> Codes:
    """The bin of each value, numbered from 0: missing is a bin of its own, and so is every level of few or of many rows.

    Values that hold LEVEL_SHARE of the rows by themselves, such as the 0 of a zero-inflated column, get a bin each, so
    that quantile bins cannot collapse on them and call the column constant. The rest falls into BINS quantile bins.
    """
    known = np.isfinite(values)
    levels, counts = np.unique(values[known], return_counts=True)
    if len(levels) > FEW_LEVELS:
        levels = levels[counts >= LEVEL_SHARE * len(values)]
    own = known & np.isin(values, levels)
    rest = known & ~own
    edges = np.unique(np.quantile(values[rest], np.linspace(0, 1, BINS + 1)[1:-1])) if rest.any() else np.empty(0)
    codes = np.zeros(len(values), np.intp)
    codes[own] = 1 + np.searchsorted(levels, values[own])
    codes[rest] = 1 + len(levels) + np.searchsorted(edges, values[rest], "right")
    return np.unique(codes, return_inverse=True)[1]


def information_value(codes: Codes, outcome: Floats) -> float:
    """Sum over bins of (share of positives - share of negatives) x weight of evidence, half a lead added to each cell."""
    positives = np.bincount(codes, outcome) + 0.5
    negatives = np.bincount(codes, 1 - outcome) + 0.5
    p, q = positives / positives.sum(), negatives / negatives.sum()
    return float(((p - q) * np.log(p / q)).sum())


def variance_inflation(design: Floats, owner: Codes) -> Floats:
    """Generalised variance inflation per feature (Fox and Monette 1992), to the power 1 / columns; one column: the usual VIF.

    design [rows, columns] has no constant column; `owner` [columns] numbers the feature of each column. With R the
    correlations and P its inverse, det(R) = det(R without j) / det(P_jj), so the ratio of determinants is det(R_jj) det(P_jj).
    """
    correlations = np.corrcoef(design, rowvar=False).reshape(design.shape[1], design.shape[1])
    inverse = np.linalg.inv(correlations + _RIDGE * np.eye(len(correlations)))
    found = np.empty(int(owner.max()) + 1)
    for feature in range(len(found)):
        mine = np.ix_(owner == feature, owner == feature)
        found[feature] = abs(np.linalg.det(correlations[mine]) * np.linalg.det(inverse[mine])) ** (
            1 / max(int((owner == feature).sum()), 1)
        )
    return found
