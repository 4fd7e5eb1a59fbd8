"""./leadscore models: what is registered, what was said of it, and who plays which role."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ops import backend, model_words, rescore, tracking
from ops.shadow import shadow as compare_in_shadow
from shared import policies
from shared.clock import parse_instant
from shared.config import ROOT
from shared.errors import ConfigError, LeadscoreError, ObjectMissing
from shared.model import promotion
from shared.model.artifact import Artifact
from shared.model.registry import Registry
from shared.score import Role

app = typer.Typer(no_args_is_help=True, help="The model registry: who is champion, on what evidence, and back again.")
console = Console(soft_wrap=True)

WorldOption = Annotated[Path, typer.Option(help="The world whose registry is meant; LEADSCORE_BACKEND=gcp means the project's.")]
VersionArgument = Annotated[str, typer.Argument(help="A version of `models list`, or champion or challenger.")]
ByOption = Annotated[str, typer.Option(help="Who says so.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it stays in the history.")]
DEFAULT_WORLD = Path("build/world")
ROLES: tuple[Role, ...] = ("challenger", "champion")


@app.command("list")
def list_models(world: WorldOption = DEFAULT_WORLD) -> None:
    """Every registered version, its role and what the gate said of it."""
    registry = backend.registry(world)
    roles = {pointer.version: role for role in ROLES if (pointer := registry.pointer(role))}
    versions = [(registry.load(version), registry.verdict(version)) for version in registry.versions()]
    console.print(model_words.listed(versions, roles) if versions else f"No models are registered in {world}; train one: ./leadscore train")


@app.command()
def show(version: VersionArgument, world: WorldOption = DEFAULT_WORLD) -> None:
    """One version: what it is, its figures, every check of its verdict, and its moves."""
    registry = backend.registry(world)
    artifact = _load(registry, version)
    for part in model_words.shown(artifact, registry.verdict(artifact.version)):
        console.print(part)
    console.print(model_words.moves([step for step in registry.history() if step.pointer.version == artifact.version]))


@app.command()
def diff(first: VersionArgument, second: VersionArgument, world: WorldOption = DEFAULT_WORLD) -> None:
    """What differs between two versions: features, figures, calibration, bands, training."""
    registry = backend.registry(world)
    console.print(model_words.difference(_load(registry, first), _load(registry, second)))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="The directory that train --out wrote.")],
    tracking_uri: Annotated[str, typer.Option(help="Where MLflow keeps its runs.")] = "sqlite:///mlflow.db",
) -> None:
    """Copy a run into MLflow's tracking: parameters, figures with intervals, the verdict, the files."""
    if not (run / "run.json").is_file():
        raise ConfigError(f"{run} holds no run.json.", fix="Give the directory that train --out wrote.")
    try:
        console.print(f"MLflow has it as run {tracking.export(run, tracking_uri)} in {tracking_uri}")
    except ModuleNotFoundError:
        fix = f"Install it in an environment of its own and say there: python ops/tracking.py {run} {tracking_uri}"
        raise ConfigError("MLflow is not installed here.", fix=fix) from None


@app.command()
def promote(
    version: VersionArgument,
    reason: ReasonOption,
    by: ByOption,
    override: Annotated[str, typer.Option(help="Promote without a verdict that ships it; why you answer for it.")] = "",
    world: WorldOption = DEFAULT_WORLD,
) -> None:
    """Make a version the champion, if its verdict ships it. Running functions notice by themselves."""
    registry = backend.registry(world)
    before = registry.pointer("champion")
    moved = promotion.promote(registry, _named(registry, version), by=by, reason=reason, at=datetime.now(UTC), override=override)
    if before is not None and before.generation == moved.generation:
        console.print(f"{moved.version} is the champion already; nothing moved.")
        return
    console.print(f"[bold]{moved.version}[/] is the champion: {escape(moved.basis)}.")
    _tell_plan(registry.load(moved.version), world, None)


@app.command()
def rollback(
    reason: ReasonOption,
    by: ByOption,
    to: Annotated[str | None, typer.Option(help="An earlier champion; without it, the one before.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Plan the re-scoring as of this instant.")] = None,
    world: WorldOption = DEFAULT_WORLD,
) -> None:
    """Give the role back to an earlier champion, at once and without a redeploy, and say what is scored again."""
    registry = backend.registry(world)
    at = _instant(as_of) if as_of else None
    moved = promotion.rollback(registry, by=by, reason=reason, at=datetime.now(UTC), to=to)
    console.print(f"[bold]{moved.version}[/] is the champion again, after {moved.previous}. Running functions notice within seconds.")
    _tell_plan(registry.load(moved.version), world, at)


@app.command()
def history(world: WorldOption = DEFAULT_WORLD) -> None:
    """Every move of champion and challenger: who, when, why, on what evidence."""
    console.print(model_words.moves(backend.registry(world).history()))


@app.command()
def shadow(
    since: Annotated[str, typer.Option(help="Scores about instants from here on, such as 2025-09-01.")] = "1970-01-01",
    world: WorldOption = DEFAULT_WORLD,
) -> None:
    """Champion and challenger on the leads both scored: agreement, and churn of the top band."""
    with backend.warehouse(world) as warehouse:
        champion, challenger, top, found = compare_in_shadow(backend.registry(world), warehouse, _instant(since))
    for part in model_words.agreed(champion, challenger, top, found):
        console.print(part)


def _tell_plan(model: Artifact, world: Path, as_of: datetime | None) -> None:
    """The pointer has moved by now, so a plan that cannot be counted is said and is no failure."""
    policy = policies.scoring(ROOT / "policies")
    try:
        with backend.warehouse(world) as warehouse:
            plan = rescore.plan(warehouse, model, policy, as_of or backend.present(world, warehouse))
    except LeadscoreError as fault:
        console.print(f"How many open leads that re-scores cannot be counted now: {escape(fault.what)}")
        return
    kept = f"{plan.open - plan.to_score:,} have a score of this version that is at most {policy.stale_after_days} days old"
    console.print(
        f"Re-score plan: the next nightly batch scores {plan.to_score:,} of {plan.open:,} open leads in {plan.pages:,} pages "
        f"(as of {plan.as_of:%Y-%m-%d}); {kept}."
    )


def _named(registry: Registry, version: str) -> str:
    """A version, or the one that plays a role."""
    for role in ROLES:
        if version == role:
            pointer = registry.pointer(role)
            if pointer is None:
                raise ObjectMissing(f"The registry has no {role}.", fix="List the versions with ./leadscore models list.")
            return pointer.version
    return version


def _load(registry: Registry, version: str) -> Artifact:
    named = _named(registry, version)
    if named not in registry.versions():
        raise ObjectMissing(f"The registry has no version {named}.", fix="List them with ./leadscore models list.")
    return registry.load(named)


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text if "T" in text else f"{text}T00:00:00Z")
    except ValueError:
        fix = "Write a day as YYYY-MM-DD, or an instant such as 2025-09-01T12:00:00Z."
        raise ConfigError(f"{text!r} is no instant.", fix=fix) from None
