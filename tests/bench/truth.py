"""`make bench-truth`: on markets whose truth is known, does the sealed interval hold the model's own AUC, and how near is the oracle?

Each seed makes a market, trains on it as the job does, and scores a fresh, larger draw of the same market in the same months.
"""

import argparse
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sandbox.market import make_market
from sandbox.world import MARKET_MATURED, World, make_world_of
from shared import policies
from shared.adapters.directory import DirectoryObjects
from shared.asof.contract import load_contract
from shared.config import ROOT
from shared.metrics.intervals import Estimate, wilson
from shared.metrics.ranking import Ranked, auc_roc
from training_job.dataset import load_dataset
from training_job.folder import Folder
from training_job.gate.policy import gates
from training_job.job import Order, Run, run
from training_job.policy import training

ADVISOR = ROOT / "contracts" / "advisor.yaml"
FRESH = 60_000
console = Console()


@dataclass(frozen=True, slots=True)
class Line:
    """One seed: what the sealed period said, what the same model does on the fresh draw, and the oracle there."""

    seed: int
    chosen: str
    sealed: Estimate
    true_auc: float
    oracle: float
    predicted: float
    actual: Estimate
    verdict: str

    @property
    def covered(self) -> bool:
        return self.sealed.low <= self.true_auc <= self.sealed.high


def line(seed: int, leads: int, *, brief: bool) -> Line:
    with tempfile.TemporaryDirectory() as folder:
        market = make_market(seed, leads=leads, reps=leads + 2000)
        world = make_world_of(Path(folder) / "world", load_contract(ADVISOR), market, market.tables)
        done = _trained(world, Path(folder), brief=brief)
        true_auc, oracle = _fresh(done, Path(folder) / "fresh", seed)
    sealed = done.trained.sealed
    assert sealed is not None
    metric = sealed.metrics["auc_roc"]
    return Line(seed, done.trained.family, metric, true_auc, oracle, sealed.predicted, sealed.actual, str(done.said["verdict"]))


def _trained(world: World, folder: Path, *, brief: bool) -> Run:
    policy = training(ROOT / "policies")
    order = Order(
        contract=world.contract,
        known_by=world.known_by,
        policy=(policy.brief() if brief else policy).model_copy(update={"learning_curve": (), "backtest_months": 0}),
        bands=policies.bands(ROOT / "policies"),
        gates=gates(ROOT / "policies"),
        today=datetime.now(UTC).date(),
    )
    with world.reading() as warehouse:
        return run(warehouse, DirectoryObjects(folder / "registry"), Folder(DirectoryObjects(folder / "run")), order, lambda _: None)


def _fresh(done: Run, folder: Path, seed: int) -> tuple[float, float]:
    """AUC of the finished model and of the truth itself, on leads of another draw contacted from the sealed period on."""
    sealed = done.trained.sealed
    assert sealed is not None
    market = make_market(seed + 100_000, leads=FRESH, reps=FRESH + 2000)
    world = make_world_of(folder, done.trained.contract, market, market.tables)
    with world.reading() as warehouse:
        data = load_dataset(warehouse, done.trained.contract, MARKET_MATURED)
    later = data.take(np.flatnonzero(data.contacted_at >= np.datetime64(sealed.opening.period.first)))
    margins = done.trained.predictor.margins(later.without(set(later.schema.names) - set(done.trained.schema)).matrix)
    known = dict(zip(market.truth.lead_id, market.truth.probability.tolist(), strict=True))
    truth = np.array([known[lead] for lead in later.lead_ids])
    return auc_roc(Ranked.of(margins, later.outcome)), auc_roc(Ranked.of(truth, later.outcome))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.truth")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--leads", type=int, default=30_000)
    parser.add_argument("--full", action="store_true", help="the whole training policy instead of its brief form")
    asked = parser.parse_args()
    seeds = track(range(1, asked.seeds + 1), "markets", console=console)
    lines = [line(seed, asked.leads, brief=not asked.full) for seed in seeds]
    table = Table("seed", "chosen", "sealed AUC-ROC", "true", "held", "oracle", "predicted", "actual", "verdict")
    for each in lines:
        span = f"{each.sealed.value:.3f} [{each.sealed.low:.3f}, {each.sealed.high:.3f}]"
        rate = f"{each.actual.value:.1%} [{each.actual.low:.1%}, {each.actual.high:.1%}]"
        held = "yes" if each.covered else "NO"
        row = (
            str(each.seed),
            each.chosen,
            span,
            f"{each.true_auc:.3f}",
            held,
            f"{each.oracle:.3f}",
            f"{each.predicted:.1%}",
            rate,
            each.verdict,
        )
        table.add_row(*row)
    console.print(table)
    share = wilson(sum(each.covered for each in lines), len(lines))
    behind = [each.oracle - each.true_auc for each in lines]
    inside = sum(each.actual.low <= each.predicted <= each.actual.high for each in lines)
    form = "the whole policy" if asked.full else "the policy in brief"
    console.print(f"{len(lines)} markets of {asked.leads:,} leads, {form}; fresh draws of {FRESH:,} leads")
    console.print(
        f"the sealed interval held the true AUC in {share.positives} of {share.n} ({share.value:.0%} [{share.low:.0%}, {share.high:.0%}])"
    )
    console.print(
        f"behind the oracle by {np.mean(behind):.3f} on average, at most {max(behind):.3f}; within .03 in {sum(b <= 0.03 for b in behind)}"
    )
    console.print(f"the mean prediction lay in the interval of what happened in {inside} of {share.n}")


if __name__ == "__main__":
    main()
