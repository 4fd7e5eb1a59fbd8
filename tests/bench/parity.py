"""`make bench-parity`: 10,000 leads scored one by one as events, each vector then asked for again as training asks."""

import logging
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from rich.console import Console
from rich.progress import track

from functions.score_lead import Scoring, score_lead
from ops.training import promote, registry, train_and_register
from sandbox.world import World, events, make_market_world
from shared import policies
from shared.adapters.duckdb import DuckDBWarehouse
from shared.clock import SteppedClock
from shared.config import ROOT
from shared.errors import UnknownCrd
from shared.ledger import Ledger
from shared.model.registry import ChampionCache
from shared.ports import CrmLead
from tests.fakes import FakeCrm, FakeTopic
from training_job.parity import ParityReport, parity

LEADS, SERVED, SHOWN = 30_000, 10_000, 3
START = datetime(2024, 6, 1, tzinfo=UTC)
console = Console()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with console.status("a market and a champion"):
            world = make_market_world(Path(folder) / "world", ROOT / "contracts" / "advisor.yaml", 7, LEADS)
            promote(world.path, train_and_register(world, lambda _: None).trained.version, by="bench", reason="first")
        warehouse = world.warehouse()
        served = serve(world, warehouse)
        report, seconds = replay(world, warehouse)
        console.print(
            f"{served:,} leads served; {report.vectors:,} vectors replayed in {seconds:.1f} s: {len(report.mismatches)} mismatches"
        )
        changed = break_one_row(warehouse)
        broken, _ = replay(world, warehouse)
        console.print(f"after {changed} by hand: {len(broken.mismatches)} mismatches")
        for m in broken.mismatches[:SHOWN]:
            console.print(f"  {m.lead_id} as of {m.as_of}: {m.feature} was served as {m.served} and is replayed as {m.replayed}")
        warehouse.close()


def serve(world: World, warehouse: DuckDBWarehouse) -> int:
    """How many leads were scored, each at the instant of its contact."""
    champions = ChampionCache(registry(world.path), SteppedClock(world.matured_by), timedelta(days=1))
    crm = FakeCrm(dict[str, CrmLead](), frozenset())
    scoring = Scoring(
        SteppedClock(world.matured_by), warehouse, Ledger(warehouse), champions, FakeTopic(), crm, policies.scoring(ROOT / "policies")
    )
    served = 0
    for change in track(events(replace(world, known_by=START), warehouse), "serving", console=console, total=SERVED):
        try:
            served += score_lead(change, scoring) == "lead_scored"
        except UnknownCrd:
            continue
        if served == SERVED:
            break
    return served


def replay(world: World, warehouse: DuckDBWarehouse) -> tuple[ParityReport, float]:
    started = time.perf_counter()
    report = parity(warehouse, registry(world.path).load, START, world.matured_by)
    return report, time.perf_counter() - started


def break_one_row(warehouse: DuckDBWarehouse) -> str:
    """Change the figure of one firm in one month, as a vendor does who corrects the past; returns what was done."""
    execute = warehouse._connection.execute
    found = execute(
        "SELECT firm_crd, month FROM vendor.firm_months WHERE total_aum_m = "
        "(SELECT CAST(features ->> '$.firm_aum_pit' AS DOUBLE) FROM scores.feature_log ORDER BY lead_id LIMIT 1)"
    ).fetchone()
    assert found, "the first lead of the log has firm assets"
    execute("UPDATE vendor.firm_months SET total_aum_m = total_aum_m + 1 WHERE firm_crd = ? AND month = ?", list(found))
    return f"firm {found[0]} gained $1 m in {found[1]:%Y-%m}"


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    main()
