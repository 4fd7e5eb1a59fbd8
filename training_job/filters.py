"""Features a model is better off without, found on training rows only and named with the evidence."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from shared.asof.vector import Matrix
from shared.metrics.drift import psi
from shared.metrics.screening import information_value, vif
from shared.metrics.summary import week_of
from training_job.dataset import Dataset
from training_job.policy import Filters

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
    known = ~np.isnan(values).any(axis=1)
    values, week = values[known], week[known]
    weeks = len(np.unique(week))
    total = float(((values - values.mean(axis=0)) ** 2).sum()) if len(values) else 0.0
    if not total or len(values) <= weeks:
        return 0.0
    counts = np.bincount(week)
    means = np.stack([np.bincount(week, column) / np.maximum(counts, 1) for column in values.T], axis=1)
    within = float(((values - means[week]) ** 2).sum())
    return 1 - within / (len(values) - weeks) / (total / (len(values) - 1))


def unfit(dataset: Dataset, policy: Filters) -> Mapping[str, str]:
    """Features to leave out of a fit on these rows, and why: missing, constant, a copy, drifting, saying nothing, told by others.

    Only training rows may be given. A category is judged by its columns together and stays whole.
    """
    found: dict[str, str] = {}
    seen: dict[bytes, str] = {}
    for index, column in enumerate(dataset.schema.columns):
        values = dataset.matrix[:, dataset.schema.owner == index]
        why = _alone(values, dataset.outcome, policy)
        copy = seen.setdefault(values.tobytes(), column.name)
        if why or copy != column.name:
            found[column.name] = why or f"the same in every row as {copy}"
    numbers = [c.name for c in dataset.schema.columns if not c.levels and c.name not in found]
    columns = dataset.matrix[:, [dataset.schema.matrix_names.index(name) for name in numbers]]
    return found | {
        numbers[i]: f"VIF {inflation:.0f}: the others all but tell it" for i, inflation in told_by_others(columns, policy.max_vif)
    }


def told_by_others(columns: Matrix, limit: float) -> Iterator[tuple[int, float]]:
    """Columns to take away, the worst first, until no VIF exceeds `limit`, with the VIF each had; missing stands at the mean."""
    known = np.where(np.isnan(columns).all(axis=0), 0.0, columns)
    filled = np.where(np.isnan(known), np.nanmean(known, axis=0), known)
    left = list(range(filled.shape[1]))
    while left:
        inflation = vif(filled[:, left])
        worst = len(left) - 1 - int(np.argmax(inflation[::-1]))
        if inflation[worst] <= limit:
            return
        yield left.pop(worst), float(inflation[worst])


def _alone(values: Matrix, outcome: Matrix, policy: Filters) -> str:
    known = np.isfinite(values).all(axis=1)
    missing = 1 - float(known.mean())
    if missing > policy.max_missing:
        return f"missing in {missing:.1%} of rows"
    if (values[known] == values[known][:1]).all() and (known.all() or not known.any()):
        return "constant"
    one = values[:, 0] if values.shape[1] == 1 else np.where(known, values.argmax(axis=1), np.nan)
    half = len(one) // 2
    drift = psi(one[:half], one[half:])
    if drift.psi > policy.max_psi and drift.beyond_chance:
        return f"PSI {drift.psi:.1f} between the halves of the training rows"
    iv = information_value(one, outcome)
    return f"IV {iv:.3f}: it tells nothing alone" if iv < policy.min_iv else ""
