"""From margins to probabilities at the natural prior: the method with the best skill on folds it was not fitted on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from shared.asof.vector import Matrix
from shared.metrics.calibration import brier_skill
from shared.metrics.intervals import wilson
from shared.model import calibrate

Knots = tuple[tuple[float, ...], tuple[float, ...]]
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Calibrated:
    """`knots` for serving; `skill` is each method's Brier skill out of fold; `shift` in log-odds follows the recent rate."""

    method: str
    knots: Knots
    skill: Mapping[str, float]
    shift: float

    @property
    def words(self) -> str:
        return self.method if not self.shift else f"{self.method}, moved by {self.shift:+.2f} in log-odds to the rate of the last period"


def fit_none(margins: Matrix, outcome: Matrix) -> Knots:  # noqa: ARG001 - as the others
    return calibrate.sigmoid_knots(1.0, 0.0, margins)


def fit_sigmoid(margins: Matrix, outcome: Matrix) -> Knots:
    """Platt scaling on out-of-fold margins at the natural prior, as knots."""
    model = LogisticRegression(C=np.inf).fit(margins[:, None], outcome)
    return calibrate.sigmoid_knots(float(model.coef_[0, 0]), float(model.intercept_[0]), margins)


def fit_isotonic(margins: Matrix, outcome: Matrix) -> Knots:
    """Monotone steps (pool adjacent violators), as knots. Ties it makes do not matter: leads are ranked by margin."""
    model = IsotonicRegression(out_of_bounds="clip").fit(margins, outcome)
    return tuple(map(float, model.X_thresholds_)), tuple(map(float, np.clip(model.y_thresholds_, _LEAST, 1 - _LEAST)))


METHODS: Mapping[str, Callable[[Matrix, Matrix], Knots]] = {"none": fit_none, "sigmoid": fit_sigmoid, "isotonic": fit_isotonic}


def calibrated(margins: Sequence[Matrix], outcomes: Sequence[Matrix], isotonic_min_positives: int) -> Calibrated:
    """Choose by Brier skill over the folds, each judged by a calibrator fitted on the others; then fit on all of them.

    `margins` and `outcomes` hold one array per period, in time order. Isotonic needs `isotonic_min_positives`.
    """
    everything, outcome = np.concatenate(margins), np.concatenate(outcomes)
    methods = [name for name in METHODS if name != "isotonic" or outcome.sum() >= isotonic_min_positives]
    skill = {name: _skill(METHODS[name], margins, outcomes) for name in methods}
    best = max(methods, key=lambda name: skill[name])
    knots = METHODS[best](everything, outcome)
    shift = _recent_shift(calibrate.probability(margins[-1], knots), outcomes[-1])
    return Calibrated(best, _moved(knots, shift), skill, shift)


def _skill(fit: Callable[[Matrix, Matrix], Knots], margins: Sequence[Matrix], outcomes: Sequence[Matrix]) -> float:
    if len(margins) == 1:
        return brier_skill(calibrate.probability(margins[0], fit(margins[0], outcomes[0])), outcomes[0])
    predicted = []
    for held in range(len(margins)):
        others = [index for index in range(len(margins)) if index != held]
        knots = fit(np.concatenate([margins[i] for i in others]), np.concatenate([outcomes[i] for i in others]))
        predicted.append(calibrate.probability(margins[held], knots))
    return brier_skill(np.concatenate(predicted), np.concatenate(outcomes))


def _recent_shift(predicted: Matrix, outcome: Matrix) -> float:
    """Prior update (Saerens et al. 2002, by the labels of the last period): 0 while its rate's interval holds the mean prediction."""
    rate = wilson(int(outcome.sum()), len(outcome))
    mean = float(predicted.mean())
    if rate.low <= mean <= rate.high or not 0 < rate.value < 1:
        return 0.0
    margin = np.log(np.clip(predicted, _LEAST, 1 - _LEAST) / (1 - np.clip(predicted, _LEAST, 1 - _LEAST)))
    low, high = -10.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if float((1 / (1 + np.exp(-(margin + middle)))).mean()) < rate.value else (low, middle)
    return (low + high) / 2


def _moved(knots: Knots, shift: float) -> Knots:
    if not shift:
        return knots
    y = np.clip(np.array(knots[1]), _LEAST, 1 - _LEAST)
    return knots[0], tuple((1 / (1 + np.exp(-(np.log(y / (1 - y)) + shift)))).tolist())
