"""A run in MLflow's tracking, checked by MLflow itself where its environment is there (`make bench` makes it)."""

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.commands.models import app
from ops.tracking import metrics
from shared.config import ROOT

MLFLOW = ROOT / ".venv-bench" / "bin" / "python"
SAID = {
    **dict.fromkeys(("contract", "contract_hash", "chosen", "known_by", "version", "verdict", "champion"), "said"),
    "rows": 5000,
    "positives": 200,
    "seed": 42,
    "reasons": ["the model is well calibrated"],
    "sealed": {"period": "2025-01-01..2025-03-31", "auc_roc": {"value": 0.61, "low": 0.57, "high": 0.65, "n": 900, "positives": 40}},
    "rolling": {"ece": {"value": 0.02, "low": None, "high": None, "n": 900, "positives": 40}},
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "run.json").write_text(json.dumps(SAID))
    (tmp_path / "run" / "model" / "artifact.json").write_text("{}")
    return tmp_path / "run"


def test_every_figure_goes_with_its_interval() -> None:
    assert dict(metrics(SAID)) == {"sealed.auc_roc": 0.61, "sealed.auc_roc.low": 0.57, "sealed.auc_roc.high": 0.65, "rolling.ece": 0.02}


def test_what_is_missing_is_said_with_the_way_round(run: Path, tmp_path: Path) -> None:
    absent = CliRunner().invoke(app, ["export", str(run)])
    assert "MLflow is not installed here" in str(absent.exception)
    assert f"python ops/tracking.py {run}" in absent.exception.fix  # type: ignore[union-attr]
    nothing = CliRunner().invoke(app, ["export", str(tmp_path)])
    assert "holds no run.json" in str(nothing.exception)


@pytest.mark.skipif(not MLFLOW.exists(), reason="MLflow's environment is not there; make bench makes it")
def test_mlflow_finds_the_run_again(run: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    look = (
        "import json, sys, mlflow; mlflow.set_tracking_uri(sys.argv[1]); found = mlflow.get_run(sys.argv[2]).data;"
        "print(json.dumps([found.metrics['sealed.auc_roc.low'], found.params['rows'], found.tags['verdict']]))"
    )
    told = subprocess.run([MLFLOW, ROOT / "ops" / "tracking.py", run, store], cwd=tmp_path, capture_output=True, text=True, check=True)
    seen = subprocess.run([MLFLOW, "-c", look, store, told.stdout.strip()], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(seen.stdout) == [0.57, "5000", "said"]
