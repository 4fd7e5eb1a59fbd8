import threading
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from shared.clock import SteppedClock
from shared.errors import CorruptArtifact, NoChampion, ObjectMissing, PreconditionFailed
from shared.model.artifact import MANIFEST, unpack
from shared.model.registry import ChampionCache, Registry
from shared.ports import Blob
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


def test_a_corrupt_new_champion_leaves_the_last_good_one_serving_and_raises_an_alert(files: dict[str, bytes]) -> None:
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
    with capture_logs() as told:
        assert [cache.get().version for _ in range(3)] == [first] * 3
    (alert,) = told
    assert (alert["event"], alert["log_level"], alert["error"]) == ("champion_refused", "error", "corrupt_artifact")
    assert (alert["refused"], alert["serving"]) == (second, first)
    with pytest.raises(CorruptArtifact):
        ChampionCache(registry, clock, TTL).get()


def test_a_garbled_pointer_leaves_the_last_good_champion(files: dict[str, bytes]) -> None:
    objects, clock = FakeObjects(), SteppedClock(NOON)
    registry = Registry(objects)
    first = registry.save(files)
    _promote(registry, first)
    cache = ChampionCache(registry, clock, TTL)
    cache.get()
    for garbled in (b"", b"[]", b"null", b"{}", b"\xff", b'{"version": 7}'):
        objects.write("registry/champion.json", garbled)
        clock.step(TTL)
        assert cache.get().version == first


def test_the_pointer_is_read_once_a_ttl_and_the_artefact_once_a_generation(files: dict[str, bytes]) -> None:
    class Counting(FakeObjects):
        reads: list[str]

        def read(self, name: str) -> Blob:
            self.reads.append(name)
            return super().read(name)

    objects, clock = Counting(), SteppedClock(NOON)
    objects.reads = []
    registry = Registry(objects)
    _promote(registry, registry.save(files))
    cache = ChampionCache(registry, clock, TTL)
    objects.reads.clear()
    for _ in range(3):
        for _ in range(100):
            cache.get()
        clock.step(TTL)
    assert objects.reads.count("registry/champion.json") == 3
    assert len([name for name in objects.reads if name.startswith("models/")]) == 3


def test_many_threads_load_a_champion_once(files: dict[str, bytes]) -> None:
    registry = Registry(FakeObjects())
    version = registry.save(files)
    _promote(registry, version)
    loads, load = [], registry.load
    registry.load = lambda version: (loads.append(version), load(version))[1]  # type: ignore[method-assign, func-returns-value]
    cache, seen = ChampionCache(registry, SteppedClock(NOON), TTL), list[str]()
    threads = [threading.Thread(target=lambda: seen.append(cache.get().version)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (loads, seen) == ([version], [version] * 8)


def test_a_challenger_comes_and_goes_with_its_pointer_and_is_never_the_champion_itself(files: dict[str, bytes]) -> None:
    objects, clock = FakeObjects(), SteppedClock(NOON)
    registry = Registry(objects)
    first, second = registry.save(files), registry.save(_other(files))
    _promote(registry, first)
    cache = ChampionCache(registry, clock, TTL)
    assert cache.challenger() is None
    registry.point("challenger", second, by="a person", reason="on trial", at=NOON)
    clock.step(TTL)
    found = cache.challenger()
    assert found is not None
    assert found.version == second
    _promote(registry, second, NOON + timedelta(minutes=1))
    clock.step(TTL)
    assert cache.get().version == second
    assert cache.challenger() is None
    _promote(registry, first, NOON + timedelta(minutes=2))
    del objects._blobs["registry/challenger.json"]
    clock.step(TTL)
    assert cache.get().version == first
    assert cache.challenger() is None


def _other(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same model under another version: its manifest says another code version."""
    from shared.model.artifact import pack  # noqa: PLC0415

    artifact = unpack(files)
    return pack(artifact.manifest.model_copy(update={"code_version": "another"}), artifact.contract, artifact.predictor, {})
