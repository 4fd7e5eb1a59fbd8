"""Commands that make a model from plain data, and score by it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from ops import run as running
from ops.predict import predict as score_file
from training_job.folds import Period
from training_job.report import NAMES

console = Console(soft_wrap=True)


def train_on(data: Path, contract: Path | None, out: Path, sealed: str | None, features: str | None, json_out: Path | None) -> None:
    """Train on a world or a file, judge once on the sealed period, and say what came of it."""
    groups = tuple(part.strip() for part in features.split(",")) if features else ()
    options = running.Options(data, contract, out, Period.parse(sealed) if sealed else None, groups)
    with console.status("Train") as status:
        summary = running.run(options, lambda step: status.update(f"Train: {step}"))
    if json_out:
        json_out.parent.mkdir(parents=True, exist_ok=True)
        json_out.write_text(json.dumps(summary, indent=1))
    tell(summary, out)


def tell(s: Mapping[str, Any], out: Path) -> None:
    table = Table("candidate", "AUC-PR", "by period", "")
    for family in s["families"]:
        by_period = " ".join(f"{value:.3f}" for value in family["auc_pr"]["by_period"])
        table.add_row(family["name"], f"{family['auc_pr']['mean']:.4f}", by_period, "chosen" if family["chosen"] else "")
    console.print(table)
    figures = Table("measure", "sealed", "interval", "rolling", "interval", "n", "positives")
    for key, name in NAMES.items():
        m, r = s["sealed"][key], s["rolling"][key]
        spans = (f"{each['low']:.3f} to {each['high']:.3f}" for each in (m, r))
        figures.add_row(name, f"{m['value']:.3f}", next(spans), f"{r['value']:.3f}", next(spans), f"{m['n']:,}", f"{m['positives']:,}")
    console.print(figures)
    for each in s["removed_features"]:
        if each["where"] == "model":
            console.print(f"not used: [bold]{each['feature']}[/] - {escape(each['sentence'])}")
    for name, why in {**s["refused_features"], **s["left_out"]}.items():
        console.print(f"not used: [bold]{name}[/] - {escape(why)}")
    console.print(f"Learning curve: {s['learning_curve']['words']}.")
    for belief in s["hypotheses"]:
        console.print(f"[bold]{belief['name']}[/]: {belief['ruling']} - {escape(belief['why'])}")
    console.print(f"The sealed period was opened {s['sealed_openings']} times; calibration by {s['calibration']['method']}.")
    console.print(f"[bold]{s['version']}[/] ({s['chosen']}, {s['rows']:,} leads, {s['positives']:,} positives): [bold]{s['verdict']}[/]")
    for reason in s["reasons"]:
        console.print(f"  {escape(reason)}")
    console.print(f"Report: {out / 'report.html'}   Card: {out / 'model_card.md'}   Run: {out / 'run.json'}   ({s['seconds']} s)")


def predict_file(model: Path, data: Path, out: Path) -> None:
    with Progress(console=console) as bar:
        task = bar.add_task("Score", total=None)
        scored, failed = score_file(model, data, out, lambda done, of: bar.update(task, completed=done, total=of))
    console.print(f"{scored:,} leads scored, {failed:,} could not be (their line says why): {out}")
