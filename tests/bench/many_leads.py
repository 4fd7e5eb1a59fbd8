"""1.6 million rows of 22 columns from a file: record batches and our arrays, beside a DataFrame and predict_proba.

Each side runs in a process of its own and says how long it took once its libraries were loaded, and how much memory it
took beyond them. The reference is the library itself behind scikit-learn's interface, with one thread.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np

from shared.config import ROOT
from tests.bench.material import ROWS as MADE
from tests.bench.material import make
from tests.bench.timing import Line, by_turns, peak_mb

ROWS, COLUMNS, SHOWN = 1_600_000, 22, 1000
BATCH = 32_768
ROUNDS = 2
FOLDER = ROOT / "build" / "bench" / "many"


def lines() -> Iterator[Line]:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    material = make(COLUMNS, FOLDER)
    table = pa.table({name: material.rows[:, i] for i, name in enumerate(material.artifact.schema.names)})
    parquet.write_table(pa.concat_tables([table] * (ROWS // MADE)), FOLDER / "rows.parquet", row_group_size=BATCH)
    slow_mb, fast_mb = list[float](), list[float]()
    slow, fast = by_turns(lambda _: _run("reference", slow_mb), lambda _: _run("ours", fast_mb), ROUNDS)
    name = "DataFrame, XGBClassifier.predict_proba"
    yield Line(f"batch of {ROWS:,} x {COLUMNS}, and reasons for the best {SHOWN:,}", name, median(slow), median(fast), target=1)
    yield Line("   and its memory beyond the libraries", "", median(slow_mb), median(fast_mb), "MB", 3)


def _run(side: str, memory: list[float]) -> float:
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.many_leads", side], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout)
    memory.append(said["mb"])
    return float(said["ms"])


def _reference() -> Callable[[], object]:
    import pandas as pd  # noqa: PLC0415
    from xgboost import XGBClassifier  # noqa: PLC0415

    model = XGBClassifier(n_jobs=1)
    model.load_model(FOLDER / "model.ubj")
    model.predict_proba(pd.DataFrame(np.zeros((10, COLUMNS)), columns=[f"f{i}" for i in range(COLUMNS)]))

    def run() -> object:
        frame = pd.read_parquet(FOLDER / "rows.parquet")
        probability = model.predict_proba(frame)[:, 1]
        return np.argsort(-probability)[:SHOWN]

    return run


def _ours() -> Callable[[], object]:
    from pyarrow import parquet  # noqa: PLC0415

    from shared.adapters.directory import DirectoryObjects  # noqa: PLC0415
    from shared.model.registry import Registry  # noqa: PLC0415
    from shared.model.scorer import estimate, judge  # noqa: PLC0415

    registry = Registry(DirectoryObjects(FOLDER / "objects"))
    pointer = registry.pointer("champion")
    assert pointer
    artifact = registry.load(pointer.version)
    names = artifact.schema.names

    def run() -> object:
        margin, probability = np.empty(ROWS), np.empty(ROWS)
        best = list[dict[str, float]]()
        start, worst = 0, -np.inf
        for batch in parquet.ParquetFile(FOLDER / "rows.parquet", pre_buffer=False).iter_batches(BATCH, use_threads=False):
            columns = {name: batch.column(i).to_numpy(zero_copy_only=False) for i, name in enumerate(names)}
            said = estimate(artifact, artifact.schema.encode(columns))
            margin[start : start + len(batch)], probability[start : start + len(batch)] = said.margin, said.probability
            for row in np.flatnonzero(said.margin > worst)[np.argsort(-said.margin[said.margin > worst])[:SHOWN]]:
                best.append({"margin": said.margin[row], **{name: columns[name][row] for name in names}})
            best = sorted(best, key=lambda row: -row["margin"])[:SHOWN]
            worst, start = best[-1]["margin"], start + len(batch)
        return judge(artifact, best)

    return run


def main(side: str) -> None:
    run = {"reference": _reference, "ours": _ours}[side]()
    before = peak_mb(Path("/proc/self/status").read_text())
    started = time.perf_counter()
    run()
    spent = 1000 * (time.perf_counter() - started)
    sys.stdout.write(json.dumps({"ms": spent, "mb": peak_mb(Path("/proc/self/status").read_text()) - before}))


if __name__ == "__main__":
    main(sys.argv[1])
