"""Two scores on the same rows: which is better, by how much, and how sure that is."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataError
from shared.metrics.intervals import Z95, Estimate, Resamples, Statistic
from shared.metrics.ranking import Ranked, auc_roc

Floats = NDArray[np.float64]

MANY_CLUSTERS = 300


@dataclass(frozen=True, slots=True)
class Difference:
    """First minus second. `standard_error` is of the difference, `p_value` two-sided against none."""

    estimate: Estimate
    standard_error: float
    p_value: float


def paired(first: Statistic, second: Statistic, outcome: Floats, draws: Resamples) -> Difference:
    """The difference of two statistics on the same draws of periods, so that what both share cancels."""
    return difference(first(None) - second(None), draws.values(first) - draws.values(second), outcome, draws)


def paired_auc(first: Floats, second: Floats, outcome: Floats, draws: Resamples) -> Difference:
    """As `paired` for AUC-ROC of two scores [rows], without sorting again for every draw.

    Over drawn clusters AUC is a ratio of quadratic forms in how often each cluster is drawn: concordant pairs between
    the positives of one cluster and the negatives of another are counted once.
    """
    require_both_classes(outcome)
    if draws.counts.shape[1] > MANY_CLUSTERS:
        ranked = [Ranked.of(scores, outcome) for scores in (first, second)]
        return paired(lambda w: auc_roc(ranked[0], w), lambda w: auc_roc(ranked[1], w), outcome, draws)
    values = _auc_draws(first, outcome, draws) - _auc_draws(second, outcome, draws)
    once = Resamples(np.ones((1, draws.counts.shape[1]), np.int64), draws.member)
    value = float((_auc_draws(first, outcome, once) - _auc_draws(second, outcome, once))[0])
    return difference(value, values, outcome, draws)


def difference(value: float, values: Floats, outcome: Floats, draws: Resamples) -> Difference:
    """From the values [resamples] a difference takes over the draws."""
    low, high = draws.interval(values)
    kept = values[np.isfinite(values)]
    beyond = min(np.mean(kept <= 0), np.mean(kept >= 0)) if len(kept) else 1.0
    error = float(kept.std(ddof=1)) if len(kept) > 1 else float("nan")
    p_value = min(1.0, 2 * max(float(beyond), 1 / (len(kept) + 1)))
    return Difference(Estimate(value, low, high, len(outcome), int(outcome.sum())), error, p_value)


def _auc_draws(scores: Floats, outcome: Floats, draws: Resamples) -> Floats:
    counts = draws.counts.astype(np.float64)
    positive = outcome > 0
    positives = counts @ np.bincount(draws.member[positive], minlength=counts.shape[1])
    negatives = counts @ np.bincount(draws.member[~positive], minlength=counts.shape[1])
    concordant = ((counts @ _concordance(scores, positive, draws.member)) * counts).sum(axis=1)
    pairs = positives * negatives
    values: Floats = np.divide(concordant, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return values


def _concordance(scores: Floats, positive: NDArray[np.bool_], member: NDArray[np.intp]) -> Floats:
    """[clusters, clusters]: positives of the row's cluster that score above negatives of the column's, ties as half."""
    clusters = int(member.max()) + 1
    found = np.zeros((clusters, clusters))
    winners, owner = scores[positive], member[positive]
    for column in range(clusters):
        losers = np.sort(scores[~positive & (member == column)])
        beaten = (np.searchsorted(losers, winners, "left") + np.searchsorted(losers, winners, "right")) / 2
        found[:, column] = np.bincount(owner, beaten, clusters)
    return found


def delong(first: Floats, second: Floats, outcome: Floats) -> Difference:
    """AUC-ROC of two scores by the covariance of their placements (DeLong 1988): rows are taken as independent of each other."""
    require_both_classes(outcome)
    sides = [_placements(scores, outcome > 0) for scores in (first, second)]
    positives, negatives = sides[0][0] - sides[1][0], sides[0][1] - sides[1][1]
    value = float(positives.mean())
    error = float(np.sqrt(positives.var(ddof=1) / len(positives) + negatives.var(ddof=1) / len(negatives)))
    p_value = 2 * NormalDist().cdf(-abs(value) / error) if error else 1.0
    reach = Z95 * error
    return Difference(Estimate(value, value - reach, value + reach, len(outcome), int(outcome.sum())), error, p_value)


def _placements(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The share of negatives each positive beats, and of positives each negative is beaten by; ties are half."""

    def share_below(values: Floats, others: Floats) -> Floats:
        ranked = np.sort(others)
        return (np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")) / (2 * len(others))

    return share_below(scores[positive], scores[~positive]), 1 - share_below(scores[~positive], scores[positive])


def benjamini_hochberg(p_values: Floats) -> Floats:
    """Adjusted p-values [tests]: those at most q are findings of which a share q is false (Benjamini & Hochberg 1995)."""
    order = np.argsort(p_values)
    scaled = p_values[order] * len(p_values) / np.arange(1, len(p_values) + 1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted


def require_both_classes(outcome: Floats) -> None:
    """Raises DataError where there are no positives or nothing but positives, so that nothing can be ranked."""
    positives = int(outcome.sum())
    if not 0 < positives < len(outcome):
        raise DataError(
            f"{positives:,} of the {len(outcome):,} leads judged are positive; a figure needs both outcomes.",
            fix="Judge on a longer period, or check the outcome's declaration.",
        )
