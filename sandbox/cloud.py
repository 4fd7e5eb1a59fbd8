"""The whole cloud on a laptop: Salesforce, the bus and the functions as three processes around one world."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from sandbox import keys
from sandbox.org import USERNAME
from sandbox.outbound import ORGANIZATION
from sandbox.salesforce import CONSUMER_KEY
from sandbox.server import HOST
from shared.config import ROOT
from shared.errors import ConfigError, Transient

START_SECONDS = 60
TOKEN_SECONDS = 86_400
DYING_SECONDS = 0.5
"""A process that was killed takes a moment to be seen as gone."""


class PartDownError(Transient):
    """A process of the sandbox stopped or does not answer."""


@dataclass(frozen=True, slots=True)
class Ports:
    """0 asks for any free port."""

    salesforce: int = 0
    functions: int = 0
    bus: int = 0


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where each part answers, and what a caller needs to be let in."""

    salesforce: str
    functions: str
    bus: str
    ingress_secret: str
    push_token: str
    parts: Mapping[str, subprocess.Popen[str]]
    logs: Path

    def check(self) -> None:
        """PartDownError naming a part that has stopped, or the world if it is gone."""
        for name, process in self.parts.items():
            if process.poll() is not None:
                fix = f"See {self.logs / name}.log; then run again."
                raise PartDownError(f"The sandbox's {name} stopped (exit {process.returncode}).", fix=fix)
        if not self.logs.exists():
            raise PartDownError(f"The world {self.logs.parent} was removed.", fix="Run again; it is made anew.")

    def get(self, url: str) -> "dict[str, object]":
        return self._answer("GET", url, None)

    def post(self, url: str, body: object) -> "dict[str, object]":
        return self._answer("POST", url, body)

    def _answer(self, method: str, url: str, body: object) -> "dict[str, object]":
        try:
            answer = _session.request(method, url, json=body, headers={"Authorization": f"Bearer {self.push_token}"}, timeout=90)
            answer.raise_for_status()
        except requests.RequestException as fault:
            time.sleep(DYING_SECONDS)
            self.check()
            raise PartDownError(f"{url} does not answer: {fault}", fix=f"See the logs in {self.logs}; then run again.") from fault
        parsed = answer.json()
        return parsed if isinstance(parsed, dict) else {"items": parsed}


_session = requests.Session()


@contextmanager
def running(world: Path, ports: Ports = Ports()) -> Iterator[Cloud]:
    """Start all parts, and stop them by id at the end. They also stop by themselves when this process dies."""
    secret = secrets.token_hex(16)
    logs = world / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    bus_port, functions_port = ports.bus or _free_port(), ports.functions or _free_port()
    _refuse_taken(ports)
    bus_url, functions_url = f"http://{HOST}:{bus_port}", f"http://{HOST}:{functions_port}"
    with ExitStack() as stack:
        parts: dict[str, subprocess.Popen[str]] = {}

        def start(name: str, *arguments: str, environ: Mapping[str, str] | None = None) -> int:
            process, port = _start(name, arguments, {**os.environ, **(environ or {})}, logs)
            parts[name] = process
            stack.callback(_stop, process)
            return port

        flow = ("--flow-url", f"{functions_url}/receive_stage_change", "--flow-secret", secret)
        salesforce = start("salesforce", "--port", str(ports.salesforce), "--world", str(world), *flow)
        start("bus", "--port", str(bus_port), "--functions-url", functions_url, "--world", str(world))
        settings = functions_environment(world, f"http://{HOST}:{salesforce}", bus_url, secret)
        start("functions", "--port", str(functions_port), environ=settings)
        stack.enter_context(_told(world, f"http://{HOST}:{salesforce}", bus_url, secret))
        token = keys.push_token(keys.private_key(world / "keys" / "bus.pem"), lifetime_seconds=TOKEN_SECONDS)
        yield Cloud(f"http://{HOST}:{salesforce}", functions_url, bus_url, secret, token, parts, logs)


@contextmanager
def _told(world: Path, salesforce_url: str, bus_url: str, secret: str) -> Iterator[None]:
    """Say in the world where its parts are, for as long as they are, so that the command line finds them."""
    note = world / "cloud.json"
    note.touch(mode=0o600)
    note.write_text(json.dumps({"salesforce": salesforce_url, "bus": bus_url, "ingress_secret": secret}))
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def functions_environment(world: Path, salesforce_url: str, bus_url: str, secret: str) -> dict[str, str]:
    """The settings under which the functions use the sandbox instead of Google Cloud and Salesforce."""
    return {
        "LEADSCORE_BACKEND": "local",
        "LEADSCORE_WORLD": str(world),
        "LEADSCORE_BUS_URL": bus_url,
        "LEADSCORE_INGRESS_SECRET": secret,
        "LEADSCORE_PUSH_AUDIENCE": keys.AUDIENCE,
        "LEADSCORE_PUSH_ACCOUNT": keys.PUSH_ACCOUNT,
        "LEADSCORE_PUSH_ISSUER": keys.ISSUER,
        "LEADSCORE_PUSH_CERTS_URL": f"{bus_url}/certs",
        "SALESFORCE_ORGANIZATION_ID": ORGANIZATION,
        "SALESFORCE_URL": salesforce_url,
        "SALESFORCE_DOMAIN": "login",
        "SALESFORCE_USERNAME": USERNAME,
        "SALESFORCE_CONSUMER_KEY": CONSUMER_KEY,
        "SALESFORCE_PRIVATE_KEY": keys.private_key(world / "keys" / "salesforce.pem"),
        "LEADSCORE_CHAMPION_TTL_SECONDS": "2",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }


def wait_until_idle(cloud: Cloud, below: int = 0) -> None:
    """Return once the bus has no more than `below` messages to deliver; PartDownError if a part stops."""
    while int(str(cloud.get(f"{cloud.bus}/sandbox/stats")["outstanding"])) > below:
        cloud.check()
        time.sleep(0.02)


def _start(name: str, arguments: tuple[str, ...], environ: Mapping[str, str], logs: Path) -> tuple[subprocess.Popen[str], int]:
    with (logs / f"{name}.log").open("a") as log:
        process = subprocess.Popen(  # noqa: S603 - our own modules
            [sys.executable, "-m", f"sandbox.{name}", *arguments],
            cwd=ROOT,
            env={**environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None  # noqa: S101 - asked for above
    said = process.stdout.readline().strip()
    if not said.isdecimal():
        process.wait(START_SECONDS)
        tail = (logs / f"{name}.log").read_text().strip().splitlines()[-1:]
        raise PartDownError(f"The sandbox's {name} did not start: {' '.join(tail)}", fix=f"See {logs / name}.log.")
    return process, int(said)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _refuse_taken(ports: Ports) -> None:
    for port in (ports.salesforce, ports.functions, ports.bus):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                raise ConfigError(
                    f"Port {port} is in use.", fix="Stop what listens there, or choose others: make serve PORT=9000."
                ) from None
