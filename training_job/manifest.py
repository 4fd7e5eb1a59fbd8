"""What an artefact says of itself: its features, figures, the rows it learned from, and the code that made it."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version as library_version

from shared.config import ROOT
from shared.metrics.intervals import Estimate
from shared.model import calibrate
from shared.model.artifact import FeatureSpec, Figure, Manifest, Training
from shared.model.blend import Blend, Model
from shared.model.linear import Linear
from training_job.calibration import Calibration
from training_job.candidates import Tried
from training_job.dataset import Dataset
from training_job.trained import Asked

HEADLINE = ("auc_roc", "auc_pr", "lift_at_10", "brier_skill")

LIBRARIES = ("numpy", "scikit-learn", "xgboost-cpu", "lightgbm")


def manifest(
    asked: Asked, rows: Dataset, predictor: Model, chosen: Tried, calibrated: Calibration, rolling: Mapping[str, Estimate]
) -> Manifest:
    return Manifest(
        kind="blend" if isinstance(predictor, Blend) else "linear" if isinstance(predictor, Linear) else "trees",
        family=chosen.candidate.name,
        contract_hash=asked.contract.hash,
        features=tuple(FeatureSpec(**asdict(column)) for column in rows.schema.columns),
        calibration=calibrated.knots,
        calibration_method=calibrated.method,
        segment=calibrated.segment,
        reference=tuple(calibrate.freeze_reference(chosen.margins).tolist()),
        bands=asked.bands.bands,
        base_rate=float(rows.outcome.mean()),
        training=_training(rows, asked.labels_known_by),
        metrics={name: Figure(**asdict(rolling[name])) for name in HEADLINE},
        code_version=_code_version(),
        libraries={name: library_version(name) for name in LIBRARIES},
    )


def _training(dataset: Dataset, known_by: datetime) -> Training:
    first, last = (instant.astype("datetime64[us]").item().replace(tzinfo=UTC) for instant in dataset.contacted_at[[0, -1]])
    positives = int(dataset.outcome.sum())
    return Training(first_contact=first, last_contact=last, known_by=known_by, rows=len(dataset), positives=positives)


def _code_version() -> str:
    """The commit this ran from: as the image says in CODE_VERSION, as git says in a checkout, `unknown` elsewhere."""
    if os.environ.get("CODE_VERSION") or not shutil.which("git"):
        return os.environ.get("CODE_VERSION") or "unknown"
    asked = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    return asked.stdout.strip() or "unknown"
