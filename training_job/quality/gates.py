"""Gates between the stages: load, labels, features, audit. Evaluated against policies/quality.yaml, never asserted."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from shared.asof.contract import Contract
from shared.documents import Document, load
from shared.metrics.intervals import Estimate
from shared.ports import BulkWarehouse
from training_job.audit.findings import Report
from training_job.dataset import Dataset
from training_job.quality.seen import Seen, Stage, of_features, of_labels, of_load

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
        below, above = self.min is not None and high < self.min, self.max is not None and low > self.max
        return "fails" if below or above else "undecided"

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
    seen = [*of_load(warehouse, contract, known_by, dataset), *of_labels(warehouse, contract, known_by)]
    seen += of_features(dataset, policy.critical)
    leaks = Seen("audit", "leaks", ", ".join(sorted({leak.feature for leak in audited.leaks})) or "none", float(len(audited.leaks)))
    return [_gate(each, policy) for each in [*seen, leaks]]


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


def failed(gates: Iterable[Gate]) -> list[Gate]:
    return [gate for gate in gates if gate.verdict == "fails"]
