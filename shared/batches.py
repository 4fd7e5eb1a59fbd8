"""What is kept about the nightly batches: how they were planned, how far they are, and whether scores have moved."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from shared import sql
from shared.asof.vector import Matrix
from shared.metrics.stability import Stability, stability
from shared.model import calibrate
from shared.model.artifact import Artifact
from shared.ports import Warehouse

TENTHS = 10


@dataclass(frozen=True, slots=True)
class BatchRun:
    """One line of `monitoring.batch_runs`: open leads, how many of them are to be scored, and in how many pages."""

    run_id: str
    planned_at: datetime
    as_of: datetime
    model_version: str
    open: int
    to_score: int
    pages: int


@dataclass(frozen=True, slots=True)
class BatchPage:
    """One line of `monitoring.batch_pages`. `reasons` is JSON of error code to lead ids."""

    run_id: str
    page: int
    scored_at: datetime
    model_version: str
    scored: int
    not_scored: int
    reasons: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ScoreDrift:
    """One line of `monitoring.score_drift`."""

    run_id: str
    measured_at: datetime
    model_version: str
    n: int
    psi: float
    critical: float
    beyond_chance: bool
    mean_probability: float


@dataclass(frozen=True, slots=True)
class Progress:
    """A planned run and how many of its pages are done."""

    as_of: datetime
    planned: int
    done: int


class Batches:
    """Append-only; writing the same run, page or drift again changes nothing."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def planned(self, run: BatchRun) -> None:
        self._warehouse.append("monitoring.batch_runs", [run])

    def page_done(self, page: BatchPage) -> None:
        self._warehouse.append("monitoring.batch_pages", [page])

    def progress(self, run_id: str) -> Progress | None:
        """None until the run has been planned to its end."""
        found = self._warehouse.query(sql.load("batch_progress"), run_id=run_id).into(Progress)
        return found[0] if found else None

    def measure_drift(self, run_id: str, champion: Artifact, at: datetime) -> ScoreDrift | None:
        """Write down how far the run's scores lie from the champion's reference; None if this champion scored nothing in it."""
        tenths = self._warehouse.query(sql.load("batch_tenths"), run_id=run_id, model_version=champion.version)
        counts, probability = np.zeros(TENTHS), 0.0
        for row in tenths:
            counts[int(str(row["tenth"]))] = int(str(row["n"]))
            probability += float(str(row["probability"]))
        if not counts.any():
            return None
        moved = _moved(champion, counts)
        n = int(counts.sum())
        drift = ScoreDrift(run_id, at, champion.version, n, moved.psi, moved.critical, moved.beyond_chance, probability / n)
        self._warehouse.append("monitoring.score_drift", [drift])
        return drift


def _moved(champion: Artifact, counts: Matrix) -> Stability:
    own = calibrate.percentile(champion.reference, champion.reference)
    reference = np.bincount(np.minimum(own // TENTHS, TENTHS - 1).astype(int), minlength=TENTHS).astype(np.float64)
    return stability(reference, counts, champion.manifest.training.rows)
