"""From a judged model to the gate's evidence, and the verdict in words."""

import itertools
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from shared.errors import LeadscoreError
from shared.matrix import Matrix
from shared.metrics.drift import Drift, ks_two_sample, psi
from shared.metrics.intervals import Estimate, bootstrap
from shared.metrics.ranking import Ranked, auc_pr, auc_roc
from shared.metrics.summary import period_of
from shared.model.registry import Registry
from shared.ports import BulkWarehouse
from training_job.audit.findings import Report
from training_job.dataset import Dataset, load_dataset
from training_job.gate.evidence import Evidence
from training_job.gate.evidence import Sealed as SealedRows
from training_job.screening import value_of
from training_job.trained import Sealed, Trained

RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class Champion:
    """The model in charge and its margins of the sealed rows, in their order; or why it cannot be held against the candidate.

    `in_the_way`: there is a champion, and nothing that could not be held against it may ship.
    """

    version: str = ""
    margins: Matrix | None = None
    absent: str = ""
    in_the_way: bool = False


def champion_of(registry: Registry, warehouse: BulkWarehouse, trained: Trained, dataset: Dataset, known_by: datetime) -> Champion:
    """Whoever is in charge, asked about the sealed leads through its own contract."""
    if trained.sealed is None:
        return Champion(absent="there is no sealed period")
    leads = [dataset.lead_ids[row] for row in trained.sealed.rows.judge]
    try:
        pointer = registry.pointer("champion")
        if pointer is None:
            return Champion(absent="there is no champion yet")
        artifact = registry.load(pointer.version)
        rows = load_dataset(warehouse, artifact.contract, known_by)
    except LeadscoreError as fault:
        return Champion(absent=f"the champion could not be asked: {fault}", in_the_way=True)
    place = {lead: index for index, lead in enumerate(rows.lead_ids)}
    unknown = sum(lead not in place for lead in leads)
    if unknown:
        return Champion(absent=f"the champion {pointer.version} cannot score {unknown:,} of the sealed leads", in_the_way=True)
    mine = rows.take(np.array([place[lead] for lead in leads])).without(set(rows.schema.names) - set(artifact.schema.names))
    return Champion(pointer.version, artifact.predictor.margins(mine.matrix))


def evidence_of(trained: Trained, dataset: Dataset, audited: Report, champion: Champion) -> Evidence | None:
    """What the gate judges; None where there is no sealed period."""
    sealed = trained.sealed
    if sealed is None:
        return None
    rows = dataset.take(sealed.rows.judge)
    return Evidence(
        candidate=trained.version,
        sealed=SealedRows(
            outcome=rows.outcome,
            period=period_of(rows.contacted_at),
            margin=sealed.margin,
            probability=sealed.probability,
            champion=champion.margins,
            rules=sealed.rules,
            segment=_segment(trained, rows),
        ),
        champion=champion.version or None,
        leaks=tuple(finding.feature for finding in audited.leaks),
        folds=_folds(trained),
        train={"auc_roc": _flat(sealed.train_auc, trained), "lift_at_10": _flat(sealed.train_lift, trained)},
        drift=_drift(trained, rows),
        extra={"folds.ks": _between_folds(trained)},
        alpha=sealed.opening.alpha,
    )


def calibration_words(predicted: float, actual: Estimate) -> str:
    """Whether the mean prediction lies within the interval of what happened, said plainly."""
    if actual.low <= predicted <= actual.high:
        return f"is well calibrated on the whole: {predicted:.1%} predicted, {actual.value:.1%} happened"
    word = "under" if predicted < actual.low else "over"
    return f"{word}-predicts: {predicted:.1%} predicted, {actual.value:.1%} [{actual.low:.1%}, {actual.high:.1%}] happened"


def sealed_words(sealed: Sealed) -> list[str]:
    """What a person should know of the sealed period before any threshold."""
    said = [f"the model {calibration_words(sealed.predicted, sealed.actual)}"]
    if sealed.metrics["brier_skill"].value <= 0:
        said.append(f"its probabilities are no better than a constant: Brier skill {sealed.metrics['brier_skill']}")
    if sealed.opening.number > 1:
        said.append(f"the sealed period was opened {sealed.opening.number} times, so its intervals are at {1 - sealed.opening.alpha:.1%}")
    return said


def _segment(trained: Trained, rows: Dataset) -> NDArray[np.str_] | None:
    segment = trained.calibration.segment
    if segment is None:
        return None
    value = value_of(rows, segment.feature)
    names = np.array([f"{segment.feature}-{index}" for index in range(len(segment.offsets))])
    return np.where(np.isnan(value), "missing", names[np.searchsorted(segment.cuts, value, side="right")])


def _folds(trained: Trained) -> tuple[dict[str, Estimate], ...]:
    rows, name, found = trained.development, trained.chosen.candidate.name, []
    for period in trained.compared.periods:
        outcome = rows.outcome[period.fold.judge]
        ranked, drawn = Ranked.of(period.seen[name].margins, outcome), period_of(rows.contacted_at[period.fold.judge])
        statistics = {"auc_roc": auc_roc, "auc_pr": auc_pr}
        found.append(
            {key: bootstrap(lambda w, f=f, r=ranked: f(r, w), outcome, drawn, resamples=RESAMPLES) for key, f in statistics.items()}  # type: ignore[misc]
        )
    return tuple(found)


def _flat(value: float, trained: Trained) -> Estimate:
    """A figure of the training rows: its own interval is small beside that of the sealed rows it is held against."""
    return Estimate(value, value, value, trained.rows, trained.positives)


def _drift(trained: Trained, rows: Dataset) -> dict[str, Drift]:
    return {name: psi(value_of(trained.development, name), value_of(rows, name)) for name in trained.schema}


def _between_folds(trained: Trained) -> Estimate:
    """The largest Kolmogorov-Smirnov distance between the finished model's margins of one period and the next."""
    gone = set(trained.development.schema.names) - set(trained.schema)
    margins = trained.predictor.margins(trained.development.without(gone).matrix)
    parts = [margins[period.fold.judge] for period in trained.compared.periods]
    gaps = [ks_two_sample(before, after) for before, after in itertools.pairwise(parts)]
    if not gaps:
        return _flat(0.0, trained)
    worst = max(gaps, key=lambda gap: gap.ks)
    return Estimate(worst.ks, max(0.0, worst.ks - worst.critical), min(1.0, worst.ks + worst.critical), trained.rows, trained.positives)
