"""Random search and early stopping inside the training rows of a period: what is judged is never looked at."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import ParameterSampler

from training_job.families import Family, plan_of
from training_job.folds import Fold, settled_before, without_twins
from training_job.lesson import Lesson, Plan, Watch
from training_job.policy import SearchPolicy

MIN_POSITIVES = 20


@dataclass(frozen=True, slots=True)
class Trial:
    """One draw: its parameters, the rounds boosting took, and the log loss of the inner rows (lower is better)."""

    family: str
    plan: Plan
    log_loss: float
    seconds: float


def inner_fold(
    contacted_at: NDArray[np.datetime64], outcome: NDArray[np.float64], entity: NDArray[np.float64] | None, share: float, gap_days: int
) -> Fold | None:
    """The last `share` of training rows, and the rows settled before them; None where either has too few positives."""
    judge = np.arange(int(len(outcome) * (1 - share)), len(outcome))
    train = without_twins(settled_before(contacted_at, contacted_at[judge[0]], gap_days), judge, entity)
    return Fold(train, judge) if min(outcome[train].sum(), outcome[judge].sum()) >= MIN_POSITIVES else None


def search(family: Family, lesson: Lesson, inner: Fold | None) -> tuple[Plan, list[Trial]]:
    """The plan with the least log loss on the inner rows, and every draw; the policy's own parameters are always drawn first.

    Without candidates or inner rows the policy's plan stands. The rounds that were best inside are taken on all rows.
    """
    policy = lesson.policy.search
    stated = plan_of(family.name, lesson.policy)
    if not family.searched or not policy.candidates or inner is None:
        return stated, []
    learn = Lesson(lesson.matrix[inner.train], lesson.outcome[inner.train], lesson.names, lesson.policy, lesson.contract)
    matrix, outcome = lesson.matrix[inner.judge], lesson.outcome[inner.judge]
    watch = Watch(matrix, outcome, policy.patience)
    trials, started = list[Trial](), time.monotonic()
    for plan in _draws(family, stated, policy, lesson.policy.seed):
        if trials and time.monotonic() - started > policy.seconds:
            break
        begun = time.monotonic()
        fitted = family.fit(learn, plan, watch)
        loss = _log_loss(fitted.predictor.margins(matrix), outcome)
        trials.append(Trial(family.name, Plan(plan.params, max(fitted.rounds, 1)), loss, round(time.monotonic() - begun, 3)))
    return min(trials, key=lambda trial: trial.log_loss).plan, trials


def _draws(family: Family, stated: Plan, policy: SearchPolicy, seed: int) -> Iterator[Plan]:
    yield stated
    choices = {name: list(values) for name, values in getattr(policy, family.name).items()}
    size = int(np.prod([len(values) for values in choices.values()])) if choices else 0
    if size:
        for drawn in ParameterSampler(choices, min(policy.candidates, size), random_state=seed):
            yield Plan({**stated.params, **drawn}, stated.rounds)


def _log_loss(margins: NDArray[np.float64], outcome: NDArray[np.float64]) -> float:
    return float(np.mean(np.logaddexp(0.0, margins) - outcome * margins))
