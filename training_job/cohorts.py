"""Groups of leads and beliefs about them, judged on rows no model was fitted on, with intervals and multiple testing in mind."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.asof.contract import Contract
from shared.documents import Document, load
from shared.matrix import Matrix
from shared.metrics.compare import benjamini_hochberg
from shared.metrics.intervals import Z95, Estimate, wilson
from training_job.dataset import Dataset
from training_job.rules import Rule
from training_job.screening import value_of

LEVEL = 0.05
MIN_ROWS = 50


class Hypothesis(Rule):
    """A rule, and what is claimed of the leads that meet it."""

    claim: str
    direction: Literal["more", "less"]


class CohortCut(Document):
    """A number is cut at `cuts`; without any the feature has groups of its own: the levels of a category, yes and no."""

    name: str
    feature: str
    cuts: tuple[float, ...] = ()


class BeliefPolicy(Document):
    hypotheses: Mapping[str, tuple[Hypothesis, ...]]
    cohorts: Mapping[str, tuple[CohortCut, ...]]


@dataclass(frozen=True, slots=True)
class Cohort:
    """One group: what happened, what was predicted, and whether it differs from the rest once all groups are taken together."""

    cut: str
    group: str
    rate: Estimate
    predicted: float
    p_value: float
    differs: bool


@dataclass(frozen=True, slots=True)
class Belief:
    """A hypothesis judged: odds ratio pooled over months (Mantel and Haenszel 1959) with its interval."""

    name: str
    claim: str
    ruling: Literal["supported", "not supported", "not knowable at contact"]
    odds_ratio: Estimate | None
    why: str


def beliefs(folder: Path) -> BeliefPolicy:
    return load(folder / "hypotheses.yaml", BeliefPolicy)


def cohorts(rows: Dataset, probability: Matrix, cuts: Sequence[CohortCut]) -> list[Cohort]:
    """Every group of every cut; `differs` holds the false discovery rate at 5 % over all of them (Benjamini and Hochberg 1995)."""
    found: list[Cohort] = []
    for cut in cuts:
        for group, mine in _groups(rows, cut).items():
            if mine.sum() >= MIN_ROWS:
                rate = wilson(int(rows.outcome[mine].sum()), int(mine.sum()))
                found.append(Cohort(cut.name, group, rate, float(probability[mine].mean()), _p(rows.outcome, mine), differs=False))
    adjusted = benjamini_hochberg(np.array([each.p_value for each in found])) if found else np.empty(0)
    return [
        Cohort(each.cut, each.group, each.rate, each.predicted, float(p), differs=bool(p <= LEVEL))
        for each, p in zip(found, adjusted, strict=True)
    ]


def cuts_of(contract: Contract, policy: BeliefPolicy, rows: Dataset, strongest: Sequence[str]) -> list[CohortCut]:
    """The declared cuts whose feature is there; otherwise the quarters of the three strongest numbers."""
    declared = [cut for cut in policy.cohorts.get(contract.name, ()) if cut.feature in rows.schema.names]
    if declared:
        return declared
    numbers = [name for name in strongest if not rows.schema.columns[rows.schema.names.index(name)].levels][:3]
    edges = {name: np.unique(np.nanquantile(value_of(rows, name), [0.25, 0.5, 0.75])) for name in numbers}
    return [CohortCut(name=name, feature=name, cuts=tuple(cut.tolist())) for name, cut in edges.items()]


def judge(contract: Contract, policy: BeliefPolicy, rows: Dataset) -> list[Belief]:
    """Every hypothesis of the contract, at a false discovery rate of 5 % over all that can be judged."""
    declared = policy.hypotheses.get(contract.name, ())
    known = [each for each in declared if all(condition.feature in rows.schema.names for condition in each.all)]
    ratios = {each.name: _odds_ratio(rows, each) for each in known}
    p_values = [ratios[each.name][1] for each in known]
    adjusted = dict(zip([each.name for each in known], benjamini_hochberg(np.array(p_values)) if known else [], strict=True))
    found = []
    for each in declared:
        if each not in known:
            found.append(Belief(each.name, each.claim, "not knowable at contact", None, _why_not(contract, each)))
            continue
        ratio = ratios[each.name][0]
        as_claimed = ratio.value > 1 if each.direction == "more" else ratio.value < 1
        supported = bool(as_claimed and adjusted[each.name] <= LEVEL)
        why = (
            f"odds ratio {ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}] over {ratio.n:,} leads, {ratio.positives:,} of them positive"
        )
        found.append(Belief(each.name, each.claim, "supported" if supported else "not supported", ratio, why))
    return found


def _why_not(contract: Contract, hypothesis: Hypothesis) -> str:
    absent = [condition.feature for condition in hypothesis.all]
    return (
        "; ".join(f"{name}: {contract.refused[name]}" for name in absent if name in contract.refused)
        or f"{', '.join(absent)} is not asked for"
    )


def _odds_ratio(rows: Dataset, hypothesis: Hypothesis) -> tuple[Estimate, float]:
    """Pooled over months; the variance of its logarithm after Robins, Breslow and Greenland (1986). The p-value is two-sided."""
    met = hypothesis.met({condition.feature: value_of(rows, condition.feature) for condition in hypothesis.all})
    month = np.unique(rows.contacted_at.astype("datetime64[M]"), return_inverse=True)[1]
    won = rows.outcome == 1
    a, b, c, d = (np.bincount(month, side.astype(np.float64)) for side in (met & won, met & ~won, ~met & won, ~met & ~won))
    n = a + b + c + d
    r, s, p, q = a * d / n, b * c / n, (a + d) / n, (b + c) / n
    if not r.sum() or not s.sum():
        return Estimate(math.nan, 0.0, math.inf, len(rows), int(won.sum())), 1.0
    ratio = float(r.sum() / s.sum())
    variance = (p * r).sum() / (2 * r.sum() ** 2) + (p * s + q * r).sum() / (2 * r.sum() * s.sum()) + (q * s).sum() / (2 * s.sum() ** 2)
    error = math.sqrt(variance)
    z = abs(math.log(ratio)) / error
    low, high = (ratio * math.exp(side * Z95 * error) for side in (-1, 1))
    return Estimate(ratio, low, high, len(rows), int(won.sum())), 2 * (1 - NormalDist().cdf(z))


def _p(outcome: Matrix, mine: NDArray[np.bool_]) -> float:
    """Two-sided score test of the group's rate against the rest's."""
    n, m = mine.sum(), (~mine).sum()
    pooled = outcome.mean()
    if not m or not 0 < pooled < 1:
        return 1.0
    z = (outcome[mine].mean() - outcome[~mine].mean()) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return float(2 * (1 - NormalDist().cdf(abs(z))))


def _groups(rows: Dataset, cut: CohortCut) -> dict[str, NDArray[np.bool_]]:
    """Which rows each group holds, those of unknown value first."""
    value = value_of(rows, cut.feature)
    column = rows.schema.columns[rows.schema.names.index(cut.feature)]
    names = list(column.levels) or (_between(cut.cuts) if cut.cuts else ["no", "yes"])
    member = value if not cut.cuts else np.where(np.isnan(value), np.nan, np.searchsorted(cut.cuts, value, side="right"))
    return {"not known": np.isnan(value), **{name: member == group for group, name in enumerate(names)}}


def _between(cuts: Sequence[float]) -> list[str]:
    inner = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(cuts)]
    return [f"under {cuts[0]:g}", *inner, f"{cuts[-1]:g} and more"]
