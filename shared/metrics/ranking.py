"""How well a score ranks, with ties handled by expectation: rows that tie share what falls on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Outcomes sorted by falling score, grouped by equal scores: sort once, resample often.

    outcome [rows] in 0/1; group [rows] numbers the tie groups from the best; order [rows] maps back to the input.
    """

    outcome: Floats
    group: NDArray[np.intp]
    order: NDArray[np.intp]

    @classmethod
    def of(cls, scores: Floats, outcome: Floats) -> "Ranked":
        order = np.argsort(-scores, kind="stable")
        falling = scores[order]
        group = np.cumsum(np.concatenate([[0], falling[1:] != falling[:-1]])).astype(np.intp)
        return cls(outcome[order].astype(np.float64), group, order)

    def totals(self, weight: Floats | None = None) -> tuple[Floats, Floats]:
        """Positives and negatives per tie group, best first. `weight` [rows] is in the order of the input."""
        ones = np.ones(len(self.outcome)) if weight is None else weight[self.order]
        groups = int(self.group[-1]) + 1
        if groups == len(self.outcome):
            return ones * self.outcome, ones * (1 - self.outcome)
        positives = np.bincount(self.group, ones * self.outcome, groups).astype(np.float64)
        return positives, np.bincount(self.group, ones, groups) - positives

    @property
    def tie_share(self) -> float:
        """The share of rows whose score another row has too: what a cut through them would decide by chance."""
        sizes = np.bincount(self.group)
        return float(sizes[sizes > 1].sum() / len(self.group))


def auc_roc(ranked: Ranked, weight: Floats | None = None) -> float:
    """P(positive scores above negative) + half P(tie): Mann-Whitney U / (n1 n0). NaN with one class only."""
    positives, negatives = ranked.totals(weight)
    above = np.cumsum(positives) - positives / 2
    pairs = positives.sum() * negatives.sum()
    return float((negatives * above).sum() / pairs) if pairs else float("nan")


def auc_pr(ranked: Ranked, weight: Floats | None = None) -> float:
    """Average precision: the sum over tie groups of precision times the step in recall. NaN without positives."""
    positives, negatives = ranked.totals(weight)
    found = np.cumsum(positives)
    called = found + np.cumsum(negatives)
    total = found[-1]
    if not total:
        return float("nan")
    precision = np.divide(found, called, out=np.zeros_like(found), where=called > 0)
    return float((precision * positives).sum() / total)


def ks(ranked: Ranked, weight: Floats | None = None) -> float:
    """Kolmogorov-Smirnov: the largest gap between the two classes' shares above a cut. NaN with one class only."""
    positives, negatives = ranked.totals(weight)
    if not positives.sum() or not negatives.sum():
        return float("nan")
    gap = np.cumsum(positives) / positives.sum() - np.cumsum(negatives) / negatives.sum()
    return float(np.abs(gap).max())


def recall_at(ranked: Ranked, share: float, weight: Floats | None = None) -> float:
    """The share of positives in the best `share` of rows: one point of the gains curve. NaN without positives."""
    positives, negatives = ranked.totals(weight)
    called = np.concatenate([[0.0], np.cumsum(positives + negatives)])
    found = np.concatenate([[0.0], np.cumsum(positives)])
    return float(np.interp(share * called[-1], called, found) / found[-1]) if found[-1] else float("nan")


def precision_at(ranked: Ranked, share: float, weight: Floats | None = None) -> float:
    """The positive rate in the best `share` of rows."""
    rate = float(np.average(ranked.outcome, weights=None if weight is None else weight[ranked.order]))
    return lift_at(ranked, share, weight) * rate


def lift_at(ranked: Ranked, share: float, weight: Floats | None = None) -> float:
    """The positive rate in the best `share` of rows over the rate in all. NaN without positives."""
    return recall_at(ranked, share, weight) / share


def bottom_rate(ranked: Ranked, share: float, weight: Floats | None = None) -> float:
    """The positive rate in the worst `share` of rows."""
    rate = float(np.average(ranked.outcome, weights=None if weight is None else weight[ranked.order]))
    return (1 - recall_at(ranked, 1 - share, weight)) * rate / share


def ranks_within(scores: Floats, period: NDArray[np.generic]) -> Floats:
    """Mid-ranks in (0, 1) of each row among its own period: what makes the scores of different models one ranking."""
    ranks = np.empty(len(scores))
    for name in np.unique(period):
        here = period == name
        _, group, size = np.unique(scores[here], return_inverse=True, return_counts=True)
        ranks[here] = (np.cumsum(size) - size / 2)[group] / here.sum()
    return ranks


@dataclass(frozen=True, slots=True)
class Decile:
    """One tenth of the leads, 1 being the best: how many, how many positive, and what was predicted."""

    decile: int
    n: int
    positives: int
    mean_predicted: float


def deciles(scores: Floats, outcome: Floats, predicted: Floats) -> list[Decile]:
    """Ten equal parts by falling score; within a tie the input order decides, so sizes differ by one at most."""
    parts = np.array_split(np.argsort(-scores, kind="stable"), 10)
    return [
        Decile(i, len(part), int(outcome[part].sum()), float(predicted[part].mean()) if len(part) else float("nan"))
        for i, part in enumerate(parts, start=1)
    ]
