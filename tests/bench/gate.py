"""How often a gate promotes: equal models, and a truly better one, by `higher wins` and by ours.

python -m tests.bench.gate [--equal 1000] [--better 60] [--workers 4]
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import median

from rich.console import Console
from rich.progress import track
from rich.table import Table

from shared.config import ROOT
from shared.metrics.intervals import wilson
from shared.metrics.ranking import Ranked, auc_roc, lift_at
from tests.bench.market import Pair, evidence
from training_job.gate.policy import gates
from training_job.gate.verdict import about, judge

EQUAL_MOST = 0.05
SUPERIOR = "better than the champion"


@dataclass(frozen=True, slots=True)
class Run:
    """What each way of deciding made of one pair."""

    higher_auc: bool
    higher_lift: bool
    superior: bool
    verdict: str
    needed_leads: int


def decide(pair: Pair, seed: int) -> Run:
    found = evidence(pair, seed)
    sealed = found.sealed
    assert sealed.champion is not None
    ours, theirs = Ranked.of(sealed.margin, sealed.outcome), Ranked.of(sealed.champion, sealed.outcome)
    verdict = judge(found, gates(ROOT / "policies"))
    superior = any(check.name == SUPERIOR and check.outcome == "passed" for check in verdict.checks)
    higher_lift = lift_at(ours, 0.1) > lift_at(theirs, 0.1)
    return Run(auc_roc(ours) > auc_roc(theirs), higher_lift, superior, verdict.verdict, verdict.needed_leads)


def simulate(pair: Pair, runs: int, pool: ProcessPoolExecutor, console: Console) -> list[Run]:
    tried = pool.map(partial(decide, pair), range(runs), chunksize=5)
    return list(track(tried, f"{pair.n:,} leads, AUC {pair.candidate} against {pair.champion}", runs, console=console))


def row(pair: Pair, runs: Sequence[Run]) -> list[str]:
    ruled = Counter(run.verdict for run in runs)
    waits = [run.needed_leads for run in runs if run.needed_leads]
    counts = [sum(run.higher_auc for run in runs), sum(run.higher_lift for run in runs), sum(run.superior for run in runs), ruled["ship"]]
    shares = [f"{(rate := wilson(count, len(runs))).value:.1%} [{rate.low:.1%}, {rate.high:.1%}]" for count in counts]
    rulings = f"{ruled['ship']} / {ruled['hold']} / {ruled['reject']}"
    wait = about(int(median(waits))) if waits else "-"
    return [f"{pair.candidate - pair.champion:+.2f}", f"{pair.n:,}", f"{len(runs):,}", *shares, rulings, wait]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--equal", type=int, default=1000)
    parser.add_argument("--better", type=int, default=60)
    parser.add_argument("--workers", type=int, default=4)
    asked = parser.parse_args()
    console, started = Console(width=190), time.perf_counter()
    plan = [
        (Pair(3393, 0.62), asked.equal),
        (Pair(3393, 0.67), asked.better),
        (Pair(30_000, 0.62), asked.better),
        (Pair(30_000, 0.67), asked.better),
    ]
    table = Table(
        "true gain",
        "leads",
        "runs",
        "higher AUC wins",
        "higher lift@10 wins",
        "AUC gain proven",
        "our gate ships",
        "ship / hold / reject",
        "hold waits for, median",
    )
    shipped = {}
    with ProcessPoolExecutor(asked.workers) as pool:
        for pair, runs in plan:
            found = simulate(pair, runs, pool, console)
            table.add_row(*row(pair, found))
            shipped[pair] = sum(run.verdict == "ship" for run in found) / len(found)
    console.print(table)
    console.print(f"3.9 % positives, {time.perf_counter() - started:.0f} s. Intervals are Wilson's at 95 %.")
    kept = shipped[plan[0][0]] <= EQUAL_MOST and shipped[plan[-1][0]] > 0.5
    console.print(
        "The gate keeps its promise: equal models ship in at most 5 %, a better one in most runs at 30,000."
        if kept
        else "The gate BREAKS its promise."
    )
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
