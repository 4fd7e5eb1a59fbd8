"""./leadscore train and predict."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ops import words
from ops.data import opened, scoring
from ops.training import Ordered, load_model, order_from, promote, train_and_register, train_to
from sandbox.world import open_world
from shared.asof.contract import load_contract
from shared.config import ROOT
from training_job.folds import Period
from training_job.predict import predict as forecast
from training_job.predict import same_contract

console = Console(soft_wrap=True)

COLUMNS = ("id", "margin", "probability", "percentile", "band", "reasons")
NAMES = {
    "auc_roc": "AUC-ROC",
    "auc_pr": "AUC-PR",
    "lift_at_10": "Lift@10",
    "precision_at_10": "Precision@10",
    "brier": "Brier",
    "brier_skill": "Brier skill",
    "ece": "ECE",
}


def train(
    contract: Annotated[Path | None, typer.Option(help="The contract of the leads; a world brings its own.")] = None,
    data: Annotated[Path | None, typer.Option(help="A CSV of leads, or a world directory.")] = None,
    out: Annotated[Path, typer.Option(help="The directory of the run: run.json, the model, the report.")] = Path("build/run"),
    sealed: Annotated[str | None, typer.Option(help="Days that judge the finished model, FROM..TO; without it the last fifth.")] = None,
    features: Annotated[str | None, typer.Option(help="Feature groups of the contract, with commas between.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="A second place for run.json.")] = None,
    registry: Annotated[Path, typer.Option(help="Where artefacts and openings of sealed periods are kept.")] = Path("build/registry"),
    policy: Annotated[Path, typer.Option(help="How models are trained.")] = ROOT / "policies" / "training.yaml",
    world: Annotated[Path, typer.Option(help="Without --data: train in brief on this world, into its own registry.")] = Path("build/world"),
    promote_it: Annotated[bool, typer.Option("--promote", help="With --world: make it the champion.")] = False,
) -> None:
    """Train and judge a model, with evidence: every family over the same periods, then a sealed last period, opened once."""
    if data is None:
        _brief(world, promote_it=promote_it)
        return
    asked = Ordered(
        registry=registry,
        policy=policy,
        sealed=Period.parse(sealed) if sealed else None,
        groups=tuple(part.strip() for part in features.split(",")) if features else (),
    )
    with console.status("Train") as status, opened(data, contract) as (found, known_by):
        order = order_from(found, known_by, asked)
        run = train_to(found, out, asked, order, lambda step: status.update(f"Train: {step}"))
    if json_out:
        json_out.parent.mkdir(parents=True, exist_ok=True)
        json_out.write_text((out / "run.json").read_text())
    tell(run.said)
    console.print(f"Run: {out / 'run.json'}   Report: {out / 'report.html'}")


def predict(
    model: Annotated[Path, typer.Option(help="The directory of a run, or of a model.")],
    data: Annotated[Path, typer.Option(help="A CSV of leads, or a world directory.")],
    out: Annotated[Path, typer.Option(help="The CSV of scores: id, margin, probability, percentile, band, reasons.")],
    contract: Annotated[Path | None, typer.Option(help="Only to make sure that the model was trained under it.")] = None,
) -> None:
    """Score every contacted lead of a file by a model, as known at its contact."""
    artifact = load_model(model)
    if contract:
        same_contract(artifact, load_contract(contract))
    out.parent.mkdir(parents=True, exist_ok=True)
    draft, scored, blank = out.with_name(f".{out.name}.writing"), 0, 0
    columns = (TextColumn("[bold]Predict[/] leads"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        scoring(data, artifact) as (warehouse, keys),
        Progress(*columns, console=console) as bar,
        draft.open("w", newline="") as file,
    ):
        task, writer = bar.add_task(""), csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for each in forecast(warehouse, artifact, lambda done, total: bar.update(task, completed=done, total=total)):
            writer.writerow(each.as_row(keys.get(each.lead_id, each.lead_id)))
            scored, blank = scored + (each.judgement is not None), blank + (each.judgement is None)
    draft.replace(out)
    without = f", {blank:,} could not be and say why" if blank else ""
    console.print(f"{scored:,} leads scored by {artifact.version}{without}: {out}")


def _brief(world: Path, *, promote_it: bool) -> None:
    registered = train_and_register(open_world(world.resolve()), console.print)
    if promote_it:
        promote(world, registered.trained.version, by="command line", reason="trained with --promote")
    words.tell_trained(console, registered, promoted=promote_it)


def tell(said: Mapping[str, Any]) -> None:
    """The run in a dozen lines."""
    table = Table("candidate", "AUC-PR by period", "mean", "")
    for family in said["families"]:
        by_period = ", ".join(f"{value:.3f}" for value in family["auc_pr"]["by_period"])
        table.add_row(family["name"], by_period, f"{family['auc_pr']['mean']:.4f}", "chosen" if family["chosen"] else "")
    console.print(table)
    figures = Table("measure", "rolling origin", "sealed period", "n", "positives")
    for key, name in NAMES.items():
        rolling, sealed = said["rolling"][key], said["sealed"][key]
        figures.add_row(name, _figure(rolling), _figure(sealed), f"{sealed['n']:,}", f"{sealed['positives']:,}")
    console.print(figures)
    for removed in [each for each in said["removed_features"] if each["where"] == "model"]:
        console.print(f"not used: [bold]{removed['feature']}[/] {removed['sentence']}")
    for name, why in {**said["refused_features"], **said["left_out"]}.items():
        console.print(f"not used: [bold]{name}[/] - {why}")
    console.print(f"[bold]{said['version']}[/] ({said['chosen']}): [bold]{said['verdict']}[/]")
    for reason in said["reasons"]:
        console.print(f"  {reason}")


def _figure(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"
