"""The job as Cloud Run starts it: killed at any moment it leaves nothing half-written, and a retry finishes."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from sandbox.world import World
from shared.adapters.directory import DirectoryObjects
from shared.config import ROOT
from shared.model.registry import Registry
from tests.brief import brief_policies
from tests.conftest import CONTRACTS, Trained

KILLS = 10


def _config(tmp_path: Path, world: World, **more: object) -> Path:
    said = {"contract": str(CONTRACTS / "advisor.yaml"), "known_by": world.known_by.isoformat(), **more}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(said))
    return tmp_path / "job.yaml"


def _start(config: Path, world: Path) -> subprocess.Popen[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "LEADSCORE_BACKEND": "local", "LEADSCORE_WORLD": str(world)}
    command = [sys.executable, "-m", "training_job", "train", "--config", str(config)]
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _whole(objects: DirectoryObjects) -> list[str]:
    """Every listed version can be loaded, which checks each sha256; every run.json names files that are there as it says."""
    registry = Registry(objects)
    for version in registry.versions():
        registry.load(version)
    runs = [name for name in objects.names("runs/") if name.endswith("/run.json")]
    for name in runs:
        said = json.loads(objects.read(name).data)
        for file, digest in said["files"].items():
            assert hashlib.sha256(objects.read(name.replace("run.json", file)).data).hexdigest() == digest
    return runs


def _steps(said: str) -> int:
    return sum("training_step" in line for line in said.splitlines())


def _kill_at(process: subprocess.Popen[str], step: int, wait: float) -> bool:
    """Kill once so many steps are logged and a moment has passed; False when it was done before."""
    assert process.stderr is not None
    seen = 0
    for line in process.stderr:
        seen += "training_step" in line
        if seen >= step:
            break
    time.sleep(wait)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def test_a_job_killed_at_ten_moments_leaves_nothing_half_written_and_a_retry_finishes(trained: Trained, tmp_path: Path) -> None:
    policies, chance = brief_policies(tmp_path / "policies", "logistic", "xgboost"), random.Random(11)  # noqa: S311 - moments, not secrets
    world = trained.copy(tmp_path / "world")
    objects = DirectoryObjects(world.objects)
    champion = Registry(objects).pointer("champion")
    _, whole = _start(_config(tmp_path, world, policies=str(policies), run_id="whole"), world.path).communicate(timeout=240)
    killed, number = 0, 0
    while killed < KILLS:
        config = _config(tmp_path, world, policies=str(policies), run_id=f"killed-{number}")
        if _kill_at(_start(config, world.path), chance.randint(1, _steps(whole)), chance.uniform(0, 0.3)):
            killed += 1
        else:
            number += 1
        _whole(objects)
    process = _start(_config(tmp_path, world, policies=str(policies), run_id=f"killed-{number}"), world.path)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert "training_finished" in said
    assert _whole(objects) == sorted(["runs/whole/run.json", *(f"runs/killed-{each}/run.json" for each in range(number + 1))])
    run = json.loads(objects.read(f"runs/killed-{number}/run.json").data)
    first = json.loads(objects.read("runs/whole/run.json").data)
    assert run["version"] == first["version"]
    assert run["version"] in Registry(objects).versions()
    assert Registry(objects).pointer("champion") == champion


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"known_by": "2025-09-01T00:00:00"}, "without a zone"),
        ({"contract": "absent.yaml"}, "no file absent.yaml"),
        ({"sealed": "2025-05-01"}, "FROM..TO"),
        ({"groups": ["v99"]}, "no feature group"),
        ({"known_by": "2020-01-01T00:00:00+00:00"}, "No lead of advisor is mature"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_wrong_order_is_one_logged_sentence(trained: Trained, tmp_path: Path, change: dict[str, object], said: str) -> None:
    process = _start(_config(tmp_path, trained.world, **change), trained.world.path)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    last = json.loads(error.splitlines()[-1])
    assert last["message"] == "training_failed"
    assert said in last["reason"] + last["fix"]
    assert "Traceback" not in error
