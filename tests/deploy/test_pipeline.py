"""The build files, read as Cloud Build and gcloud read them, and the real scripts of their steps with cloud tools that only write down."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared.config import ROOT
from tests.infra.workshop import STAND_IN

pytestmark = pytest.mark.skipif(not STAND_IN.is_dir(), reason=f"the local Cloud Build is not at {STAND_IN}")
BUILDS = ("cloudbuild.yaml", "deploy/approved.yaml", "deploy/pull_request.yaml")
DIGEST = "us-central1-docker.pkg.dev/demo-proj/leadscore/training@sha256:1"
TAGGED = {"revisionName": "score-lead-2", "tag": "candidate", "url": "https://candidate---score-lead-1.us-central1.run.app"}
STATUS = {"traffic": [{"revisionName": "score-lead-1", "percent": 100}, TAGGED], "latestCreatedRevisionName": "score-lead-2"}
ANSWERS = {
    "docker inspect*": DIGEST,
    "gcloud run services describe*": json.dumps({"status": STATUS}),
    "gcloud run revisions describe*": json.dumps({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
    "gcloud pubsub topics publish*": "4711",
    "gcloud logging read*severity*": "",
    "gcloud logging read*": "entry",
}


def _local(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(STAND_IN / "cloudbuild_local.py"), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("build", BUILDS)
def test_a_build_file_holds_together(build: str) -> None:
    said = _local("check", build)
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.skipif(not shutil.which("gcloud"), reason="gcloud is not installed")
def test_gcloud_itself_can_read_it(build: str) -> None:
    said = subprocess.run([sys.executable, str(STAND_IN / "gcloud_parse.py"), build], cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The tree as the steps before the release leave it."""
    shutil.copytree(ROOT / "deploy", tmp_path / "source" / "deploy")
    build = tmp_path / "source" / "build"
    build.mkdir()
    (build / "bundle.path").write_text("build/bundle/functions-1.zip")
    said = {"service": "score-lead", "uri": "https://score-lead-1.us-central1.run.app", "pushed": True}
    (build / "outputs.json").write_text(json.dumps({"functions": {"value": {"score_lead": said}}}))
    return build.parent


def _run(source: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> subprocess.CompletedProcess[str]:
    monkeypatch.setenv("CANARY_SOAK_SECONDS", "0")
    steps = ("--only", "upload,image,keep-plan,release", "--answers", json.dumps(ANSWERS), "--tail", "20")
    return _local("run", "cloudbuild.yaml", "--source", str(source), *steps, *more)


def test_the_steps_deploy_what_they_built(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = _run(source, monkeypatch)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "gcloud run services update-traffic score-lead --to-revisions=score-lead-2=100 --region us-central1" in said.stdout
    assert f"gcloud artifacts docker tags add {DIGEST} us-central1-docker.pkg.dev/demo-proj/leadscore/training:dev" in said.stdout


@pytest.mark.parametrize("failing", ["gcloud pubsub topics publish*", "gcloud run services update-traffic*=50*", "gcloud artifacts*"])
def test_what_fails_after_apply_ends_in_the_revision_that_served(failing: str, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = _run(source, monkeypatch, "--fail", failing)
    assert said.returncode == 1, said.stdout + said.stderr
    moved = [
        line.split("--to-revisions=")[1].split()[0] for line in said.stdout.splitlines() if "| gcloud" in line and "--to-revisions=" in line
    ]
    assert moved[-1] == "score-lead-1=100"
