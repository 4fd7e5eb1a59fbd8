"""The commands a person types, as they type them."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox import keys
from shared.config import ROOT
from tests.conftest import BANK_CALLS, CONTRACTS, Trained, needs_bank_calls
from tests.e2e.conftest import eventually

SMALL = ["demo", "--leads", "6000", "--limit", "100"]
ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}


def _leadscore(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", *arguments], cwd=ROOT, env=ENVIRON, capture_output=True, text=True, check=False, timeout=240
    )


@contextmanager
def _started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "ops", *arguments], cwd=ROOT, env=ENVIRON, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _parts(world: Path) -> list[int]:
    """Process ids of the sandbox's parts around this world."""
    found = subprocess.run(
        ["pgrep", "-f", f"sandbox.*{world}|sandbox.functions"], capture_output=True, text=True, check=False
    ).stdout.split()
    return [int(pid) for pid in found if str(world) in _environment(int(pid))]


def _environment(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_text() + Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _worlds(tmp_path: Path) -> list[str]:
    return ["--world", str(tmp_path / "world"), "--out", str(tmp_path / "out")]


def test_the_demo_tells_the_whole_story_and_its_numbers_add_up(tmp_path: Path) -> None:
    done = _leadscore(*SMALL, *_worlds(tmp_path))
    assert done.returncode == 0, done.stderr
    s = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert s["events_sent"] == 100 == s["scored"] + s["dead_lettered"]
    assert s["synced"] == s["scored"]
    assert s["dead_letter_reasons"] == {"unknown_crd": s["dead_lettered"]}
    assert list(s["refused_features"]) == ["days_in_gap"]
    for name in ("auc_roc", "auc_pr", "lift_at_10", "brier_skill"):
        assert {"value", "low", "high", "n"} <= set(s["metrics"][name])
    assert s["seconds"] > 0
    assert 0 < s["latency_ms"]["p50"] <= s["latency_ms"]["p95"]
    for said in ("leads contacted", "AUC-ROC", "event to field", "not used: days_in_gap", "report.html"):
        assert said in done.stdout
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<svg") == 3
    assert "http://" not in page
    assert "https://" not in page
    assert _parts(tmp_path) == []


@needs_bank_calls
def test_real_calls_are_each_scored_once_and_synced_once(tmp_path: Path) -> None:
    data = ["--data", str(BANK_CALLS), "--contract", str(CONTRACTS / "bank_marketing.yaml")]
    done = _leadscore("demo", "--limit", "150", *data, *_worlds(tmp_path))
    assert done.returncode == 0, done.stderr
    s = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (s["events_sent"], s["scored"], s["synced"], s["dead_lettered"]) == (150, 150, 150, 0)
    assert "duration" in s["refused_features"]
    assert s["model"]["trained_to"].startswith("2009-03-31")
    assert s["model"]["rows"] == 27_972


@pytest.mark.parametrize("part", ["salesforce", "functions", "world"])
def test_a_part_that_vanishes_in_mid_run_is_named_and_the_next_run_is_clean(tmp_path: Path, part: str) -> None:
    with _started("demo", "--leads", "6000", *_worlds(tmp_path)) as process:
        log = tmp_path / "world" / "logs" / "functions.log"
        eventually(lambda: log.exists() and "scores_synced" in log.read_text(), 90)
        if part == "world":
            subprocess.run(["rm", "-rf", str(tmp_path / "world")], check=True)
        else:
            for pid in _parts(tmp_path / "world"):
                if f"sandbox.{part}" in _environment(pid):
                    os.kill(pid, signal.SIGKILL)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert {"salesforce": "sandbox's salesforce", "functions": "sandbox's functions", "world": "was removed"}[part] in error
    assert "Fix:" in error
    eventually(lambda: _parts(tmp_path / "world") == [])
    if part == "world":
        assert _leadscore(*SMALL, *_worlds(tmp_path)).returncode == 0


def test_a_killed_demo_leaves_nothing_running(tmp_path: Path) -> None:
    with _started("demo", "--leads", "6000", *_worlds(tmp_path)) as process:
        eventually(lambda: len(_parts(tmp_path / "world")) >= 3, 90)
        process.kill()
        process.wait()
        eventually(lambda: _parts(tmp_path / "world") == [])


def test_serve_prints_a_line_that_scores_a_lead(trained: Trained, tmp_path: Path) -> None:
    world = trained.copy(tmp_path / "world")
    port = _three_free_ports()
    with _started("serve", "--world", str(world.path), "--port", str(port)) as process:
        assert process.stdout is not None
        line = next(text for text in process.stdout if text.startswith("curl "))
        for expected in ("lead_scored", "lead_already_scored"):
            assert subprocess.run(shlex.split(line), capture_output=True, text=True, check=True).stdout == expected
        busy = _leadscore("serve", "--world", str(world.path), "--port", str(port))
        assert busy.returncode == 1
        assert "in use by another process" in busy.stderr
        process.send_signal(signal.SIGINT)
        process.wait(20)
    eventually(lambda: _parts(world.path) == [])


def test_a_port_in_use_is_named_with_the_way_out(trained: Trained, tmp_path: Path) -> None:
    world = trained.copy(tmp_path / "world")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = _leadscore("serve", "--world", str(world.path), "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert re.search(r"Port \d+ is in use.*\n.*PORT=", done.stderr)


def _three_free_ports() -> int:
    for base in range(20_000, 60_000, 7):
        probes = [socket.socket() for _ in range(3)]
        try:
            for offset, probe in enumerate(probes):
                probe.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        else:
            return base
        finally:
            for probe in probes:
                probe.close()
    pytest.fail("no three free ports in a row")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "--contract", "contracts/absent.yaml"], "no file .*absent.yaml"),
        (["demo", "--data", "absent.csv", "--contract", "contracts/bank_marketing.yaml"], "no file absent.csv"),
        (["demo", "--until", "soon"], "UNTIL is 'soon'"),
        (["train", "--world", "absent"], "no world at .*absent"),
        (["models", "promote", "20250101-deadbeef", "--reason", "r", "--by", "me", "--world", "{tmp}"], "no version 20250101-deadbeef"),
    ],
)
def test_a_wrong_input_is_one_plain_sentence_with_its_fix(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "objects").mkdir()
    done = _leadscore(*[argument.format(tmp=tmp_path) for argument in arguments])
    assert done.returncode == 1
    assert re.search(said, done.stderr)
    assert "Fix:" in done.stderr
    assert "Traceback" not in done.stderr


def test_train_registers_and_promote_moves_the_pointer(trained: Trained, tmp_path: Path) -> None:
    world = trained.copy(tmp_path / "world")
    done = _leadscore("train", "--world", str(world.path))
    assert done.returncode == 0, done.stderr
    assert "labels:" in done.stdout
    assert trained.version in _leadscore("models", "list", "--world", str(world.path)).stdout
    moved = _leadscore("models", "promote", trained.version, "--reason", "the same again", "--by", "tests", "--world", str(world.path))
    assert "is the champion" in moved.stdout
    assert _leadscore("dlq", "list", "--world", str(world.path)).stdout.startswith("No dead letters")


HEAVY = ("pandas", "sklearn", "scipy", "xgboost", "lightgbm", "matplotlib", "pyarrow", "duckdb", "sqlglot", "shap", "statsmodels")
CLIENTS = ("google.cloud.bigquery", "google.cloud.storage", "google.cloud.pubsub_v1", "grpc", "simple_salesforce", "zeep")


ARITHMETIC = "import shared.model.trees, shared.model.linear, shared.model.blend, shared.model.calibrate, shared.model.arrays"


@pytest.mark.parametrize(
    ("done", "unwanted"),
    [
        ("import functions.main", (*HEAVY, *CLIENTS)),
        ("import functions.main; functions.main.wiring.app().delivery", (*HEAVY, *set(CLIENTS) - {"google.cloud.pubsub_v1", "grpc"})),
        (ARITHMETIC, (*HEAVY, *CLIENTS, "pydantic", "yaml")),
        ("import shared.adapters.pubsub", (*HEAVY, *CLIENTS)),
    ],
)
def test_a_fresh_process_loads_nothing_heavy_and_no_client_before_it_is_used(tmp_path: Path, done: str, unwanted: tuple[str, ...]) -> None:
    account = {
        "type": "service_account",
        "client_email": "a@example.com",
        "token_uri": "http://127.0.0.1:1",
        "project_id": "example-project",
    }
    (tmp_path / "key.json").write_text(json.dumps({**account, "private_key": keys.private_key(tmp_path / "key.pem")}))
    google = {
        "LEADSCORE_BACKEND": "gcp",
        "LEADSCORE_PROJECT": "example-project",
        "LEADSCORE_BUCKET": "b",
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json"),
    }
    code = f"{done}; import sys; print([m for m in {unwanted} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**ENVIRON, **google}, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
