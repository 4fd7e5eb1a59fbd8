"""How far two models say the same of the same leads."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from shared.errors import DataError
from shared.metrics.intervals import Z95, Estimate, wilson

Floats = NDArray[np.float64]

FEW = 10


@dataclass(frozen=True, slots=True)
class Agreement:
    """rank_correlation is Spearman's. same_band: leads both put into one band.

    kept: of the first model's top band, the share the second keeps there; churn is what is left. joined: of the second's
    top band, the share the first had elsewhere. moves counts (first band, second band).
    """

    leads: int
    rank_correlation: Estimate
    same_band: Estimate
    kept: Estimate
    joined: Estimate
    moves: dict[tuple[str, str], int]

    @property
    def churn(self) -> float:
        return 1 - self.kept.value


def agreement(first: Floats, second: Floats, bands: tuple[Sequence[str], Sequence[str]], top: str) -> Agreement:
    """Margins [leads] and bands [leads] of both models, and the name of the top band. DataError under FEW leads."""
    if len(first) < FEW:
        raise DataError(f"Both models scored only {len(first)} leads at the same instant; {FEW} is the least to compare on.", fix="Wait.")
    moves = Counter(zip(*bands, strict=True))
    had, has = sum(band == top for band in bands[0]), sum(band == top for band in bands[1])
    both = moves[top, top]
    same = sum(count for (one, other), count in moves.items() if one == other)
    return Agreement(
        len(first), rank_correlation(first, second), wilson(same, len(first)), wilson(both, had), wilson(has - both, has), dict(moves)
    )


def rank_correlation(first: Floats, second: Floats) -> Estimate:
    """Spearman's rho, ties as mid-ranks, with the interval of Bonett & Wright (2000); NaN where one side is constant."""
    n = len(first)
    if n < 4 or np.ptp(first) == 0 or np.ptp(second) == 0:  # noqa: PLR2004 - the formula divides by n - 3
        return Estimate(math.nan, -1.0, 1.0, n, 0)
    rho = float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])
    centre = math.atanh(min(max(rho, -1 + 1e-12), 1 - 1e-12))
    reach = Z95 * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return Estimate(rho, math.tanh(centre - reach), math.tanh(centre + reach), n, 0)
