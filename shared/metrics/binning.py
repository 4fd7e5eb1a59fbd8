"""Bins set on one sample and applied to others, kind to columns that pile up on a few values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 10
FEW_LEVELS = 20
LEVEL_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Bins:
    """Missing is bin 0, then one bin per `levels`, then the bins between `edges`.

    Values that hold LEVEL_SHARE of the sample by themselves, such as the 0 of a zero-inflated column, get a bin each, so
    that quantile bins cannot collapse on them and call the column constant.
    """

    levels: Floats
    edges: Floats

    @classmethod
    def of(cls, sample: Floats, bins: int = BINS) -> "Bins":
        known = sample[np.isfinite(sample)]
        values, counts = np.unique(known, return_counts=True)
        levels = values if len(values) <= FEW_LEVELS else values[counts >= LEVEL_SHARE * len(sample)]
        rest = known[~np.isin(known, levels)]
        edges = np.unique(np.quantile(rest, np.linspace(0, 1, bins + 1)[1:-1])) if len(rest) else np.empty(0)
        return cls(levels, edges)

    def __len__(self) -> int:
        return 1 + len(self.levels) + len(self.edges) + 1

    def member(self, values: Floats) -> NDArray[np.intp]:
        """The bin of each value [rows]. A value that is no level falls between the edges."""
        found = 1 + len(self.levels) + np.searchsorted(self.edges, values, "right")
        if len(self.levels):
            nearest = np.minimum(np.searchsorted(self.levels, values), len(self.levels) - 1)
            found = np.where(self.levels[nearest] == values, 1 + nearest, found)
        return np.where(np.isfinite(values), found, 0).astype(np.intp)

    def counts(self, values: Floats) -> Floats:
        return np.bincount(self.member(values), minlength=len(self)).astype(np.float64)
