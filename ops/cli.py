"""Commands of ./leadscore."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ops import demo as demo_run
from ops import serve as serving
from ops import words
from ops.commands import batch, dlq, doctor, explain, measure, models, prospects, truth
from ops.commands import contract as contract_commands
from ops.commands import ingest as ingest_commands
from ops.commands import model as modelling
from ops.commands import sync as sync_commands
from ops.training import promote, train_and_register
from sandbox.world import open_world
from shared.config import ROOT
from shared.errors import ConfigError, LeadscoreError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Honest lead scoring.")
app.add_typer(models.app, name="models")
app.add_typer(dlq.app, name="dlq")
app.command()(truth.world)
app.command()(truth.audit)
app.command()(truth.labels)
app.command()(ingest_commands.ingest)
for command in (measure.compare_policies, measure.parity, measure.quality):
    app.command()(command)
app.command()(explain.explain)
app.command()(doctor.doctor)
app.command()(prospects.prospects)
app.add_typer(contract_commands.app, name="contract")
app.add_typer(sync_commands.app, name="sync")
app.add_typer(batch.app, name="batch")

console = Console(soft_wrap=True)

DEFAULT_WORLD = Path("build/world")
ADVISOR = ROOT / "contracts" / "advisor.yaml"
WorldOption = Annotated[Path, typer.Option(help="The directory that holds the sandbox's world.")]
ContractOption = Annotated[Path, typer.Option(help="The contract of the leads.")]


@app.command()
def demo(
    contract: ContractOption = ADVISOR,
    data: Annotated[
        Path | None,
        typer.Option(help="Leads as CSV, Parquet or newline-JSON, or a directory of one file per table; without it, the synthetic market."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Last day of training, YYYY-MM-DD.")] = None,
    world: WorldOption = DEFAULT_WORLD,
    out: Annotated[Path, typer.Option(help="Where summary.json and report.html go.")] = Path("build/demo"),
    seed: Annotated[int, typer.Option(help="Seed of the synthetic market.")] = 7,
    leads: Annotated[int, typer.Option(min=6000, help="Leads in the synthetic market; fewer hold too few positives to train on.")] = 30_000,
    limit: Annotated[int | None, typer.Option(min=100, help="Replay only the first so many stage changes.")] = None,
) -> None:
    """Make a world, train a model, serve it, replay what came after, and report what it was worth."""
    options = demo_run.Options(out, world.resolve(), contract, data, _day(until), seed, leads, limit)
    words.tell(console, demo_run.run(options, console), out)


@app.command()
def serve(
    world: WorldOption = DEFAULT_WORLD,
    port: Annotated[int, typer.Option(help="Functions listen here, Salesforce on the next port, the bus on the one after.")] = 8080,
) -> None:
    """Keep the sandbox up: Salesforce, the bus and the functions, with a champion in place."""
    serving.serve(world.resolve(), port, console)


@app.command()
def train(
    world: WorldOption = DEFAULT_WORLD,
    promote_it: Annotated[bool, typer.Option("--promote", help="Make it the champion of the world.")] = False,
    data: Annotated[Path | None, typer.Option(help="A CSV of leads or a world: a run of its own, with a sealed period.")] = None,
    contract: Annotated[Path | None, typer.Option(help="The contract of the CSV.")] = None,
    out: Annotated[Path, typer.Option(help="Where the run goes.")] = Path("build/run"),
    sealed: Annotated[str | None, typer.Option(help="The sealed period, as 2009-04-01..2009-12-31; else the last part.")] = None,
    features: Annotated[str | None, typer.Option(help="Feature groups, separated by commas.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="A copy of run.json.")] = None,
) -> None:
    """Train. With --data: audit, judge by rolling origin and once on a sealed period, and write the run. Else the world's own model."""
    if data is not None:
        modelling.train_on(data, contract, out, sealed, features, json_out)
        return
    registered = train_and_register(open_world(world.resolve()), console.print)
    version = registered.trained.version
    if promote_it:
        promote(world, version, by="command line", reason="trained with --promote")
    words.tell_trained(console, registered, promoted=promote_it)


@app.command()
def predict(
    model: Annotated[Path, typer.Option(help="The directory that train --out wrote.")],
    data: Annotated[Path, typer.Option(help="A CSV of leads, or a world.")],
    out: Annotated[Path, typer.Option(help="The CSV to write.")],
) -> None:
    """Score a file: id, margin, probability, percentile, band, reasons."""
    modelling.predict_file(model, data, out)


def _day(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ConfigError(f"UNTIL is {text!r}.", fix="Write a day as YYYY-MM-DD.") from None


def main() -> None:
    """Run a command; a fault is one plain sentence and exit status 1."""
    try:
        app()
    except LeadscoreError as fault:
        Console(stderr=True).print(
            f"[bold red]{fault.code}:[/] {fault.what}" + (f"\n[bold]Fix:[/] {fault.fix}" if fault.fix else ""), highlight=False
        )
        sys.exit(1)
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped; nothing is left running.")
        sys.exit(130)
