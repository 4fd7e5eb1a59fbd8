"""`make bench-asof`: asks to vectors beside pandas merge_asof, and one ask against half a million advisors.

Every measurement runs in a process of its own, so that its peak memory is its own.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from sandbox.market import make_market
from shared.adapters.duckdb import DuckDBWarehouse
from shared.asks import answer_one
from shared.asof.compile import vectors_sql
from shared.asof.contract import Contract, load_contract
from shared.config import ROOT
from shared.lead import Ask
from shared.ports import Query

REPS, VINTAGES, FEATURES = 500_000, 8, 60
SIZES = (10_000, 100_000, 1_000_000)
THREADS = 4
SINGLE_ASKS = 200
FIRST = np.datetime64("2024-01-07")
LATE = np.timedelta64(12, "D")
console = Console()
T = TypeVar("T")

CONTRACT = Contract.model_validate(
    {
        "name": "bench",
        "lead": {
            "table": "crm.leads",
            "key": "lead_id",
            "crd": "crd",
            "contacted_at": "as_of",
            "outcome": {"event_at": "won", "window_days": 30},
        },
        "sources": {
            "rep": {"kind": "vintage", "table": "bench.reps", "key": "crd", "on": "crd", "event_time": "vintage", "known_at": "known_at"}
        },
        "features": [{"name": f"f{n}", "source": "rep", "column": f"f{n}", "dtype": "float"} for n in range(FEATURES)],
    }
)
ASKS = "SELECT lead_id, crd, as_of FROM `bench.asks`"
QUERY = Query("bench", vectors_sql(CONTRACT, ASKS))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = Table(
            f"asks x {VINTAGES} vintages x {FEATURES} features, {REPS:,} advisors", "ours", "peak", "pandas merge_asof", "peak", "ratio"
        )
        with console.status("making the data"):
            measure("prepare", folder)
        for size in SIZES:
            with console.status(f"{size:,} asks"):
                ours, theirs = measure("ours", folder, size), measure("pandas", folder, size)
            assert ours["check"] == theirs["check"], "the two disagree"
            table.add_row(
                f"{size:,}", _seconds(ours), _memory(ours), _seconds(theirs), _memory(theirs), f"{theirs['seconds'] / ours['seconds']:.1f}"
            )
        console.print(table)
        console.print("pandas has the snapshots in memory before its clock starts; the sums of all values agree.")
    for groups in (["v2"], list(load_contract(ROOT / "contracts" / "advisor.yaml").groups)):
        with tempfile.TemporaryDirectory() as folder, console.status("one ask at a time"):
            single = measure("single", folder, *groups)
        features, p50, p95 = int(single["features"]), single["p50"], single["p95"]
        console.print(f"one ask, advisor contract, {features} features, {REPS:,} advisors: p50 {p50:.0f} ms, p95 {p95:.0f} ms")


def measure(what: str, *arguments: object) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.asof", what, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def prepare(folder: str) -> dict[str, float]:
    """The snapshots and the asks, in a warehouse on disk."""
    random, warehouse = np.random.default_rng(0), _warehouse(folder)
    warehouse._connection.execute("CREATE SCHEMA bench")
    for number in range(VINTAGES):
        vintage = FIRST + 91 * number
        said = {f"f{n}": random.normal(size=REPS) for n in range(FEATURES)}
        clocks = {"vintage": pa.array(np.full(REPS, vintage)), "known_at": _instants(np.full(REPS, vintage + LATE, "datetime64[us]"))}
        file = pa.table({"crd": np.arange(REPS), **clocks, **said})
        warehouse._connection.register("file", file)
        warehouse._connection.execute(
            f"{'INSERT INTO' if number else 'CREATE TABLE'} bench.reps {'' if number else 'AS'} SELECT * FROM file"
        )
    span = int(np.timedelta64(91 * VINTAGES, "D") / np.timedelta64(1, "us"))
    for size in SIZES:
        asks = {"lead_id": pa.array(np.arange(size)).cast(pa.string()), "crd": random.integers(0, REPS, size)}
        asks["as_of"] = _instants(FIRST.astype("datetime64[us]") + random.integers(0, span, size))
        warehouse.load_arrow(f"bench.asks_{size}", pa.table(asks))
    warehouse.close()
    return {}


def ours(folder: str, size: str) -> dict[str, float]:
    warehouse = _warehouse(folder)
    warehouse._connection.execute("SET memory_limit = '2.5GB'")
    query = Query("bench", QUERY.sql.replace("bench.asks", f"bench.asks_{size}"))
    found, seconds = _timed(lambda: warehouse.arrow(query))
    assert found.num_rows == int(size)
    return {"seconds": seconds, "check": _check(found.select([f"f{n}" for n in range(FEATURES)]).to_pandas())}


def pandas(folder: str, size: str) -> dict[str, float]:
    connection = _warehouse(folder)._connection
    reps = connection.execute("SELECT * FROM bench.reps").df()
    asks = connection.execute(f"SELECT * FROM bench.asks_{size}").df()

    def merged() -> pd.DataFrame:
        left, right = asks.sort_values("as_of"), reps.sort_values("known_at")
        return pd.merge_asof(left, right, left_on="as_of", right_on="known_at", by="crd")

    found, seconds = _timed(merged)
    return {"seconds": seconds, "check": _check(found[[f"f{n}" for n in range(FEATURES)]])}


def single(folder: str, *groups: str) -> dict[str, float]:
    contract = load_contract(ROOT / "contracts" / "advisor.yaml").with_groups(groups)
    contract = contract.with_fitted({name: ("A",) if each.n else 1.0 for name, each in contract.statistics.items()})
    market, warehouse = make_market(1, reps=REPS, leads=1000, firms=3000), _warehouse(folder)
    for name, rows in market.tables.items():
        warehouse.load_arrow(name, rows)
    leads = zip(market.truth.lead_id, market.tables["crm.lead_snapshots"].column("fa_crd").to_pylist(), strict=False)
    random = np.random.default_rng(0)
    asks = [
        Ask(lead, int(random.integers(1_000_001, 1_000_001 + REPS)), datetime(2025, 6, 1, tzinfo=UTC) + timedelta(minutes=n))
        for n, (lead, _) in zip(range(SINGLE_ASKS + 1), leads, strict=False)
    ]
    answer_one(warehouse, contract, asks[0])
    taken = [_timed(partial(answer_one, warehouse, contract, ask))[1] * 1000 for ask in asks[1:]]
    return {"features": len(contract.usable), "p50": float(np.median(taken)), "p95": float(np.quantile(taken, 0.95))}


def _warehouse(folder: str) -> DuckDBWarehouse:
    return DuckDBWarehouse(Path(folder) / "warehouse.duckdb", threads=THREADS)


def _timed(run: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    found = run()
    return found, time.perf_counter() - started


def _check(values: pd.DataFrame) -> float:
    return round(float(np.nansum(values.to_numpy(np.float64))), 3)


def _instants(values: NDArray[Any]) -> pa.Array:
    return pa.array(values, pa.timestamp("us", "UTC"))


def _seconds(found: dict[str, float]) -> str:
    return f"{found['seconds']:.2f} s"


def _memory(found: dict[str, float]) -> str:
    return f"{found['peak_gb']:.1f} GB"


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        measured: dict[str, Callable[..., dict[str, float]]] = {"prepare": prepare, "ours": ours, "pandas": pandas, "single": single}
        result = measured[sys.argv[1]](*sys.argv[2:])
        result["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        console.file.write(json.dumps(result) + "\n")
