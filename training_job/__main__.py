"""`python -m training_job train --config job.yaml`: the Cloud Run job, and the same on a laptop with LEADSCORE_BACKEND=local."""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from shared import config, policies
from shared.asof.contract import load_contract
from shared.clock import isoformat, parse_instant
from shared.config import ROOT
from shared.documents import Document, load
from shared.errors import ConfigError, LeadscoreError
from shared.log import log
from shared.model.registry import Registry
from shared.ports import BulkWarehouse, Objects
from training_job.folder import Folder
from training_job.folds import Period
from training_job.gate.policy import gates
from training_job.job import RUN, Order, run
from training_job.policy import training
from training_job.wiring import adapters

STARTED = "started"
"""The file of a run that keeps the instant of its first attempt."""


class JobConfig(Document):
    """`known_by`: labels and features as known then, or else now. `run_id`: its name; without one the same order is the same run."""

    contract: Path
    known_by: datetime | None = None
    sealed: str | None = None
    groups: tuple[str, ...] = ()
    policies: Path = ROOT / "policies"
    run_id: str | None = None


def main(arguments: list[str]) -> int:
    """Exit status 0 once run.json is there, whatever the verdict; 1 with one plain sentence otherwise."""
    asked = parser().parse_args(arguments)
    try:
        job = load(asked.config, JobConfig, ConfigError)
        warehouse, objects = adapters(config.load())
        said = train(job, warehouse, objects, os.environ.get("CLOUD_RUN_EXECUTION", ""))
    except LeadscoreError as fault:
        log.error("training_failed", error=fault.code, reason=fault.what, fix=fault.fix)
        return 1
    log.info("training_finished", run=said["run_id"], model_version=said["version"], verdict=said["verdict"], reasons=said["reasons"])
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line that infra/functions.yaml starts the job with."""
    made = argparse.ArgumentParser(prog="python -m training_job")
    made.add_argument("command", choices=["train"])
    made.add_argument("--config", type=Path, required=True, help="contract, and optionally known_by, sealed, groups, policies, run_id")
    return made


def train(job: JobConfig, warehouse: BulkWarehouse, objects: Objects, execution: str = "") -> Mapping[str, object]:
    """Run the order, or hand out what it came to if it is finished; a retry goes on where the last one stopped.

    `execution` names what Cloud Run started, the same for each attempt at it.
    """
    name = job.run_id or ("" if job.known_by else execution)
    order = _order(job, job.known_by or _first_attempt(objects, name))
    run_id = name or _run_id(order)
    order = replace(order, name=run_id)
    folder = Folder(objects, f"runs/{run_id}/")
    done = folder.get(RUN)
    if done is not None and json.loads(done).get("version"):
        log.info("training_was_finished", run=run_id)
        said = json.loads(done)
    else:
        said = dict(run(warehouse, objects, folder, order, lambda step: log.info("training_step", run=run_id, step=step)).said)
    _nominate(Registry(objects), said)
    return {**said, "run_id": run_id}


def _first_attempt(objects: Objects, name: str) -> datetime:
    """The instant at which the run of this name began; now, where it begins or has no name."""
    now = datetime.now(UTC)
    if not name:
        return now
    folder = Folder(objects, f"runs/{name}/")
    began = folder.get(STARTED)
    if began is None:
        folder.put(STARTED, isoformat(now))
    return parse_instant(began.decode()) if began else now


def _order(job: JobConfig, known_by: datetime) -> Order:
    if known_by.tzinfo is None:
        raise ConfigError(f"known_by is {known_by.isoformat()}, without a zone.", fix=f"Write {known_by.isoformat()}Z.")
    contract = load_contract(job.contract)
    return Order(
        contract=contract.with_groups(job.groups) if job.groups else contract,
        known_by=known_by.astimezone(UTC),
        policy=training(job.policies),
        bands=policies.bands(job.policies),
        gates=gates(job.policies),
        today=datetime.now(UTC).date(),
        sealed=Period.parse(job.sealed) if job.sealed else None,
    )


def _run_id(order: Order) -> str:
    """The same contract, policies, period and instant are the same run."""
    parts = (order.contract.hash, order.policy, order.bands, order.gates, order.sealed, order.known_by)
    return f"{order.contract.name}-{order.known_by:%Y%m%d}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:8]}"


def _nominate(registry: Registry, said: Mapping[str, object]) -> None:
    """A model that may ship becomes the challenger, which is scored beside the champion; only a person promotes."""
    version, present = str(said["version"]), registry.pointer("challenger")
    if said["verdict"] == "ship" and (present is None or present.version != version):
        registry.point("challenger", version, by="training_job", reason="the gate says ship", at=datetime.now(UTC))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
