"""`make bench-parity`: 10,000 leads scored as events and in nightly pages, each vector then asked for again as training asks."""

import logging
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from rich.console import Console
from rich.progress import track

from functions.messages import AskedLead, PageMessage
from functions.score_batch import score_page
from functions.score_lead import Scoring, score_lead
from ops.training import promote, registry, train_and_register
from sandbox.world import World, events, make_market_world
from shared import policies
from shared.adapters.duckdb import DuckDBWarehouse
from shared.batches import Batches
from shared.clock import SteppedClock
from shared.config import ROOT
from shared.ledger import Ledger
from shared.model.registry import ChampionCache
from shared.ports import CrmLead, Query
from tests.fakes import FakeCrm, FakeTopic
from training_job.parity import ParityReport, parity

LEADS, SERVED, SHOWN = 30_000, 10_000, 3
ONE_BY_ONE, PAGE = 1_000, 500
FIRST_UNKNOWN_CRD = 9_000_000
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
    """How many vectors were served: the first leads one by one at their contact, the others in pages of a nightly batch."""
    clock, crm = SteppedClock(world.matured_by), FakeCrm(dict[str, CrmLead](), {})
    champions = ChampionCache(registry(world.path), clock, timedelta(days=1))
    scoring = Scoring(
        clock, warehouse, Ledger(warehouse), champions, FakeTopic(), lambda: crm, policies.scoring(ROOT / "policies"), Batches(warehouse)
    )
    changes = [c for c in events(replace(world, known_by=START), warehouse) if c.crd is not None and c.crd < FIRST_UNKNOWN_CRD][:SERVED]
    for change in track(changes[:ONE_BY_ONE], "serving stage changes", console=console):
        score_lead(change, scoring)
    pages = [changes[start : start + PAGE] for start in range(ONE_BY_ONE, len(changes), PAGE)]
    for number, page in enumerate(track(pages, "serving pages of the nightly batch", console=console)):
        leads = tuple(AskedLead(lead_id=c.lead_id, crd=c.crd, stage_entered_at=c.stage_entered_at) for c in page)
        score_page(PageMessage(run_id=f"night-{number}", page=number, as_of=page[-1].stage_entered_at, leads=leads), scoring)
    return int(str(warehouse.query(Query("served", "SELECT COUNT(*) AS n FROM `scores.feature_log`")).values[0][0]))


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
