"""Servers that speak the cloud's own protocols, started on free ports of 127.0.0.1 and stopped by id."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials

from shared.config import ROOT

PROJECT = "example-project"
BIGQUERY_PYTHON = ROOT / ".venv-bigquery" / "bin" / "python"
START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(command: list[str], url: str, log: Path, environ: dict[str, str] | None = None) -> Iterator[None]:
    """A server in a process group of its own, once `url` answers anything at all."""
    with log.open("w") as output:
        started = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, **(environ or {})}
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            if started.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{command[0]} did not start: {log.read_text()[-500:]}")
            time.sleep(0.1)
        yield
    finally:
        os.killpg(started.pid, signal.SIGTERM)
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own server
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def credentials() -> AnonymousCredentials:
    return AnonymousCredentials()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def bigquery_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not BIGQUERY_PYTHON.exists():
        pytest.skip("the BigQuery emulator is not installed; make emulators does it where there is Python 3.13")
    folder = tmp_path_factory.mktemp("bigquery")
    port, grpc_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(BIGQUERY_PYTHON), str(ROOT / "tests" / "emulators" / "bigquery.py"), "serve", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--grpc-port", str(grpc_port), "--data-dir", str(folder / "data"), "--project", PROJECT]
    with process(command, url, folder / "log", {"PYTHONPATH": ""}):
        yield url


@pytest.fixture(scope="session")
def pubsub_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    jar = _pubsub_jar()
    if jar is None or shutil.which("java") is None:
        pytest.skip("Google's Pub/Sub emulator (part of the Cloud SDK, in Java) is not installed")
    host = f"127.0.0.1:{free_port()}"
    name, port = host.split(":")
    with process(
        ["java", "-jar", str(jar), f"--host={name}", f"--port={port}"], f"http://{host}", tmp_path_factory.mktemp("pubsub") / "log"
    ):
        yield host


def _pubsub_jar() -> Path | None:
    gcloud = shutil.which("gcloud")
    roots = [Path(gcloud).resolve().parent.parent] if gcloud else []
    found = [jar for root in roots for jar in (root / "platform" / "pubsub-emulator" / "lib").glob("cloud-pubsub-emulator-*-all.jar")]
    return found[0] if found else None
