import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.config import ROOT

SERVICES = ("score-lead", "sync-scores")


@dataclass(frozen=True)
class Cloud:
    """A release on a machine of its own: `build` as the steps before leave it, gcloud and curl that keep Cloud Run's traffic."""

    work: Path

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads((self.work / "cloud.json").read_text()))

    def change(self, **parts: object) -> None:
        (self.work / "cloud.json").write_text(json.dumps({**self.state, **parts}))

    def traffic(self) -> dict[str, dict[str, int]]:
        return {name: service["traffic"] for name, service in self.state["services"].items()}

    def release(self, script: str = "deploy/release.sh", **environment: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "PATH": f"{self.work / 'bin'}:{os.environ['PATH']}",
            "FAKE_CLOUD": str(self.work / "cloud.json"),
            "PROJECT": "example-project",
            "REGION": "us-central1",
            "ENVIRONMENT": "dev",
            "BUILD": "b1",
            "COMMIT": "c1",
            "IMAGE": "image",
            "ARTIFACTS_BUCKET": "artifacts",
            "PUSH_ACCOUNT": "push@example-project.iam.gserviceaccount.com",
            "CANARY_SOAK_SECONDS": "0",
        }
        return subprocess.run(["sh", script], cwd=self.work, env={**settings, **environment}, capture_output=True, text=True, check=False)


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    (tmp_path / "bin").mkdir()
    for name in ("gcloud", "curl"):
        tool = tmp_path / "bin" / name
        tool.write_text(f"#!{sys.executable}\n{(ROOT / 'tests' / 'fakes' / 'gcloud.py').read_text()}")
        tool.chmod(0o755)
    build = tmp_path / "build"
    build.mkdir()
    functions = {name.replace("-", "_"): {"service": name, "uri": f"https://{name}-abc.a.run.app"} for name in SERVICES}
    (build / "outputs.json").write_text(json.dumps({"functions": {"value": functions}}))
    (build / "bundle.path").write_text("build/bundle/functions-1.zip")
    (build / "image.digest").write_text("image@sha256:1")
    state = {
        "services": {name: {"latest": f"{name}-2", "traffic": {f"{name}-1": 100}} for name in SERVICES},
        "answers": {"score_lead": "stage_ignored", "others": '{"error": "unauthorized"}'},
        "log": {"entries": 100, "errors": 1},
    }
    (tmp_path / "cloud.json").write_text(json.dumps(state))
    return Cloud(tmp_path)


BEFORE = {name: {f"{name}-1": 100} for name in SERVICES}
AFTER = {name: {f"{name}-2": 100} for name in SERVICES}


def test_traffic_moves_to_the_new_revisions_step_by_step(cloud: Cloud) -> None:
    said = cloud.release()
    assert said.returncode == 0, said.stdout + said.stderr
    assert cloud.traffic() == AFTER
    assert [max(split.values()) for split in cloud.state["services"]["score-lead"]["history"]] == [90, 50, 100]


def test_a_revision_that_does_not_answer_gets_no_traffic(cloud: Cloud) -> None:
    cloud.change(answers={"score_lead": "Internal Server Error", "others": '{"error": "unauthorized"}'})
    said = cloud.release()
    assert said.returncode == 1
    assert "score_lead at score-lead-2 answered 'Internal Server Error" in said.stdout
    assert cloud.traffic() == BEFORE


def test_errors_in_the_log_shift_every_function_back(cloud: Cloud) -> None:
    cloud.change(log={"entries": 100, "errors": 9})
    said = cloud.release()
    assert said.returncode == 1
    assert "9 errors in 100 log entries" in said.stdout
    assert cloud.traffic() == BEFORE


def test_a_failure_after_the_canary_shifts_back_too(cloud: Cloud) -> None:
    cloud.change(log={"entries": 100, "errors": 0, "storage_down": True})
    said = cloud.release()
    assert said.returncode == 1
    assert cloud.traffic() == BEFORE


def test_what_did_not_change_is_left_alone(cloud: Cloud) -> None:
    cloud.change(services={name: {"latest": f"{name}-1", "traffic": {f"{name}-1": 100}} for name in SERVICES})
    said = cloud.release()
    assert said.returncode == 0
    assert "No function changed" in said.stdout
    assert "history" not in cloud.state["services"]["score-lead"]


def test_nothing_applied_is_nothing_released(cloud: Cloud) -> None:
    (cloud.work / "build" / "outputs.json").unlink()
    assert "nothing to release" in cloud.release().stdout
    assert cloud.traffic() == BEFORE


def test_production_is_not_applied_without_approval(cloud: Cloud) -> None:
    said = cloud.release("deploy/apply.sh", ENVIRONMENT="prod")
    assert said.returncode == 0
    assert "leadscore-prod-apply" in said.stdout
