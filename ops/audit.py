"""The leak audit from the command line, on a world or on a plain CSV of leads."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ops.data import opened
from ops.report import page
from training_job.audit.findings import Report
from training_job.audit.run import audit

STYLES = {"leak": "bold red", "suspect": "yellow", "note": "dim"}


def run(contract: Path | None, data: Path, say: Callable[[str], None]) -> Report:
    """Audit `data`: a world directory, or a file of leads, which needs `contract`."""
    with opened(data, contract) as (world, known_by), world.reading() as warehouse:
        return audit(warehouse, world.contract, known_by, datetime.now(UTC).date(), say)


def write(report: Report, target: Path) -> Path:
    """The report as JSON at `target`, and as a page beside it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(report.as_json(), indent=1))
    beside = target.with_suffix(".html")
    beside.write_text(page("audit", r=report.as_json()))
    return beside


def tell(console: Console, report: Report) -> None:
    table = Table("severity", "feature", "rule", "what was found")
    for finding in report.findings:
        style = "dim" if finding.waived else STYLES[finding.severity]
        said = escape(finding.sentence) + (
            f"\n[dim]{escape(finding.waived)}[/]" if finding.waived else f"\n[dim]{escape(finding.remedy)}[/]"
        )
        table.add_row(f"[{style}]{finding.severity}[/]", finding.feature, finding.rule.replace("_", " "), said)
    console.print(table)
    for rule, why in report.not_checked.items():
        console.print(f"not checked: {rule.replace('_', ' ')}, since {why}")
    verdict = f"[bold red]{len(report.leaks)} leaks[/]" if report.leaks else "[bold green]no leak[/]"
    waived = sum(bool(finding.waived) for finding in report.findings)
    console.print(
        f"{verdict} in {report.features} features over {report.rows:,} mature leads with {report.positives:,} positives"
        + (f"; {waived} findings waived" if waived else "")
    )
