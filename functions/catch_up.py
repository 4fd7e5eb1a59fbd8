"""What the event path missed: Salesforce is asked which leads entered the stage, by a watermark of its own clock."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from functions import messages
from functions.receive_stage_change import LEAD_CONTACTED
from shared.clock import isoformat, parse_instant
from shared.errors import ObjectMissing, PreconditionFailed
from shared.lead import StageChange
from shared.ledger import Ledger
from shared.log import log
from shared.policies import CatchUp
from shared.ports import Clock, Crm, CrmContact, Objects, Topic

WATERMARK = "catch_up/watermark.json"
_ENTRIES_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class CatchingUp:
    """`stage` is the one that starts the clock; entries older than `open_days` are of no interest any more."""

    clock: Clock
    crm: Crm
    ledger: Ledger
    objects: Objects
    topic: Topic
    policy: CatchUp
    stage: str
    open_days: int


@dataclass(frozen=True, slots=True)
class CatchUpReport:
    """Stage entries found in the window, and how many of them had no score and were published."""

    since: str
    found: int
    published: int


@dataclass(frozen=True, slots=True)
class _Watermark:
    at: datetime | None
    generation: int


def catch_up(as_of: datetime | None, catching_up: CatchingUp) -> CatchUpReport:
    """Publish every stage entry since the watermark that has no score, then move the watermark. Safe to repeat.

    Windows overlap, since a transaction is seen later than its SystemModstamp. The watermark stays where it is until all
    is published, so an outage of any length is one long window; whoever moves it first wins, and the other did no harm.
    """
    now = as_of or catching_up.clock.now()
    mark = _read(catching_up.objects)
    first = catching_up.clock.now() - timedelta(days=catching_up.policy.first_days)
    since = mark.at - timedelta(minutes=catching_up.policy.overlap_minutes) if mark.at else first
    contacts = catching_up.crm.contacts(since, now - timedelta(days=catching_up.open_days))
    missed = list(_missed(contacts, catching_up.ledger))
    for contact in missed:
        _publish(contact, catching_up)
    _move(mark, contacts, catching_up.objects)
    report = CatchUpReport(isoformat(since), len(contacts), len(missed))
    log.info("caught_up", since=report.since, found=report.found, published=report.published)
    return report


def _missed(contacts: Sequence[CrmContact], ledger: Ledger) -> Iterator[CrmContact]:
    for start in range(0, len(contacts), _ENTRIES_AT_ONCE):
        page = contacts[start : start + _ENTRIES_AT_ONCE]
        scored = ledger.entries([contact.lead_id for contact in page])
        yield from (contact for contact in page if (contact.lead_id, contact.stage_entered_at) not in scored)


def _publish(contact: CrmContact, catching_up: CatchingUp) -> None:
    event_id = f"catch-up-{contact.lead_id}-{isoformat(contact.stage_entered_at)}"
    change = StageChange(contact.lead_id, contact.crd, catching_up.stage, contact.stage_entered_at, event_id, "catch_up")
    catching_up.topic.publish(LEAD_CONTACTED, messages.write(change), {"event_id": event_id, "source": change.source})


def _read(objects: Objects) -> _Watermark:
    try:
        blob = objects.read(WATERMARK)
    except ObjectMissing:
        return _Watermark(None, 0)
    return _Watermark(parse_instant(json.loads(blob.data)["modified_at"]), blob.generation)


def _move(mark: _Watermark, contacts: Sequence[CrmContact], objects: Objects) -> None:
    latest = max((contact.modified_at for contact in contacts), default=mark.at)
    if latest is None or latest == mark.at:
        return
    try:
        objects.write(WATERMARK, json.dumps({"modified_at": isoformat(latest)}).encode(), if_generation=mark.generation)
    except PreconditionFailed:
        log.info("watermark_moved_by_another", watermark=isoformat(latest))
