"""Gates between the data and the model: match, completeness, balance, drift, leaks, labels, clocks. Evaluated, never asserted."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from shared.asof.compile import used_sources
from shared.asof.contract import Contract
from shared.asof.labels import IMMATURE, MQL_BEFORE_CONTACT, POSITIVE
from shared.asof.visible import instant, known_instant, table_name
from shared.documents import Document, load
from shared.metrics.drift import psi
from shared.ports import BulkWarehouse, Query
from training_job.audit.findings import Report
from training_job.dataset import Dataset

RECENT_SHARE = 0.25


class Threshold(Document):
    """Bounds a value must keep, and where they come from."""

    source: str
    min: float | None = None
    max: float | None = None

    def holds(self, value: float) -> bool:
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)

    @property
    def words(self) -> str:
        bounds = [f"at least {self.min:g}" if self.min is not None else "", f"at most {self.max:g}" if self.max is not None else ""]
        return " and ".join(bound for bound in bounds if bound)


class QualityPolicy(Document):
    rows: Threshold
    positive_rate: Threshold
    immature: Threshold
    match: Threshold
    completeness: Threshold
    critical: tuple[str, ...]
    drift: Threshold
    leaks: Threshold
    outcome_before_contact: Threshold
    known_before_event: Threshold


@dataclass(frozen=True, slots=True)
class Gate:
    """One rule, the worst value seen, what it was about, and whether it holds."""

    name: str
    about: str
    value: float
    bound: str
    passed: bool
    source: str


def quality(folder: Path) -> QualityPolicy:
    return load(folder / "quality.yaml", QualityPolicy)


def evaluate(
    dataset: Dataset, audited: Report, warehouse: BulkWarehouse, contract: Contract, known_by: datetime, policy: QualityPolicy
) -> list[Gate]:
    """Every gate over the rows a model would be trained on."""
    labels = dataset.statuses
    contacted, won = sum(labels.values()), labels.get(POSITIVE, 0) + labels.get(MQL_BEFORE_CONTACT, 0)
    known = list(dataset.schema.names)
    worst_drift, drifted = _drift(dataset)
    present = ((_present(dataset, name), name) for name in policy.critical if name in known)
    least, sparse = min(present, default=(1.0, "no critical feature"))
    early, source = max(_known_before_event(warehouse, contract, known_by), default=(0.0, "no source with two clocks"))
    seen = [
        ("rows", "mature leads", float(len(dataset)), policy.rows),
        ("positive rate", f"{int(dataset.outcome.sum()):,} positives", float(dataset.outcome.mean()), policy.positive_rate),
        ("immature", "of contacted leads", labels.get(IMMATURE, 0) / max(contacted, 1), policy.immature),
        ("match", f"{dataset.unmatched:,} unmatched", len(dataset) / max(len(dataset) + dataset.unmatched, 1), policy.match),
        ("completeness", f"least: {sparse}", least, policy.completeness),
        ("drift", f"most: {drifted}", worst_drift, policy.drift),
        ("leaks", ", ".join(leak.feature for leak in audited.leaks) or "none", float(len(audited.leaks)), policy.leaks),
        ("outcome before contact", "of outcomes", labels.get(MQL_BEFORE_CONTACT, 0) / max(won, 1), policy.outcome_before_contact),
        ("known before event", source, early, policy.known_before_event),
    ]
    return [Gate(name, about, value, limit.words, limit.holds(value), limit.source) for name, about, value, limit in seen]


def _present(dataset: Dataset, name: str) -> float:
    column = dataset.matrix[:, dataset.schema.owner == dataset.schema.names.index(name)][:, 0]
    return float(np.isfinite(column).mean())


def _drift(dataset: Dataset) -> tuple[float, str]:
    """The largest PSI of the last quarter of leads against those before that chance does not explain; 0 if there is none."""
    split = int(len(dataset) * (1 - RECENT_SHARE))
    found = [(0.0, "none beyond chance")]
    for name, column in zip(dataset.schema.matrix_names, dataset.matrix.T, strict=True):
        drift = psi(column[:split], column[split:])
        if drift.beyond_chance:
            found.append((drift.psi, name))
    return max(found)


def _known_before_event(warehouse: BulkWarehouse, contract: Contract, known_by: datetime) -> Iterator[tuple[float, str]]:
    for name, source in used_sources(contract, contract.computed).items():
        if not source.event_time or not source.known_at:
            continue
        happened, known = instant(f"s.`{source.event_time}`"), known_instant(source)
        text = f"""SELECT
  COUNT(*) AS n,
  COALESCE(SUM(IF({happened} > TIMESTAMP_ADD({known}, INTERVAL 1 DAY), 1, 0)), 0) AS early
FROM {table_name(source.table or contract.lead.table)} AS s
WHERE {known} <= @known_by
"""
        rows, early = warehouse.query(Query(f"quality_clocks_{contract.name}", text, {"known_by": "TIMESTAMP"}), known_by=known_by).values[
            0
        ]
        yield int(str(early)) / max(int(str(rows)), 1), f"source {name}"
