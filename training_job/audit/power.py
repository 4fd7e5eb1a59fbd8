"""How much one feature alone tells of the outcome, whatever the shape of the relation, apart from the calendar."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Groups = NDArray[np.intp]

BINS = 10
PRIOR_ROWS = 20


@dataclass(frozen=True, slots=True)
class Power:
    """auc: P(a positive scores above a negative of the same month). z: how many standard errors that is from 1/2."""

    auc: float
    z: float


def power(values: Floats, outcome: Floats, month: Groups, half: Groups) -> Power:
    """Score each row by the rate of its bin in the other half of the weeks, and rank within months.

    Bins are deciles or, with few values, the values themselves; missing is a bin of its own. Rates come from rows the
    score is not judged on, so noise reads 1/2; ranking within months leaves out what the calendar alone explains.
    """
    return within(bin_rates(values, outcome, half), outcome, month)


def bin_rates(values: Floats, outcome: Floats, half: Groups) -> Floats:
    bins = binned(values)
    rates = np.empty(len(values))
    for side in (0, 1):
        fit = half != side
        n = np.bincount(bins[fit], minlength=BINS + 1)
        won = np.bincount(bins[fit], outcome[fit], minlength=BINS + 1)
        base = outcome[fit].mean()
        rates[half == side] = ((won + PRIOR_ROWS * base) / (n + PRIOR_ROWS))[bins[half == side]]
    return rates


def binned(values: Floats) -> Groups:
    """0 is missing; others by deciles of the known values, or one bin a value when there are at most ten."""
    known = values[np.isfinite(values)]
    distinct = np.unique(known)
    edges = distinct if len(distinct) <= BINS else np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[:-1]))
    return np.where(np.isnan(values), 0, np.searchsorted(edges, values, "right").clip(1, BINS)).astype(np.intp)


def within(score: Floats, outcome: Floats, group: Groups) -> Power:
    """AUC over pairs of the same group (van Elteren's stratified Mann-Whitney), its standard error under no effect corrected for ties."""
    above = pairs = variance = 0.0
    for members in np.split(np.argsort(group, kind="stable"), np.flatnonzero(np.diff(np.sort(group))) + 1):
        positive, negative = score[members][outcome[members] == 1], np.sort(score[members][outcome[members] == 0])
        if not len(positive) or not len(negative):
            continue
        n1, n0 = len(positive), len(negative)
        ties = (np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")) / 2
        above += float(ties.sum())
        pairs += n1 * n0
        variance += n1 * n0 * (n1 + n0 + 1 - _tied(score[members])) / 12
    if not pairs or not variance:
        return Power(0.5, 0.0)
    return Power(above / pairs, float((above - pairs / 2) / np.sqrt(variance)))


def _tied(score: Floats) -> float:
    """What ties take from the variance: sum of t^3 - t over n (n - 1)."""
    counts = np.unique(score, return_counts=True)[1].astype(np.float64)
    n = len(score)
    return float((counts**3 - counts).sum() / (n * (n - 1)))
