"""Commands about whether the data tell the truth: make worlds, audit them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ops import audit as auditing
from ops import words
from ops.data import opened
from sandbox.pathologies import PATHOLOGIES, make_pathological_world
from sandbox.world import held
from shared.asof.label_report import label_report
from shared.config import ROOT

console = Console(soft_wrap=True)

LEAK_FOUND = 2


def world(
    out: Annotated[Path, typer.Option(help="The directory the world is made in; what was there is replaced.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same world.")] = 7,
    pathologies: Annotated[str, typer.Option(help=f"all, none, or some of {', '.join(PATHOLOGIES)}.")] = "none",
    leads: Annotated[int, typer.Option(min=3000)] = 30_000,
    contract: Annotated[Path, typer.Option(help="The contract to extend with naive features.")] = ROOT / "contracts" / "advisor.yaml",
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing after a contact depends on its outcome: no fields back-filled.")] = False,
) -> None:
    """Make a twin of the advisor market in which exactly the named pathologies are planted."""
    named = {"all": list(PATHOLOGIES), "none": []}.get(pathologies, pathologies.split(","))
    with held(out.resolve()):
        make_pathological_world(out.resolve(), contract, seed, leads, named, quiet=quiet)
    console.print(f"The world is in {out}: {len(named)} pathologies planted ({out / 'planted.json'}), contract {out / 'contract.yaml'}.")
    console.print(f"Audit it: ./leadscore audit --data {out}")


def audit(
    data: Annotated[Path, typer.Option(help="A world directory, or a CSV of leads.")],
    contract: Annotated[Path | None, typer.Option(help="The contract; a world brings its own.")] = None,
    json_out: Annotated[Path, typer.Option("--json", help="Where the report goes; a page is written beside it.")] = Path(
        "build/audit.json"
    ),
) -> None:
    """Look for features that know what was not yet known. Exit 2 when a leak is found."""
    with console.status("Audit") as status:
        report = auditing.run(contract, data, lambda step: status.update(f"Audit: {step}"))
    auditing.tell(console, report)
    console.print(f"Report: {auditing.write(report, json_out)}   Data: {json_out}")
    if report.leaks:
        raise typer.Exit(LEAK_FOUND)


def labels(
    data: Annotated[Path, typer.Option("--data", "--world", help="A world directory, or a CSV of leads.")] = Path("build/world"),
    contract: Annotated[Path | None, typer.Option(help="The contract; a world brings its own.")] = None,
    json_out: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = Path("build/labels.json"),
) -> None:
    """What each contacted lead counts as, how late outcomes come, and what each window would catch."""
    with opened(data, contract) as (world, known_by), world.reading() as warehouse:
        report = label_report(warehouse, world.contract, known_by)
    json_out.parent.mkdir(parents=True, exist_ok=True)
    json_out.write_text(json.dumps(asdict(report), indent=1))
    words.tell_labels(console, report)
    console.print(f"Figures: {json_out}")
