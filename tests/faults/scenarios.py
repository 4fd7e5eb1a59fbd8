"""The faults, each as something done to a rig while stage changes come in; the end must be that of the run without them."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.org import Faults
from shared.adapters.directory import DirectoryObjects
from shared.clock import isoformat
from shared.model.registry import Registry
from tests.faults.rig import Rig

Script = Callable[[Rig], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`told`: every change reached us as an event, so that catching up finds nothing.

    `idle_seconds` of 0: other processes use the warehouse too. `by_night`: what counts is what the night leaves behind.
    """

    name: str
    script: Script
    told: bool = True
    idle_seconds: float | None = None
    by_night: bool = False


def send(rig: Rig) -> None:
    """Every stage change comes in, and the bus delivers meanwhile and to the end."""
    for number, change in enumerate(rig.changes):
        rig.enter(change)
        if number % 5 == 0:
            rig.bus.run(rig.deliver, until=rig.clock.now())
    rig.run()


def nothing(rig: Rig) -> None:
    send(rig)
    rig.recover()


def _with(**faults: object) -> Script:
    def script(rig: Rig) -> None:
        rig.org.faults = Faults(**faults)  # type: ignore[arg-type]
        send(rig)
        rig.recover()

    return script


def duplicates(rig: Rig) -> None:
    rig.bus.copies, rig.bus.reorder = (1, 5), True
    send(rig)
    rig.recover()


def quota_gone_at_half(rig: Rig) -> None:
    rig.org.daily_limit = int(2.4 * len(rig.changes) / 2)
    send(rig)
    rig.org.struck["quota"] += sum(n for answer, n in rig.answers.items() if answer == "sync_scores 503")
    rig.org.daily_limit = 100_000
    time.sleep(1.1)
    rig.recover()


def stalls(rig: Rig) -> None:
    rig.org.faults = Faults(slow_seconds=0.6, slow_calls=len(rig.changes) // 3)
    send(rig)
    rig.recover()


def refused_records(rig: Rig) -> None:
    rig.org.faults = Faults(refused_leads=tuple(change.lead_id for change in rig.changes[::3]))
    send(rig)
    assert any(letter.attributes["reason"] == "crm_refused" for letter in rig.bus.letters)
    rig.recover()


def warehouse_trouble(rig: Rig) -> None:
    rig.warehouse.error_share, rig.warehouse.timeout_share = 0.15, 0.15
    send(rig)
    rig.recover()


def corrupt_artefacts(rig: Rig) -> None:
    rig.objects.corrupt_share, rig.objects.error_share = 0.3, 0.2
    send(rig)
    rig.recover()


def skewed_clocks(rig: Rig) -> None:
    for skew, minutes in zip(rig.skews, (-4, 0, 4), strict=True):
        skew.skew = timedelta(minutes=minutes)
    rig.chance.struck += len(rig.skews) - 1
    rig.bus.copies, rig.bus.reorder = (1, 3), True
    send(rig)
    rig.recover()


def outage_of_ten_minutes(rig: Rig) -> None:
    """Nothing but Salesforce's own users works; events come in and cannot even be published."""
    before, during, after = (rig.changes[part::3] for part in range(3))
    for change in before:
        rig.enter(change)
    rig.bus.run(rig.deliver, until=rig.clock.now())
    rig.bus.down, rig.warehouse.error_share, rig.objects.error_share = True, 1.0, 1.0
    rig.org.faults = Faults(unavailable_share=1.0)
    for change in during:
        assert rig.enter(change) == 503
        rig.clock.step(timedelta(minutes=10) / len(during))
    rig.bus.run(rig.deliver, until=rig.clock.now())
    rig.bus.down, rig.warehouse.error_share, rig.objects.error_share = False, 0.0, 0.0
    rig.org.faults = Faults()
    for change in after:
        rig.enter(change)
    rig.run()
    rig.recover()
    assert rig.caught_up == sum(change.crd is not None and change.crd < 9_000_000 for change in during)


def everything_at_once(rig: Rig) -> None:
    rig.org.faults = Faults(unavailable_share=0.1, locked_share=0.2, expire_share=0.1, reset_writes=6, slow_seconds=0.6, slow_calls=3)
    rig.warehouse.error_share = rig.warehouse.timeout_share = 0.05
    rig.objects.corrupt_share = 0.1
    for skew, minutes in zip(rig.skews, (-3, 0, 3), strict=True):
        skew.skew = timedelta(minutes=minutes)
    duplicates(rig)


def quiet_night(rig: Rig) -> None:
    send(rig)
    night(rig)
    rig.recover()


def night(rig: Rig) -> None:
    """Every open lead is scored anew, and Salesforce is brought to the ledger."""
    as_of = isoformat(night_of(rig))
    rig.clock.step(timedelta(hours=8))
    for function, command in (("score_batch", {"as_of": as_of, "stale_after_days": 1}), ("sync_all", {"as_of": as_of})):
        for _ in range(20):
            if rig.schedule(function, **command) == 200:
                break
        rig.run()
        rig.clock.step(timedelta(minutes=10))


def night_of(rig: Rig) -> datetime:
    """Late enough for the monthly extract to know the leads."""
    return rig.changes[-1].stage_entered_at + timedelta(days=40)


def flipping_champion(rig: Rig) -> None:
    """The pointer goes back and forth between two models and a corrupt third while leads come in; the first one wins."""
    registry = Registry(DirectoryObjects(rig.world.objects))
    first = registry.pointer("champion")
    assert first is not None
    other, broken = _another(rig, registry, first.version), _corrupt(rig, registry, first.version)
    for number, change in enumerate(rig.changes):
        version = (first.version, other, broken)[number % 3]
        registry.point("champion", version, by="suite", reason="flip", at=rig.clock.now())
        rig.chance.struck += 1
        rig.clock.step(timedelta(seconds=1))
        rig.enter(change)
        rig.bus.run(rig.deliver, until=rig.clock.now())
    registry.point("champion", first.version, by="suite", reason="rollback", at=rig.clock.now())
    rig.run()
    night(rig)
    rig.recover()


def _another(rig: Rig, registry: Registry, version: str) -> str:
    """The same model with other bands: a version of its own, whose scores say something else."""
    files = {name: (rig.world.objects / "models" / version / name).read_bytes() for name in _files(rig, version)}
    manifest = json.loads(files["artifact.json"])
    manifest["base_rate"] /= 2
    return registry.save({**files, "artifact.json": json.dumps(manifest).encode()})


def _corrupt(rig: Rig, registry: Registry, version: str) -> str:
    files = {name: (rig.world.objects / "models" / version / name).read_bytes() for name in _files(rig, version)}
    manifest = json.loads(files["artifact.json"])
    manifest["base_rate"] /= 3
    saved = registry.save({**files, "artifact.json": json.dumps(manifest).encode()})
    arrays = next(name for name in files if name.endswith(".npz"))
    (rig.world.objects / "models" / saved / arrays).write_bytes(b"PK" + files[arrays][3:])
    return saved


def _files(rig: Rig, version: str) -> list[str]:
    return [path.name for path in (rig.world.objects / "models" / version).iterdir()]


STORES = (
    Scenario("each message 1 to 5 times, in any order", duplicates),
    Scenario("warehouse: 15 % errors, 15 % answers too late", warehouse_trouble),
    Scenario("artefact: 30 % of reads corrupt, 20 % no answer", corrupt_artefacts),
    Scenario("clocks 4 minutes apart", skewed_clocks),
    Scenario("10 minutes of outage of everything", outage_of_ten_minutes, told=False),
)
SALESFORCE = (
    Scenario("Salesforce: bursts of 503", _with(unavailable_share=0.35)),
    Scenario("Salesforce: 30 % of rows locked", _with(locked_share=0.3)),
    Scenario("Salesforce: 40 % of calls meet an expired session", _with(expire_share=0.4)),
    Scenario("Salesforce: quota gone at half", quota_gone_at_half),
    Scenario("Salesforce: a third of the records refused by a rule", refused_records),
    Scenario("Salesforce: stalls beyond the time limit", stalls),
    Scenario("Salesforce: connection reset after the write", _with(reset_writes=10)),
)
EVERYTHING = Scenario("all of these at once", everything_at_once)
QUIET = Scenario("no fault", nothing)
QUIET_NIGHT = Scenario("no fault, and the night", quiet_night, by_night=True)
FLIPPING = Scenario("champion flips, every third time to a corrupt one", flipping_champion, by_night=True)
