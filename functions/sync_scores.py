"""Salesforce is a copy of the ledger: tell it what changed, and keep its answer record by record."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from functions.delivery import bury
from shared.clock import isoformat
from shared.errors import ConfigError, CrmRefused, CrmUnavailable, UnknownLead
from shared.ledger import Ledger, Receipt, Standing, Status
from shared.log import log
from shared.policies import SalesforcePolicy
from shared.ports import Clock, Crm, FieldUpdate, FieldValue, Topic, UpdateResult
from shared.score import reasons_text

_SKIPPED = frozenset({"CANNOT_UPDATE_CONVERTED_LEAD", "ENTITY_IS_DELETED"})
_UNKNOWN = frozenset({"INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND", "MALFORMED_ID"})


@dataclass(frozen=True)
class Syncing:
    clock: Clock
    ledger: Ledger
    crm: Crm
    topic: Topic
    policy: SalesforcePolicy

    @cached_property
    def fields(self) -> Mapping[str, str]:
        """Score part to Salesforce field; ConfigError before the first write if one cannot be written."""
        fields = self.policy.fields.model_dump()
        missing = sorted(set(fields.values()) - self.crm.writable_fields())
        if missing:
            raise ConfigError(
                f"Salesforce has no Lead field that we may write called {', '.join(missing)}.",
                fix="Create the fields and give the integration user access, or rename them in policies/salesforce.yaml.",
            )
        return fields


@dataclass(frozen=True, slots=True)
class SyncReport:
    written: int
    unchanged: int
    skipped: int
    failed: int


def sync_scores(lead_ids: Sequence[str], run_id: str, syncing: Syncing) -> SyncReport:
    """Bring Salesforce to the ledger's latest for these leads. Safe to repeat: what was written is not written again.

    Converted and deleted leads are skipped with a receipt; records Salesforce will never take are dead-lettered;
    CrmUnavailable after the receipts are filed when some may be taken later.
    """
    standings = syncing.ledger.standing(lead_ids)
    scored_at = syncing.policy.fields.scored_at
    shown = [(standing, _values(standing, syncing)) for standing in standings]
    changed = [(standing, values) for standing, values in shown if not _same(values, standing.last_written, scored_at)]
    results = syncing.crm.update([FieldUpdate(standing.lead_id, values) for standing, values in changed]) if changed else []
    receipts = [
        _receipt(standing, values, result, run_id, syncing)
        for (standing, values), result in zip(changed, results, strict=True)
        if not result.retryable
    ]
    syncing.ledger.file(receipts)
    _bury_failures([result for result in results if _status(result) == "failed" and not result.retryable], run_id, syncing)
    retryable = [result for result in results if result.retryable]
    if retryable:
        raise CrmUnavailable(f"Salesforce put off {len(retryable)} records: {retryable[0].error_code}.", fix="Retried by itself.")
    counts = [receipt.status for receipt in receipts]
    report = SyncReport(counts.count("written"), len(standings) - len(changed), counts.count("skipped"), counts.count("failed"))
    log.info("scores_synced", run_id=run_id, written=report.written, unchanged=report.unchanged, skipped=report.skipped)
    return report


def _values(standing: Standing, syncing: Syncing) -> dict[str, FieldValue]:
    parts: dict[str, FieldValue] = {
        "score": standing.score,
        "probability": round(standing.probability, 6),
        "percentile": round(standing.percentile, 2),
        "band": standing.band,
        "action": standing.action,
        "reasons": reasons_text(standing.reasons),
        "model_version": standing.model_version,
        "scored_at": isoformat(standing.scored_at),
    }
    return {field: parts[part] for part, field in syncing.fields.items()}


def _same(values: Mapping[str, FieldValue], last_written: str | None, scored_at: str) -> bool:
    """Whether Salesforce was told this already. When it was scored does not count: a refresh alone is no change."""
    if last_written is None:
        return False
    before = json.loads(last_written)
    return all(before.get(field) == value for field, value in values.items() if field != scored_at)


def _status(result: UpdateResult) -> Status:
    if result.ok:
        return "written"
    return "skipped" if result.error_code in _SKIPPED else "failed"


def _receipt(standing: Standing, values: Mapping[str, FieldValue], result: UpdateResult, run_id: str, syncing: Syncing) -> Receipt:
    return Receipt(
        lead_id=standing.lead_id,
        run_id=run_id,
        attempted_at=syncing.clock.now(),
        status=_status(result),
        model_version=standing.model_version,
        as_of=standing.as_of,
        written=json.dumps(dict(values)),
        previous=standing.last_written,
        error_code=result.error_code or None,
        error_message=result.error_message or None,
    )


def _bury_failures(failures: Sequence[UpdateResult], run_id: str, syncing: Syncing) -> None:
    for failure in failures:
        kind = UnknownLead if failure.error_code in _UNKNOWN else CrmRefused
        fault = kind(
            f"Salesforce refused lead {failure.lead_id}: {failure.error_code}: {failure.error_message}",
            fix="Mend the record or the id in Salesforce, then replay.",
        )
        bury(syncing.topic, json.dumps({"lead_ids": [failure.lead_id]}).encode(), fault, {"function": "sync_scores", "run_id": run_id})
