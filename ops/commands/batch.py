"""The nightly batches: what each did, what it could not do, and whether scores have moved."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from functions.wiring import App
from ops.report import page
from ops.system import system
from shared.batches import TENTHS, BatchSummary, reference_tenths
from shared.errors import Refused
from shared.metrics.intervals import wilson
from shared.report import charts

app = typer.Typer(no_args_is_help=True, help="The nightly batches.")
console = Console(soft_wrap=True)

NAMED = 20


@app.command()
def report(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="A run that is listed; without it, the latest.")] = None,
    world: Annotated[Path, typer.Option(help="The directory that holds the sandbox's world.")] = Path("build/world"),
    out: Annotated[Path, typer.Option(help="Where the HTML page goes.")] = Path("build/batch.html"),
) -> None:
    """List the latest runs, and write one of them as an HTML page."""
    reached = system(world.resolve())
    runs = reached.scoring.batches.latest()
    if not runs:
        raise Refused("No nightly batch has been planned yet.", fix="Run one: make demo, or call score_batch.")
    chosen = next((each for each in runs if run in {None, each.run_id}), None)
    if chosen is None:
        raise Refused(f"There is no run {run} among the last {len(runs)}.", fix="Take one that ./leadscore batch report lists.")
    console.print(_table(runs))
    named = {code: (len(leads), leads[:NAMED]) for code, leads in chosen.refused.items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page("batch", run=chosen, runs=runs, refused=named, verdict=_verdict(chosen), chart=_tenths(reached, chosen)))
    console.print(f"{chosen.run_id}: {out}")


def _table(runs: list[BatchSummary]) -> Table:
    table = Table("run", "model", "open", "to score", "scored", "not scored", "pages", "scores")
    for each in runs:
        figures = (f"{figure:,}" for figure in (each.open, each.to_score, each.scored, each.not_scored))
        table.add_row(each.run_id, each.model_version, *figures, f"{each.pages_done} of {each.pages}", _verdict(each))
    return table


def _verdict(run: BatchSummary) -> str:
    if not run.is_over:
        return f"not over: {run.pages - run.pages_done} pages are missing; the next night takes up their leads"
    if run.psi is None or run.critical is None:
        return "nothing was scored"
    word = "have moved" if run.beyond_chance else "have not moved"
    return f"{word} (PSI {run.psi:.3f}, by chance up to {run.critical:.3f}, n={run.drift_n:,})"


def _tenths(reached: App, run: BatchSummary) -> str:
    """The run's scores beside the reference they were cut by."""
    counts, probabilities = reached.scoring.batches.tenths(run.run_id, run.model_version)
    if not counts.any():
        return ""
    reference = reference_tenths(reached.registry.load(run.model_version))
    bars = []
    for tenth in range(TENTHS):
        n, expected = int(counts[tenth]), float(reference[tenth] / reference.sum())
        share = wilson(n, int(counts.sum()))
        mean = f", mean probability {probabilities[tenth] / n:.1%}" if n else ""
        tip = f"{n:,} of {int(counts.sum()):,}, {share.value:.1%} [{share.low:.1%}, {share.high:.1%}]; reference {expected:.1%}{mean}"
        bars.append(charts.Bar(f"{10 * tenth}-{10 * tenth + 10}", share.value, share.low, share.high, expected, tip))
    return charts.bars(bars, "percentile of the champion's reference", "of this run's leads")
