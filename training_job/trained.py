"""What a training is asked for, and what comes of it."""

from dataclasses import dataclass
from datetime import UTC, datetime, time

from shared.asof.contract import Contract
from shared.matrix import Matrix
from shared.metrics.intervals import Estimate
from shared.model.blend import Model
from shared.policies import Bands
from training_job.calibration import Calibration
from training_job.candidates import Compared, Tried
from training_job.dataset import Dataset
from training_job.folds import Fold, Period
from training_job.policy import TrainingPolicy
from training_job.screening import Removed
from training_job.sealed import Opening, Seal


@dataclass(frozen=True, slots=True)
class Asked:
    """What a training is asked for: labels known by `known_by`, judged on the sealed `period` (None: rolling origin only)."""

    contract: Contract
    known_by: datetime
    policy: TrainingPolicy
    bands: Bands
    period: Period | None = None
    seal: Seal | None = None
    run: str = "run"

    @property
    def labels_known_by(self) -> datetime:
        """When the last label that the model learned from was known: before the sealed period began."""
        return datetime.combine(self.period.first, time(), UTC) if self.period else self.known_by


@dataclass(frozen=True, slots=True)
class Sealed:
    """The sealed rows as the finished model scored them: margin, probability [rows of the fold's judge], and what it was worth.

    `rules` are the margins of the rules on the same rows; `train_` figures are of the rows the model learned from.
    """

    opening: Opening
    rows: Fold
    margin: Matrix
    probability: Matrix
    metrics: dict[str, Estimate]
    predicted: float
    actual: Estimate
    train_auc: float
    train_lift: float
    rules: Matrix


@dataclass(frozen=True, slots=True)
class Trained:
    """`files` is the artefact; `rolling` are its figures out of fold, ranks within period; `removed` names features left out.

    `development` are the rows that were trained on, with every feature; `kept` names those of the model.
    """

    version: str
    files: dict[str, bytes]
    chosen: Tried
    compared: Compared
    calibration: Calibration
    rolling: dict[str, Estimate]
    removed: tuple[Removed, ...]
    development: Dataset
    predictor: Model
    sealed: Sealed | None
    schema: tuple[str, ...]
    contract: Contract

    @property
    def gap_days(self) -> int:
        """The days until an outcome is settled: the least that should lie between learning and judging."""
        return max(1, self.contract.lead.outcome.window_days + self.contract.lead.lag_days)

    @property
    def family(self) -> str:
        return self.chosen.candidate.name

    @property
    def rows(self) -> int:
        return len(self.development)

    @property
    def positives(self) -> int:
        return int(self.development.outcome.sum())
