"""A weighted mean of margins, the weights found on periods that were already judged."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.model.blend import Blend, Model, blend

PARTS = ("logistic", "xgboost", "lightgbm")
STEPS = 4
Floats = NDArray[np.float64]


def weights_of(margins: Mapping[str, Floats], outcome: Floats) -> dict[str, float]:
    """The weights, in quarters and adding up to one, with the least log loss on rows none of the parts had learned from."""
    columns = np.stack(list(margins.values()))
    best = min(_simplex(len(columns)), key=lambda weight: _log_loss(weight @ columns, outcome))
    return dict(zip(margins, best.tolist(), strict=True))


def combine(parts: Sequence[tuple[float, Model]], columns: int) -> Blend:
    """The parts as one model of so many matrix columns."""
    return blend([(weight, part) for weight, part in parts if not isinstance(part, Blend)], columns)


def _simplex(parts: int) -> Iterator[Floats]:
    for counts in itertools.product(range(STEPS + 1), repeat=parts):
        if sum(counts) == STEPS:
            yield np.array(counts) / STEPS


def _log_loss(margins: Floats, outcome: Floats) -> float:
    return float(np.mean(np.logaddexp(0.0, margins) - outcome * margins))
