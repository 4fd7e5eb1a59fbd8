"""`./leadscore dlq`: messages nobody could handle, with the reason; look at one, send them once more."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ops.dead_letters import Filter, bodies, explanation, function, origin, reason, replay
from ops.system import dead_letters, system
from shared.errors import DataError, InvalidMessage, Refused
from shared.ports import DeadLetter

app = typer.Typer(no_args_is_help=True, help="Dead letters: messages nobody could handle, with the reason.")
console = Console(soft_wrap=True)

DEFAULT_WORLD = Path("build/world")
_MANY = 100_000
WorldOption = Annotated[Path, typer.Option(help="The directory that holds the sandbox's world.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Only letters of this reason, such as unknown_crd.")]
FunctionOption = Annotated[str, typer.Option("--function", help="Only letters of this function, such as score_lead.")]


@app.command("list")
def list_letters(
    world: WorldOption = DEFAULT_WORLD,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    of_reason: ReasonOption = "",
    of_function: FunctionOption = "",
) -> None:
    """The dead letters, oldest first, with the reason each was given."""
    wanted = Filter(of_reason, of_function)
    letters = [letter for letter in dead_letters(world).peek(_MANY) if wanted.holds(letter)]
    table = Table("message", "function", "reason", "explanation")
    for letter in letters[:limit]:
        table.add_row(origin(letter), function(letter), reason(letter), escape(explanation(letter)))
    console.print(table if letters else f"No dead letters in {world}.")
    if len(letters) > limit:
        console.print(f"{len(letters) - limit:,} more; show them with --limit {len(letters)}.")


@app.command()
def explain(
    message: Annotated[str, typer.Argument(help="A message of `dlq list`.")],
    world: WorldOption = DEFAULT_WORLD,
) -> None:
    """All of one letter: why it died, what it says, and whether it could be read if it were sent once more."""
    found = [letter for letter in dead_letters(world).peek(_MANY) if message in {origin(letter), letter.message_id}]
    if not found:
        raise DataError(f"There is no dead letter of message {message}.", fix="List them: ./leadscore dlq list.")
    for letter in found:
        console.print(f"[bold]{reason(letter)}[/] in {function(letter) or 'an unknown function'}, filed {letter.published_at}")
        console.print(escape(explanation(letter)))
        console.print(escape(letter.body.decode(errors="replace")), highlight=False)
        for name, value in sorted(letter.attributes.items()):
            if name not in {"reason", "function", "explanation"}:
                console.print(f"  [dim]{escape(name)}[/] {escape(value)}", highlight=False)
        console.print(f"{escape(_when_replayed(letter))}\n")


@app.command("replay")
def replay_letters(
    world: WorldOption = DEFAULT_WORLD,
    of_reason: ReasonOption = "",
    of_function: FunctionOption = "",
    message: Annotated[str, typer.Option("--message", help="Only the letter of this message.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every letter.")] = False,
) -> None:
    """Send letters once more to where they came from, and remove them. Repeating it changes nothing."""
    wanted = Filter(of_reason, of_function, message)
    if wanted == Filter() and not every:
        raise Refused("Nothing says which letters to replay.", fix="Give --reason, --function or --message, or --all.")
    topic = system(world.resolve(), running=True).scoring.topic
    with console.status("Replaying"):
        done = replay(dead_letters(world), topic, wanted)
    console.print(f"[bold]{done.sent:,}[/] sent once more, {sum(done.kept.values()):,} kept")
    for why, count in done.kept.most_common():
        console.print(f"  {count:,} can still not be read: {escape(why)}")


def _when_replayed(letter: DeadLetter) -> str:
    try:
        topic, found = bodies(letter)
    except InvalidMessage as fault:
        return f"A replay would keep it here: {fault}"
    return f"A replay publishes {len(found)} to {topic}."
