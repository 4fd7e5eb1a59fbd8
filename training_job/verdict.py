"""What the evidence of one run allows: ship, hold or reject, each check with its bound, its value and its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Literal

from shared.documents import Document, load
from shared.metrics.intervals import Estimate

Outcome = Literal["ship", "hold", "reject"]


class Bound(Document):
    """A measure must be at least `min`, or at most `max`; `source` says who asks for it."""

    measure: str
    source: str
    min: float | None = None
    max: float | None = None


class Gates(Document):
    sealed: tuple[Bound, ...]
    max_train_test_gap: Bound
    max_fold_variation: Bound


@dataclass(frozen=True, slots=True)
class Check:
    """passed: None while the interval holds values on both sides of the bound. needed: leads until it would be decided."""

    measure: str
    bound: str
    value: float
    low: float
    high: float
    passed: bool | None
    needed: int
    source: str

    @property
    def words(self) -> str:
        said = f"{self.measure} {self.value:.3f} [{self.low:.3f}, {self.high:.3f}], must be {self.bound}"
        return said if self.passed is not None else f"{said}: undecided, needs about {self.needed:,} more matured leads"


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> list[str]:
        return [check.words for check in self.checks if check.passed is not True] or ["every check holds with its whole interval"]

    @property
    def needed(self) -> int:
        return max((check.needed for check in self.checks), default=0)


def gates(folder: Path) -> Gates:
    return load(folder / "gates.yaml", Gates)


def decide(checks: Sequence[Check]) -> Verdict:
    """Reject what fails with its whole interval, hold what is undecided, ship only what holds with its whole interval."""
    if any(check.passed is False for check in checks):
        return Verdict("reject", tuple(checks))
    return Verdict("hold" if any(check.passed is None for check in checks) else "ship", tuple(checks))


def check(bound: Bound, estimate: Estimate) -> Check:
    """Compare an interval with a bound. The interval narrows with the root of the rows, which says how many would decide it."""
    passed: bool | None
    if bound.min is not None:
        limit, words = bound.min, f"at least {bound.min:g}"
        passed = True if estimate.low >= limit else False if estimate.high < limit else None
    else:
        limit, words = bound.max or 0.0, f"at most {bound.max:g}"
        passed = True if estimate.high <= limit else False if estimate.low > limit else None
    needed = 0 if passed is not None else _needed(estimate, limit)
    return Check(bound.measure, words, estimate.value, estimate.low, estimate.high, passed, needed, bound.source)


def point(bound: Bound, value: float) -> Check:
    """A check of a number that has no sampling interval of its own."""
    limit = bound.max if bound.max is not None else float("inf")
    return Check(bound.measure, f"at most {limit:g}", value, value, value, value <= limit, 0, bound.source)


def _needed(estimate: Estimate, limit: float) -> int:
    """More rows until the half of the interval towards the bound is as short as the distance to it; at most a hundredfold."""
    reach = (estimate.value - estimate.low) if estimate.value >= limit else (estimate.high - estimate.value)
    distance = abs(estimate.value - limit)
    factor = 100.0 if distance == 0 else min((reach / distance) ** 2, 100.0)
    return max(1, ceil(estimate.n * (factor - 1)))
