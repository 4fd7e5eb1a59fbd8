"""One line of the benchmark table: the same work, ours and the reference way, timed by turns."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Line:
    """`unit` of both figures; `target` is how many times better ours must be. Of rates the higher is better, else the lower."""

    path: str
    reference: str
    reference_ms: float
    ours_ms: float
    unit: str = "ms"
    target: float | None = None

    @property
    def ratio(self) -> float:
        ratio = self.reference_ms / self.ours_ms
        return 1 / ratio if self.unit.endswith("/s") else ratio


@dataclass(frozen=True, slots=True)
class Note:
    """A figure that stands alone, or why a line is not there."""

    path: str
    text: str
    ok: bool | None = None


def compare(path: str, reference: tuple[str, Callable[[int], object]], ours: Callable[[int], object], rounds: int) -> Line:
    """Medians over `rounds` turns each, taken alternately so that a noisy machine harms both alike; the first is thrown away."""
    name, theirs = reference
    slow, fast = by_turns(lambda turn: _timed(theirs, turn), lambda turn: _timed(ours, turn), rounds)
    return Line(path, name, median(slow), median(fast))


def by_turns(theirs: Callable[[int], float], ours: Callable[[int], float], rounds: int, block: int = 1) -> tuple[list[float], list[float]]:
    """What each measured in its turns, `block` at a time so that each may keep its caches warm; the first turn is thrown away."""
    spent: tuple[list[float], list[float]] = ([], [])
    for first in range(0, rounds + 1, block):
        for work, figures in zip((theirs, ours), spent, strict=True):
            figures += [work(turn) for turn in range(first, min(first + block, rounds + 1))]
    return spent[0][1:], spent[1][1:]


def peak_mb(status: str) -> float:
    """The most memory a process has held, by its /proc/self/status. Not ru_maxrss, which a child inherits from its parent."""
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _timed(work: Callable[[int], object], turn: int) -> float:
    started = time.perf_counter()
    work(turn)
    return 1000 * (time.perf_counter() - started)
