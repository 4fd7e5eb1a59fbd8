"""What may be done about rare positives inside training rows, and how to undo what it does to the odds."""

from dataclasses import replace

import numpy as np

from shared.matrix import Matrix
from shared.model.blend import Model, shifted
from training_job.lesson import Lesson
from training_job.policy import Imbalance

NEIGHBOURS = 5


def prepare(lesson: Lesson, strategy: Imbalance) -> Lesson:
    """The lesson as this strategy has it."""
    if strategy == "scale_pos_weight":
        return replace(lesson, positive_weight=float((1 - lesson.outcome).sum() / lesson.outcome.sum()))
    return _with_synthetic(lesson) if strategy == "smote" else lesson


def at_natural_odds(predictor: Model, taught: Lesson, natural: Matrix) -> Model:
    """The predictor with the odds that weighting or resampling added taken off its margin (King and Zeng 2001).

    `natural` [rows] is the outcome as it came.
    """
    positives = float(taught.outcome.sum()) * taught.positive_weight
    shift = _log_odds(float(natural.mean())) - float(np.log(positives / (1 - taught.outcome).sum()))
    return shifted(predictor, shift)


def _with_synthetic(lesson: Lesson) -> Lesson:
    """SMOTE (Chawla et al. 2002): positives between neighbouring positives, added after the rows as they are.

    Distances need every value, so a missing one counts as the median there; the real rows keep it missing, and the made ones
    miss what some real positive misses, or being complete would tell that a row was made, and so a positive.
    """
    from imblearn.over_sampling import SMOTE  # noqa: PLC0415 - two seconds of imports for one strategy

    positives = int(lesson.outcome.sum())
    ratio, rows = lesson.policy.smote_ratio, len(lesson.outcome)
    if positives <= NEIGHBOURS or positives >= ratio * (rows - positives):
        return lesson
    median = np.nanmedian(lesson.matrix, axis=0)
    filled = np.where(np.isnan(lesson.matrix), np.where(np.isnan(median), 0.0, median), lesson.matrix)
    sampler = SMOTE(sampling_strategy=ratio, k_neighbors=NEIGHBOURS, random_state=lesson.policy.seed)
    grown, outcome = sampler.fit_resample(filled, lesson.outcome.astype(np.int64))
    made = grown[rows:]
    known_to_miss = np.isnan(lesson.matrix[lesson.outcome == 1])
    made[known_to_miss[np.random.default_rng(lesson.policy.seed).integers(0, positives, len(made))]] = np.nan
    return replace(lesson, matrix=np.vstack([lesson.matrix, made]), outcome=outcome.astype(np.float64))


def _log_odds(rate: float) -> float:
    return float(np.log(rate / (1 - rate)))
