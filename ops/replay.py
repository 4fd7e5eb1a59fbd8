"""Leads change stage in the sandbox's Salesforce, in order, and everything after that is the product's own doing."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.cloud import Cloud, wait_until_idle
from sandbox.world import World
from shared.adapters.directory import DirectoryDeadLetters
from shared.clock import isoformat
from shared.lead import StageChange

IN_FLIGHT = 4
LOOK_EVERY = 2
DUPLICATE_SHARE = 0.02
"""The bus delivers this share of messages twice, as Pub/Sub may."""


@dataclass(frozen=True, slots=True)
class Nightly:
    """The healing batch after the replay: open leads, those scored and not, records written and found unchanged."""

    open: int
    scored: int
    not_scored: int
    written: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Replay:
    """What was sent and what became of it; latency in milliseconds from stage change to Salesforce field."""

    sent: int
    scored: int
    synced: int
    already_scored: int
    unchanged: int
    skipped: int
    dead_lettered: dict[str, int]
    latency_ms: list[float]
    nightly: Nightly


def replay(world: World, cloud: Cloud, changes: Sequence[StageChange], tick: Callable[[], None]) -> Replay:
    """Send each change once, a few in flight at a time, and let the bus repeat some; then run the nightly batch."""
    cloud.post(f"{cloud.bus}/sandbox/faults", {"duplicate_share": DUPLICATE_SHARE})
    sent_at = {}
    for number, change in enumerate(changes):
        sent_at[change.lead_id] = time.time()
        contact(cloud, change)
        tick()
        if number % LOOK_EVERY == 0:
            cloud.check()
            wait_until_idle(cloud, below=IN_FLIGHT)
    wait_until_idle(cloud)
    writes = _first_writes(cloud)
    handled, letters = _handled(cloud), _dead_letters(world)
    nightly = _nightly(cloud, changes[-1].stage_entered_at + timedelta(days=1))
    after = _handled(cloud)
    return Replay(
        sent=len(changes),
        scored=handled["lead_scored"],
        synced=len(writes),
        already_scored=handled["lead_already_scored"],
        unchanged=handled["unchanged"],
        skipped=handled["skipped"],
        dead_lettered=letters,
        latency_ms=[1000 * (at - sent_at[lead]) for lead, at in writes.items() if lead in sent_at],
        nightly=Nightly(
            open=nightly["open"],
            scored=after["page.scored"],
            not_scored=nightly["to_score"] - after["page.scored"],
            written=after["written"] - handled["written"],
            unchanged=after["unchanged"] - handled["unchanged"],
        ),
    )


def contact(cloud: Cloud, change: StageChange) -> dict[str, object]:
    """Move the lead into its stage in Salesforce, whose flow calls `receive_stage_change`."""
    event = {
        "lead_id": change.lead_id,
        "crd": change.crd,
        "stage": change.stage,
        "stage_entered_at": isoformat(change.stage_entered_at),
        "event_id": change.event_id,
    }
    return cloud.post(f"{cloud.salesforce}/sandbox/stage", event)


def _first_writes(cloud: Cloud) -> dict[str, float]:
    """Lead to the time (seconds since 1970) of its first field update in Salesforce."""
    written: dict[str, float] = {}
    for at, lead in cloud.get(f"{cloud.salesforce}/sandbox/writes")["items"]:  # type: ignore[attr-defined]
        written.setdefault(lead, at)
    return written


def _handled(cloud: Cloud) -> Counter[str]:
    """What the functions did so far, counted from the events they log."""
    counts: Counter[str] = Counter()
    for line in (cloud.logs / "functions.log").read_text().splitlines():
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("message") == "message_handled" and isinstance(event.get("outcome"), str):
            counts[event["outcome"]] += 1
        if event.get("message") == "page_scored":
            counts.update({f"page.{name}": event[name] for name in ("scored",)})
        if event.get("message") == "scores_synced":
            counts.update({name: event[name] for name in ("written", "unchanged", "skipped")})
    return counts


def _nightly(cloud: Cloud, as_of: datetime) -> dict[str, int]:
    """Run the batch as of that night. Staleness is off: a replay of months would otherwise refresh its own beginning."""
    done = cloud.post(f"{cloud.functions}/score_batch", {"as_of": isoformat(as_of), "stale_after_days": 0})["done"]
    wait_until_idle(cloud)
    return done  # type: ignore[return-value]


def _dead_letters(world: World) -> dict[str, int]:
    """Reasons of the messages that died, each message once however often it was delivered."""
    letters = DirectoryDeadLetters(world.path / "dead_letters").peek(1_000_000)
    reasons = {each.attributes.get("message_id", each.message_id): each.attributes.get("reason", "delivery_exhausted") for each in letters}
    return dict(Counter(reasons.values()))
