"""`./leadscore doctor`: does everything hold that the system stands on? Each line green, or red with what mends it."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ops.doctor import rounds
from ops.doctor.check import Check, Found, Outcome, run
from ops.system import system

console = Console(soft_wrap=True)

DEFAULT_WORLD = Path("build/world")
_MARKS: dict[Outcome, str] = {"green": "[green]green[/]", "red": "[bold red]red  [/]", "not checked": "[yellow]?    [/]"}


def doctor(
    world: Annotated[
        Path, typer.Option(help="The world of a running sandbox (make serve); LEADSCORE_BACKEND=gcp for the cloud.")
    ] = DEFAULT_WORLD,
    environment: Annotated[str, typer.Option(help="In the cloud: whose tfvars hold, dev, staging or prod.")] = "dev",
    before: Annotated[bool, typer.Option("--before", help="Only what must hold before anything is applied.")] = False,
    json_out: Annotated[Path | None, typer.Option("--json", help="Where the same goes as JSON.")] = None,
) -> None:
    """Look at everything the system stands on; exit status 1 when a line is red."""
    checks = [check for check in _checks(world, environment) if check.before or not before]
    found = _watched(checks)
    for area in found:
        _tell(area)
    counts = {outcome: sum(area.count(outcome) for area in found) for outcome in _MARKS}
    console.print(f"\n[bold]{counts['green']}[/] green, [bold]{counts['red']}[/] red, {counts['not checked']} not checked")
    if json_out is not None:
        json_out.parent.mkdir(parents=True, exist_ok=True)
        json_out.write_text(json.dumps({"counts": counts, "areas": [asdict(area) for area in found]}, indent=1) + "\n")
    if counts["red"]:
        raise typer.Exit(1)


def _checks(world: Path, environment: str) -> list[Check]:
    if os.environ.get("LEADSCORE_BACKEND") == "gcp":
        return rounds.of_cloud(environment)
    return rounds.of_sandbox(system(world.resolve(), running=True))


def _watched(checks: Sequence[Check]) -> list[Found]:
    columns = (SpinnerColumn(), TextColumn("{task.completed}/{task.total} {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("looking", total=len(checks))
        return run(checks, lambda name: progress.update(task, advance=1, description=f"looked at {name}"))


def _tell(area: Found) -> None:
    console.print(f"\n[bold]{area.area}[/]")
    for line in area.lines:
        words = f"not checked, because {line.words}" if line.outcome == "not checked" else line.words
        console.print(f"  {_MARKS[line.outcome]} {escape(line.name)}: {escape(words)}", highlight=False)
        if line.mend:
            console.print(f"          {escape(line.mend)}", style="dim" if line.outcome != "red" else "", highlight=False)
