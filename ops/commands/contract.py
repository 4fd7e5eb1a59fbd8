"""./leadscore contract: is it right, what does it say, what changed."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ops.contracts.check import checked
from ops.contracts.diff import changes
from ops.contracts.health import Freshness, health
from ops.contracts.markdown import features_markdown
from sandbox.world import open_world
from shared.asof.compile import served
from shared.asof.contract import Contract, Feature, load_contract
from shared.config import ROOT
from shared.errors import ContractError

app = typer.Typer(no_args_is_help=True, help="The contract: what a lead is, where the clocks are, what each feature is.")
console = Console(soft_wrap=True)

ADVISOR = ROOT / "contracts" / "advisor.yaml"
ContractArgument = Annotated[Path, typer.Argument(help="A contract, YAML.")]


@app.command("check")
def check(
    contract: ContractArgument = ADVISOR,
    world: Annotated[Path | None, typer.Option(help="Also check it against the data of this world.")] = None,
) -> None:
    """Every line, column, type and formula; with --world also joins that multiply, missing files and stale sources."""
    found = checked(contract)
    console.print(
        f"{contract}: {len(found.usable)} features usable, {len(found.refused)} refused, {len(found.sources)} sources; it is sound."
    )
    if world is None:
        return
    there = open_world(world.resolve())
    warehouse = there.warehouse(threads=2)
    try:
        states = health(warehouse, found)
    finally:
        warehouse.close()
    _tell_health(states, there.matured_by.strftime("%Y-%m-%d"), [state.source for state in states if state.stale(there.matured_by)])


@app.command("show")
def show(
    contract: ContractArgument = ADVISOR,
    feature: Annotated[str | None, typer.Option(help="One feature, in full.")] = None,
    sql: Annotated[bool, typer.Option("--sql", help="The query that serves it, in GoogleSQL.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The catalogue, as docs/features.md has it.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON Schema that editors check a contract with.")] = False,
) -> None:
    """The groups and features of a contract; or one feature, the query, the catalogue, the schema."""
    found = load_contract(contract)
    if schema:
        typer.echo(json_schema(), nl=False)
    elif markdown:
        typer.echo(features_markdown(found), nl=False)
    elif sql:
        typer.echo(served(found).sql, nl=False)
    elif feature:
        _tell_feature(found, _named(found, feature))
    else:
        console.print(_groups(found))


@app.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(help="The contract before.")],
    new: Annotated[Path, typer.Argument(help="The contract after.")],
) -> None:
    """What changed between two contracts; exit status 3 when models of the first must be trained again."""
    found = changes(load_contract(old), load_contract(new))
    for change in found:
        console.print(f"{'[red]breaks[/]' if change.breaks else 'fine  '} {escape(change.what)}")
    if any(change.breaks for change in found):
        console.print("Models trained under the first contract must be trained again.")
        raise typer.Exit(3)
    console.print("Nothing changed." if not found else "Models trained under the first contract may go on.")


def json_schema() -> str:
    """The contract's JSON Schema, as contracts/contract.schema.json holds it."""
    return json.dumps(Contract.model_json_schema(), indent=1) + "\n"


def _named(contract: Contract, name: str) -> Feature:
    for feature in contract.features:
        if feature.name == name:
            return feature
    raise ContractError(f"Contract {contract.name} has no feature {name}.", fix="See ./leadscore contract show.")


def _groups(contract: Contract) -> Table:
    table = Table("group", "features", "names")
    for group in contract.groups:
        names = [f.name for f in contract.features if group in f.all_groups and not f.helper and f.name not in contract.refused]
        table.add_row(group + (" *" if group in contract.default_groups else ""), str(len(names)), ", ".join(names))
    table.add_row("refused", str(len(contract.refused)), ", ".join(contract.refused))
    table.caption = "* trained on by default" if contract.default_groups else "all are trained on by default"
    return table


def _tell_feature(contract: Contract, feature: Feature) -> None:
    for key, value in feature.model_dump(mode="json", exclude_defaults=True).items():
        console.print(f"[bold]{key}[/]: {escape(str(value))}")
    if inputs := contract.inputs(feature):
        console.print(f"[bold]computed from[/]: {', '.join(inputs)}")
    console.print(f"[bold]may be used[/]: {escape(contract.refused.get(feature.name, 'yes'))}")


def _tell_health(states: list[Freshness], day: str, stale: list[str]) -> None:
    table = Table("source", "files", "latest", "known", "too old after", "")
    for state in states:
        age = f"{state.max_age_days} days"
        said = "; ".join([*state.gaps, *(["stale"] if state.source in stale else [])])
        table.add_row(state.source, str(state.files), f"{state.latest:%Y-%m-%d}", f"{state.known_at:%Y-%m-%d}", age, said)
    console.print(table)
    console.print(f"No join multiplies. Stale on {day}: {', '.join(stale) or 'none'}.")
