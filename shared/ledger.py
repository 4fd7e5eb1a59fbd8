"""The ledger of scores and receipts: what was said about each lead, and what Salesforce was told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared import sql
from shared.ports import Warehouse
from shared.score import FeatureLogRow, LedgerRow

Status = Literal["written", "cleared", "reverted", "skipped", "failed"]
"""What became of a record: given its score, emptied since it is no longer scored, put back by a person, left, refused."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The score a lead should show, and what Salesforce was told about it (None: nothing yet).

    `last_sent` is the last thing it was told and `shown` the last thing it took, both JSON of field to value.
    """

    lead_id: str
    model_version: str
    as_of: datetime
    scored_at: datetime
    margin: float
    probability: float
    percentile: float
    score: int
    band: str
    action: str
    reasons: str
    last_status: Status | None
    last_at: datetime | None
    last_sent: str | None
    shown: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """One line of `scores.sync_receipts`. `written` is what was sent, `previous` what stood there: JSON of field to value."""

    lead_id: str
    run_id: str
    attempted_at: datetime
    status: Status
    model_version: str
    as_of: datetime
    written: str
    previous: str | None
    error_code: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class ServedScore:
    """A score, and the logged vector it was made from as canonical JSON (None: it was lost)."""

    features: str | None
    row: LedgerRow


@dataclass(frozen=True, slots=True)
class LeadReceipt:
    """What one run told Salesforce about one lead, and the answer."""

    run_id: str
    attempted_at: datetime
    status: Status
    model_version: str
    as_of: datetime
    written: str
    previous: str | None
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class RunReceipt:
    """A record that a run changed. `later_run`: the run that changed it since, None when none did."""

    lead_id: str
    model_version: str
    as_of: datetime
    written: str
    previous: str | None
    later_run: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """How many records a run left in which state."""

    run_id: str
    started_at: datetime
    written: int
    cleared: int
    reverted: int
    skipped: int
    failed: int


class Ledger:
    """Append-only; writing the same key again changes nothing."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def has(self, lead_id: str, stage_entered_at: datetime, model_version: str) -> bool:
        rows = self._warehouse.query(
            sql.load("ledger_has"), lead_id=lead_id, stage_entered_at=stage_entered_at, model_version=model_version
        )
        return rows.values[0][0] != 0

    def entries(self, lead_ids: Sequence[str]) -> set[tuple[str, datetime]]:
        """Which stage entries of these leads have a score, by any model."""
        rows = self._warehouse.query(sql.load("scored_entries"), lead_ids=list(lead_ids))
        return {(lead_id, entered_at) for lead_id, entered_at in rows.values}  # type: ignore[misc]

    def record(self, scores: Sequence[LedgerRow], vectors: Sequence[FeatureLogRow]) -> int:
        """Write vectors, then scores, so that a score always has its vector. Returns how many scores were new."""
        self._warehouse.append("scores.feature_log", vectors)
        return self._warehouse.append("scores.ledger", scores)

    def standing(self, lead_ids: Sequence[str]) -> list[Standing]:
        """The champion's latest score of each lead that has one."""
        return self._warehouse.query(sql.load("standing"), lead_ids=list(lead_ids)).into(Standing)

    def scores_of(self, lead_id: str) -> list[ServedScore]:
        """Newest first."""
        rows = self._warehouse.query(sql.load("lead_scores"), lead_id=lead_id)
        return [ServedScore(str(row.pop("features") or "") or None, LedgerRow(**row)) for row in rows]  # type: ignore[arg-type]

    def receipts_of(self, lead_id: str) -> list[LeadReceipt]:
        """Newest first."""
        return self._warehouse.query(sql.load("lead_receipts"), lead_id=lead_id).into(LeadReceipt)

    def receipts(self, run_id: str) -> list[RunReceipt]:
        """What a run did to each record, and whether that is still the last thing done to it."""
        return self._warehouse.query(sql.load("run_receipts"), run_id=run_id).into(RunReceipt)

    def runs(self, limit: int) -> list[Run]:
        """The latest runs, newest first."""
        return self._warehouse.query(sql.load("sync_runs"), limit=limit).into(Run)

    def file(self, receipts: Sequence[Receipt]) -> None:
        self._warehouse.append("scores.sync_receipts", receipts)
