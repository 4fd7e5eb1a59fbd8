"""`./leadscore prospects`: advisors who are not leads, scored."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from ops.commands.instants import instant
from ops.prospects import score_prospects, write_csv
from ops.system import system

console = Console(soft_wrap=True)

DEFAULT_WORLD = Path("build/world")


def prospects(
    world: Annotated[Path, typer.Option(help="The directory that holds the sandbox's world.")] = DEFAULT_WORLD,
    as_of: Annotated[str | None, typer.Option("--as-of", help="By what was known then; without it, today.")] = None,
    out: Annotated[Path, typer.Option("--csv", help="Where the ranked list goes.")] = Path("build/prospects.csv"),
) -> None:
    """Score every advisor the vendor lists who is in no extract of the CRM, to scores.prospects and a CSV, best first."""
    reached = system(world.resolve())
    warehouse, model = reached.scoring.warehouse, reached.scoring.champions.get()
    at = instant(as_of) or datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with Progress(
        TextColumn("{task.description}: {task.completed:,.0f}"), TimeElapsedColumn(), console=console, transient=True
    ) as progress:
        task = progress.add_task("advisors asked about", total=None)
        done = score_prospects(warehouse, model, at, datetime.now(UTC), lambda count: progress.advance(task, count))
    listed = write_csv(warehouse, model, at, out)
    console.print(f"[bold]{done.new:,}[/] prospects scored as of {at:%Y-%m-%d %H:%M}Z by {model.version}, {done.before:,} had been before")
    for reason, count in done.refused.most_common():
        console.print(f"  {count:,} not scored: {reason.replace('_', ' ')}")
    console.print(f"{listed:,} ranked in {out}" if listed else "No advisor had a fresh row then; give another --as-of.")
