import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import NotProven, ObjectMissing, PreconditionFailed, Refused
from shared.model.artifact import MANIFEST
from shared.model.promotion import champions, promote, rollback
from shared.model.registry import Registry
from tests.fakes import FakeObjects

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)
A, B, C = "20250101-aaaaaaaa", "20250201-bbbbbbbb", "20250301-cccccccc"


@pytest.fixture
def objects() -> FakeObjects:
    store = FakeObjects()
    for version in (A, B, C):
        store.write(f"models/{version}/{MANIFEST}", b"{}")
    return store


@pytest.fixture
def registry(objects: FakeObjects) -> Registry:
    return Registry(objects)


def ruling(candidate: str, champion: str | None, verdict: str = "ship") -> bytes:
    said = {
        "verdict": verdict,
        "words": f"{verdict}: needs about 9,400 more leads to decide",
        "candidate": candidate,
        "champion": champion,
        "needed_leads": 9400,
        "evidence_sha256": "e" * 64,
    }
    return json.dumps(said).encode()


def _promote(registry: Registry, version: str, minutes: float = 0, **more: str) -> None:
    promote(registry, version, by="a person", reason="better", at=NOON + timedelta(minutes=minutes), **more)


def _line_of(registry: Registry, *versions: str) -> None:
    for minutes, version in enumerate(versions):
        _promote(registry, version, minutes, override="a line of champions")


def test_the_first_champion_has_nothing_to_be_compared_with_and_the_history_says_so(registry: Registry) -> None:
    _promote(registry, A)
    (step,) = registry.history()
    assert step.pointer.basis == "first champion: there was nothing to compare it with"


def test_the_next_champion_needs_a_verdict(registry: Registry) -> None:
    _promote(registry, A)
    with pytest.raises(NotProven, match=f"no verdict on {B}.*--override"):
        _promote(registry, B, 1)
    registry.record_verdict(B, ruling(B, A), at=NOON)
    _promote(registry, B, 2)
    assert [step.pointer.version for step in registry.history()] == [A, B]
    assert "evidence sha256 eeee" in registry.history()[-1].pointer.basis
    assert registry.history()[-1].pointer.previous == A


@pytest.mark.parametrize("verdict", ["hold", "reject"])
def test_what_the_gate_does_not_ship_is_not_promoted_and_the_champion_is_untouched(registry: Registry, verdict: str) -> None:
    _promote(registry, A)
    registry.record_verdict(B, ruling(B, A, verdict), at=NOON)
    with pytest.raises(NotProven, match=r"needs about 9,400 more leads.*Judge it again when the leads"):
        _promote(registry, B, 1)
    champion = registry.pointer("champion")
    assert champion is not None
    assert champion.version == A


def test_even_a_first_champion_is_not_promoted_against_its_verdict(registry: Registry) -> None:
    registry.record_verdict(A, ruling(A, None, "reject"), at=NOON)
    with pytest.raises(NotProven, match="does not ship"):
        _promote(registry, A)


def test_a_verdict_against_another_champion_does_not_count(registry: Registry) -> None:
    registry.record_verdict(C, ruling(C, A), at=NOON)
    _line_of(registry, A, B)
    with pytest.raises(NotProven, match=f"judged against {A}, but the champion is now {B}"):
        _promote(registry, C, 5)


def test_a_person_may_answer_for_it_and_their_name_and_reason_stay(registry: Registry) -> None:
    _promote(registry, A)
    _promote(registry, B, 1, override="the champion's vendor file is gone")
    assert registry.history()[-1].pointer.basis == "override by a person: the champion's vendor file is gone"


def test_the_latest_verdict_counts_and_earlier_ones_are_kept(registry: Registry, objects: FakeObjects) -> None:
    registry.record_verdict(B, ruling(B, A, "hold"), at=NOON)
    registry.record_verdict(B, ruling(B, A), at=NOON + timedelta(days=90))
    found = registry.verdict(B)
    assert found is not None
    assert found.verdict == "ship"
    assert len(objects.names(f"registry/verdicts/{B}/")) == 2
    assert registry.verdict(A) is None


def test_a_verdict_is_recorded_once_and_never_changed(registry: Registry) -> None:
    registry.record_verdict(B, ruling(B, A, "hold"), at=NOON)
    registry.record_verdict(B, ruling(B, A, "hold"), at=NOON)
    with pytest.raises(PreconditionFailed):
        registry.record_verdict(B, ruling(B, A), at=NOON)


class Meddling(FakeObjects):
    """Somebody else promotes in the moment between our look and our write."""

    meddle: Callable[[], None] | None = None

    def write(self, name: str, data: bytes, *, if_generation: int | None = None) -> int:
        if name == "registry/champion.json" and self.meddle is not None:
            meddle, self.meddle = self.meddle, None
            meddle()
        return super().write(name, data, if_generation=if_generation)


def test_of_two_promoters_at_once_one_wins_and_the_other_is_told_who() -> None:
    objects = Meddling()
    registry = Registry(objects)
    for version in (A, B, C):
        objects.write(f"models/{version}/{MANIFEST}", b"{}")
    _promote(registry, A)

    def quicker() -> None:
        promote(Registry(objects), B, by="somebody quicker", reason="theirs", at=NOON, override="theirs")

    objects.meddle = quicker
    with pytest.raises(
        PreconditionFailed, match=rf"{C} did not become the champion: meanwhile somebody quicker made {B} the champion"
    ) as told:
        _promote(registry, C, 1, override="ours")
    assert "models history" in str(told.value)
    assert [step.pointer.version for step in registry.history()] == [A, B]


def test_promoting_the_champion_again_moves_nothing(registry: Registry) -> None:
    _promote(registry, A)
    _promote(registry, A, 1)
    assert len(registry.history()) == 1


def test_rollback_goes_back_one_champion_at_a_time(registry: Registry) -> None:
    _line_of(registry, A, B, C)
    for minutes, expected in ((10, B), (11, A)):
        assert rollback(registry, by="b", reason="worse", at=NOON + timedelta(minutes=minutes)).version == expected
    with pytest.raises(Refused, match="no earlier champion"):
        rollback(registry, by="b", reason="worse", at=NOON + timedelta(minutes=12))
    assert [step.pointer.move for step in registry.history()] == ["promote"] * 3 + ["rollback"] * 2
    assert champions(registry) == [A]


def test_rollback_may_name_its_goal_among_earlier_champions(registry: Registry) -> None:
    _line_of(registry, A, B, C)
    with pytest.raises(Refused, match=f"Earlier champions: {B}, {A}"):
        rollback(registry, by="b", reason="worse", at=NOON, to="20240101-dddddddd")
    assert rollback(registry, by="b", reason="worse", at=NOON + timedelta(hours=1), to=A).version == A


def test_without_a_champion_there_is_nothing_to_roll_back(registry: Registry) -> None:
    with pytest.raises(Refused, match="no earlier champion"):
        rollback(registry, by="b", reason="worse", at=NOON)


def test_a_version_that_is_not_there_cannot_be_promoted(registry: Registry) -> None:
    with pytest.raises(ObjectMissing, match="no version"):
        _promote(registry, "20240101-dddddddd")


def test_a_mover_killed_before_its_line_is_written_leaves_a_whole_history(registry: Registry, objects: FakeObjects) -> None:
    _line_of(registry, A, B)
    (gone,) = [name for name in objects.names("registry/history/") if registry.history()[-1].name == name]
    del objects._blobs[gone]
    assert [step.pointer.version for step in registry.history()] == [A, B]


def test_the_history_is_in_order_within_one_second(registry: Registry) -> None:
    for fraction, version in ((0, A), (0.0001, B), (0.01, C)):
        promote(registry, version, by="b", reason="r", at=NOON + timedelta(seconds=fraction), override="o")
    assert [step.pointer.version for step in registry.history()] == [A, B, C]
