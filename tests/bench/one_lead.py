"""One lead: warm and cold, beside pandas, CalibratedClassifierCV and shap.TreeExplainer in a process of their own."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

from shared.config import ROOT
from shared.model.scorer import judge
from tests.bench.environment import functions_python, reference_python
from tests.bench.material import Material
from tests.bench.timing import Line, Note, by_turns, peak_mb

WARM_ROUNDS, COLD_ROUNDS = 1000, 7
REFERENCE = "DataFrame, CalibratedClassifierCV, shap.TreeExplainer"
SCRIPTS = ROOT / "tests" / "bench"


def warm(material: Material) -> Iterator[Line | Note]:
    vectors = material.vectors(WARM_ROUNDS + 1)
    artifact = material.artifact

    busy: list[float] = []

    def ours(turn: int) -> float:
        started, cpu = time.perf_counter(), time.thread_time()
        judge(artifact, [vectors[turn]])
        busy.append(1000 * (time.thread_time() - cpu))
        return 1000 * (time.perf_counter() - started)

    with _reference(material.folder) as process:
        theirs, mine = by_turns(lambda turn: _ask(process, turn), ours, WARM_ROUNDS, block=50)
    yield Line("one lead warm: probability and exact top 5, 124 features, 200 trees", REFERENCE, median(theirs), median(mine), target=40)
    (p50, p99), clock = _p50_p99(busy[1:]), _p50_p99(mine)
    by_clock = f"by the clock {clock[0]:.0f} and {clock[1]:.0f}, whatever else the machine did"
    yield Note(
        "one lead warm: p50 and p99",
        f"{p50:.0f} and {p99:.0f} µs of processor, {p99 / p50:.1f} times (at most 5); {by_clock}",
        p99 <= 5 * p50,
    )


def _p50_p99(milliseconds: list[float]) -> tuple[float, float]:
    """In microseconds."""
    return 1000 * median(milliseconds), 1000 * quantiles(milliseconds, n=100)[98]


def cold(material: Material) -> Iterator[Line | Note]:
    """Whole processes from start to end, bytecode compiled."""
    lean, heavy = functions_python(), reference_python()
    subprocess.run([str(lean), "-m", "compileall", "-q", "shared", "functions"], cwd=ROOT, check=True)
    environ = _environ(material.folder)
    for what, name, cloud, target in (
        ("scorer", "the scorer alone", [], 15.0),
        ("registry", "registry, contract and words as well", [], None),
        ("entry", "the whole score_lead entry, Google's clients on both sides", ["cloud"], 2.0),
    ):
        theirs_mb: list[float] = []
        ours_mb: list[float] = []

        def theirs(_: int, cloud: list[str] = cloud, into: list[float] = theirs_mb) -> float:
            return _process([str(heavy), str(SCRIPTS / "reference.py"), "cold", str(material.folder), *cloud], environ, into)

        def ours(_: int, what: str = what, into: list[float] = ours_mb) -> float:
            return _process([str(lean), str(SCRIPTS / "ours_cold.py"), what, str(material.folder)], environ, into)

        slow, fast = by_turns(theirs, ours, COLD_ROUNDS)
        yield Line(f"cold: {name}", f"{REFERENCE}, pickle", median(slow), median(fast), target=target)
        yield Line("   and its memory", "", median(theirs_mb), median(ours_mb), "MB", 2.0 if what == "entry" else None)


def _process(command: list[str], environ: dict[str, str], memory: list[float]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    memory.append(peak_mb(done.stdout))
    return 1000 * (time.perf_counter() - started)


def pickle_reference(folder: Path) -> list[str]:
    """Makes the reference's own file of the model; returns the command that runs the reference."""
    script = [str(reference_python()), str(SCRIPTS / "reference.py")]
    subprocess.run([*script, "make", str(folder)], check=True, env=_environ(folder))
    return script


@contextmanager
def _reference(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    script = pickle_reference(folder)
    with subprocess.Popen(
        [*script, "warm", str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environ(folder)
    ) as process:
        assert process.stdout
        assert process.stdin
        process.stdout.readline()
        yield process
        process.stdin.close()


def _ask(process: "subprocess.Popen[str]", turn: int) -> float:
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{turn}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def _environ(folder: Path) -> dict[str, str]:
    """One thread, and a service account nobody knows, so that Google's clients are made without asking anybody."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "GOOGLE_APPLICATION_CREDENTIALS": str(_account(folder)),
        "LEADSCORE_BACKEND": "gcp",
        "LEADSCORE_PROJECT": "example-project",
        "LEADSCORE_BUCKET": "example-project-models",
    }


def _account(folder: Path) -> Path:
    path = folder / "account.json"
    if not path.exists():
        key = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA"], check=True, capture_output=True, text=True).stdout
        said = {"type": "service_account", "client_email": "bench@example-project.iam.gserviceaccount.com", "private_key": key}
        path.write_text(json.dumps({**said, "token_uri": "http://127.0.0.1:1/token", "project_id": "example-project"}))
    return path
