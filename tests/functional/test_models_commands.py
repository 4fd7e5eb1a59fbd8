"""`./leadscore models` on a world with a champion and a second version."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.cli import app
from sandbox.world import World
from shared.adapters.directory import DirectoryObjects
from shared.errors import LeadscoreError, NoChampion, NotProven, ObjectMissing
from shared.model.artifact import pack
from shared.model.registry import Registry
from shared.score import LedgerRow, Role
from tests.conftest import Trained
from tests.unit.test_promotion import ruling

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)
WHO = ("--by", "an analyst", "--reason", "calls more of the right people")


@dataclass(frozen=True)
class Two:
    """A world whose champion is `first`; `second` is registered beside it."""

    world: World
    registry: Registry
    first: str
    second: str

    def run(self, *arguments: str) -> str:
        done = CliRunner().invoke(app, ["models", *arguments, "--world", str(self.world.path)], env={"COLUMNS": "300"})
        if done.exception is not None:
            raise done.exception
        return done.stdout

    def shipped(self) -> "Two":
        self.registry.record_verdict(self.second, ruling(self.second, self.first), at=NOON)
        return self


@pytest.fixture
def two(trained: Trained, tmp_path: Path) -> Two:
    world = trained.copy(tmp_path / "world")
    registry = Registry(DirectoryObjects(world.objects))
    artifact = registry.load(trained.version)
    files = pack(artifact.manifest.model_copy(update={"code_version": "another"}), artifact.contract, artifact.predictor, {})
    return Two(world, registry, trained.version, registry.save(files))


def test_the_list_shows_versions_roles_and_verdicts(two: Two) -> None:
    said = two.shipped().run("list")
    lines = {version: line for line in said.splitlines() for version in (two.first, two.second) if version in line}
    assert "champion" in lines[two.first]
    assert "none" in lines[two.first]
    assert "ship" in lines[two.second]


def test_a_version_is_shown_with_its_verdict_and_its_moves(two: Two) -> None:
    assert "has not judged" in two.run("show", "champion")
    said = two.shipped().run("show", two.second)
    assert "needs about 9,400 more leads" in said
    assert "e" * 64 in said
    assert "first champion" in two.run("show", two.first)


def test_a_diff_says_what_differs_and_nothing_else(two: Two) -> None:
    said = two.run("diff", "champion", two.second)
    assert "another" in said
    assert "base rate" not in said


def test_promotion_needs_a_verdict_and_says_what_is_scored_again(two: Two) -> None:
    with pytest.raises(NotProven, match="no verdict"):
        two.run("promote", two.second, *WHO)
    said = two.shipped().run("promote", two.second, *WHO)
    assert f"{two.second} is the champion: verdict ship" in said
    planned = re.search(r"scores ([\d,]+) of ([\d,]+) open leads in (\d+) pages \(as of 2025-09-01\)", said)
    assert planned is not None
    assert planned[1] == planned[2] != "0"
    assert "nothing moved" in two.run("promote", two.second, *WHO)


def test_an_override_and_its_reason_stay_in_the_history(two: Two) -> None:
    two.run("promote", two.second, *WHO, "--override", "the vendor closed")
    said = two.run("history")
    assert "override by an analyst: the vendor closed" in said
    assert "first champion" in said


def test_rollback_is_one_command_with_its_plan_even_where_the_plan_cannot_be_counted(two: Two) -> None:
    two.run("promote", two.second, *WHO, "--override", "o")
    said = two.run("rollback", *WHO, "--as-of", "2025-06-30")
    assert f"{two.first} is the champion again, after {two.second}" in said
    assert "open leads" in said
    two.run("promote", two.second, *WHO, "--override", "o")
    (two.world.path / "world.json").unlink()
    assert "cannot be counted now" in two.run("rollback", *WHO)
    pointer = two.registry.pointer("champion")
    assert pointer is not None
    assert pointer.version == two.first


def _scored(two: Two, bands: Sequence[tuple[str, str]]) -> None:
    rows = []
    for lead, pair in enumerate(bands):
        sides: tuple[tuple[Role, str, str], ...] = (("champion", two.first, pair[0]), ("challenger", two.second, pair[1]))
        for role, version, band in sides:
            at = NOON + timedelta(minutes=lead)
            rows.append(
                LedgerRow(f"L{lead}", at, version, at, at, role, "event", "e", -3.0 + lead / 50, 0.05, 50.0, 500, band, "Call", "[]", "h")
            )
    warehouse = two.world.warehouse()
    warehouse.append("scores.ledger", rows)
    warehouse.close()


def test_the_challenger_in_shadow_is_compared_on_the_leads_both_scored(two: Two) -> None:
    with pytest.raises(NoChampion, match="no challenger"):
        two.run("shadow")
    two.registry.point("challenger", two.second, by="training", reason="run 7", at=NOON)
    _scored(two, [("Very Hot", "Very Hot")] * 6 + [("Very Hot", "Hot")] * 2 + [("Cool", "Very Hot")] + [("Cool", "Cool")] * 11)
    said = two.run("shadow")
    assert "20 leads scored at the same instant" in said
    assert "25.0%" in said
    assert "(6 of 8)" in said
    with pytest.raises(LeadscoreError, match="only 0 leads"):
        two.run("shadow", "--since", "2025-10-01")


@pytest.mark.parametrize("arguments", [("show", "20240101-00000000"), ("diff", "champion", "challenger")])
def test_a_version_or_role_that_is_not_there_is_named(two: Two, arguments: tuple[str, ...]) -> None:
    with pytest.raises(ObjectMissing, match="The registry has no"):
        two.run(*arguments)


def test_an_instant_that_is_none_is_refused_before_the_pointer_moves(two: Two) -> None:
    two.run("promote", two.second, *WHO, "--override", "o")
    with pytest.raises(LeadscoreError, match="'soon' is no instant"):
        two.run("rollback", *WHO, "--as-of", "soon")
    assert len(two.registry.history()) == 2
