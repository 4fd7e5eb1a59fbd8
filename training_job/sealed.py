"""The sealed period: set aside before anything else, judged once by the model that ships, every look at it counted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from shared.asof.vector import Matrix, Schema
from shared.clock import isoformat
from shared.errors import DataError, ObjectMissing, PreconditionFailed
from shared.metrics.intervals import Estimate, wilson
from shared.metrics.summary import figures, period_of
from shared.model import calibrate
from shared.model.artifact import Predictor
from shared.ports import Objects
from training_job.dataset import Dataset

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the model did on the sealed period. Intervals are of level 1 - 0.05 / openings."""

    metrics: Mapping[str, Estimate]
    rows: Dataset
    margin: Matrix
    probability: Matrix
    openings: int
    alpha: float

    @property
    def calibration_words(self) -> str:
        predicted, actual = float(self.probability.mean()), wilson(int(self.rows.outcome.sum()), len(self.rows))
        happened = f"{actual.value:.1%} [{actual.low:.1%}, {actual.high:.1%}] happened"
        if actual.low <= predicted <= actual.high:
            return f"well calibrated on the whole: {predicted:.1%} predicted, {happened}"
        return f"{'under' if predicted < actual.low else 'over'}-predicts: {predicted:.1%} predicted, {happened}"


def judge_sealed(
    rows: Dataset, schema: Schema, predictor: Predictor, knots: tuple[tuple[float, ...], tuple[float, ...]], openings: int
) -> Sealed:
    """Every measure on rows that had no part in making the model. DataError when one class is absent."""
    positives = int(rows.outcome.sum())
    if not 0 < positives < len(rows):
        raise DataError(
            f"The sealed period has {len(rows):,} mature leads with {positives} positives, so nothing can be judged on it.",
            fix="Seal a longer period with --sealed FROM..TO.",
        )
    rows = rows.without(set(rows.schema.names) - set(schema.names))
    margin = predictor.margins(rows.matrix)
    probability = calibrate.probability(margin, knots)
    alpha = ALPHA / openings
    found = figures(margin, probability, rows.outcome, period_of(rows.contacted_at), alpha=alpha)
    return Sealed(found, rows, margin, probability, openings, alpha)


def count_opening(objects: Objects, what: str, run: str, at: datetime, most: int) -> int:
    """Record that `run` looks at the sealed period `what`, and say how many have, this one included.

    A run that looks again after a restart is one look. DataError beyond `most` looks: the period is used up.
    """
    name = f"sealed/{what}.json"
    while True:
        try:
            blob = objects.read(name)
            looks, generation = json.loads(blob.data), blob.generation
        except ObjectMissing:
            looks, generation = [], 0
        if run in (look["run"] for look in looks):
            return 1 + [look["run"] for look in looks].index(run)
        if len(looks) >= most:
            raise DataError(
                f"The sealed period {what} has been opened {len(looks)} times; another look would be tuning on it.",
                fix="Seal a later period with --sealed, or raise max_openings in policies/training.yaml and say why.",
            )
        looks.append({"run": run, "at": isoformat(at)})
        try:
            objects.write(name, json.dumps(looks, indent=1).encode(), if_generation=generation)
        except PreconditionFailed:
            continue
        return len(looks)


def sealed_start(contacted_at: "np.ndarray[tuple[int], np.dtype[np.datetime64]]", share: float) -> np.datetime64:
    """The first day of the last `share` of contacts."""
    return np.datetime64(contacted_at[int(len(contacted_at) * (1 - share))], "D")
