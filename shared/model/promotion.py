"""Who may become champion: by a verdict, as the first of its world, or by a person who answers for it."""

from datetime import datetime

from shared.clock import isoformat
from shared.errors import NotProven, Refused
from shared.model.pointer import Pointer
from shared.model.registry import Registry
from shared.model.ruling import Ruling


def promote(registry: Registry, version: str, *, by: str, reason: str, at: datetime, override: str = "") -> Pointer:
    """Make `version` the champion; its basis stays in the history.

    NotProven without a verdict that ships it against the champion of now, unless there is none yet or `override` says why.
    PreconditionFailed when somebody else moved the pointer meanwhile. Promoting the champion again moves nothing.
    """
    seen = registry.pointer("champion")
    if seen is not None and seen.version == version:
        return seen
    basis = f"override by {by}: {override}" if override else _basis(registry.verdict(version), version, seen)
    return registry.move("champion", Pointer(version, isoformat(at), by, reason, basis=basis), seen)


def _basis(ruling: Ruling | None, version: str, champion: Pointer | None) -> str:
    if ruling is None and champion is None:
        return "first champion: there was nothing to compare it with"
    if ruling is None:
        raise NotProven(f"The registry holds no verdict on {version}.", fix=_fix("Judge it: ./leadscore train"))
    if ruling.verdict != "ship":
        raise NotProven(f"The gate does not ship {version}. It says {ruling.words}", fix=_fix(_way(ruling)))
    now = champion.version if champion else None
    if ruling.champion != now:
        said = f"{version} was judged against {ruling.champion or 'no champion'}, but the champion is now {now or 'none'}."
        raise NotProven(said, fix=_fix("Judge it again"))
    return f"verdict ship, evidence sha256 {ruling.evidence_sha256}"


def _way(ruling: Ruling) -> str:
    return "Judge it again when the leads it asks for have matured" if ruling.needed_leads else "Mend what it names and judge it again"


def _fix(otherwise: str) -> str:
    return f"{otherwise}, or answer for it yourself with --override 'why'; it stays in the history."


def rollback(registry: Registry, *, by: str, reason: str, at: datetime, to: str | None = None) -> Pointer:
    """Give the champion's role back to the one before it, or to an earlier champion `to`. No verdict is asked for.

    Raises Refused where there is nothing to go back to.
    """
    line = champions(registry)
    seen = registry.pointer("champion")
    earlier = [version for version in line if seen is not None and version != seen.version]
    if seen is None or not earlier:
        raise Refused("There is no earlier champion to go back to.", fix="Promote another version: ./leadscore models promote.")
    if to is not None and to not in earlier:
        raise Refused(f"{to} was not a champion before {seen.version}.", fix=f"Earlier champions: {', '.join(reversed(earlier))}.")
    basis = f"rollback from {seen.version}"
    return registry.move("champion", Pointer(to or earlier[-1], isoformat(at), by, reason, basis=basis, move="rollback"), seen)


def champions(registry: Registry) -> list[str]:
    """The line of champions that led to the one of now, oldest first: a rollback takes back what came after its goal."""
    line: list[str] = []
    for step in registry.history():
        if step.role != "champion":
            continue
        version = step.pointer.version
        line = line[: line.index(version) + 1] if step.pointer.move == "rollback" and version in line else [*line, version]
    return line
