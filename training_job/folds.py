"""Rolling origin: each period is judged by a model that has seen only what was settled before it began."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Fold:
    """Row indices: train on `train`, judge on `judge`; the gap between them is at least the label window."""

    train: Indices
    judge: Indices


def rolling_origin(
    contacted_at: NDArray[np.datetime64],
    outcome: NDArray[np.float64],
    folds: int,
    gap_days: int,
    persons: Sequence[int | None] = (),
) -> list[Fold]:
    """Equal parts in order of contact; the first only trains. Parts without both classes on a side are left out.

    `contacted_at` [rows] is sorted. A person who is judged in a fold is not trained on in it.
    """
    parts = np.array_split(np.arange(len(contacted_at)), folds + 1)
    gap = np.timedelta64(max(gap_days, 1), "D")
    found = []
    for judge in parts[1:]:
        train = np.flatnonzero(contacted_at < contacted_at[judge[0]] - gap)
        if persons:
            seen = {persons[i] for i in judge} - {None}
            train = np.array([i for i in train.tolist() if persons[i] not in seen], np.intp)
        if all(len(side) and 0 < outcome[side].mean() < 1 for side in (train, judge)):
            found.append(Fold(train, judge))
    return found
