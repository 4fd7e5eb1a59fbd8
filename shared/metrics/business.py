"""What a ranking is worth to the people who dial, at each cut they may work to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataError
from shared.metrics.compare import require_both_classes
from shared.metrics.intervals import Z95, Estimate, Resamples
from shared.metrics.ranking import Ranked, precision_at, recall_at

Floats = NDArray[np.float64]

CUTS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True, slots=True)
class Cut:
    """Working the best `share` of the leads.

    per_100_dials: MQLs found in a hundred dials. calls_saved: leads that calling at random would dial beyond these to find as
    many MQLs. expected: MQLs the probabilities promise, with the range chance alone allows; actual: those that came. Leads that
    tie at the cut count in part, so both need not be whole.
    """

    share: float
    leads: float
    per_100_dials: Estimate
    calls_saved: Estimate
    expected: Estimate
    actual: float

    @property
    def as_promised(self) -> bool:
        return self.expected.low <= self.actual <= self.expected.high


def cuts(
    judged: tuple[Floats, Floats, Floats], period: NDArray[np.generic], *, dials_per_lead: float = 1.0, shares: Sequence[float] = CUTS
) -> list[Cut]:
    """Of margin, probability and outcome [rows], with intervals by period. DataError with one class or a share outside (0, 1]."""
    margin, probability, outcome = judged
    require_both_classes(outcome)
    if wrong := [share for share in shares if not 0 < share <= 1]:
        raise DataError(f"A cut works a share of the leads, not {wrong[0]:g} of them.", fix="Give shares above 0 and at most 1.")
    ranked, draws = Ranked.of(margin, outcome), Resamples.of(period, 500, 0)
    found = []
    for share in shares:
        part = in_cut(ranked, share)
        found.append(
            Cut(
                share=share,
                leads=float(part.sum()),
                per_100_dials=draws.estimate(partial(_per_100_dials, ranked, share, dials_per_lead), outcome),
                calls_saved=draws.estimate(partial(_calls_saved, ranked, share), outcome),
                expected=_expected(part, probability, outcome),
                actual=float(part @ outcome),
            )
        )
    return found


def in_cut(ranked: Ranked, share: float) -> Floats:
    """How much of each row [rows, order of the input] falls into the best `share`: 1, 0, or a part of a tie that is cut."""
    sizes = np.bincount(ranked.group).astype(np.float64)
    before = np.cumsum(sizes) - sizes
    part: Floats = np.empty(len(ranked.group))
    part[ranked.order] = (((share * len(ranked.group) - before) / sizes).clip(0, 1))[ranked.group]
    return part


def _per_100_dials(ranked: Ranked, share: float, dials_per_lead: float, weight: Floats | None = None) -> float:
    return 100 * precision_at(ranked, share, weight) / dials_per_lead


def _calls_saved(ranked: Ranked, share: float, weight: Floats | None = None) -> float:
    return (recall_at(ranked, share, weight) - share) * len(ranked.outcome)


def _expected(part: Floats, probability: Floats, outcome: Floats) -> Estimate:
    """The sum of the probabilities; the range is that of so many independent leads (Poisson binomial, normal limit)."""
    mean = float(part @ probability)
    reach = Z95 * math.sqrt(float(part @ (probability * (1 - probability))))
    return Estimate(mean, max(0.0, mean - reach), mean + reach, round(float(part.sum())), round(float(part @ outcome)))
