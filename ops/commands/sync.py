"""`./leadscore sync`: what Salesforce would be told, telling it, taking it back, and what was done."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from functions.sync_all import sync_all
from functions.sync_scores import SyncReport
from ops import sync
from ops.commands.instants import instant
from ops.system import system

app = typer.Typer(no_args_is_help=True, help="Salesforce as a copy of the ledger: plan, run, revert, status.")
console = Console(soft_wrap=True)

WorldOption = Annotated[Path, typer.Option(help="The world of a running sandbox (make serve); LEADSCORE_BACKEND=gcp for the cloud.")]
AsOfOption = Annotated[str | None, typer.Option("--as-of", help="Which leads are still scored as of then, such as 2025-10-31T00:00:00Z.")]
VerifyOption = Annotated[bool, typer.Option("--verify", help="Hold against Salesforce itself, not what it was told: a call per 2,000.")]
DEFAULT_WORLD = Path("build/world")


@app.command()
def plan(
    world: WorldOption = DEFAULT_WORLD,
    as_of: AsOfOption = None,
    verify: VerifyOption = False,
    show: Annotated[int, typer.Option(min=0, help="Show so many of the changes.")] = 3,
) -> None:
    """Say what a run would change, and what would fail. Reads only."""
    reached = system(world.resolve(), running=True)
    with console.status("Comparing the ledger with what Salesforce was told"):
        found = sync.plan(replace(reached.scope(instant(as_of)), verify=verify), reached.syncing, show)
    failing, skipped = sum(found.would_fail.values()), sum(found.would_skip.values())
    console.print(
        f"[bold]{found.changed:,}[/] changed / [bold]{found.unchanged:,}[/] unchanged / [bold]{failing:,}[/] would fail; "
        f"{found.cleared:,} to empty, {skipped:,} to skip"
    )
    for reason, count in (found.would_fail + found.would_skip).most_common():
        console.print(f"  {count:,} {reason}")
    for change in found.examples:
        values = ", ".join(f"{name}={value}" for name, value in change.values.items())
        console.print(f"[dim]{change.lead_id}[/] {change.status}: {escape(values)}", highlight=False)


@app.command()
def run(world: WorldOption = DEFAULT_WORLD, as_of: AsOfOption = None, verify: VerifyOption = False) -> None:
    """Bring Salesforce to the ledger: only what changed, and empty the leads that are no longer scored."""
    reached = system(world.resolve(), running=True)
    with console.status("Writing what changed"):
        report = sync_all(replace(reached.scope(instant(as_of)), verify=verify), reached.syncing)
    _tell(report)


@app.command()
def revert(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run of `sync status`.")],
    world: WorldOption = DEFAULT_WORLD,
) -> None:
    """Put back what stood in Salesforce before a run. What later runs have written is left alone."""
    reached = system(world.resolve(), running=True)
    with console.status(f"Putting back what {run_id} replaced"):
        done = sync.revert(run_id, reached.syncing)
    _tell(done.report)
    for later, count in done.written_since.most_common(5):
        console.print(f"  {count:,} left alone: {later} has written them since")
    console.print("They stay as they are until the leads are scored anew; to score with an older model, promote it.")


@app.command()
def status(
    world: WorldOption = DEFAULT_WORLD,
    limit: Annotated[int, typer.Option(min=1, help="So many runs.")] = 10,
) -> None:
    """The latest runs and what became of their records."""
    table = Table("run", "started", "written", "cleared", "reverted", "skipped", "failed")
    runs = system(world.resolve()).syncing.ledger.runs(limit)
    for each in runs:
        counts = (each.written, each.cleared, each.reverted, each.skipped, each.failed)
        table.add_row(each.run_id, f"{each.started_at:%Y-%m-%d %H:%M:%S}Z", *(f"{count:,}" for count in counts))
    console.print(table if runs else "Nothing has been written to Salesforce yet.")


def _tell(report: SyncReport) -> None:
    console.print(
        f"[bold]{report.written:,}[/] written, [bold]{report.cleared:,}[/] emptied, [bold]{report.reverted:,}[/] put back, "
        f"{report.unchanged:,} unchanged, {report.skipped:,} skipped, {report.failed:,} failed"
    )
