"""From a training frame to an artefact: periods, candidates, calibration, manifest; then the sealed period, once."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from shared.metrics.intervals import Estimate, wilson
from shared.metrics.ranking import Ranked, auc_roc, lift_at, ranks_within
from shared.metrics.summary import figures, headline, period_of
from shared.model.artifact import pack, version_of
from training_job import calibration
from training_job.calibration import Calibration, Judgements
from training_job.candidates import RULES, Compared, Course, Keep, Say, Tried, choose
from training_job.compare import compare, fit_on
from training_job.dataset import Dataset, require_enough
from training_job.folds import Fold, Period, seal
from training_job.manifest import manifest
from training_job.policy import FilterPolicy, Screen
from training_job.screening import Removed, screen, value_of
from training_job.sealed import Opening
from training_job.trained import Asked, Sealed, Trained


def train(dataset: Dataset, asked: Asked, say: Say, keep: Keep = lambda _, judge: judge()) -> Trained:
    """Judge every candidate by rolling origin, keep the simplest as good as the best, calibrate it out of fold, open the seal.

    The model is fitted on the rows before the sealed period and served as it was judged. Raises DataError when there is too
    little to learn from, SealBroken when the period was opened before and the policy says once.
    """
    require_enough(dataset, asked.policy)
    gap = asked.contract.lead.outcome.window_days + asked.contract.lead.lag_days
    split = _split(dataset, asked.period, gap)
    development = dataset.take(split.train)
    require_enough(development, asked.policy)
    course = Course(development, asked.contract.name, gap, asked.policy)
    compared = compare(course, say, keep)
    chosen = choose(compared.tried, asked.policy.min_gain)
    removed = _removed(development, compared, chosen, asked.policy.filters)
    model_rows = development.without({each.feature for each in removed})
    say(f"fitting {chosen.candidate.name} on all {len(model_rows):,} rows")
    fitted = fit_on(replace(course, dataset=model_rows), chosen.candidate, compared.weights)
    judged = judgements(development, compared, chosen, _segment_feature(asked, model_rows))
    calibrated = calibration.fit(judged, asked.policy.calibration, asked.policy.calibration.segments.get(asked.contract.name))
    rolling = _rolling(judged, calibrated, every=asked.period is not None)
    described = manifest(asked, model_rows, fitted.predictor, chosen, calibrated, rolling)
    files = pack(described, asked.contract, fitted.predictor, fitted.files)
    trained = Trained(
        version=version_of(files),
        files=files,
        chosen=chosen,
        compared=compared,
        calibration=calibrated,
        rolling=rolling,
        removed=removed,
        development=development,
        predictor=fitted.predictor,
        sealed=None,
        schema=model_rows.schema.names,
        contract=asked.contract,
    )
    return _opened(trained, dataset, split, asked, say) if asked.period else trained


def judgements(dataset: Dataset, compared: Compared, chosen: Tried, segment: str | None = None) -> Judgements:
    """The chosen candidate's out-of-fold rows."""
    rows = np.concatenate([period.fold.judge for period in compared.periods])
    sizes = [len(period.fold.judge) for period in compared.periods]
    return Judgements(
        margins=chosen.margins,
        outcome=dataset.outcome[rows],
        period=np.repeat(np.arange(len(sizes)), sizes),
        contacted_at=dataset.contacted_at[rows],
        segment=value_of(dataset, segment)[rows] if segment else None,
    )


def _split(dataset: Dataset, period: Period | None, gap: int) -> Fold:
    if period is None:
        return Fold(np.arange(len(dataset)), np.arange(0))
    return seal(dataset.contacted_at, dataset.outcome, period, gap, dataset.entity)


def _removed(development: Dataset, compared: Compared, chosen: Tried, policy: FilterPolicy) -> tuple[Removed, ...]:
    """What the filters take out on all training rows, and what they took out in too many of the periods."""
    strictness = chosen.candidate.screen
    removed = list(screen(development, policy.of(strictness)))
    gone = {each.feature for each in removed}
    left = [name for name in development.schema.names if name not in gone]
    kept = {name: _kept_share(name, compared, strictness) for name in left}
    unstable = [name for name in left if kept[name] < policy.min_kept]
    for name in unstable if len(unstable) < len(left) else []:
        said = f"is not stable: kept in {kept[name]:.0%} of the periods in which it could be"
        removed.append(Removed(name, "unstable", kept[name], policy.min_kept, said))
    return tuple(removed)


def _kept_share(name: str, compared: Compared, strictness: Screen) -> float:
    """Of the periods that could judge it: not those in which it did not vary yet, or another feature that says the same took its place."""
    judged = []
    for period in compared.periods:
        mine = {each.rule for each in period.removed if each.feature == name}
        if name in period.kept[strictness] or not mine & {"constant", "missing", "duplicate", "vif"}:
            judged.append(name in period.kept[strictness])
    return float(np.mean(judged)) if judged else 1.0


def _segment_feature(asked: Asked, model_rows: Dataset) -> str | None:
    policy = asked.policy.calibration.segments.get(asked.contract.name)
    return policy.feature if policy and policy.feature in model_rows.schema.names else None


def _rolling(judged: Judgements, calibrated: Calibration, *, every: bool) -> dict[str, Estimate]:
    """Every figure, or the four headline ones, by ranks within periods."""
    probability = calibration.across_periods(judged, calibration.method_of(calibrated.method))
    ranks, weeks = ranks_within(judged.margins, judged.period), period_of(judged.contacted_at)
    return (figures if every else headline)(ranks, probability, judged.outcome, weeks)


def _opened(trained: Trained, dataset: Dataset, split: Fold, asked: Asked, say: Say) -> Trained:
    assert asked.period is not None  # noqa: S101 - the caller asked
    say(f"opening the sealed period {asked.period}")
    leads = f"{asked.contract.name} {hashlib.sha256(' '.join(dataset.lead_ids[row] for row in split.judge).encode()).hexdigest()[:16]}"
    first = Opening(asked.period, 1, 0.05, "")
    opening = asked.seal.open(leads, asked.period, f"{asked.run}-{trained.version}", datetime.now(UTC)) if asked.seal else first
    rows = dataset.take(split.judge)
    gone = set(dataset.schema.names) - set(trained.schema)
    matrix = rows.without(gone).matrix
    margin = trained.predictor.margins(matrix)
    segment = trained.calibration.segment
    probability = trained.calibration.probability(margin, value_of(rows, segment.feature) if segment else None)
    learned = Ranked.of(trained.predictor.margins(trained.development.without(gone).matrix), trained.development.outcome)
    course = Course(trained.development, asked.contract.name, 0, asked.policy)
    sealed = Sealed(
        opening=opening,
        rows=split,
        margin=margin,
        probability=probability,
        metrics=figures(margin, probability, rows.outcome, period_of(rows.contacted_at), alpha=opening.alpha),
        predicted=float(probability.mean()),
        actual=wilson(int(rows.outcome.sum()), len(rows)),
        train_auc=auc_roc(learned),
        train_lift=lift_at(learned, 0.1),
        rules=fit_on(course, RULES, {}).predictor.margins(rows.matrix),
    )
    return replace(trained, sealed=sealed)
