"""A run with faults held against the run without."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sandbox.world import World
from tests.faults.rig import UNKNOWN, Rig, State, rig
from tests.faults.scenarios import Scenario, night_of

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`lost`: what differs from, or is missing beside, the run without faults.

    `doubled`: scores and receipts that the run without faults does not have, and records written again with what they held.
    Where processes work at once the last can happen and does no harm: it is counted apart, as `repeated`.
    """

    name: str
    struck: int
    sent: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    repeated: int
    seconds: float


def baseline(trained: World, folder: Path, leads: int, scenario: Scenario) -> State:
    """The end of a run without faults: every lead scored and shown, but for those about advisors nobody knows."""
    with rig(trained, folder, leads) as without:
        scenario.script(without)
        assert without.faults_struck() == 0
        state = without.state()
        assert len(state.dead) == UNKNOWN
        assert len(state.receipts) >= leads
        return state


def judge(trained: World, folder: Path, leads: int, scenario: Scenario, expected: State, seed: int = 1) -> Verdict:
    started = time.monotonic()
    with rig(trained, folder, leads, seed=seed, idle_seconds=scenario.idle_seconds) as with_faults:
        scenario.script(with_faults)
        assert with_faults.faults_struck() > 0, f"{scenario.name}: no fault struck"
        assert not (scenario.told and with_faults.caught_up), f"{scenario.name}: {with_faults.caught_up} were lost on the way"
        state = with_faults.state()
        if scenario.by_night:
            expected, state = expected.as_of(night_of(with_faults)), state.as_of(night_of(with_faults))
        return held_against(expected, state, with_faults, scenario.name, time.monotonic() - started)


def held_against(expected: State, state: State, with_faults: Rig, name: str, seconds: float) -> Verdict:
    lost = [
        *_differing("ledger", expected.ledger, state.ledger),
        *_differing("Salesforce", expected.salesforce, state.salesforce),
        *_differing("receipt", expected.receipts, state.receipts),
        *(f"dead letter {lead}" for lead in expected.dead ^ state.dead),
    ]
    doubled = [f"ledger {key}" for key in state.ledger.keys() - expected.ledger.keys()]
    held = state.salesforce.items()
    doubled += [f"receipt {lead}" for lead, shown in held if lead in state.receipts and state.receipts[lead] != shown]
    if with_faults.alone and with_faults.org.repeated_writes:
        doubled.append(f"{with_faults.org.repeated_writes} records written again with what they held")
    struck, sent = with_faults.faults_struck(), len(with_faults.changes)
    return Verdict(name, struck, sent, tuple(lost), tuple(doubled), with_faults.org.repeated_writes, seconds)


def _differing(what: str, expected: Mapping[K, object], found: Mapping[K, object]) -> list[str]:
    return [f"{what} {key}: {found.get(key)} instead of {value}" for key, value in expected.items() if found.get(key) != value]
