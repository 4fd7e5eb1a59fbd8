"""From margins to probabilities: the method that later periods favour, segments shrunk to the whole, and a moved base rate."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from shared.matrix import Matrix
from shared.metrics.calibration import brier_skill
from shared.metrics.intervals import Estimate, bootstrap
from shared.metrics.summary import period_of
from shared.model import calibrate
from shared.model.calibrate import Knots, Segment
from training_job.policy import CalibrationPolicy, SegmentPolicy

Method = Literal["none", "sigmoid", "isotonic"]
DAY = np.timedelta64(1, "D")
_FARTHEST = 12.0


@dataclass(frozen=True, slots=True)
class Judgements:
    """Out-of-fold rows in order of contact: margins and outcome [rows], the period that judged each, when it was contacted.

    `segment` [rows] is the value that segments are cut by, None where the contract has none.
    """

    margins: Matrix
    outcome: Matrix
    period: NDArray[np.intp]
    contacted_at: NDArray[np.datetime64]
    segment: Matrix | None = None


@dataclass(frozen=True, slots=True)
class PriorUpdate:
    """The base rate moved: what was predicted for the last days, what happened, and the log-odds added for it."""

    days: int
    predicted: float
    actual: Estimate
    added: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """`skill` is the Brier skill of each method on later periods; `refused` says which method was not tried, and why."""

    method: Method
    knots: Knots
    skill: Mapping[Method, float]
    refused: Mapping[str, str] = field(default_factory=dict)
    segment: Segment | None = None
    segment_skill: float = 0.0
    prior: PriorUpdate | None = None

    def probability(self, margins: Matrix, segment: Matrix | None = None) -> Matrix:
        offset = self.segment.offset(segment) if self.segment is not None and segment is not None else 0.0
        return calibrate.probability(margins, self.knots, offset)


def fit(judged: Judgements, policy: CalibrationPolicy, segments: SegmentPolicy | None) -> Calibration:
    """Choose by skill on periods later than those fitted on, fit on all, then look at segments and at the last days."""
    methods, refused = _methods(int(judged.outcome.sum()), policy)
    crossed = {name: across_periods(judged, fitter) for name, fitter in methods.items()}
    skill = {name: _skill(judged, predicted) for name, predicted in crossed.items()}
    method = max(skill, key=lambda name: skill[name])
    found = Calibration(method, methods[method](judged.margins, judged.outcome), skill, refused)
    found = _with_segments(found, judged, crossed[method], segments)
    return _with_recent_prior(found, judged, policy)


def across_periods(judged: Judgements, fitter: Callable[[Matrix, Matrix], Knots]) -> Matrix:
    """Probability [rows] of each period by a calibrator of the periods before it; of the first, by one of the second."""
    predicted = np.empty(len(judged.outcome))
    first = judged.period.min()
    for period in np.unique(judged.period):
        fitted_on = judged.period == first + 1 if period == first else judged.period < period
        fitted_on = fitted_on if 0 < judged.outcome[fitted_on].sum() < fitted_on.sum() else np.full(len(fitted_on), True)  # noqa: FBT003
        mine = judged.period == period
        predicted[mine] = calibrate.probability(judged.margins[mine], fitter(judged.margins[fitted_on], judged.outcome[fitted_on]))
    return predicted


def method_of(method: Method) -> Callable[[Matrix, Matrix], Knots]:
    return {"none": fit_none, "sigmoid": fit_sigmoid, "isotonic": fit_isotonic}[method]


def fit_none(margins: Matrix, outcome: Matrix) -> Knots:  # noqa: ARG001 - a method like the others
    """The margin taken at its word."""
    return calibrate.sigmoid_knots(1.0, 0.0, margins)


def fit_sigmoid(margins: Matrix, outcome: Matrix) -> Knots:
    """Platt scaling on out-of-fold margins at the natural prior, as knots; a slope below 0 would turn the ranking round and is 0."""
    if np.ptp(margins) == 0:
        rate = float(outcome.mean())
        return calibrate.sigmoid_knots(0.0, float(np.log(rate / (1 - rate))), margins)
    model = LogisticRegression(C=np.inf).fit(margins[:, None], outcome)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope < 0:
        rate = float(outcome.mean())
        slope, intercept = 0.0, float(np.log(rate / (1 - rate)))
    return calibrate.sigmoid_knots(slope, intercept, margins)


def fit_isotonic(margins: Matrix, outcome: Matrix) -> Knots:
    """Pool adjacent violators, as knots."""
    model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(margins, outcome)
    return tuple(model.X_thresholds_.tolist()), tuple(model.y_thresholds_.tolist())


def _methods(positives: int, policy: CalibrationPolicy) -> tuple[dict[Method, Callable[[Matrix, Matrix], Knots]], dict[str, str]]:
    methods: dict[Method, Callable[[Matrix, Matrix], Knots]] = {"none": fit_none, "sigmoid": fit_sigmoid}
    if positives < policy.isotonic_min_positives:
        return methods, {"isotonic": f"{positives} positives out of fold, and it needs {policy.isotonic_min_positives}"}
    return {**methods, "isotonic": fit_isotonic}, {}


def _skill(judged: Judgements, predicted: Matrix) -> float:
    """Mean over periods of the Brier skill within each; the first has no earlier period to be calibrated on."""
    later = np.unique(judged.period)[1:].tolist() or [judged.period.min()]
    return float(np.mean([brier_skill(predicted[judged.period == p], judged.outcome[judged.period == p]) for p in later]))


def _with_segments(found: Calibration, judged: Judgements, crossed: Matrix, policy: SegmentPolicy | None) -> Calibration:
    """Offsets per segment, kept only where those of earlier periods make later periods' probabilities better."""
    if policy is None or judged.segment is None:
        return found
    moved = crossed.copy()
    for period in np.unique(judged.period)[1:]:
        before, mine = judged.period < period, judged.period == period
        earlier = _offsets(crossed[before], judged.outcome[before], judged.segment[before], policy)
        moved[mine] = calibrate.moved(crossed[mine], earlier.offset(judged.segment[mine]))
    gain = _skill(judged, moved) - _skill(judged, crossed)
    if gain <= 0:
        return found
    pooled = found.probability(judged.margins)
    segment = _offsets(pooled, judged.outcome, judged.segment, policy)
    return Calibration(found.method, found.knots, found.skill, found.refused, segment, gain)


def _offsets(predicted: Matrix, outcome: Matrix, value: Matrix, policy: SegmentPolicy) -> Segment:
    member = np.searchsorted(policy.cuts, value, side="right")
    offsets = []
    for index in range(len(policy.cuts) + 1):
        mine = (member == index) & ~np.isnan(value)
        positives = float(outcome[mine].sum())
        weight = positives / (positives + policy.prior_positives)
        offsets.append(weight * _shift_to(predicted[mine], positives / mine.sum()) if positives else 0.0)
    return Segment(feature=policy.feature, cuts=policy.cuts, offsets=tuple(offsets))


def _with_recent_prior(found: Calibration, judged: Judgements, policy: CalibrationPolicy) -> Calibration:
    """Where the last days' rate lies clear of what is predicted for them, the log-odds move to it (Saerens et al. 2002).

    Leads of the same days share their luck less than those of a year; a model calibrated on the past rate would go on
    predicting it.
    """
    recent = judged.contacted_at > judged.contacted_at.max() - policy.recent_days * DAY
    recent[-int(policy.recent_share * len(recent)) :] = True
    positives = int(judged.outcome[recent].sum())
    segment = None if judged.segment is None else judged.segment[recent]
    predicted = found.probability(judged.margins[recent], segment)
    outcome = judged.outcome[recent]
    actual = bootstrap(lambda w: float(np.average(outcome, weights=w)), outcome, period_of(judged.contacted_at[recent]))
    if positives < policy.recent_min_positives or actual.low <= predicted.mean() <= actual.high or recent.all():
        return found
    added = _shift_to(predicted, actual.value)
    knots = (found.knots[0], tuple(calibrate.moved(np.array(found.knots[1]), added).tolist()))
    update = PriorUpdate(policy.recent_days, float(predicted.mean()), actual, added)
    return Calibration(found.method, knots, found.skill, found.refused, found.segment, found.segment_skill, update)


def _shift_to(predicted: Matrix, rate: float) -> float:
    """The log-odds to add so that the mean probability is `rate`."""
    if not 0 < rate < 1:
        return 0.0
    return float(brentq(lambda by: calibrate.moved(predicted, by).mean() - rate, -_FARTHEST, _FARTHEST))
