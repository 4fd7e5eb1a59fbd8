"""What is compared: candidates, what each was worth in a period, and which of them is chosen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shared.matrix import Matrix
from shared.model.blend import Model
from training_job.dataset import Dataset
from training_job.families import FAMILIES
from training_job.folds import Fold
from training_job.lesson import Plan
from training_job.policy import Imbalance, Screen, TrainingPolicy
from training_job.screening import Removed
from training_job.search import Trial

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Course:
    """What is learned from: rows in order of contact, the contract's name, the days until an outcome is settled, the policy."""

    dataset: Dataset
    contract: str
    gap_days: int
    policy: TrainingPolicy


@dataclass(frozen=True, slots=True)
class Candidate:
    """A family under a strategy. `complexity` orders them, strategies after the natural prior."""

    family: str
    imbalance: Imbalance
    complexity: float
    screen: Screen = "light"

    @property
    def name(self) -> str:
        parts = [self.family, *([self.imbalance] if self.imbalance != "none" else []), *([self.screen] if self.screen != "light" else [])]
        return " + ".join(parts)


ENSEMBLE = Candidate("ensemble", "none", 9)

RULES = Candidate("rules", "none", 1)


@dataclass(frozen=True, slots=True)
class Seen:
    """A candidate in one period: margins of the judged rows, and how well it ranks the rows it learned from."""

    margins: Matrix
    train_auc: float
    predictor: Model
    plan: Plan
    seconds: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One period: what was removed, the draws of the search, and each candidate by name. `kept` names the features of each screen."""

    fold: Fold
    kept: Mapping[str, tuple[str, ...]]
    removed: tuple[Removed, ...]
    trials: tuple[Trial, ...]
    seen: Mapping[str, Seen]


@dataclass(frozen=True, slots=True)
class Tried:
    """One candidate over the periods: margins [judged rows] by models that had not seen them, AUC-PR and training AUC per period."""

    candidate: Candidate
    margins: Matrix
    auc_pr: tuple[float, ...]
    train_auc: tuple[float, ...] = ()

    @property
    def mean(self) -> float:
        return float(np.mean(self.auc_pr))


@dataclass(frozen=True, slots=True)
class Compared:
    """`left_out` says which family could not take part, and why. `weights` are the ensemble's over all periods.

    gap_days: between what a period's models learned from and what they were judged on; shorter than the course's only where
    the course itself is too short for it.
    """

    periods: tuple[Judged, ...]
    tried: tuple[Tried, ...]
    left_out: Mapping[str, str]
    weights: Mapping[str, float]
    gap_days: int


Keep = Callable[[int, Callable[[], Judged]], Judged]

"""Hands out the period of a number if it was judged before, or judges it and keeps it."""


def candidates_of(policy: TrainingPolicy, left_out: Mapping[str, str]) -> list[Candidate]:
    """The families of the policy, those that learn under each strategy."""
    found = []
    for family in FAMILIES:
        if family.name in policy.families and family.name not in left_out:
            strategies: Sequence[Imbalance] = policy.imbalance if family.searched else ("none",)
            for rank, screen in enumerate(policy.screens if family.searched else policy.screens[:1]):
                own = strategies if not rank else strategies[:1]
                found += [Candidate(family.name, s, family.complexity + 0.1 * i + 0.5 * rank, screen) for i, s in enumerate(own)]
    return found


def choose(tried: Sequence[Tried], min_gain: float = 0.0) -> Tried:
    """The simplest candidate that is not worse than the best by more than one standard error of their difference, or `min_gain`.

    The one-standard-error rule (Breiman et al. 1984), paired by period: periods differ in base rate, and with it in AUC-PR,
    far more than candidates do, so the error of the mean itself would let anything pass.
    """
    best = max(tried, key=lambda each: each.mean)
    return min((each for each in tried if _as_good(each, best, min_gain)), key=lambda each: each.candidate.complexity)


def _as_good(each: Tried, best: Tried, min_gain: float) -> bool:
    behind = np.subtract(best.auc_pr, each.auc_pr)
    error = float(np.std(behind, ddof=1) / np.sqrt(len(behind))) if len(behind) > 1 else 0.0
    return bool(behind.mean() <= max(error, min_gain * best.mean))
