"""One line of the benchmark table: the same work, ours and the reference way, timed by turns."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Line:
    path: str
    reference: str
    reference_ms: float
    ours_ms: float

    @property
    def ratio(self) -> float:
        return self.reference_ms / self.ours_ms


def compare(path: str, reference: tuple[str, Callable[[int], object]], ours: Callable[[int], object], rounds: int) -> Line:
    """Medians over `rounds` turns each, taken alternately so that a noisy machine harms both alike; the first is thrown away."""
    name, theirs = reference
    spent: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for work, times in zip((theirs, ours), spent, strict=True):
            started = time.perf_counter()
            work(turn)
            times.append(1000 * (time.perf_counter() - started))
    return Line(path, name, *(median(times[1:]) for times in spent))
