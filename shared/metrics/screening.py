"""What one column says about the outcome, and what the other columns already say about it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.metrics.binning import Bins

Floats = NDArray[np.float64]

EMPTY_CELL = 0.5


@dataclass(frozen=True, slots=True)
class Weights:
    """Weight of evidence per bin, ln(share of positives / share of negatives) (Good 1950), and the information value they sum to.

    positives, negatives, woe: [bins].
    """

    positives: Floats
    negatives: Floats
    woe: Floats
    information_value: float


def weight_of_evidence(bin_of: NDArray[np.intp], outcome: Floats, empty_cell: float = EMPTY_CELL) -> Weights:
    """Over bins numbered from 0 [rows]; bins without rows are left out, and a count of 0 is taken as `empty_cell`."""
    rows, positives = np.bincount(bin_of), np.bincount(bin_of, outcome)
    kept = rows > 0
    good, bad = positives[kept].astype(np.float64), (rows - positives)[kept].astype(np.float64)
    p, q = (np.where(count > 0, count, empty_cell) for count in (good, bad))
    p, q = p / p.sum(), q / q.sum()
    woe = np.log(p / q)
    return Weights(good, bad, woe, float(((p - q) * woe).sum()))


def information_value(values: Floats, outcome: Floats) -> float:
    """Of one numeric column [rows], missing being a bin of its own; 0 for a constant, NaN with one class only."""
    if not 0 < outcome.mean() < 1:
        return float("nan")
    return weight_of_evidence(Bins.of(values).member(values), outcome).information_value


def vif(matrix: Floats) -> Floats:
    """Variance inflation of each column [columns] of a matrix without missing values: diag(inv(corr)) (Marquardt 1970).

    A constant column has 1, it inflates nothing; a column that others determine has infinity.
    """
    moving = np.ptp(matrix, axis=0) > 0
    inflation = np.ones(matrix.shape[1])
    if moving.sum() > 1:
        correlation = np.atleast_2d(np.corrcoef(matrix[:, moving], rowvar=False))
        inflation[moving] = _inflation(correlation)
    return inflation


def _inflation(correlation: Floats) -> Floats:
    """A singular correlation has columns in its null space: those are determined by others, the rest keep a number."""
    values, vectors = np.linalg.eigh(correlation)
    null = values < values[-1] * len(values) * np.finfo(np.float64).eps * 10
    determined = (vectors[:, null] ** 2).sum(axis=1) > np.sqrt(np.finfo(np.float64).eps)
    inverse = ((vectors[:, ~null] ** 2) / values[~null]).sum(axis=1)
    return np.where(determined, np.inf, np.maximum(inverse, 1.0))
