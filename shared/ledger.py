"""The ledger of scores and receipts: what was said about each lead, and what Salesforce was told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared import sql
from shared.ports import Warehouse
from shared.score import FeatureLogRow, LedgerRow

Status = Literal["written", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Standing:
    """The score a lead should show, and the last thing Salesforce was told about it (None: nothing yet)."""

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
    last_written: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """One line of `scores.sync_receipts`. `written` and `previous` are JSON of field to value."""

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


class Ledger:
    """Append-only; writing the same key again changes nothing."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def has(self, lead_id: str, stage_entered_at: datetime, model_version: str) -> bool:
        rows = self._warehouse.query(
            sql.load("ledger_has"), lead_id=lead_id, stage_entered_at=stage_entered_at, model_version=model_version
        )
        return rows.values[0][0] != 0

    def record(self, scores: Sequence[LedgerRow], vectors: Sequence[FeatureLogRow]) -> int:
        """Write vectors, then scores, so that a score always has its vector. Returns how many scores were new."""
        self._warehouse.append("scores.feature_log", vectors)
        return self._warehouse.append("scores.ledger", scores)

    def standing(self, lead_ids: Sequence[str]) -> list[Standing]:
        """The champion's latest score of each lead that has one."""
        return self._warehouse.query(sql.load("standing"), lead_ids=list(lead_ids)).into(Standing)

    def file(self, receipts: Sequence[Receipt]) -> None:
        self._warehouse.append("scores.sync_receipts", receipts)
