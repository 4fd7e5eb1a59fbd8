"""From a contract and a warehouse to an artefact: folds, families, calibration, reference, manifest."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version as library_version

import numpy as np
from sklearn.linear_model import LogisticRegression

from shared.asof.contract import Contract
from shared.asof.vector import Matrix
from shared.config import ROOT
from shared.errors import DataError
from shared.metrics.intervals import Estimate
from shared.metrics.ranking import Ranked, auc_pr
from shared.metrics.summary import headline, week_of
from shared.model import calibrate
from shared.model.artifact import FeatureSpec, Figure, Manifest, Training, pack, version_of
from shared.policies import Bands
from training_job.dataset import Dataset, require_enough
from training_job.families import FAMILIES, Family
from training_job.filters import clocks
from training_job.folds import Fold, rolling_origin
from training_job.policy import TrainingPolicy

LIBRARIES = ("numpy", "scikit-learn", "xgboost-cpu")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Tried:
    """One family over the folds: margins [judged rows] by models that had not seen them, AUC-PR per fold."""

    family: Family
    margins: Matrix
    auc_pr: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.auc_pr))

    @property
    def standard_error(self) -> float:
        return float(np.std(self.auc_pr, ddof=1) / np.sqrt(len(self.auc_pr))) if len(self.auc_pr) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Trained:
    """`files` is the artefact; `metrics` are out of fold, by period; `removed` are clocks, with their evidence."""

    version: str
    files: dict[str, bytes]
    family: str
    tried: tuple[Tried, ...]
    metrics: dict[str, Estimate]
    rows: int
    positives: int
    removed: Mapping[str, float]


def train(dataset: Dataset, contract: Contract, known_by: datetime, policy: TrainingPolicy, bands: Bands, say: Progress) -> Trained:
    """Judge each family by rolling origin, keep the simplest as good as the best, calibrate it out of fold, refit it on all.

    Raises DataError when there is too little to learn from.
    """
    require_enough(dataset, policy)
    removed = clocks(dataset)
    dataset = dataset.without(removed)
    folds = rolling_origin(dataset.contacted_at, dataset.outcome, policy.folds, contract.lead.outcome.window_days)
    if not folds:
        raise DataError("No period has both outcomes before and in it.", fix="Train on a longer stretch of contacts.")
    tried = tuple(_try(family, dataset, folds, policy, say) for family in FAMILIES)
    chosen = choose(tried)
    say(f"fitting {chosen.family.name} on all {len(dataset):,} rows")
    judged = np.concatenate([fold.judge for fold in folds])
    outcome = dataset.outcome[judged]
    knots = fit_sigmoid(chosen.margins, outcome)
    probability = calibrate.probability(chosen.margins, knots)
    metrics = headline(chosen.margins, probability, outcome, week_of(dataset.contacted_at[judged]))
    fitted = chosen.family.fit(dataset.matrix, dataset.outcome, policy)
    manifest = Manifest(
        kind=chosen.family.kind,
        family=chosen.family.name,
        contract_hash=contract.hash,
        features=tuple(FeatureSpec(**asdict(column)) for column in dataset.schema.columns),
        calibration=knots,
        calibration_method="sigmoid",
        reference=tuple(calibrate.freeze_reference(chosen.margins).tolist()),
        bands=bands.bands,
        base_rate=float(dataset.outcome.mean()),
        training=_training(dataset, known_by),
        metrics={name: Figure(**asdict(estimate)) for name, estimate in metrics.items()},
        code_version=_code_version(),
        libraries={name: library_version(name) for name in LIBRARIES},
    )
    files = pack(manifest, contract, fitted.predictor, fitted.files)
    return Trained(version_of(files), files, chosen.family.name, tried, metrics, len(dataset), int(dataset.outcome.sum()), removed)


def choose(tried: tuple[Tried, ...]) -> Tried:
    """The simplest family within one standard error of the best mean AUC-PR (Breiman et al. 1984)."""
    best = max(tried, key=lambda each: each.mean)
    good_enough = [each for each in tried if each.mean >= best.mean - best.standard_error]
    return min(good_enough, key=lambda each: each.family.complexity)


def fit_sigmoid(margins: Matrix, outcome: Matrix) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Platt scaling on out-of-fold margins at the natural prior, as knots."""
    model = LogisticRegression(C=np.inf).fit(margins[:, None], outcome)
    return calibrate.sigmoid_knots(float(model.coef_[0, 0]), float(model.intercept_[0]), margins)


def _try(family: Family, dataset: Dataset, folds: list[Fold], policy: TrainingPolicy, say: Progress) -> Tried:
    margins, scores = [], []
    for number, fold in enumerate(folds, start=1):
        say(f"{family.name}: period {number} of {len(folds)}")
        fitted = family.fit(dataset.matrix[fold.train], dataset.outcome[fold.train], policy)
        margins.append(fitted.predictor.margins(dataset.matrix[fold.judge]))
        scores.append(auc_pr(Ranked.of(margins[-1], dataset.outcome[fold.judge])))
    return Tried(family, np.concatenate(margins), tuple(scores))


def _training(dataset: Dataset, known_by: datetime) -> Training:
    first, last = (instant.astype("datetime64[us]").item().replace(tzinfo=UTC) for instant in dataset.contacted_at[[0, -1]])
    positives = int(dataset.outcome.sum())
    return Training(first_contact=first, last_contact=last, known_by=known_by, rows=len(dataset), positives=positives)


def _code_version() -> str:
    """The commit this ran from, or `unknown` outside a checkout (a bundle carries its own)."""
    asked = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    return asked.stdout.strip() or "unknown"
