"""Every family and strategy over the same periods, and the simplest that is as good as the best."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from shared.errors import DataError
from shared.metrics.ranking import Ranked, auc_pr, auc_roc
from training_job import ensemble, lightgbm_trees
from training_job.candidates import ENSEMBLE, Candidate, Compared, Course, Judged, Keep, Say, Seen, Tried, candidates_of
from training_job.dataset import Dataset
from training_job.families import FAMILIES, Family, Fitted
from training_job.folds import Fold, rolling_origin
from training_job.imbalance import at_natural_odds, prepare
from training_job.lesson import Lesson, Plan
from training_job.screening import screen
from training_job.search import Trial, inner_fold, search


def compare(course: Course, say: Say, keep: Keep = lambda _, judge: judge()) -> Compared:
    """Judge every candidate of the policy by rolling origin. DataError when no period can be judged."""
    dataset, policy = course.dataset, course.policy
    folds, gap_days = _folds(course)
    why = lightgbm_trees.unavailable() if "lightgbm" in policy.families else ""
    left_out = {"lightgbm": why} if why else {}
    candidates = candidates_of(policy, left_out)

    def judged(number: int) -> Judged:
        say(f"period {number + 1} of {len(folds)}: {len(candidates)} candidates")
        return keep(number, lambda: _judge(course, folds[number], candidates, f"period {number + 1}"))

    with ThreadPoolExecutor(policy.workers) as pool:
        periods = tuple(pool.map(judged, range(len(folds))))
    parts = [each.name for each in candidates if each.name in ensemble.PARTS and each.screen == ENSEMBLE.screen]
    weights: Mapping[str, float] = {}
    if "ensemble" in policy.families and len(parts) > 1:
        periods, weights = _with_ensemble(dataset, periods, parts)
        candidates.append(ENSEMBLE)
    elif "ensemble" in policy.families:
        left_out["ensemble"] = f"it needs two of {', '.join(ensemble.PARTS)}"
    return Compared(periods, tuple(_tried(dataset, each, periods) for each in candidates), left_out, weights, gap_days)


def _folds(course: Course) -> tuple[list[Fold], int]:
    """The periods, and the days between their sides. Where the rows span too little for the gap, it is halved until periods fit.

    Every outcome of the course was settled before the sealed period began, so a shorter gap flatters only the choice between
    candidates, never the sealed figures; the run says so.
    """
    dataset, gap = course.dataset, max(course.gap_days, 1)
    while True:
        folds = rolling_origin(dataset.contacted_at, dataset.outcome, course.policy.folds, gap, dataset.entity)
        if len(folds) > 1 or (folds and gap == 1):
            return folds, gap
        if gap == 1:
            raise DataError("No period has both outcomes before and in it.", fix="Train on a longer stretch of contacts.")
        gap //= 2


def fit_on(course: Course, candidate: Candidate, weights: Mapping[str, float]) -> Fitted:
    """A candidate fitted on all rows of the course, searched inside them, at the natural odds."""
    lesson = _lesson(course.dataset, course)
    if candidate == ENSEMBLE:
        parts = [(weight, _fit(course, lesson, Candidate(name, "none", 0))) for name, weight in weights.items() if weight]
        files = {f"{index}-{name}": data for index, (_, part) in enumerate(parts) for name, data in part.files.items()}
        return Fitted(ensemble.combine([(weight, part.predictor) for weight, part in parts], lesson.matrix.shape[1]), files)
    return _fit(course, lesson, candidate)


def _fit(course: Course, lesson: Lesson, candidate: Candidate) -> Fitted:
    family = _family(candidate)
    plan, _ = search(family, lesson, _inner(course.dataset, course))
    return _taught(family, lesson, candidate, plan)


def _taught(family: Family, lesson: Lesson, candidate: Candidate, plan: Plan) -> Fitted:
    taught = prepare(lesson, candidate.imbalance)
    fitted = family.fit(taught, plan, None)
    return replace(fitted, predictor=at_natural_odds(fitted.predictor, taught, lesson.outcome))


def _judge(course: Course, fold: Fold, candidates: Sequence[Candidate], where: str) -> Judged:
    parts = [
        _judge_screened(course, fold, [each for each in candidates if each.screen == strictness], where)
        for strictness in dict.fromkeys(each.screen for each in candidates)
    ]
    merged = parts[0]
    for part in parts[1:]:
        removed = tuple(dict.fromkeys([*merged.removed, *part.removed]))
        trials, seen = (*merged.trials, *part.trials), {**merged.seen, **part.seen}
        merged = Judged(fold, {**merged.kept, **part.kept}, removed, trials, seen)
    return merged


def _judge_screened(course: Course, fold: Fold, candidates: Sequence[Candidate], where: str) -> Judged:
    """The candidates of one screen: they share the rows, the columns, and the libraries' binned copies of them."""
    train, strictness = course.dataset.take(fold.train), candidates[0].screen
    removed = screen(train, course.policy.filters.of(strictness), where)
    gone = {each.feature for each in removed}
    train, judge = train.without(gone), course.dataset.take(fold.judge).without(gone)
    lesson, inner = _lesson(train, course), _inner(train, course)
    plans: dict[str, Plan] = {}
    trials: list[Trial] = []
    seen = {}
    for candidate in candidates:
        family, started = _family(candidate), time.monotonic()
        if candidate.family not in plans:
            plans[candidate.family], drawn = search(family, lesson, inner)
            trials += drawn
        fitted = _taught(family, lesson, candidate, plans[candidate.family])
        seen[candidate.name] = Seen(
            margins=fitted.predictor.margins(judge.matrix),
            train_auc=auc_roc(Ranked.of(fitted.predictor.margins(train.matrix), train.outcome)),
            predictor=fitted.predictor,
            plan=plans[candidate.family],
            seconds=round(time.monotonic() - started, 3),
        )
    return Judged(fold, {strictness: train.schema.names}, removed, tuple(trials), seen)


def _with_ensemble(dataset: Dataset, periods: Sequence[Judged], parts: Sequence[str]) -> tuple[tuple[Judged, ...], Mapping[str, float]]:
    """Each period with the ensemble of its parts, weighted by the periods before it; and the weights over all of them."""
    grown, weights = [], dict.fromkeys(parts, 1 / len(parts))
    for number, period in enumerate(periods):
        models = [(weights[part], period.seen[part]) for part in parts]
        together = Seen(
            margins=np.sum([weight * each.margins for weight, each in models], axis=0),
            train_auc=float(np.average([each.train_auc for _, each in models], weights=[weight for weight, _ in models])),
            predictor=ensemble.combine([(weight, each.predictor) for weight, each in models], _columns(dataset, period)),
            plan=Plan(dict(weights)),
            seconds=sum(each.seconds for _, each in models),
        )
        grown.append(replace(period, seen={**period.seen, ENSEMBLE.name: together}))
        before = periods[: number + 1]
        margins = {part: np.concatenate([each.seen[part].margins for each in before]) for part in parts}
        weights = ensemble.weights_of(margins, np.concatenate([dataset.outcome[each.fold.judge] for each in before]))
    return tuple(grown), weights


def _columns(dataset: Dataset, period: Judged) -> int:
    return sum(column.width for column in dataset.schema.columns if column.name in period.kept[ENSEMBLE.screen])


def _tried(dataset: Dataset, candidate: Candidate, periods: Sequence[Judged]) -> Tried:
    seen = [period.seen[candidate.name] for period in periods]
    scores = [auc_pr(Ranked.of(s.margins, dataset.outcome[p.fold.judge])) for s, p in zip(seen, periods, strict=True)]
    return Tried(candidate, np.concatenate([each.margins for each in seen]), tuple(scores), tuple(each.train_auc for each in seen))


def _family(candidate: Candidate) -> Family:
    return next(family for family in FAMILIES if family.name == candidate.family)


def _lesson(dataset: Dataset, course: Course) -> Lesson:
    return Lesson(dataset.matrix, dataset.outcome, dataset.schema.matrix_names, course.policy, course.contract)


def _inner(dataset: Dataset, course: Course) -> Fold | None:
    return inner_fold(dataset.contacted_at, dataset.outcome, dataset.entity, course.policy.search.inner_share, course.gap_days)
