"""Training from the command line: the job's own code on a world, then the registry."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandbox.world import World, keys_of
from shared import policies
from shared.adapters.directory import DirectoryObjects
from shared.config import ROOT
from shared.documents import load
from shared.errors import DataError
from shared.model.artifact import MANIFEST, Artifact, unpack
from shared.model.registry import Registry
from training_job.audit.findings import Report
from training_job.audit.run import audit, refuse_leaks
from training_job.dataset import Dataset, load_dataset
from training_job.folder import Folder
from training_job.folds import Period
from training_job.gate.policy import gates
from training_job.job import Order, Run, run
from training_job.policy import TrainingPolicy, training
from training_job.statistics import fit_statistics
from training_job.train import Asked, Trained, train


@dataclass(frozen=True, slots=True)
class Registered:
    """A trained model in the registry, the rows it was trained on, and what the leak audit said of them."""

    trained: Trained
    dataset: Dataset
    audited: Report


def train_and_register(world: World, say: Callable[[str], None]) -> Registered:
    """Audit, train in brief on all the world knew by its cutoff, and store the artefact; no pointer is moved.

    Raises LeakFound before anything is fitted.
    """
    folder = ROOT / "policies"
    with world.reading() as warehouse:
        audited = audit(warehouse, world.contract, world.known_by, datetime.now(UTC).date(), lambda step: say(f"audit: {step}"))
        refuse_leaks(audited)
        say("asking what was known at each contact")
        contract = fit_statistics(warehouse, world.contract, world.known_by)
        dataset = load_dataset(warehouse, contract, world.known_by)
    trained = train(dataset, Asked(contract, world.known_by, training(folder).brief(), policies.bands(folder)), say)
    registry(world.path).save(trained.files)
    return Registered(trained, dataset, audited)


@dataclass(frozen=True, slots=True)
class Ordered:
    """What a command line asked of a training."""

    registry: Path
    policy: Path
    sealed: Period | None
    groups: tuple[str, ...]


def order_from(world: World, known_by: datetime, asked: Ordered) -> Order:
    """The order of the job: the same that the cloud gives."""
    contract = world.contract.with_groups(asked.groups) if asked.groups else world.contract
    return Order(
        contract=contract,
        known_by=known_by,
        policy=load(asked.policy, TrainingPolicy),
        bands=policies.bands(ROOT / "policies"),
        gates=gates(ROOT / "policies"),
        today=datetime.now(UTC).date(),
        sealed=asked.sealed,
        keys=keys_of(world),
    )


def train_to(world: World, out: Path, asked: Ordered, order: Order, say: Callable[[str], None]) -> Run:
    """Run the job on a world: the run's files to `out`, artefact and openings to the registry."""
    with world.reading() as warehouse:
        return run(warehouse, DirectoryObjects(asked.registry), Folder(DirectoryObjects(out)), order, say)


def load_model(path: Path) -> Artifact:
    """The model of a run, or of a directory that holds one. DataError when there is none, CorruptArtifact when it is not whole."""
    folder = path / "model" if (path / "model").is_dir() else path
    if not (folder / MANIFEST).is_file():
        raise DataError(f"There is no model in {path}.", fix="Give --model the directory that ./leadscore train --out wrote.")
    return unpack({file.name: file.read_bytes() for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")})


def registry(world: Path) -> Registry:
    return Registry(DirectoryObjects(world / "objects"))


def promote(world: Path, version: str, by: str, reason: str) -> None:
    registry(world).point("champion", version, by=by, reason=reason, at=datetime.now(UTC))
