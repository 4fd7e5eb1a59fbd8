"""Salesforce is a copy of the ledger: tell it what changed, and keep its answer record by record."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from functions.delivery import bury
from functions.sync_changes import Change, Fields, fields, same, wanted
from shared.errors import CrmRefused, CrmUnavailable, UnknownLead
from shared.ledger import Ledger, Receipt, Status
from shared.log import log
from shared.policies import SalesforcePolicy
from shared.ports import Clock, Crm, CrmLead, FieldUpdate, Topic, UpdateResult

_CONVERTED = "CANNOT_UPDATE_CONVERTED_LEAD"
_SKIPPED = frozenset({_CONVERTED, "ENTITY_IS_DELETED"})
_UNKNOWN = frozenset({"INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND", "MALFORMED_ID"})


@dataclass(frozen=True)
class Syncing:
    clock: Clock
    ledger: Ledger
    crm: Crm
    topic: Topic
    policy: SalesforcePolicy

    @cached_property
    def fields(self) -> Fields:
        """Described by Salesforce before the first write; ConfigError if one cannot be written."""
        return fields(self.policy, self.crm.writable_fields())


@dataclass(frozen=True, slots=True)
class SyncReport:
    """Records by what became of them; `unchanged` were not touched."""

    written: int
    unchanged: int
    skipped: int
    failed: int
    cleared: int = 0
    reverted: int = 0


def sync_scores(lead_ids: Sequence[str], run_id: str, syncing: Syncing) -> SyncReport:
    """Bring Salesforce to the ledger's latest for these leads. Safe to repeat: what was written is not written again.

    Converted and deleted leads are skipped with a receipt; records Salesforce will never take are dead-lettered;
    CrmUnavailable after the receipts are filed when some may be taken later.
    """
    standings = syncing.ledger.standing(lead_ids)
    changes = [change for standing in standings if (change := wanted(standing, syncing.fields))]
    report, put_off = write(changes, run_id, syncing)
    return finished(report, len(standings) - len(changes), put_off, run_id)


def finished(counts: Counter[Status], unchanged: int, put_off: Sequence[UpdateResult], run_id: str) -> SyncReport:
    """The report, told to the log; CrmUnavailable when Salesforce put some records off."""
    report = SyncReport(counts["written"], unchanged, counts["skipped"], counts["failed"], counts["cleared"], counts["reverted"])
    log.info("scores_synced", run_id=run_id, written=report.written, unchanged=unchanged, skipped=report.skipped, cleared=report.cleared)
    if put_off:
        raise CrmUnavailable(f"Salesforce put off {len(put_off)} records: {put_off[0].error_code}.", fix="Retried by itself.")
    return report


def write(changes: Sequence[Change], run_id: str, syncing: Syncing) -> tuple[Counter[Status], list[UpdateResult]]:
    """Read each record, write where it differs, and file a receipt for every answer as it comes.

    Reading first gives the receipts what truly stood there, and leaves alone what an attempt that died before its
    receipt has already written. Returns how many records got which status, and the results to be retried.
    """
    if not changes:
        return Counter(), []
    found = {lead.lead_id: lead for lead in syncing.crm.leads([c.lead_id for c in changes], list(syncing.fields.names.values()))}
    settled = [(c, status) for c in changes if (status := _without_writing(c, found.get(c.lead_id), syncing.fields))]
    syncing.ledger.file([_settled(change, status, run_id, syncing) for change, status in settled])
    counts = Counter(status for _, status in settled)
    settled_ids = {change.lead_id for change, _ in settled}
    pending = [change for change in changes if change.lead_id not in settled_ids]
    put_off: list[UpdateResult] = []
    done = 0
    for results in syncing.crm.update([FieldUpdate(c.lead_id, c.values) for c in pending]) if pending else ():
        page = list(zip(pending[done : done + len(results)], results, strict=True))
        done += len(results)
        receipts = [_receipt(c, r, found.get(c.lead_id), run_id, syncing) for c, r in page if not r.retryable]
        syncing.ledger.file(receipts)
        counts.update(receipt.status for receipt in receipts)
        _bury_failures([r for c, r in page if not r.retryable and _status(c, r) == "failed"], run_id, syncing)
        put_off += [result for result in results if result.retryable]
    return counts, put_off


def _without_writing(change: Change, lead: CrmLead | None, fields: Fields) -> Status | None:
    if lead is None:
        return None
    if lead.is_converted:
        return "skipped"
    return change.status if same(change.values, lead.values, fields, exactly=True) else None


def _settled(change: Change, status: Status, run_id: str, syncing: Syncing) -> Receipt:
    refused = ("", "") if status != "skipped" else (_CONVERTED, "The lead was converted.")
    previous = change.shown or json.dumps(dict(syncing.fields.empty))
    return _filed(change, status, previous, UpdateResult(change.lead_id, *refused), run_id, syncing)


def _receipt(change: Change, result: UpdateResult, lead: CrmLead | None, run_id: str, syncing: Syncing) -> Receipt:
    previous = json.dumps(dict(lead.values)) if lead else None
    return _filed(change, _status(change, result), previous, result, run_id, syncing)


def _filed(change: Change, status: Status, previous: str | None, result: UpdateResult, run_id: str, syncing: Syncing) -> Receipt:
    return Receipt(
        lead_id=change.lead_id,
        run_id=run_id,
        attempted_at=syncing.clock.now(),
        status=status,
        model_version=change.model_version,
        as_of=change.as_of,
        written=json.dumps(dict(change.values)),
        previous=previous,
        error_code=result.error_code or None,
        error_message=result.error_message or None,
    )


def _status(change: Change, result: UpdateResult) -> Status:
    if result.ok:
        return change.status
    return "skipped" if result.error_code in _SKIPPED else "failed"


def _bury_failures(failures: Sequence[UpdateResult], run_id: str, syncing: Syncing) -> None:
    for failure in failures:
        kind = UnknownLead if failure.error_code in _UNKNOWN else CrmRefused
        fault = kind(
            f"Salesforce refused lead {failure.lead_id}: {failure.error_code}: {failure.error_message}",
            fix="Mend the record or the id in Salesforce, then replay.",
        )
        bury(syncing.topic, json.dumps({"lead_ids": [failure.lead_id]}).encode(), fault, {"function": "sync_scores", "run_id": run_id})
