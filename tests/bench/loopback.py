"""`score_lead` under functions-framework on loopback, beside MLflow's model server with the same model.

Ours does everything a delivery needs: verify the token, ask the warehouse, judge with reasons, write the ledger and the
feature log, publish. MLflow's answers with a probability for values it is handed. One caller, one request at a time.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import pyarrow as pa
import requests

from sandbox import keys
from sandbox.cloud import functions_environment
from shared.adapters.duckdb import DuckDBWarehouse
from shared.clock import isoformat
from shared.config import ROOT
from shared.lead import lead_id
from tests.bench.environment import reference_python
from tests.bench.material import NOON, Material
from tests.bench.timing import Line, Note
from tests.contract.conftest import free_port

REQUESTS, WARM_UP = 400, 20
START_SECONDS = 60
FOLDER = ROOT / "build" / "bench" / "loopback"
LEADS = [lead_id(f"00Q5e{number:010d}") for number in range(REQUESTS + WARM_UP)]


def lines(material: Material) -> Iterator[Line | Note]:
    with _mlflow(material) as url:
        theirs = _times(lambda i: _invoke(url, material, i))
    with _score_lead(material) as (url, token):
        ours = _times(lambda i: _deliver(url, token, i))
    reference, path = "MLflow model server, probability only", "score_lead over HTTP, whole delivery"
    yield Line(f"{path}: rate", reference, 1000 * REQUESTS / sum(theirs), 1000 * REQUESTS / sum(ours), "1/s")
    yield Line("   p50", "", median(theirs), median(ours))
    yield Line("   p99", "", quantiles(theirs, n=100)[98], quantiles(ours, n=100)[98])
    parts = _parts()
    yield Note(
        "   where our p50 goes",
        ", ".join(f"{name} {parts[f'{name}_ms']:.1f} ms" for name in ("verify", "ask", "score", "ledger", "publish")),
    )


def _times(request: Callable[[int], None]) -> list[float]:
    spent = []
    for i in range(REQUESTS + WARM_UP):
        started = time.perf_counter()
        request(i)
        spent.append(1000 * (time.perf_counter() - started))
    return spent[WARM_UP:]


_session = requests.Session()


def _invoke(url: str, material: Material, i: int) -> None:
    row = dict(zip(material.artifact.schema.names, np.nan_to_num(material.rows[i]).tolist(), strict=True))
    answer = _session.post(f"{url}/invocations", json={"dataframe_records": [row]}, timeout=30)
    assert answer.status_code == 200, answer.text


def _deliver(url: str, token: str, i: int) -> None:
    change = {
        "lead_id": LEADS[i],
        "crd": None,
        "stage": "Contacted",
        "stage_entered_at": isoformat(NOON),
        "event_id": f"e{i}",
        "source": "bench",
    }
    envelope = {"message": {"data": base64.b64encode(json.dumps(change).encode()).decode(), "messageId": str(i)}}
    answer = _session.post(url, json=envelope, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert answer.text == "lead_scored", answer.text


@contextmanager
def _score_lead(material: Material) -> Iterator[tuple[str, str]]:
    _make_world(material)
    pem = keys.private_key(FOLDER / "keys" / "bus.pem")
    port = free_port()
    command = [
        "-m",
        "functions_framework",
        "--target",
        "score_lead",
        "--source",
        "functions/main.py",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with _bus(keys.key_set(pem)) as bus, ExitStack() as stack:
        environ = functions_environment(FOLDER, "http://127.0.0.1:1", bus, "secret")
        url = f"http://127.0.0.1:{port}"
        stack.enter_context(_process([sys.executable, *command], url, environ, FOLDER / "functions.log"))
        yield url, keys.push_token(pem)


def _make_world(material: Material) -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    shutil.copytree(material.folder / "objects", FOLDER / "objects")
    warehouse = DuckDBWarehouse(FOLDER / "warehouse.duckdb")
    known = [NOON - timedelta(days=1)] * len(LEADS)
    columns = {name: material.rows[: len(LEADS), i] for i, name in enumerate(material.artifact.schema.names)}
    warehouse.load_arrow(
        "crm.leads", pa.table({"id": LEADS, "contacted": known, "won": pa.nulls(len(LEADS), pa.timestamp("us", "UTC")), **columns})
    )
    warehouse.close()


@contextmanager
def _mlflow(material: Material) -> Iterator[str]:
    python = reference_python()
    subprocess.run([str(python), str(ROOT / "tests/bench/reference.py"), "mlflow", str(material.folder)], check=True, capture_output=True)
    port = free_port()
    command = [str(python.parent / "mlflow"), "models", "serve", "-m", str(material.folder / "mlflow"), "--env-manager", "local"]
    environ = {"PATH": f"{python.parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    url = f"http://127.0.0.1:{port}"
    with _process([*command, "-h", "127.0.0.1", "-p", str(port), "--workers", "1"], f"{url}/ping", environ, material.folder / "mlflow.log"):
        yield url


@contextmanager
def _process(command: list[str], url: str, environ: dict[str, str], log: Path) -> Iterator[None]:
    """A server in a process group of its own, once `url` answers anything at all."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environ}, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            assert process.poll() is None, log.read_text()[-500:]
            assert time.monotonic() < deadline, f"{command[0]} did not start: {log.read_text()[-500:]}"
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return bool(requests.get(url, timeout=2).status_code)
    except requests.RequestException:
        return False


@contextmanager
def _bus(certs: object) -> Iterator[str]:
    """Where the keys are and messages go: it takes every message and delivers none."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: two would wait 40 ms for each other (Nagle, delayed acknowledgement)

        def do_GET(self) -> None:
            self._answer(certs)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer({"messageIds": ["1"]})

        def _answer(self, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def _parts() -> dict[str, float]:
    """Medians of what each delivery's own event says."""
    told = [json.loads(line) for line in (FOLDER / "functions.log").read_text().splitlines() if '"message_handled"' in line]
    return {name: median(event[name] for event in told) for name in told[0] if name.endswith("_ms")}
