"""Does each entry point of a bundle start by itself? As the buildpack would: its own requirements, its own files, an empty environment.

`python -m deploy.boot BUNDLE.zip` prints a line per entry point and exits 1 if one does not answer as it should.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.bundle import entry_points

HOST = "127.0.0.1"
START_SECONDS = 60
REFUSED = 401
"""What an entry point answers to a caller without a token, once it has been wired in full."""


@dataclass(frozen=True, slots=True)
class Boot:
    """What one entry point answered, and the seconds until its port was open."""

    entry: str
    answer: str
    seconds: float
    ok: bool


def boot(bundle: Path, entries: list[str]) -> Iterator[Boot]:
    """Unpack and install once, then start each entry point alone and call it without a token."""
    with tempfile.TemporaryDirectory() as folder:
        source, venv = Path(folder, "workspace"), Path(folder, "venv")
        zipfile.ZipFile(bundle).extractall(source)
        _install(source, venv)
        environment = _environment(Path(folder), venv)
        for entry in entries:
            yield _boot_one(entry, source, venv, environment)


def _install(source: Path, venv: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin" / "pip"), "--disable-pip-version-check", "-qq"]
    subprocess.run([*pip, "install", "--require-hashes", "-r", str(source / "requirements.txt")], check=True)
    subprocess.run([*pip, "check"], check=True)


def _environment(folder: Path, venv: Path) -> dict[str, str]:
    """The settings Terraform gives every function, and a key nobody knows instead of the metadata server."""
    key = folder / "account.json"
    made = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA"], check=True, capture_output=True, text=True).stdout  # noqa: S607
    account = {"type": "service_account", "client_email": "boot@example-project.iam.gserviceaccount.com", "private_key": made}
    key.write_text(json.dumps({**account, "token_uri": f"http://{HOST}:1/token", "project_id": "example-project"}))
    return {
        "PATH": f"{venv}/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "GOOGLE_APPLICATION_CREDENTIALS": str(key),
        "LEADSCORE_BACKEND": "gcp",
        "LEADSCORE_PROJECT": "example-project",
        "LEADSCORE_BUCKET": "example-project-models",
    }


def _boot_one(entry: str, source: Path, venv: Path, environment: dict[str, str]) -> Boot:
    started = time.monotonic()
    with _serving(entry, source, venv, environment) as url:
        seconds = round(time.monotonic() - started, 1)
        status, said = _call(url) if url else (0, "did not start; its log is above")
    return Boot(entry, f"{status} {said}", seconds, status == REFUSED)


@contextmanager
def _serving(entry: str, source: Path, venv: Path, environment: dict[str, str]) -> Iterator[str]:
    port = _free_port()
    framework = str(venv / "bin" / "functions-framework")
    arguments = [framework, "--target", entry, "--signature-type", "http", "--host", HOST, "--port", str(port)]
    log = Path(environment["HOME"]) / f"{entry}.log"
    with log.open("w") as said:
        process = subprocess.Popen(arguments, cwd=source, env=environment, stdout=said, stderr=subprocess.STDOUT)
    try:
        open_ = _wait(process, port)
        if not open_:
            sys.stderr.write(log.read_text())
        yield f"http://{HOST}:{port}/" if open_ else ""
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait(process: "subprocess.Popen[bytes]", port: int) -> bool:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return True
        time.sleep(0.1)
    return False


def _call(url: str) -> tuple[int, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, b"{}", {"Content-Type": "application/json"})  # noqa: S310 - our own address
    try:
        with opener.open(request, timeout=START_SECONDS) as answer:
            return answer.status, _short(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code, _short(refused.read())


def _short(body: bytes) -> str:
    return " ".join(body.decode(errors="replace").split())[:100]


def main(bundle: Path) -> int:
    failed = 0
    if not shutil.which("openssl"):
        sys.exit("make boot needs openssl to make a throw-away key; install it.")
    for result in boot(bundle, entry_points()):
        failed += not result.ok
        sys.stdout.write(f"{'ok ' if result.ok else 'BAD'} {result.entry:<22} {result.seconds:>5} s  {result.answer}{os.linesep}")
    sys.stdout.write(f"{'every entry point boots alone' if not failed else f'{failed} entry points do not boot'}: {bundle.name}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
