"""Gates between the stages: load, labels, features, audit. Evaluated against policies/quality.yaml, never asserted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np

from shared.asof.contract import Contract
from shared.asof.labels import IMMATURE, MQL_BEFORE_CONTACT, NEGATIVE, POSITIVE, labels
from shared.asof.visible import instant, table_name
from shared.documents import Document, load
from shared.metrics.drift import psi
from shared.metrics.intervals import Estimate, wilson
from shared.ports import BulkWarehouse, Query
from training_job.audit.findings import Report
from training_job.dataset import Dataset
from training_job.quality_clocks import hour_jump, known_before_event, repeated_keys, told_ahead

RECENT_SHARE = 0.25

Stage = Literal["load", "labels", "features", "audit"]
Verdict = Literal["holds", "fails", "undecided", "not checked"]


class Threshold(Document):
    """Bounds a value must keep, and where they come from."""

    source: str
    min: float | None = None
    max: float | None = None

    def judge(self, seen: "float | Estimate") -> Verdict:
        """A share fails or holds when its whole interval does; a plain number has no interval."""
        low, high = (seen.low, seen.high) if isinstance(seen, Estimate) else (seen, seen)
        if self._keeps(low) and self._keeps(high):
            return "holds"
        value = seen.value if isinstance(seen, Estimate) else seen
        both_below = self.min is not None and high < self.min
        both_above = self.max is not None and low > self.max
        return "fails" if both_below or both_above or (low == high and not self._keeps(value)) else "undecided"

    def _keeps(self, value: float) -> bool:
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)

    @property
    def words(self) -> str:
        bounds = [f"at least {self.min:g}" if self.min is not None else "", f"at most {self.max:g}" if self.max is not None else ""]
        return " and ".join(bound for bound in bounds if bound)


class QualityPolicy(Document):
    repeated_keys: Threshold
    told_ahead: Threshold
    known_before_event: Threshold
    hour_jump: Threshold
    one_label_each: Threshold
    rows: Threshold
    positive_rate: Threshold
    immature: Threshold
    outcome_before_contact: Threshold
    match: Threshold
    completeness: Threshold
    critical: tuple[str, ...]
    drift: Threshold
    leaks: Threshold


@dataclass(frozen=True, slots=True)
class Seen:
    """What a gate looks at: the value, its interval where it is a share, None where it cannot be taken and `about` says why."""

    stage: Stage
    gate: str
    about: str
    value: float | Estimate | None


@dataclass(frozen=True, slots=True)
class Gate:
    """One rule: the worst value seen, its 95 % interval and n where it is a share, what it was about, and the verdict."""

    stage: Stage
    name: str
    about: str
    value: float | None
    interval: tuple[float, float] | None
    n: int | None
    bound: str
    verdict: Verdict
    source: str


def quality(folder: Path) -> QualityPolicy:
    return load(folder / "quality.yaml", QualityPolicy)


def evaluate(
    dataset: Dataset | None, audited: Report, warehouse: BulkWarehouse, contract: Contract, known_by: datetime, policy: QualityPolicy
) -> list[Gate]:
    """Every gate over the rows a model would be trained on; `dataset` is None where joins multiply, so that there is none."""
    seen = [*_load(warehouse, contract, known_by, dataset), *_labels(warehouse, contract, known_by)]
    seen += _features(dataset, policy) if dataset else [Seen("features", gate, "joins multiply", None) for gate in FEATURE_GATES]
    leaks = Seen("audit", "leaks", ", ".join(sorted({leak.feature for leak in audited.leaks})) or "none", float(len(audited.leaks)))
    return [_gate(each, policy) for each in [*seen, leaks]]


FEATURE_GATES = ("match", "completeness", "drift")


def _gate(seen: Seen, policy: QualityPolicy) -> Gate:
    limit: Threshold = getattr(policy, seen.gate)
    value, share = seen.value, seen.value if isinstance(seen.value, Estimate) else None
    return Gate(
        stage=seen.stage,
        name=seen.gate,
        about=seen.about,
        value=share.value if share else value if isinstance(value, float) else None,
        interval=(share.low, share.high) if share else None,
        n=share.n if share else None,
        bound=limit.words,
        verdict="not checked" if value is None else limit.judge(value),
        source=limit.source,
    )


def _load(warehouse: BulkWarehouse, contract: Contract, known_by: datetime, dataset: Dataset | None) -> Iterator[Seen]:
    copies, source = max(repeated_keys(warehouse, contract), default=(0, "no source with a key"))
    yield Seen("load", "repeated_keys", source if copies else "none", float(copies))
    ahead = told_ahead(warehouse, contract, known_by)
    yield Seen("load", "told_ahead", "contacts and outcomes after their extract" if ahead else "leads come without extracts", ahead)
    early = max(known_before_event(warehouse, contract, known_by), default=None, key=lambda each: each[0].value)
    yield Seen("load", "known_before_event", f"source {early[1]}" if early else "no source with two clocks", early[0] if early else None)
    jump, months = hour_jump(dataset) if dataset else (None, "joins multiply")
    yield Seen("load", "hour_jump", months, jump)


def _labels(warehouse: BulkWarehouse, contract: Contract, known_by: datetime) -> Iterator[Seen]:
    rows = list(warehouse.query(labels(contract), known_by=known_by))
    count = {status: sum(row["status"] == status for row in rows) for status in {str(row["status"]) for row in rows}}
    mature = sum(count.get(status, 0) for status in (POSITIVE, NEGATIVE))
    won = count.get(POSITIVE, 0) + count.get(MQL_BEFORE_CONTACT, 0)
    yield Seen(
        "labels",
        "one_label_each",
        "labels more or less than contacted leads",
        float(abs(len(rows) - _contacted(warehouse, contract, known_by))),
    )
    yield Seen("labels", "rows", "mature leads", float(mature))
    yield Seen("labels", "positive_rate", "of mature leads", wilson(count.get(POSITIVE, 0), mature) if mature else None)
    yield Seen("labels", "immature", "of contacted leads", wilson(count.get(IMMATURE, 0), len(rows)) if rows else None)
    before = wilson(count.get(MQL_BEFORE_CONTACT, 0), won) if won else None
    yield Seen("labels", "outcome_before_contact", "of outcomes", before)


def _contacted(warehouse: BulkWarehouse, contract: Contract, known_by: datetime) -> int:
    """Distinct leads with a contact on record by `known_by`, counted apart from the query that labels them."""
    lead = contract.lead
    text = f"SELECT COUNT(DISTINCT s.`{lead.key}`) AS n FROM {table_name(lead.table)} AS s WHERE s.`{lead.contacted_at}` IS NOT NULL"
    if lead.known_at is None:
        return int(str(warehouse.query(Query(f"quality_leads_{contract.name}", text)).values[0][0]))
    text += f" AND {instant(f's.`{lead.known_at}`')} <= @known_by"
    query = Query(f"quality_leads_{contract.name}", text, {"known_by": "TIMESTAMP"})
    return int(str(warehouse.query(query, known_by=known_by).values[0][0]))


def _features(dataset: Dataset, policy: QualityPolicy) -> Iterator[Seen]:
    asked = len(dataset) + dataset.unmatched
    yield Seen("features", "match", f"{dataset.unmatched:,} unmatched", wilson(len(dataset), asked) if asked else None)
    present = [(_present(dataset, name), name) for name in policy.critical if name in dataset.schema.names]
    least = min(present, default=None, key=lambda each: each[0].value)
    about = f"least: {least[1]}" if least else "none of the contract's features is listed as critical"
    yield Seen("features", "completeness", about, least[0] if least else None)
    worst, feature = _drift(dataset)
    yield Seen("features", "drift", f"most: {feature}", worst)


def _present(dataset: Dataset, name: str) -> Estimate:
    column = dataset.matrix[:, dataset.schema.owner == dataset.schema.names.index(name)][:, 0]
    return wilson(int(np.isfinite(column).sum()), len(column))


def _drift(dataset: Dataset) -> tuple[float, str]:
    """The largest PSI of the last quarter of leads against those before that chance does not explain; 0 if there is none."""
    split = int(len(dataset) * (1 - RECENT_SHARE))
    columns = zip(dataset.schema.matrix_names, dataset.matrix.T, strict=True)
    drifts = ((psi(column[:split], column[split:]), name) for name, column in columns)
    return max(((drift.psi, name) for drift, name in drifts if drift.beyond_chance), default=(0.0, "none beyond chance"))


def failed(gates: Iterable[Gate]) -> list[Gate]:
    return [gate for gate in gates if gate.verdict == "fails"]
