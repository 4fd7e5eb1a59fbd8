"""Registry and warehouse of a world on this laptop, or of the project where LEADSCORE_BACKEND=gcp."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from functions.wiring import App
from sandbox.world import open_world
from shared import config
from shared.adapters.directory import DirectoryObjects
from shared.model.registry import Registry
from shared.ports import Warehouse


def _in_cloud() -> bool:
    return os.environ.get("LEADSCORE_BACKEND") == "gcp"


def registry(world: Path) -> Registry:
    return Registry(App(config.load()).objects if _in_cloud() else DirectoryObjects(world / "objects"))


@contextmanager
def warehouse(world: Path) -> Iterator[Warehouse]:
    if _in_cloud():
        yield App(config.load()).warehouse
    else:
        with open_world(world.resolve()).reading() as found:
            yield found
