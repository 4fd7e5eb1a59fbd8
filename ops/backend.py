"""Registry and warehouse of a world on this laptop, or of the project where LEADSCORE_BACKEND=gcp."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from functions.wiring import app
from ops.rescore import last_scored
from ops.system import in_cloud
from sandbox.world import open_world
from shared.adapters.directory import DirectoryObjects
from shared.model.registry import Registry
from shared.ports import Warehouse


def registry(world: Path) -> Registry:
    return Registry(app().outside.objects if in_cloud() else DirectoryObjects(world / "objects"))


@contextmanager
def warehouse(world: Path) -> Iterator[Warehouse]:
    if in_cloud():
        yield app().outside.warehouse
    else:
        with open_world(world.resolve()).reading() as found:
            yield found


def present(world: Path, warehouse: Warehouse) -> datetime:
    """Now; in a replayed world the last instant anything was scored about, or else its cutoff."""
    return datetime.now(UTC) if in_cloud() else last_scored(warehouse, open_world(world.resolve()).known_by)
