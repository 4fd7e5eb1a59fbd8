import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.config import ROOT

SERVICES = ("receive-stage-change", "score-lead", "sync-scores")
PUSHED = ("score-lead", "sync-scores")


@dataclass(frozen=True)
class Cloud:
    """A release on a machine of its own: `build` as the steps before leave it, a gcloud that keeps Cloud Run's traffic."""

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
            "CANARY_POLL_SECONDS": "0.1",
            "CANARY_PROBE_SECONDS": "1",
        }
        return subprocess.run(["sh", script], cwd=self.work, env={**settings, **environment}, capture_output=True, text=True, check=False)


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "gcloud"
    tool.write_text(f"#!{sys.executable}\n{(ROOT / 'tests' / 'fakes' / 'gcloud.py').read_text()}")
    tool.chmod(0o755)
    build = tmp_path / "build"
    build.mkdir()
    said = {name: {"service": name, "uri": f"https://{name}-abc.a.run.app", "pushed": name in PUSHED} for name in SERVICES}
    functions = {name.replace("-", "_"): one for name, one in said.items()}
    (build / "outputs.json").write_text(json.dumps({"functions": {"value": functions}}))
    (build / "bundle.path").write_text("build/bundle/functions-1.zip")
    (build / "image.digest").write_text("image@sha256:1")
    state = {
        "services": {name: {"latest": f"{name}-2", "traffic": {f"{name}-1": 100}} for name in SERVICES},
        "log": {"entries": 100, "errors": 1},
    }
    (tmp_path / "cloud.json").write_text(json.dumps(state))
    return Cloud(tmp_path)


BEFORE = {name: {f"{name}-1": 100} for name in SERVICES}
AFTER = {name: {f"{name}-2": 100} for name in SERVICES}


def _left_behind(cloud: Cloud) -> list[str]:
    return [*cloud.state.get("topics", {}), *(name for name, service in cloud.state["services"].items() if "tag" in service)]


def test_traffic_moves_to_the_new_revisions_step_by_step(cloud: Cloud) -> None:
    said = cloud.release()
    assert said.returncode == 0, said.stdout + said.stderr
    assert cloud.traffic() == AFTER
    assert [max(split.values()) for split in cloud.state["services"]["score-lead"]["history"]] == [90, 50, 100]
    assert cloud.state["probed"] == ["score-lead-2", "sync-scores-2"]
    assert _left_behind(cloud) == []


@pytest.mark.skipif(not shutil.which("gcloud"), reason="gcloud is not installed")
def test_gcloud_itself_knows_every_command_of_a_release(cloud: Cloud) -> None:
    assert cloud.release().returncode == 0
    lines = {shlex.join(["gcloud", *call]) for call in cloud.state["calls"]}
    (cloud.work / "calls.json").write_text(json.dumps([{"command_string": line} for line in lines]))
    read = subprocess.check_output(["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={cloud.work / 'calls.json'}"], text=True)
    answers = json.loads(read)
    assert len(answers) == len(lines) > 20
    assert [answer["error_message"] for answer in answers if not answer["success"]] == []


def test_a_revision_that_does_not_log_the_probe_gets_no_traffic(cloud: Cloud) -> None:
    cloud.change(log={"entries": 100, "errors": 0, "silent": ["sync-scores-2"]})
    said = cloud.release()
    assert said.returncode == 1
    assert "no word of probe 4711 after 1 s from sync_scores at sync-scores-2" in said.stdout
    assert cloud.traffic() == BEFORE
    assert [cloud.state["services"][name]["history"] for name in SERVICES] == [[BEFORE[name]] for name in SERVICES]
    assert _left_behind(cloud) == []


def test_a_revision_that_is_not_ready_is_not_even_probed(cloud: Cloud) -> None:
    cloud.change(not_ready={"receive-stage-change-2": "Secret ingress-secret was not found"})
    said = cloud.release()
    assert said.returncode == 1
    assert "receive_stage_change: receive-stage-change-2 is not ready: Secret ingress-secret was not found" in said.stdout
    assert cloud.traffic() == BEFORE
    assert "probed" not in cloud.state


@pytest.mark.parametrize(("percent", "steps"), [(0, []), (10, [10]), (50, [10, 50]), (100, [10, 50, 100])])
def test_errors_in_the_log_at_any_step_shift_every_function_back(cloud: Cloud, percent: int, steps: list[int]) -> None:
    cloud.change(log={"entries": 100, "errors": 9, "errors_from_percent": percent})
    said = cloud.release()
    assert said.returncode == 1
    assert "9 errors in 100 log entries" in said.stdout
    assert cloud.traffic() == BEFORE
    history = cloud.state["services"]["score-lead"]["history"]
    assert [split["score-lead-2"] for split in history[:-1]] == steps


HALF_WAY = (
    "pubsub topics create*",
    "pubsub subscriptions create *sync-scores*",
    "pubsub topics publish*",
    "logging read*",
    "run services update-traffic sync-scores --to-revisions=sync-scores-2=10*",
    "run services update-traffic score-lead --to-revisions=score-lead-2=50*",
    "run services update-traffic sync-scores --to-revisions=sync-scores-2=100*",
    "storage cp*",
    "artifacts docker tags add*",
)


@pytest.mark.parametrize("refused", HALF_WAY)
def test_gcloud_failing_at_any_moment_shifts_back_and_leaves_nothing_behind(cloud: Cloud, refused: str) -> None:
    cloud.change(fails=[refused])
    said = cloud.release()
    assert said.returncode == 1, said.stdout
    assert cloud.traffic() == BEFORE
    assert _left_behind(cloud) == []


def test_one_function_that_cannot_go_back_does_not_keep_the_others(cloud: Cloud) -> None:
    stuck = "run services update-traffic score-lead --to-revisions=score-lead-1=100*"
    cloud.change(fails=["run services update-traffic sync-scores --to-revisions=sync-scores-2=50*", stuck])
    said = cloud.release()
    assert said.returncode == 1
    assert "score_lead: NOT back, move it by hand" in said.stdout
    assert cloud.traffic() == {**BEFORE, "score-lead": {"score-lead-2": 50, "score-lead-1": 50}}


def test_what_cannot_be_tidied_up_is_named_and_stops_nothing(cloud: Cloud) -> None:
    cloud.change(fails=["pubsub subscriptions delete *score-lead*"])
    said = cloud.release()
    assert said.returncode == 0
    assert "not tidied up: gcloud pubsub subscriptions delete canary-b1-score-lead" in said.stdout
    assert cloud.traffic() == AFTER


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
