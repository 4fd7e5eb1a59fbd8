"""A training run from the command line: the job on a world or a file, with the same files in a directory."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.data import opened
from sandbox.world import World, keys_of
from shared import policies
from shared.adapters.directory import DirectoryObjects
from shared.config import ROOT
from training_job.folder import Folder
from training_job.folds import Period
from training_job.gate.policy import gates
from training_job.job import Order, Run
from training_job.job import run as run_job
from training_job.policy import training

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """`sealed`: without it the last part of the contacts. `groups`: feature groups.

    Artefacts, verdicts and openings of sealed periods are kept in the world's own registry, for a file in one beside the run.
    """

    data: Path
    contract: Path | None
    out: Path
    sealed: Period | None
    groups: tuple[str, ...]
    policies: Path = ROOT / "policies"


def run(options: Options, say: Say) -> Mapping[str, Any]:
    """Train, judge once on the sealed period, and write the run: model/, run.json, folds, the card, the report, tables.

    Raises LeakFound and DataError before anything is written.
    """
    fresh = not options.out.exists()
    try:
        with opened(options.data, options.contract) as (world, known_by):
            done = _run(options, world, known_by, say)
    finally:
        if fresh:
            with suppress(OSError):
                options.out.rmdir()
    return done.said


def _run(options: Options, world: World, known_by: datetime, say: Say) -> Run:
    contract = world.contract.with_groups(options.groups) if options.groups else world.contract
    order = Order(
        contract=contract,
        known_by=known_by,
        policy=training(options.policies),
        bands=policies.bands(options.policies),
        gates=gates(options.policies),
        today=datetime.now(UTC).date(),
        sealed=options.sealed,
        keys=keys_of(world),
        name=options.out.name,
    )
    registry = world.objects if world.path == options.data.resolve() else options.out.parent / "registry"
    with world.reading() as warehouse:
        return run_job(warehouse, DirectoryObjects(registry), Folder(DirectoryObjects(options.out)), order, say)
