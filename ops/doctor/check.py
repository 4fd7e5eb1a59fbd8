"""What a check says, and running many so that none hides another."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from shared.errors import LeadscoreError, Refused

Outcome = Literal["green", "red", "not checked"]
_AT_ONCE = 8


class NotSeen(Refused):
    """Whoever asks may not look, or there is nothing yet to look at: neither green nor red."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at. `mend` is the command that mends it, or lets it be seen."""

    name: str
    outcome: Outcome
    words: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """`before`: must hold before anything is applied, not only after."""

    area: str
    name: str
    look: Callable[[], Iterable[Line]]
    before: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The lines of one area, in the order of its checks."""

    area: str
    lines: tuple[Line, ...]

    def count(self, outcome: Outcome) -> int:
        return sum(line.outcome == outcome for line in self.lines)


def green(name: str, words: str) -> Line:
    return Line(name, "green", words)


def red(name: str, words: str, mend: str) -> Line:
    return Line(name, "red", words, mend)


def unchecked(name: str, why: str, mend: str = "") -> Line:
    return Line(name, "not checked", why, mend)


def run(checks: Sequence[Check], done: Callable[[str], None]) -> list[Found]:
    """Every check, several at a time; `done` hears the name of each that has finished."""

    def look(check: Check) -> list[Line]:
        lines = _looked(check)
        done(check.name)
        return lines

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        looked = list(zip(checks, pool.map(look, checks), strict=True))
    areas = dict.fromkeys(check.area for check in checks)
    return [Found(area, tuple(line for check, lines in looked if check.area == area for line in lines)) for area in areas]


def _looked(check: Check) -> list[Line]:
    """A fault ends its own check, and is one more line of it."""
    lines: list[Line] = []
    try:
        for line in check.look():
            lines.append(line)  # noqa: PERF402 - what was found before a fault stays
    except NotSeen as fault:
        lines.append(unchecked(check.name, fault.what, fault.fix))
    except LeadscoreError as fault:
        lines.append(red(check.name, fault.what, fault.fix))
    except Exception as fault:  # noqa: BLE001 - a fault of one check must not hide the others
        lines.append(
            red(check.name, f"the check itself failed: {type(fault).__name__}: {fault}", "Report this line; it is a fault of ours.")
        )
    return lines
