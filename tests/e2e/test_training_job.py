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
from tests.conftest import CONTRACTS, Trained

KILLS = 10


def _brief_policies(folder: Path) -> Path:
    """The shipped policies with few families and no search: what is tested is the writing."""
    folder.mkdir()
    for file in (ROOT / "policies").glob("*.yaml"):
        (folder / file.name).write_text(file.read_text())
    training = yaml.safe_load((folder / "training.yaml").read_text())
    brief = {"families": ["logistic", "xgboost"], "imbalance": ["none"], "screens": ["light"], "search": {"candidates": 0}}
    (folder / "training.yaml").write_text(yaml.safe_dump({**training, **brief, "backtest_months": 0}))
    return folder


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


def test_a_job_killed_at_ten_moments_leaves_nothing_half_written_and_a_retry_finishes(trained: Trained, tmp_path: Path) -> None:
    policies, times = _brief_policies(tmp_path / "policies"), random.Random(11)  # noqa: S311 - moments, not secrets
    whole = trained.copy(tmp_path / "whole")
    started = time.monotonic()
    process = _start(_config(tmp_path, whole, policies=str(policies)), whole.path)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    takes = time.monotonic() - started
    world = trained.copy(tmp_path / "world")
    champion = Registry(DirectoryObjects(world.objects)).pointer("champion")
    config, objects = _config(tmp_path, world, policies=str(policies), run_id="killed"), DirectoryObjects(world.objects)
    killed = 0
    for attempt in range(KILLS):
        process = _start(config, world.path)
        try:
            process.communicate(timeout=(0.25 + 0.7 * (attempt + times.random()) / KILLS) * takes)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
            process.communicate()
        _whole(objects)
    process = _start(config, world.path)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert killed >= KILLS / 2
    assert _whole(objects) == ["runs/killed/run.json"]
    run = json.loads(objects.read("runs/killed/run.json").data)
    assert run["version"] in Registry(objects).versions()
    assert run["sealed"]["opening"]["number"] == 1
    assert Registry(objects).pointer("champion") == champion
    assert "training_finished" in said


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
