"""Features a model is better off without, found on training rows only and named with the evidence."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shared.matrix import Matrix
from shared.metrics.summary import week_of
from training_job.dataset import Dataset

CLOCK_SHARE = 0.9


def clocks(dataset: Dataset) -> Mapping[str, float]:
    """Features whose value the week of contact all but tells, with the share of variance that lies between weeks.

    A model that learns from one learns the calendar of its training period; later weeks have values it never saw.
    The share is epsilon squared (Kelley 1935), so that a column of pure noise reads 0 however many weeks there are.
    """
    _, week = np.unique(week_of(dataset.contacted_at), return_inverse=True)
    shares = {
        column.name: between_groups(dataset.matrix[:, dataset.schema.owner == index], week)
        for index, column in enumerate(dataset.schema.columns)
    }
    return {name: share for name, share in shares.items() if share > CLOCK_SHARE}


def between_groups(values: Matrix, week: NDArray[np.intp]) -> float:
    """Epsilon squared of values [rows, columns] between groups [rows] numbered from 0; 0 where nothing can be said."""
    known = np.isfinite(values).all(axis=1)
    values, week = values[known], week[known]
    weeks = len(np.unique(week))
    total = float(((values - values.mean(axis=0)) ** 2).sum()) if len(values) else 0.0
    if not total or len(values) <= weeks:
        return 0.0
    counts = np.bincount(week)
    means = np.stack([np.bincount(week, column) / np.maximum(counts, 1) for column in values.T], axis=1)
    within = float(((values - means[week]) ** 2).sum())
    return 1 - within / (len(values) - weeks) / (total / (len(values) - 1))
