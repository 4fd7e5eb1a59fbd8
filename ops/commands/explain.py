"""`./leadscore explain LEAD`: one lead from question to answer."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ops.explain import Check, Story, tell
from ops.system import system
from shared.clock import isoformat
from shared.errors import Refused, Terminal
from shared.lead import lead_id
from shared.ledger import LeadReceipt

console = Console(soft_wrap=True)

DEFAULT_WORLD = Path("build/world")


def explain(
    lead: Annotated[str, typer.Argument(help="A Salesforce Lead id of 15 or 18 characters.")],
    world: Annotated[Path, typer.Option(help="The directory that holds the sandbox's world.")] = DEFAULT_WORLD,
    receipts: Annotated[int, typer.Option(min=1, help="So many of the answers of Salesforce.")] = 5,
) -> None:
    """What was scored and when, from which rows with which clocks, by which model, after which message, and what Salesforce answered."""
    try:
        app = system(world.resolve())
        story = tell(lead_id(lead), app.scoring, app.registry)
    except Terminal as fault:
        raise Refused(fault.what, fix=fault.fix) from fault
    _tell_score(story)
    console.print(_rows(story))
    console.print(f"the logged vector scored again: {_verdict(story.rescored, 'the identical bytes')}")
    console.print(f"the same question asked again now: {_verdict(story.asked_again, 'the identical vector')}")
    for receipt in story.receipts[:receipts]:
        _tell_receipt(receipt)
    if not story.receipts:
        console.print("Salesforce was not told anything yet.")


def _tell_score(story: Story) -> None:
    row, training = story.scores[0].row, story.artifact.manifest.training
    console.print(f"[bold]{row.lead_id}[/] {row.band}: {row.probability:.1%}, percentile {row.percentile:.1f}, {row.score} points")
    for reason in json.loads(row.reasons):
        console.print(f"  {reason['contribution']:+.3f}  {escape(reason['text'])}", highlight=False)
    console.print(
        f"scored    {isoformat(row.scored_at)} as of {isoformat(row.as_of)}, in the stage since {isoformat(row.stage_entered_at)}"
    )
    console.print(f"asked by  {row.origin} {escape(row.event_id)}")
    family = story.artifact.manifest.family
    console.print(f"model     {row.model_version} ({family}, {row.role}), trained on what was known by {training.known_by:%Y-%m-%d}")
    if len(story.scores) > 1:
        others = ", ".join(
            f"{s.row.band} as of {isoformat(s.row.as_of)} by {s.row.model_version} ({s.row.role})" for s in story.scores[1:4]
        )
        console.print(f"before    {others}")


def _rows(story: Story) -> Table:
    table = Table("source", "rows seen", "happened", "known to us", title="What the ask could see", title_justify="left")
    for seen in story.rows:
        table.add_row(seen.source, f"{seen.rows:,}", _between(seen.event_from, seen.event_to), _between(seen.known_from, seen.known_to))
    return table


def _between(first: datetime | None, last: datetime | None) -> str:
    if first is None or last is None:
        return "-"
    return isoformat(first) if first == last else f"{isoformat(first)} to {isoformat(last)}"


def _verdict(check: Check, same: str) -> str:
    return f"[green]{same}[/]" if check.same else f"[red]not the same[/]: {escape(check.why)}"


def _tell_receipt(receipt: LeadReceipt) -> None:
    answer = f"{receipt.error_code}: {receipt.error_message}" if receipt.error_code else "taken"
    console.print(f"Salesforce {isoformat(receipt.attempted_at)} {receipt.status} by {escape(receipt.run_id)}: {escape(answer)}")
    before = json.loads(receipt.previous or "{}")
    table = Table("field", "sent", "in place of")
    for field, value in json.loads(receipt.written or "{}").items():
        table.add_row(field, *("" if each is None else escape(str(each)) for each in (value, before.get(field))))
    if table.row_count:
        console.print(table)
