"""`make bench-audit`: is every planted pathology found, and nothing called a leak where none is? And how fast."""

import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sandbox.pathologies import PATHOLOGIES, make_pathological_world
from shared.adapters.duckdb import DuckDBWarehouse
from shared.asof.contract import Contract
from shared.config import ROOT
from training_job.audit.findings import Report
from training_job.audit.run import audit

SEEDS = range(10)
LEADS = 30_000
ROWS, FEATURES = 45_000, 124
TODAY = date(2026, 1, 1)
console = Console()


def main() -> None:
    found = dict.fromkeys(PATHOLOGIES, 0)
    false_leaks = 0
    for seed in track(SEEDS, "worlds and their clean twins", console=console):
        report = audited(seed, list(PATHOLOGIES))
        for name, pathology in PATHOLOGIES.items():
            found[name] += any(
                f.feature == pathology.subject and f.rule in pathology.rules and f.severity != "note" for f in report.findings
            )
        false_leaks += len(audited(seed, []).leaks)
    table = Table("planted", "where it shows", "found in", "by")
    for name, pathology in PATHOLOGIES.items():
        table.add_row(name, pathology.subject, f"{found[name]} of {len(SEEDS)} seeds", " or ".join(pathology.rules))
    console.print(table)
    console.print(f"findings of severity leak on the {len(SEEDS)} clean twins: {false_leaks}")
    console.print(f"audit of {ROWS:,} leads x {FEATURES} features: {wide():.1f} s")


def audited(seed: int, names: list[str]) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        world = make_pathological_world(Path(folder), ROOT / "contracts" / "advisor.yaml", seed, LEADS, names)
        warehouse = world.warehouse(threads=2)
        report = audit(warehouse, world.contract, world.known_by, TODAY, lambda _: None)
        warehouse.close()
        return report


def wide() -> float:
    """Seconds to audit many features of many leads."""
    random = np.random.default_rng(0)
    at = np.sort(random.integers(1_704_000_000, 1_735_000_000, ROWS)).astype("datetime64[s]").astype("datetime64[us]")
    names = [f"f{i}" for i in range(FEATURES)]
    leads = {"id": [f"{i}" for i in range(ROWS)], "at": pa.array(at, pa.timestamp("us", "UTC")), "y": random.uniform(size=ROWS) < 0.04}
    columns = {name: random.normal(size=ROWS) for name in names}
    contract = Contract.model_validate(
        {
            "name": "wide",
            "lead": {"table": "crm.wide", "key": "id", "contacted_at": "at", "outcome": {"column": "y", "positive": "true"}},
            "sources": {"wide": {"kind": "event", "known_at": "at"}},
            "features": [{"name": name, "source": "wide", "column": name, "dtype": "float"} for name in names],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        warehouse = DuckDBWarehouse(Path(folder) / "w.duckdb", threads=2)
        warehouse.load_arrow("crm.wide", pa.table({**leads, **columns}))
        started = time.perf_counter()
        audit(warehouse, contract, datetime(2025, 1, 1, tzinfo=UTC), TODAY, lambda _: None)
        warehouse.close()
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
