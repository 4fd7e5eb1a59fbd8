"""The sync as a person sees it: what it would do, and how to take back what a run did."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from functions.sync_all import Scope, differences
from functions.sync_changes import Change
from functions.sync_scores import Syncing, SyncReport, finished, write
from shared.errors import DataError
from shared.ports import CrmLead


@dataclass(slots=True)
class Plan:
    """What a sync would do now; `would_fail` and `would_skip` count records by reason."""

    changed: int = 0
    cleared: int = 0
    unchanged: int = 0
    would_skip: Counter[str] = field(default_factory=Counter)
    would_fail: Counter[str] = field(default_factory=Counter)
    examples: list[Change] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reverted:
    """What became of a run's records: put back, and left since a later run has written them."""

    report: SyncReport
    written_since: Counter[str]


def plan(scope: Scope, syncing: Syncing, examples: int) -> Plan:
    """Read everything, write nothing."""
    found = Plan()
    limits = syncing.crm.writable_fields()
    for seen, changes in differences(scope, syncing):
        found.unchanged += seen - len(changes)
        held = {lead.lead_id: lead for lead in syncing.crm.leads([change.lead_id for change in changes])}
        for change in changes:
            _judge(found, change, held.get(change.lead_id), limits)
        found.examples += changes[: examples - len(found.examples)]
    return found


def _judge(found: Plan, change: Change, lead: CrmLead | None, limits: Mapping[str, int]) -> None:
    long = [name for name, value in change.values.items() if isinstance(value, str) and 0 < limits[name] < len(value)]
    if lead is None:
        found.would_fail["deleted, or unknown to Salesforce"] += 1
    elif lead.is_converted:
        found.would_skip["converted"] += 1
    elif long:
        found.would_fail[f"{long[0]} takes {limits[long[0]]} characters"] += 1
    elif change.status == "cleared":
        found.cleared += 1
    else:
        found.changed += 1


def revert(run_id: str, syncing: Syncing) -> Reverted:
    """Put back what stood in the records before the run. A record that a later run has written is left alone.

    What is put back stays until the lead is scored anew. Safe to repeat.
    """
    receipts = syncing.ledger.receipts(run_id)
    if not receipts:
        raise DataError(f"No run {run_id} has written anything.", fix="List the runs: ./leadscore sync status.")
    changes, later = [], Counter[str]()
    for receipt in receipts:
        if receipt.later_run is not None:
            later[receipt.later_run] += 1
            continue
        previous = json.loads(receipt.previous) if receipt.previous else syncing.fields.empty
        changes.append(Change(receipt.lead_id, previous, "reverted", receipt.model_version, receipt.as_of, receipt.written))
    counts, put_off = write(changes, f"revert-{run_id}", syncing)
    return Reverted(finished(counts, 0, put_off, f"revert-{run_id}"), later)
