from datetime import UTC, datetime, timedelta

import pytest

from shared.clock import SteppedClock
from shared.errors import CorruptArtifact, NoChampion, ObjectMissing, PreconditionFailed
from shared.model.artifact import MANIFEST, unpack
from shared.model.registry import ChampionCache, Registry
from tests.conftest import Trained
from tests.fakes import FakeObjects

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)
TTL = timedelta(seconds=30)


@pytest.fixture
def files(trained: Trained) -> dict[str, bytes]:
    folder = trained.world.objects / "models" / trained.version
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _promote(registry: Registry, version: str, at: datetime = NOON) -> None:
    registry.point("champion", version, by="a person", reason="better", at=at)


def test_saving_twice_is_saving_once_and_a_listed_version_is_whole(files: dict[str, bytes]) -> None:
    objects = FakeObjects()
    registry = Registry(objects)
    version = registry.save(files)
    assert registry.save(files) == version
    assert registry.versions() == [version]
    assert registry.load(version).version == version


def test_a_half_written_version_is_not_listed(files: dict[str, bytes]) -> None:
    objects = FakeObjects()
    for name in set(files) - {MANIFEST}:
        objects.write(f"models/20250901-00000000/{name}", files[name])
    assert Registry(objects).versions() == []


def test_only_one_of_two_promoters_wins(files: dict[str, bytes]) -> None:
    objects = FakeObjects()
    registry = Registry(objects)
    version = registry.save(files)
    _promote(registry, version)
    before = registry.pointer("champion")
    assert before is not None
    _promote(registry, version, NOON + timedelta(minutes=1))
    with pytest.raises(PreconditionFailed):
        objects.write("registry/champion.json", b"{}", if_generation=before.generation)


def test_who_promoted_what_and_why_stays_in_the_history(files: dict[str, bytes]) -> None:
    registry = Registry(FakeObjects())
    version = registry.save(files)
    _promote(registry, version)
    (step,) = registry.history()
    said = step.pointer
    assert (step.role, said.version, said.moved_by, said.reason, said.previous) == ("champion", version, "a person", "better", None)


def test_an_unknown_version_cannot_be_promoted() -> None:
    with pytest.raises(ObjectMissing, match="no version"):
        _promote(Registry(FakeObjects()), "20250101-deadbeef")


def test_without_a_champion_the_caller_is_told_how_to_get_one() -> None:
    cache = ChampionCache(Registry(FakeObjects()), SteppedClock(NOON), TTL)
    with pytest.raises(NoChampion, match="leadscore train"):
        cache.get()


def test_a_new_champion_is_noticed_within_the_ttl_and_not_asked_for_before(trained: Trained, files: dict[str, bytes]) -> None:
    registry, clock = Registry(FakeObjects()), SteppedClock(NOON)
    first = registry.save(files)
    _promote(registry, first)
    cache = ChampionCache(registry, clock, TTL)
    assert cache.get().version == first
    second = registry.save(_other(files))
    _promote(registry, second)
    assert cache.get().version == first
    clock.step(TTL)
    assert cache.get().version == second


def test_a_corrupt_new_champion_leaves_the_last_good_one_serving(files: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    objects, clock = FakeObjects(), SteppedClock(NOON)
    registry = Registry(objects)
    first = registry.save(files)
    _promote(registry, first)
    cache = ChampionCache(registry, clock, TTL)
    cache.get()
    second = registry.save(_other(files))
    objects.write(f"models/{second}/contract.json", b"damaged")
    _promote(registry, second)
    clock.step(TTL)
    assert cache.get().version == first
    with pytest.raises(CorruptArtifact):
        ChampionCache(registry, clock, TTL).get()


def _other(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same model under another version: its manifest says another code version."""
    from shared.model.artifact import pack  # noqa: PLC0415

    artifact = unpack(files)
    return pack(artifact.manifest.model_copy(update={"code_version": "another"}), artifact.contract, artifact.predictor, {})
