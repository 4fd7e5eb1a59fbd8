"""From a contract and a warehouse to an artefact: folds, families, calibration, the sealed period, reference, manifest."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version as library_version

import numpy as np
from numpy.typing import NDArray

from shared.asof.contract import Contract
from shared.asof.vector import Matrix
from shared.config import ROOT
from shared.errors import DataError
from shared.metrics.intervals import Estimate, bootstrap
from shared.metrics.ranking import Ranked, auc_pr, auc_roc
from shared.metrics.summary import figures, headline, period_of
from shared.model import calibrate
from shared.model.artifact import FeatureSpec, Figure, Manifest, Training, pack, version_of
from shared.policies import Bands
from training_job.calibrators import Calibrated, calibrated
from training_job.dataset import Dataset, require_enough
from training_job.families import FAMILIES, Family, Fitted
from training_job.filters import clocks, unfit
from training_job.folds import Fold, rolling_origin
from training_job.imbalance import STRATEGIES
from training_job.policy import TrainingPolicy
from training_job.sealed import Sealed, judge_sealed

LIBRARIES = ("numpy", "scikit-learn", "xgboost-cpu")
BASE_RATE = "base_rate"
HEADLINE = ("auc_roc", "auc_pr", "lift_at_10", "brier_skill")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Tried:
    """One family and strategy over the folds: margins [judged rows] of each by a model that had not seen it, AUC-PR per fold.

    gap: AUC-PR on the rows trained on less that on the rows judged, per fold.
    """

    family: Family
    margins: tuple[Matrix, ...]
    auc_pr: tuple[float, ...]
    strategy: str = "none"
    gap: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        return self.family.name if self.strategy == "none" else f"{self.family.name} + {self.strategy}"

    @property
    def mean(self) -> float:
        return float(np.mean(self.auc_pr))

    @property
    def standard_error(self) -> float:
        return float(np.std(self.auc_pr, ddof=1) / np.sqrt(len(self.auc_pr))) if len(self.auc_pr) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Trained:
    """`files` is the artefact; `metrics` are out of fold; `removed` says why features were left out; `sealed` is judged once."""

    version: str
    files: dict[str, bytes]
    family: str
    chosen: Tried
    tried: tuple[Tried, ...]
    metrics: dict[str, Estimate]
    fold_metrics: tuple[Mapping[str, Estimate], ...]
    rows: int
    positives: int
    removed: Mapping[str, str]
    removed_in_folds: Mapping[str, int]
    folds: tuple[Fold, ...]
    calibration: Calibrated
    fitted: Fitted
    trained_on: Dataset
    sealed: Sealed | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what comes of the same rows."""

    contract: Contract
    known_by: datetime
    policy: TrainingPolicy
    bands: Bands


def train(dataset: Dataset, recipe: Recipe, say: Progress, sealed_from: datetime | None = None, openings: int = 1) -> Trained:
    """Judge each family by rolling origin, keep the simplest as good as the best, calibrate it out of fold, fit it on all rows.

    With `sealed_from`, contacts from then on are set aside: the model is made on what was settled a window before, and judged
    on them once; `openings` counts the runs that have looked at them, this one included. What is judged is what is stored.
    Raises DataError when there is too little to learn from.
    """
    contract, policy = recipe.contract, recipe.policy
    gap_days = contract.lead.outcome.window_days + contract.lead.lag_days
    known, kept_back = dataset.split(sealed_from, gap_days) if sealed_from else (dataset, None)
    require_enough(known, policy)
    removed = {name: f"a clock: the week tells {share:.0%} of it" for name, share in clocks(known).items()}
    known = known.without(removed)
    folds = rolling_origin(known.contacted_at, known.outcome, policy.folds, gap_days, known.persons)
    if not folds:
        raise DataError("No period has both outcomes before and in it.", fix="Train on a longer stretch of contacts.")
    left_out = [unfit(known.rows(fold.train), policy.filters) for fold in folds]
    periods = list(zip(folds, left_out, strict=True))
    candidates = [(family, strategy) for family in FAMILIES for strategy in (policy.imbalance if family.name != BASE_RATE else ("none",))]
    tried = tuple(_try(family, strategy, known, periods, policy, say) for family, strategy in candidates)
    chosen = choose(tried)
    outcomes = [known.outcome[fold.judge] for fold in folds]
    calibration = calibrated(chosen.margins, outcomes, policy.isotonic_min_positives)
    margins, outcome = np.concatenate(chosen.margins), np.concatenate(outcomes)
    period = period_of(np.concatenate([known.contacted_at[fold.judge] for fold in folds]))
    measure = figures if sealed_from else headline  # every figure costs resamples; a world is judged by its replay
    metrics = measure(margins, calibrate.probability(margins, calibration.knots), outcome, period)
    unfit_now = unfit(known, policy.filters)
    kept = known.without(unfit_now)
    say(f"fitting {chosen.name} on all {len(kept):,} rows")
    fitted = chosen.family.fit(STRATEGIES[chosen.strategy](kept.matrix, kept.outcome, policy.seed), policy)
    manifest = Manifest(
        kind=chosen.family.kind,
        family=chosen.family.name,
        contract_hash=contract.hash,
        features=tuple(FeatureSpec(**asdict(column)) for column in kept.schema.columns),
        calibration=calibration.knots,
        calibration_method=calibration.words,
        reference=tuple(calibrate.freeze_reference(margins).tolist()),
        bands=recipe.bands.bands,
        base_rate=float(kept.outcome.mean()),
        training=_training(kept, recipe.known_by),
        metrics={name: Figure(**asdict(metrics[name])) for name in HEADLINE},
        code_version=_code_version(),
        libraries={name: library_version(name) for name in LIBRARIES},
    )
    files = pack(manifest, contract, fitted.predictor, fitted.files)
    return Trained(
        version=version_of(files),
        files=files,
        family=chosen.name,
        chosen=chosen,
        tried=tried,
        metrics=metrics,
        fold_metrics=()
        if kept_back is None
        else tuple(_of_fold(m, o, known.contacted_at[f.judge]) for m, o, f in zip(chosen.margins, outcomes, folds, strict=True)),
        rows=len(kept),
        positives=int(kept.outcome.sum()),
        removed={**removed, **unfit_now},
        removed_in_folds={name: sum(name in each for each in left_out) for name in known.schema.names if any(name in x for x in left_out)},
        folds=tuple(folds),
        calibration=calibration,
        fitted=fitted,
        trained_on=kept,
        sealed=judge_sealed(kept_back, kept.schema, fitted.predictor, calibration.knots, openings) if kept_back is not None else None,
    )


def choose(tried: tuple[Tried, ...]) -> Tried:
    """The simplest within one standard error of the best mean AUC-PR (Breiman et al. 1984); the base rate is only a yardstick."""
    models = [each for each in tried if each.family.name != BASE_RATE]
    best = max(models, key=lambda each: each.mean)
    good_enough = [each for each in models if each.mean >= best.mean - best.standard_error]
    return min(good_enough, key=lambda each: (each.family.complexity, each.strategy != "none", -each.mean))


def _try(
    family: Family, strategy: str, known: Dataset, periods: Sequence[tuple[Fold, Mapping[str, str]]], policy: TrainingPolicy, say: Progress
) -> Tried:
    margins, scores, gaps = [], [], []
    for number, (fold, names) in enumerate(periods, start=1):
        say(f"{family.name}, {strategy}: period {number} of {len(periods)}")
        kept = known.without(names)
        rows = STRATEGIES[strategy](kept.matrix[fold.train], kept.outcome[fold.train], policy.seed)
        predictor = family.fit(rows, policy).predictor
        margins.append(predictor.margins(kept.matrix[fold.judge]))
        scores.append(auc_pr(Ranked.of(margins[-1], kept.outcome[fold.judge])))
        gaps.append(auc_pr(Ranked.of(predictor.margins(kept.matrix[fold.train]), kept.outcome[fold.train])) - scores[-1])
    return Tried(family, tuple(margins), tuple(scores), strategy, tuple(gaps))


def _of_fold(margins: Matrix, outcome: Matrix, at: NDArray[np.datetime64]) -> Mapping[str, Estimate]:
    ranked, period = Ranked.of(margins, outcome), period_of(at)
    return {
        "auc_roc": bootstrap(partial(auc_roc, ranked), outcome, period),
        "auc_pr": bootstrap(partial(auc_pr, ranked), outcome, period),
    }


def _training(dataset: Dataset, known_by: datetime) -> Training:
    first, last = (instant.astype("datetime64[us]").item().replace(tzinfo=UTC) for instant in dataset.contacted_at[[0, -1]])
    positives = int(dataset.outcome.sum())
    return Training(first_contact=first, last_contact=last, known_by=known_by, rows=len(dataset), positives=positives)


def _code_version() -> str:
    """The commit this ran from; an image carries its own as CODE_VERSION; `unknown` outside both."""
    asked = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    return asked.stdout.strip() or os.environ.get("CODE_VERSION", "unknown")
