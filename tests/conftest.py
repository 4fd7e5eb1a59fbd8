"""What many tests stand on: a small market with a trained champion, made once."""

import atexit
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.training import promote, train_and_register
from sandbox.world import World, make_market_world
from shared.adapters.directory import DirectoryObjects
from shared.config import ROOT
from shared.model.artifact import Artifact
from shared.model.registry import Registry

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["COLUMNS"] = "300"  # tables of the command line are read whole
# Hypothesis keeps modules alive to the very end, of which DuckDB's binding complains at length once all is over.
atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2))

CONTRACTS = ROOT / "contracts"
SHARED_DATA = ROOT.parent / "shared" / "data"
BANK_CALLS = SHARED_DATA / "bank_marketing" / "calls_2008_2009.csv"

needs_bank_calls = pytest.mark.skipif(not BANK_CALLS.exists(), reason=f"the real calls are not at {BANK_CALLS}")


@dataclass(frozen=True)
class Trained:
    """A world on disk whose registry has a champion. Copy it before changing it."""

    world: World
    version: str

    def copy(self, path: Path) -> World:
        shutil.copytree(self.world.path, path)
        return World(path, self.world.contract, self.world.known_by, self.world.matured_by)

    def artifact(self) -> Artifact:
        return Registry(DirectoryObjects(self.world.objects)).load(self.version)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    world = make_market_world(tmp_path_factory.mktemp("market") / "world", CONTRACTS / "advisor.yaml", seed=3, leads=8000)
    version = train_and_register(world, lambda _: None).trained.version
    promote(world.path, version, by="tests", reason="first")
    yield Trained(world, version)
    shutil.rmtree(world.path)
