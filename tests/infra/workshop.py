"""Real `terraform` on a copy of `infra/`, with the stand-in for Google's provider that lies outside the repository."""

import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from shared.config import ROOT

STAND_IN = ROOT.parent / "shared" / "tools" / "offline_gcp"
INFRA = ROOT / "infra"
ENVIRONMENTS = ("dev", "staging", "prod")
GIVEN = {
    "project": "example-project",
    "source_object": "functions/functions-0123456789abcdef.zip",
    "training_image": f"us-central1-docker.pkg.dev/example-project/leadscore/training@sha256:{'0' * 64}",
}
"""What the pipeline passes beside the environment's own file."""

READS_WHAT_EXISTS = "adopted.tf"
"""Left out where something is planned: the stand-in cannot read what an import block finds."""


def missing() -> str:
    """Why nothing can be checked here, or nothing."""
    if not STAND_IN.is_dir():
        return f"the stand-in provider is not at {STAND_IN}"
    return "" if shutil.which("terraform") else "terraform is not installed"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered; `code` 2 is a plan with changes."""

    code: int
    text: str

    def require(self) -> "Said":
        if self.code:
            raise AssertionError(self.text[-4000:])
        return self


@dataclass(frozen=True, slots=True)
class Workshop:
    """A copy of infra/ with its provider installed."""

    folder: Path
    environ: Mapping[str, str]

    def terraform(self, *arguments: str) -> Said:
        done = subprocess.run(
            ["terraform", f"-chdir={self.folder}", *arguments], env=self.environ, capture_output=True, text=True, check=False
        )
        return Said(done.returncode, " ".join((done.stdout + done.stderr).replace("│", " ").split()))

    def plan(self, environment: str, *more: str, **given: str) -> Said:
        values = [f"-var={name}={value}" for name, value in {**GIVEN, **given}.items()]
        files = [f"-var-file={environment}.tfvars", f"-out={environment}.plan"]
        return self.terraform("plan", "-input=false", "-no-color", *files, *values, *more)

    def shown(self, environment: str) -> dict[str, Any]:
        """The plan made before, as JSON."""
        done = subprocess.run(
            ["terraform", f"-chdir={self.folder}", "show", "-json", f"{environment}.plan"],
            env=self.environ,
            capture_output=True,
            check=True,
        )
        shown: dict[str, Any] = json.loads(done.stdout)
        return shown

    @contextmanager
    def broken(self, file: str, change: Callable[[str], str]) -> Iterator["Workshop"]:
        """Another copy, with `file` changed and the same provider."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "infra")
            shutil.copytree(self.folder, copy, symlinks=True, ignore=shutil.ignore_patterns(".terraform", "*.plan", "*.tfstate*"))
            (copy / ".terraform").symlink_to(self.folder / ".terraform")
            path = copy / file
            path.write_text(change(path.read_text()))
            yield Workshop(copy, self.environ)


@cache
def provider() -> Mapping[str, str]:
    """The environment in which terraform finds the stand-in, kept in a cache outside the repository."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "one")  # each test process builds its own: two at once would mix their hashes
    cache_folder = Path(tempfile.gettempdir()) / f"offline_gcp_{worker}"
    setup = subprocess.run([str(STAND_IN / "setup.sh"), str(cache_folder)], capture_output=True, text=True, check=True)
    name, _, value = next(line for line in setup.stdout.splitlines() if line.startswith("export ")).removeprefix("export ").partition("=")
    return {**os.environ, name: value, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}


@contextmanager
def workshop(*, adopting: bool = False) -> Iterator[Workshop]:
    """A fresh copy with a state of its own; with `adopting` it also imports what the bootstrap made."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "infra")
        shutil.copytree(INFRA, copy, ignore=shutil.ignore_patterns("__pycache__", ".terraform*", "*.tfstate*"))
        (copy / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        if not adopting:
            (copy / READS_WHAT_EXISTS).unlink()
        made = Workshop(copy, provider())
        made.terraform("init", "-input=false", "-no-color").require()
        yield made


@cache
def policy() -> ModuleType:
    """The rules over a plan that come with the stand-in."""
    spec = importlib.util.spec_from_file_location("plan_policy", STAND_IN / "plan_policy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
