"""Training from the command line: the job's own code on a world, then the registry."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandbox.world import World
from shared import policies
from shared.adapters.directory import DirectoryObjects
from shared.config import ROOT
from shared.model.registry import Registry
from training_job.dataset import Dataset, load_dataset
from training_job.policy import training
from training_job.statistics import fit_statistics
from training_job.train import Trained, train


@dataclass(frozen=True, slots=True)
class Registered:
    """A trained model in the registry, and the rows it was trained on."""

    trained: Trained
    dataset: Dataset


def train_and_register(world: World, say: Callable[[str], None]) -> Registered:
    """Train on what the world knew by its cutoff and store the artefact; no pointer is moved."""
    folder = ROOT / "policies"
    say("asking what was known at each contact")
    warehouse = world.warehouse(threads=4)
    try:
        contract = fit_statistics(warehouse, world.contract, world.known_by)
        dataset = load_dataset(warehouse, contract, world.known_by)
    finally:
        warehouse.close()
    trained = train(dataset, contract, world.known_by, training(folder), policies.bands(folder), say)
    registry(world.path).save(trained.files)
    return Registered(trained, dataset)


def registry(world: Path) -> Registry:
    return Registry(DirectoryObjects(world / "objects"))


def promote(world: Path, version: str, by: str, reason: str) -> None:
    registry(world).point("champion", version, by=by, reason=reason, at=datetime.now(UTC))
