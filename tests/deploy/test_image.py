"""The training image, without docker: the folder its COPY lines make, and the job started there as Terraform starts it."""

import json
import os
import re
import signal
import subprocess
import sys
from datetime import datetime
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from sandbox.topology import topology
from sandbox.world import World
from shared.adapters.directory import DirectoryObjects
from shared.config import ROOT
from shared.model.registry import Registry
from tests.brief import brief_policies
from tests.conftest import Trained
from tests.deploy import image

EXECUTION = "train-x7k2p"
LAPTOP = {"duckdb", "sqlglot"}
"""Imported by the local adapters only."""


def test_every_path_it_copies_is_there() -> None:
    for *sources, _ in image.instructions("COPY"):
        assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_base_is_pinned_to_the_python_of_the_pipeline() -> None:
    ((base,),) = image.instructions("FROM")
    built_with = re.findall(r"name: python:(\S+?)-", (ROOT / "cloudbuild.yaml").read_text())
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base)
    assert {base.removeprefix("python:").partition("-")[0]} == set(built_with)


def test_what_the_build_passes_is_what_it_takes() -> None:
    passed = re.findall(r"--build-arg \"(\w+)=", (ROOT / "deploy" / "image.sh").read_text())
    assert [[name] for name in passed] == image.instructions("ARG")


def test_all_it_imports_is_copied_or_pinned(tmp_path: Path) -> None:
    folder = image.assemble(tmp_path)
    files = set(image.reached(folder, "training_job.__main__"))
    assert len(files) > 80
    names = {name for file in files for name in image.imported(file)}
    ours = {name for name in names if (ROOT / name.partition(".")[0] / "__init__.py").is_file()}
    assert {name.partition(".")[0] for name in ours} == {"shared", "training_job"}
    pinned = set(re.findall(r"^([\w.-]+)==", (folder / "requirements" / "job.txt").read_text(), re.MULTILINE))
    assert {_distribution(name) for name in names - ours} - {"", *LAPTOP} <= pinned


def _distribution(name: str) -> str:
    """Whose package a module is, by what is installed; nobody's for the standard library."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "_typeshed":
        return ""
    if top == "google":
        return next((f"google-{area}" for area in ("cloud-bigquery", "cloud-storage", "api-core", "auth") if _of(name, area)), "")
    known = packages_distributions().get(top, [top])
    return min(known, key=len).lower().replace("_", "-")


def _of(name: str, area: str) -> bool:
    return name.replace(".", "-").replace("_", "-").startswith(f"google-{area}")


@pytest.fixture
def job(trained: Trained, tmp_path: Path) -> tuple[Path, World]:
    """The image's folder, with families and search cut short, and a world to train on."""
    folder = image.assemble(tmp_path / "job")
    brief_policies(folder / "policies", "logistic")
    return folder, trained.copy(tmp_path / "world")


def _start(folder: Path, world: World, **more: str) -> "subprocess.Popen[str]":
    """As Cloud Run: the entry point and environment of the image, the arguments of infra/functions.yaml, the name of the execution."""
    environ = dict(pair.split("=", 1) for line in image.instructions("ENV") for pair in line if "$" not in pair)
    local = {"LEADSCORE_BACKEND": "local", "LEADSCORE_WORLD": str(world.path), "PATH": os.environ["PATH"], "CODE_VERSION": "0123abc"}
    command = [sys.executable, "-m", "training_job", *topology().jobs["train"].arguments]
    environ = {**environ, **local, "CLOUD_RUN_EXECUTION": EXECUTION, **more}
    return subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def test_the_job_trains_from_what_is_copied_and_a_second_attempt_is_the_same_run(job: tuple[Path, World]) -> None:
    folder, world = job
    first = _start(folder, world)
    assert first.stderr is not None
    next(line for line in first.stderr if "training_step" in line)
    first.kill()
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    objects = DirectoryObjects(world.objects)
    began = objects.read(f"runs/{EXECUTION}/started").data.decode()
    second = _start(folder, world)
    _, told = second.communicate(timeout=240)
    assert second.returncode == 0, told
    run = json.loads(objects.read(f"runs/{EXECUTION}/run.json").data)
    assert [name for name in objects.names("runs/") if not name.startswith(f"runs/{EXECUTION}/")] == []
    assert datetime.fromisoformat(run["known_by"]) == datetime.fromisoformat(began)
    assert Registry(objects).load(run["version"]).manifest.code_version == "0123abc"
    third = _start(folder, world)
    assert "training_was_finished" in third.communicate(timeout=60)[1]


def test_without_its_settings_it_says_which_is_missing(job: tuple[Path, World]) -> None:
    folder, world = job
    process = _start(folder, world, LEADSCORE_BACKEND="gcp")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "LEADSCORE_PROJECT is not set" in json.loads(told.splitlines()[-1])["reason"]
