"""A logistic model as numpy arrays, with its exact Shapley values."""

from dataclasses import dataclass

import numpy as np

from shared.matrix import Matrix
from shared.model.arrays import expect, require


@dataclass(frozen=True, slots=True)
class Linear:
    """margin = intercept + sum over columns of weight (x - mean) / scale, or missing_weight when x is missing.

    Both terms are centred on the training rows, so a column's share of the margin minus the intercept is its exact
    Shapley value under independent columns (Lundberg and Lee 2017, corollary 1). A value beyond those seen in
    training, `low` to `high`, counts as the nearest one seen: a line is not drawn on where nothing was known. All
    arrays [matrix columns].
    """

    intercept: Matrix
    weight: Matrix
    mean: Matrix
    scale: Matrix
    low: Matrix
    high: Matrix
    missing_weight: Matrix
    missing_rate: Matrix

    def __post_init__(self) -> None:
        columns = self.weight.shape[:1]
        expect(self, np.float64, (), "intercept")
        expect(self, np.float64, columns, "weight", "mean", "scale", "low", "high", "missing_weight", "missing_rate")
        finite = (self.intercept, self.weight, self.mean, self.scale, self.missing_weight, self.missing_rate)
        require({"weights are finite": all(np.isfinite(array).all() for array in finite), "scale is above 0": (self.scale > 0).all()})

    def fits(self, columns: int) -> bool:
        return len(self.weight) == columns

    @property
    def expected(self) -> float:
        return float(self.intercept)

    def margins(self, matrix: Matrix) -> Matrix:
        return self.explained(matrix)[0]

    def explained(self, matrix: Matrix) -> tuple[Matrix, Matrix]:
        shares = self.contributions(matrix)
        return np.asarray(self.expected + shares.sum(axis=1)), shares

    def contributions(self, matrix: Matrix) -> Matrix:
        missing = np.isnan(matrix)
        centred = np.where(missing, 0.0, (np.clip(matrix, self.low, self.high) - self.mean) / self.scale)
        return centred * self.weight + (missing - self.missing_rate) * self.missing_weight
