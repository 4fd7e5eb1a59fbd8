"""Every lead at once: what changed is told to Salesforce, and leads that are no longer scored are emptied there."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from functions.sync_changes import Change, wanted
from functions.sync_scores import Syncing, SyncReport, finished, write
from shared.asof.contract import Contract
from shared.asof.labels import ScoredLead, scored_leads
from shared.clock import isoformat
from shared.ledger import Standing, Status
from shared.ports import UpdateResult, Warehouse

T = TypeVar("T")

_STANDINGS_AT_ONCE = 2000
_CHANGES_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Scope:
    """The scored set as of an instant: leads contacted within `open_days` and without an outcome."""

    warehouse: Warehouse
    contract: Contract
    as_of: datetime
    open_days: int
    verify: bool = False


def sync_all(scope: Scope, syncing: Syncing) -> SyncReport:
    """One changed-only sync of the whole ledger. Memory is bounded by the changes written at once, not by the leads.

    CrmUnavailable when Salesforce put some records off; what was written has its receipts, so a repeat goes on from there.
    """
    run_id = f"sync-{isoformat(syncing.clock.now())}"
    counts, put_off, unchanged = Counter[Status](), list[UpdateResult](), 0
    pending: list[Change] = []
    for seen, changes in differences(scope, syncing):
        unchanged += seen - len(changes)
        pending += changes
        if len(pending) >= _CHANGES_AT_ONCE:
            _write(pending, run_id, syncing, counts, put_off)
            pending.clear()
    _write(pending, run_id, syncing, counts, put_off)
    return finished(counts, unchanged, put_off, run_id)


def differences(scope: Scope, syncing: Syncing) -> Iterator[tuple[int, list[Change]]]:
    """Page by page, how many scored leads it holds, and what Salesforce should be told about some of them. Reads only.

    With `verify` they are held against Salesforce itself, one call per page, which finds also what somebody else wrote.
    """
    since = scope.as_of - timedelta(days=scope.open_days)
    leads = scope.warehouse.query(scored_leads(scope.contract), known_by=scope.as_of, since=since).into(ScoredLead)
    left = {lead.lead_id for lead in leads if lead.has_left}
    for page in _pages([lead.lead_id for lead in leads], _STANDINGS_AT_ONCE):
        standings = syncing.ledger.standing(page)
        if scope.verify:
            standings = _as_shown(standings, syncing)
        found = (wanted(standing, syncing.fields, has_left=standing.lead_id in left) for standing in standings)
        yield len(standings), [change for change in found if change]


def _as_shown(standings: Sequence[Standing], syncing: Syncing) -> list[Standing]:
    """The standings with what Salesforce holds in place of what it was told; of leads it does not have, what it was told."""
    leads = syncing.crm.leads([standing.lead_id for standing in standings], list(syncing.fields.names.values()))
    held = {lead.lead_id: json.dumps(dict(lead.values)) for lead in leads if not lead.is_converted}
    return [replace(each, last_sent=held[each.lead_id], shown=held[each.lead_id]) if each.lead_id in held else each for each in standings]


def _write(changes: list[Change], run_id: str, syncing: Syncing, counts: Counter[Status], put_off: list[UpdateResult]) -> None:
    some_counts, some_put_off = write(changes, run_id, syncing)
    counts.update(some_counts)
    put_off += some_put_off


def _pages(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
