"""What to do about rare positives: nothing, weight them, or make more of them. Always inside a training fold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from imblearn.over_sampling import SMOTE

from shared.asof.vector import Matrix

SMOTE_RATIO = 0.1
SMOTE_NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class Rows:
    """What a model is fitted on: matrix [rows, columns], outcome [rows], weight [rows]."""

    matrix: Matrix
    outcome: Matrix
    weight: Matrix


def none(matrix: Matrix, outcome: Matrix, seed: int) -> Rows:  # noqa: ARG001 - as the others
    return Rows(matrix, outcome, np.ones(len(outcome)))


def scale_pos_weight(matrix: Matrix, outcome: Matrix, seed: int) -> Rows:  # noqa: ARG001 - as the others
    """Positives weigh as much as the negatives together; the calibrator takes the prior back."""
    ratio = (len(outcome) - outcome.sum()) / max(outcome.sum(), 1)
    return Rows(matrix, outcome, np.where(outcome == 1, ratio, 1.0))


def smote(matrix: Matrix, outcome: Matrix, seed: int) -> Rows:
    """Synthetic positives (Chawla et al. 2002) up to a tenth of the negatives, made where missing values stand at their median."""
    positives, negatives = int(outcome.sum()), int(len(outcome) - outcome.sum())
    if positives <= SMOTE_NEIGHBOURS or positives >= SMOTE_RATIO * negatives:
        return none(matrix, outcome, seed)
    known = np.where(np.isnan(matrix).all(axis=0), 0.0, matrix)
    filled = np.where(np.isnan(known), np.nanmedian(known, axis=0), known)
    made, labels = SMOTE(sampling_strategy=SMOTE_RATIO, k_neighbors=SMOTE_NEIGHBOURS, random_state=seed).fit_resample(filled, outcome)
    new = len(outcome)
    return none(np.vstack([matrix, made[new:]]), np.concatenate([outcome, labels[new:]]), seed)


STRATEGIES: Mapping[str, Callable[[Matrix, Matrix, int], Rows]] = {"none": none, "scale_pos_weight": scale_pos_weight, "smote": smote}
