"""The short form of the fault suite; `make faults` runs the long one."""

from pathlib import Path

import pytest

from tests.conftest import Trained
from tests.faults import fuzz
from tests.faults.processes import killed_at, many_at_once
from tests.faults.rig import Rig, State, rig
from tests.faults.scenarios import EVERYTHING, FLIPPING, QUIET, QUIET_NIGHT, SALESFORCE, STORES, Scenario, send
from tests.faults.verdict import baseline, judge

LEADS = 8
STEPS = ("after the ledger", "after Salesforce was written", "before the watermark")
KILLED = Scenario("killed", lambda rig: killed_at(rig, STEPS), told=False, idle_seconds=0)
CROWD = Scenario("three at once", lambda rig: many_at_once(rig, 3, 2), idle_seconds=0)


@pytest.fixture(scope="module")
def expected(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> State:
    return baseline(trained.world, tmp_path_factory.mktemp("quiet"), LEADS, QUIET)


@pytest.mark.parametrize("scenario", [*STORES, *SALESFORCE, EVERYTHING, KILLED, CROWD], ids=lambda scenario: scenario.name)
def test_the_end_is_that_of_the_run_without_faults(scenario: Scenario, trained: Trained, expected: State, tmp_path: Path) -> None:
    verdict = judge(trained.world, tmp_path, LEADS, scenario, expected)
    assert (verdict.lost, verdict.doubled) == ((), ())
    assert verdict.struck > 0


def test_a_champion_that_flips_leaves_what_a_steady_one_leaves(trained: Trained, tmp_path: Path) -> None:
    expected = baseline(trained.world, tmp_path / "quiet", LEADS, QUIET_NIGHT)
    verdict = judge(trained.world, tmp_path / "flipping", LEADS, FLIPPING, expected)
    assert (verdict.lost, verdict.doubled) == ((), ())


def test_the_suite_sees_a_loss_and_a_doubled_row(trained: Trained, expected: State, tmp_path: Path) -> None:
    """A sync that acknowledges without writing is a loss; a write nobody filed a receipt for is told too."""

    def careless(rig: Rig) -> None:
        rig.deliver = lambda function, envelope: 200 if function == "sync_scores" else Rig.deliver(rig, function, envelope)  # type: ignore[method-assign]
        rig.bus.copies = (2, 2)
        send(rig)

    verdict = judge(trained.world, tmp_path, LEADS, Scenario("careless", careless), expected)
    assert len(verdict.lost) == 2 * LEADS


def test_fuzzed_envelopes_are_scored_or_dead_lettered(trained: Trained, tmp_path: Path) -> None:
    with rig(trained.world, tmp_path, LEADS) as made:
        account = fuzz.envelopes(made, 300)
    assert account.missing == 0
    assert min(account.outcomes[name] for name in ("lead_scored", "lead_already_scored", "dead-lettered")) > 0


def test_fuzzed_outbound_messages_are_published_or_kept(trained: Trained, tmp_path: Path) -> None:
    with rig(trained.world, tmp_path, LEADS) as made:
        account = fuzz.soap_bodies(made, 300)
    assert account.missing == 0
    assert min(account.outcomes[name] for name in ("acknowledged", "refused and kept", "published", "dead-lettered")) > 0
