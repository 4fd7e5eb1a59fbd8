"""Training from the command line: the job's own code on a world, then the registry."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandbox.world import World
from shared import policies
from shared.adapters.directory import DirectoryObjects
from shared.config import ROOT
from shared.model import promotion
from shared.model.registry import Registry
from training_job.audit.findings import Report
from training_job.audit.run import audit, refuse_leaks
from training_job.dataset import Dataset, load_dataset
from training_job.policy import training
from training_job.statistics import fit_statistics
from training_job.train import train
from training_job.trained import Asked, Trained


@dataclass(frozen=True, slots=True)
class Registered:
    """A trained model in the registry, the rows it was trained on, and what the leak audit said of them."""

    trained: Trained
    dataset: Dataset
    audited: Report


def train_and_register(world: World, say: Callable[[str], None]) -> Registered:
    """Audit, train in brief on what the world knew by its cutoff, and store the artefact; no pointer is moved.

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


def registry(world: Path) -> Registry:
    return Registry(DirectoryObjects(world / "objects"))


def promote(world: Path, version: str, by: str, reason: str) -> None:
    """Make it the world's champion, if it is the first or its verdict ships it."""
    promotion.promote(registry(world), version, by=by, reason=reason, at=datetime.now(UTC))
