"""The last months replayed as if deployed: train to the month, score the month after, let it mature, judge."""

from dataclasses import dataclass

import numpy as np

from shared.matrix import Matrix
from shared.metrics.intervals import Estimate, bootstrap, wilson
from shared.metrics.ranking import Ranked, auc_roc, lift_at, precision_at, recall_at
from shared.metrics.summary import period_of
from shared.model import calibrate
from training_job.calibration import fit_sigmoid
from training_job.candidates import Candidate, Compared, Course, Say
from training_job.compare import fit_on
from training_job.folds import Indices, settled_before, without_twins
from training_job.screening import screen

CUTS = (0.05, 0.1, 0.2, 0.3, 0.5)
MIN_POSITIVES = 5


@dataclass(frozen=True, slots=True)
class Month:
    """One month as it would have gone. expected: the sum of its probabilities; actual: the positives that came."""

    month: str
    trained_on: int
    n: int
    positives: int
    auc_roc: Estimate
    lift_at_10: Estimate
    expected: float
    actual: Estimate


@dataclass(frozen=True, slots=True)
class Cut:
    """Calling only the best `share`: positives per 100 dials there, the share of all positives found, and dials spared per 100."""

    share: float
    per_100_dials: Estimate
    found: Estimate
    dials_saved_per_100: float


@dataclass(frozen=True, slots=True)
class Backtest:
    months: tuple[Month, ...]
    cuts: tuple[Cut, ...]


def replay(course: Course, candidate: Candidate, compared: Compared, months: int, say: Say) -> Backtest:
    """The last `months` of the course, each by a model of what was settled when it began; months with too few positives are left out."""
    data, found = course.dataset, list[Month]()
    ranks, outcomes, moments = list[Matrix](), list[Matrix](), list[np.ndarray]()
    calendar = data.contacted_at.astype("datetime64[M]")
    for month in np.unique(calendar)[-months:] if months else []:
        judge = np.flatnonzero(calendar == month)
        start = month.astype(data.contacted_at.dtype)
        train = without_twins(settled_before(data.contacted_at, start, course.gap_days), judge, data.entity)
        if min(data.outcome[train].sum(), data.outcome[judge].sum()) < MIN_POSITIVES:
            continue
        say(f"replaying {month}")
        margins, probability = _deployed(course, candidate, compared, train, judge)
        outcome = data.outcome[judge]
        ranked, period = Ranked.of(margins, outcome), data.contacted_at[judge].astype("datetime64[D]")
        found.append(
            Month(
                month=str(month),
                trained_on=len(train),
                n=len(judge),
                positives=int(outcome.sum()),
                auc_roc=bootstrap(lambda w, r=ranked: auc_roc(r, w), outcome, period, resamples=200),  # type: ignore[misc]
                lift_at_10=bootstrap(lambda w, r=ranked: lift_at(r, 0.1, w), outcome, period, resamples=200),  # type: ignore[misc]
                expected=float(probability.sum()),
                actual=wilson(int(outcome.sum()), len(judge)),
            )
        )
        ranks.append((np.argsort(np.argsort(margins, kind="stable")) + 0.5) / len(margins))
        outcomes.append(outcome)
        moments.append(data.contacted_at[judge])
    if not found:
        return Backtest((), ())
    return Backtest(tuple(found), _cuts(np.concatenate(ranks), np.concatenate(outcomes), np.concatenate(moments)))


def _deployed(course: Course, candidate: Candidate, compared: Compared, train: Indices, judge: Indices) -> tuple[Matrix, Matrix]:
    """Margins and probabilities of a month by a model that was trained and calibrated before it began."""
    data, gone = course.dataset, set[str]()
    gone = {each.feature for each in screen(data.take(train), course.policy.filters.of(candidate.screen))}
    last = train[int(0.75 * len(train)) :]
    before = train[data.contacted_at[train] < data.contacted_at[last[0]] - max(course.gap_days, 1) * np.timedelta64(1, "D")]
    quiet = course.policy.model_copy(update={"search": course.policy.search.model_copy(update={"candidates": 0})})

    def fitted_on(rows: Indices, scored: Indices) -> Matrix:
        kept = data.take(rows).without(gone)
        model = fit_on(Course(kept, course.contract, course.gap_days, quiet), candidate, compared.weights)
        return model.predictor.margins(data.take(scored).without(gone).matrix)

    margins = fitted_on(train, judge)
    knots = fit_sigmoid(fitted_on(before, last), data.outcome[last])
    return margins, calibrate.probability(margins, knots)


def _cuts(ranks: Matrix, outcome: Matrix, moments: np.ndarray) -> tuple[Cut, ...]:
    ranked, period = Ranked.of(ranks, outcome), period_of(moments)
    found = []
    for share in CUTS:
        rate = bootstrap(lambda w, s=share: 100 * precision_at(ranked, s, w), outcome, period, resamples=200)  # type: ignore[misc]
        caught = bootstrap(lambda w, s=share: recall_at(ranked, s, w), outcome, period, resamples=200)  # type: ignore[misc]
        found.append(Cut(share, rate, caught, 100 * (1 - share)))
    return tuple(found)
