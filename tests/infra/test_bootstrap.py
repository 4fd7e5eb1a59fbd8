"""The script before the pipeline, run with a gcloud that writes down what it is asked."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.infra.workshop import INFRA

GCLOUD = """#!/bin/sh
echo "$*" >> {calls}
case "$*" in
  *"secrets create"*) echo "$3 $(cat | wc -c)" >> {secrets} ;;
  *describe*) exit {found} ;;
esac
"""
KEY = "-----BEGIN PRIVATE KEY-----\nnot-a-real-one\n-----END PRIVATE KEY-----\n"


def _run(folder: Path, *, exists: bool, key: str = KEY) -> tuple[subprocess.CompletedProcess[str], str, str]:
    calls, secrets = folder / "calls", folder / "secrets"
    for path, text in ((calls, ""), (secrets, ""), (folder / "key.pem", key)):
        path.write_text(text)
    tool = folder / "gcloud"
    tool.write_text(GCLOUD.format(calls=calls, secrets=secrets, found=0 if exists else 1))
    tool.chmod(0o755)
    line = [str(INFRA / "bootstrap.sh"), "example-project", "us-central1", str(folder / "key.pem")]
    environ = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(line, env=environ, input="consumer\n", capture_output=True, text=True, check=False)
    return done, calls.read_text(), secrets.read_text()


def test_an_empty_project_gets_all_the_pipeline_needs_and_no_secret_on_a_command_line(tmp_path: Path) -> None:
    done, calls, secrets = _run(tmp_path, exists=False)
    assert done.returncode == 0, done.stderr
    for made in ("gs://example-project-terraform-state", "gs://example-project-artifacts", "repositories create leadscore"):
        assert f"{made}" in calls
    assert dict(line.split() for line in secrets.splitlines()) == {
        "ingress-secret": "64",
        "salesforce-private-key": str(len(KEY)),
        "salesforce-consumer-key": str(len("consumer")),
    }
    assert "not-a-real-one" not in calls + done.stdout
    assert "consumer\n" not in calls
    assert "roles/owner" not in calls
    assert "roles/editor" not in calls


def test_run_again_it_makes_nothing(tmp_path: Path) -> None:
    done, calls, secrets = _run(tmp_path, exists=True)
    assert done.returncode == 0, done.stderr
    assert " create " not in calls
    assert secrets == ""


@pytest.mark.parametrize("key", ["", "-----BEGIN CERTIFICATE-----"])
def test_a_file_that_is_no_key_is_refused_before_anything_is_made(tmp_path: Path, key: str) -> None:
    done, calls, _ = _run(tmp_path, exists=False, key=key)
    assert done.returncode == 2
    assert "is not a private key" in done.stderr
    assert calls == ""
