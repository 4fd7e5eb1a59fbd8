import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.boot import _boot_one, _environment
from infra.bundle import build, entry_points
from shared.config import ROOT


def made(tmp_path: Path, seed: str) -> Path:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}
    said = subprocess.run(
        [sys.executable, "-m", "infra.bundle", str(tmp_path / seed)], env=environment, capture_output=True, text=True, check=True
    )
    return Path(said.stdout.strip())


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = made(tmp_path, "1"), made(tmp_path, "2")
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()


def test_another_source_gives_another_name(tmp_path: Path) -> None:
    for folder in ("functions", "shared", "contracts", "policies", "infra", "requirements"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    assert build(tmp_path)[0] == build(ROOT)[0]
    (tmp_path / "contracts").unlink()
    (tmp_path / "contracts").mkdir()
    assert build(tmp_path)[0] != build(ROOT)[0]


def test_the_zip_is_what_a_buildpack_wants_and_no_more(tmp_path: Path) -> None:
    with zipfile.ZipFile(made(tmp_path, "0")) as bundle:
        names = set(bundle.namelist())
    assert {
        "main.py",
        "requirements.txt",
        "functions/score_lead.py",
        "shared/sql/standing/query.sql",
        "infra/tables/scores.ledger.json",
    } <= names
    assert not [name for name in names if name.startswith(("tests", "sandbox", "ops", "training_job")) or "cases" in name]
    assert "functions/__pycache__/score_lead.cpython-311.pyc" in names


@pytest.mark.parametrize("broken", [False, True])
def test_an_entry_point_boots_from_the_bundle_and_not_from_half_of_it(tmp_path: Path, *, broken: bool) -> None:
    source = tmp_path / "workspace"
    with zipfile.ZipFile(made(tmp_path, "0")) as bundle:
        bundle.extractall(source, [name for name in bundle.namelist() if not (broken and name.startswith("shared/"))])
    venv = Path(sys.executable).parent.parent
    answered = _boot_one("score_lead", source, venv, _environment(tmp_path, venv))
    assert answered.ok is not broken, answered


def test_every_entry_point_is_a_function_of_main() -> None:
    from functions import main  # noqa: PLC0415

    assert all(callable(getattr(main, name)) for name in entry_points())
