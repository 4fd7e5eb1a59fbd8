"""Commands that measure what the data and the scores are worth: compare-policies, parity, quality."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ops.data import opened
from ops.report import page
from ops.training import registry
from sandbox.world import open_world
from shared.asof.label_report import label_report
from shared.clock import isoformat, parse_instant
from shared.config import ROOT
from shared.errors import ConfigError, FanOut
from shared.metrics.intervals import Estimate
from training_job.audit.run import audit
from training_job.dataset import load_dataset
from training_job.dataset_policies import Comparison
from training_job.dataset_policies import compare_policies as compare
from training_job.parity import ParityReport
from training_job.parity import parity as replay
from training_job.policy import training
from training_job.quality.gates import evaluate, failed
from training_job.quality.gates import quality as quality_policy
from training_job.statistics import fit_statistics

console = Console(soft_wrap=True)

NOT_MET = 2
SHOWN = 20
VERDICTS = {"holds": "[green]", "fails": "[bold red]", "undecided": "[yellow]", "not checked": "[dim]"}
DataOption = Annotated[Path, typer.Option("--data", "--world", help="A world directory, or a CSV of leads.")]
ContractOption = Annotated[Path | None, typer.Option(help="The contract; a world brings its own.")]


def compare_policies(
    data: DataOption,
    contract: ContractOption = None,
    json_out: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = Path("build/policies.json"),
) -> None:
    """Train the same model on rows built in four ways; score the same later leads as each evaluation would, and as production would."""
    with console.status("Policies") as status, opened(data, contract) as (world, known_by), world.reading() as warehouse:
        policy = training(ROOT / "policies")
        found = compare(warehouse, world.contract, known_by, policy, lambda step: status.update(f"Policies: {step}"))
    _write(json_out, asdict(found))
    _tell_policies(found)
    console.print(f"Figures: {json_out}")


def _tell_policies(found: Comparison) -> None:
    until = f"contacted until {found.split:%Y-%m-%d}"
    console.print(
        f"trained on {found.trained_on:,} leads {until}, judged on {found.judged_on:,} later ones with {found.positives} positives"
    )
    for measure, said in (("auc_pr", "AUC-PR"), ("lift_at_10", "lift@10")):
        table = Table("policy", f"{said} it reports", "served", "it lies by", "served, against as_of")
        for v in found.verdicts:
            gaps = (_figure(each[measure], "+.3f") for each in (v.lie, v.against_as_of))
            table.add_row(v.policy, _figure(v.offline[measure]), _figure(v.realised[measure]), *gaps)
        console.print(table)
    for verdict in found.verdicts:
        console.print(f"[bold]{verdict.policy}[/] {verdict.words}")
    table = Table("value then and today", "kind", "changed", "filled in", "PSI", "AUC alone then", "today")
    for d in found.drift[:SHOWN]:
        powers = (f"{d.power_then:.3f}", f"{d.power_now:.3f}")
        table.add_row(d.feature, d.kind, f"{d.changed.value:.1%}", f"{d.filled.value:.1%}", f"{d.psi:.2f}", *powers)
    console.print(table)


def _figure(estimate: Estimate, form: str = ".3f") -> str:
    return f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


def parity(
    world: Annotated[Path, typer.Option(help="The world whose scores are replayed.")] = Path("build/world"),
    since: Annotated[str, typer.Option(help="Replay scores about instants from here on, such as 2025-09-01.")] = "1970-01-01",
    json_out: Annotated[Path, typer.Option("--json", help="Where the mismatches go.")] = Path("build/parity.json"),
) -> None:
    """Ask again, through the path that training reads, for every vector that was served. Exit 2 if one differs."""
    opened_world = open_world(world.resolve())
    with console.status("Parity"), opened_world.reading() as warehouse:
        report = replay(warehouse, registry(opened_world.path).load, _instant(since), opened_world.matured_by)
    _write(json_out, asdict(report))
    _tell_parity(report)
    if not report.holds:
        raise typer.Exit(NOT_MET)


def _tell_parity(report: ParityReport) -> None:
    if report.mismatches:
        table = Table("lead", "as of", "feature", "served", "replayed")
        for m in report.mismatches[:SHOWN]:
            table.add_row(m.lead_id, m.as_of, m.feature or "the lead is not found", str(m.served), str(m.replayed))
        console.print(table)
    if report.altered:
        console.print(
            f"[bold red]{len(report.altered):,} vectors of the log are not what was hashed when served[/]: {report.altered[0]} ..."
        )
    if report.waiting:
        console.print(f"{report.waiting:,} belong to leads contacted since the newest extract; they can be compared once it has come")
    console.print(f"{report.vectors - report.waiting:,} served vectors replayed, {len(report.mismatches):,} mismatches")


def quality(
    data: DataOption,
    contract: ContractOption = None,
    json_out: Annotated[Path, typer.Option("--json", help="Where the gates go; a page is written beside it.")] = Path("build/quality.json"),
) -> None:
    """The gates between data and model. Exit 2 when one fails."""
    with console.status("Quality") as status, opened(data, contract) as (world, known_by), world.reading() as warehouse:
        declared = fit_statistics(warehouse, world.contract, known_by)
        audited = audit(warehouse, declared, known_by, datetime.now(UTC).date(), lambda step: status.update(f"Quality: {step}"))
        counts = label_report(warehouse, declared, known_by).statuses
        try:
            dataset = load_dataset(warehouse, declared, known_by)
        except FanOut:
            dataset = None  # a gate of its own says which source multiplies
        gates = evaluate(dataset, audited, warehouse, declared, known_by, quality_policy(ROOT / "policies"))
    table = Table("stage", "gate", "about", "value", "must be", "verdict")
    for gate in gates:
        between = f" [{gate.interval[0]:.4g}, {gate.interval[1]:.4g}]" if gate.interval else ""
        value = "" if gate.value is None else f"{gate.value:,.4g}{between}"
        table.add_row(gate.stage, gate.name.replace("_", " "), gate.about, value, gate.bound, f"{VERDICTS[gate.verdict]}{gate.verdict}[/]")
    console.print(table)
    said = {"contract": declared.name, "known_by": isoformat(known_by), "gates": [asdict(gate) for gate in gates], "labels": counts}
    _write(json_out, said)
    json_out.with_suffix(".html").write_text(page("quality", r=said))
    console.print(f"Gates: {json_out}   Page: {json_out.with_suffix('.html')}")
    if failed(gates):
        raise typer.Exit(NOT_MET)


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text if "T" in text else f"{text}T00:00:00Z")
    except ValueError:
        raise ConfigError(f"--since is {text!r}.", fix="Write a day as YYYY-MM-DD, or an instant such as 2025-09-01T12:00:00Z.") from None


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, default=str))
