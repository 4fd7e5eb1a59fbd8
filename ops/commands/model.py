"""Commands that make a model from plain data, and score by it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from ops import run as running
from ops.predict import predict as score_file
from ops.run_report import NAMES
from shared.errors import ConfigError

console = Console(soft_wrap=True)


def train_on(data: Path, contract: Path | None, out: Path, sealed: str | None, features: str | None, json_out: Path | None) -> None:
    """Train on a world or a file, judge once on the sealed period, and say what came of it."""
    groups = tuple(part.strip() for part in features.split(",")) if features else ()
    with console.status("Train") as status:
        summary = running.run(running.Options(data, contract, out, _period(sealed), groups), lambda step: status.update(f"Train: {step}"))
    if json_out:
        json_out.parent.mkdir(parents=True, exist_ok=True)
        json_out.write_text(json.dumps(summary, indent=1))
    tell(summary, out)


def tell(s: dict[str, Any], out: Path) -> None:
    table = Table("measure, sealed", "value", "interval", "n", "positives")
    for key, name in NAMES.items():
        m = s["sealed"][key]
        table.add_row(name, f"{m['value']:.3f}", f"{m['low']:.3f} to {m['high']:.3f}", f"{m['n']:,}", f"{m['positives']:,}")
    for family in s["families"]:
        console.print(f"{family['name']}: AUC-PR {family['auc_pr']:.4f} (standard error {family['standard_error']:.4f})")
    console.print(
        f"chosen: [bold]{s['chosen']}[/] on {s['rows']:,} leads with {s['positives']:,} positives; calibration {s['calibration']['words']}"
    )
    console.print(table)
    console.print(f"The sealed period: {s['sealed_calibration']} (look number {s['sealed_openings']})")
    for each in s["removed_features"]:
        console.print(f"not used: [bold]{each['feature']}[/] - {escape(each['why'])}")
    console.print(f"[bold]{s['verdict']}[/]{escape(s['reasons'][0].removeprefix(s['verdict']))}")
    console.print(f"Report: {out / 'report.html'}   Card: {out / 'model_card.md'}   Run: {out / 'run.json'}   ({s['seconds']} s)")


def predict_file(model: Path, data: Path, out: Path) -> None:
    with Progress(console=console) as bar:
        task = bar.add_task("Score", total=None)
        scored, failed = score_file(model, data, out, lambda done, of: bar.update(task, completed=done, total=of))
    console.print(f"{scored:,} leads scored, {failed:,} could not be (their line says why): {out}")


def _period(text: str | None) -> tuple[datetime, datetime] | None:
    if text is None:
        return None
    first, dots, last = text.partition("..")
    try:
        start, end = (datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) for day in (first, last))
    except ValueError:
        dots = ""
    if not dots or end < start:
        raise ConfigError(f"--sealed is {text!r}.", fix="Write first and last day, as 2009-04-01..2009-12-31.")
    return start, end
