"""What is kept about the nightly batches: how they were planned, how far they are, and whether scores have moved."""

import json
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from shared import sql
from shared.matrix import Matrix
from shared.metrics.stability import stability
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

    def told(self) -> dict[str, object]:
        """What Scheduler is answered."""
        return {"run_id": self.run_id, "open": self.open, "to_score": self.to_score, "pages": self.pages}


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
class BatchSummary(BatchRun):
    """A run as planned, as done, and whether scores had moved. `reasons` is one JSON a line; no drift before the run is over."""

    pages_done: int
    scored: int
    not_scored: int
    reasons: str
    seconds: float
    last_page_at: datetime | None
    drift_n: int | None
    psi: float | None
    critical: float | None
    beyond_chance: bool | None
    mean_probability: float | None

    @property
    def is_over(self) -> bool:
        return self.pages_done >= self.pages

    @property
    def refused(self) -> dict[str, list[str]]:
        """Error code to the lead ids it kept from a score."""
        found: dict[str, list[str]] = {}
        for line in filter(None, self.reasons.split("\n")):
            for code, leads in json.loads(line).items():
                found.setdefault(code, []).extend(leads)
        return found


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

    def latest(self) -> list[BatchSummary]:
        """The last thirty runs, latest first."""
        return self._warehouse.query(sql.load("batch_runs")).into(BatchSummary)

    def tenths(self, run_id: str, champion: str) -> tuple[Matrix, Matrix]:
        """The run's scores by tenth of the champion's reference [10], and the sums of their probabilities [10]."""
        counts, probabilities = np.zeros(TENTHS), np.zeros(TENTHS)
        for row in self._warehouse.query(sql.load("batch_tenths"), run_id=run_id, model_version=champion).values:
            tenth, n, probability = row
            counts[tenth], probabilities[tenth] = n, probability  # type: ignore[call-overload]
        return counts, probabilities

    def measure_drift(self, run_id: str, champion: Artifact, at: datetime) -> ScoreDrift | None:
        """Write down how far the run's scores lie from the champion's reference; None if this champion scored nothing in it."""
        counts, probabilities = self.tenths(run_id, champion.version)
        if not counts.any():
            return None
        moved = stability(reference_tenths(champion), counts, champion.manifest.training.rows)
        n = int(counts.sum())
        drift = ScoreDrift(run_id, at, champion.version, n, moved.psi, moved.critical, moved.beyond_chance, float(probabilities.sum()) / n)
        self._warehouse.append("monitoring.score_drift", [drift])
        return drift


def reference_tenths(champion: Artifact) -> Matrix:
    """How the reference itself falls into its tenths [10]; where margins tie, not evenly."""
    own = calibrate.percentile(champion.reference, champion.reference)
    return np.bincount(np.minimum(own // TENTHS, TENTHS - 1).astype(int), minlength=TENTHS).astype(np.float64)
