"""Ship, hold or reject: every check with its value, its interval and its source, and what a hold waits for."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from statistics import NormalDist
from typing import Literal

from shared.metrics.intervals import Z95, Estimate
from training_job.gate.evidence import Evidence, plain_estimate
from training_job.gate.figures import Figure, known_figures
from training_job.gate.policy import Bound, Consequence, GatePolicy

Outcome = Literal["passed", "failed", "undecided", "absent"]
Ruling = Literal["ship", "hold", "reject"]

POWER = NormalDist().inv_cdf(0.8)


@dataclass(frozen=True, slots=True)
class Check:
    """One bound held against one figure. `consequence` is what its outcome asks for; `needed_leads` would decide it."""

    name: str
    figure: str
    threshold: str
    value: Estimate | None
    outcome: Outcome
    consequence: Consequence | Literal["none"]
    source: str
    words: str
    needed_leads: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`needed_leads` more matured leads are what an undecided hold waits for; 0 where more leads would not settle it."""

    verdict: Ruling
    words: str
    candidate: str
    champion: str | None
    checks: tuple[Check, ...]
    needed_leads: int
    alpha: float
    evidence_sha256: str

    def as_json(self) -> dict[str, object]:
        return {
            "verdict": self.verdict,
            "words": self.words,
            "candidate": self.candidate,
            "champion": self.champion,
            "needed_leads": self.needed_leads,
            "alpha": self.alpha,
            "evidence_sha256": self.evidence_sha256,
            "checks": [_plain(check) for check in self.checks],
        }

    def to_bytes(self) -> bytes:
        return json.dumps(self.as_json(), indent=1, allow_nan=False).encode()


def judge(evidence: Evidence, policy: GatePolicy) -> Verdict:
    """Hold every bound of the policy against the evidence. Any reject rejects; else any hold holds; else it ships."""
    figures = known_figures(evidence)
    checks = tuple(check for bound in policy.checks for check in _checks(bound, figures))
    ruling = _worst(checks)
    needed = max((check.needed_leads for check in checks if check.consequence == "hold"), default=0) if ruling == "hold" else 0
    words = _words(ruling, checks, needed)
    return Verdict(ruling, words, evidence.candidate, evidence.champion, checks, needed, evidence.alpha, evidence.sha256)


def _worst(checks: tuple[Check, ...]) -> Ruling:
    asked = {check.consequence for check in checks}
    return "reject" if "reject" in asked else "hold" if "hold" in asked else "ship"


def _checks(bound: Bound, figures: Mapping[str, Figure]) -> list[Check]:
    names = [name for name in figures if fnmatchcase(name, bound.figure)]
    if not names:
        consequence = bound.absent if bound.absent != "note" else "none"
        words = f"{bound.name}: there is no such evidence"
        return [Check(bound.name, bound.figure, bound.words, None, "absent", consequence, bound.source, words)]
    return [_check(bound, name, figures[name]()) for name in names]


def _check(bound: Bound, figure: str, value: Estimate) -> Check:
    outcome = decide(bound, value)
    asked: dict[Outcome, Consequence | Literal["none"]] = {"failed": bound.failed, "undecided": bound.undecided}
    needed = needed_leads(bound, value) if outcome == "undecided" else 0
    name = bound.name if figure == bound.figure else f"{bound.name}: {figure.split('.', 1)[1]}"
    side = "" if bound.covers is None or outcome != "failed" else ", too low" if value.high < bound.edge else ", too high"
    words = f"{name}: {value.value:.3g} [{value.low:.3g}, {value.high:.3g}], {bound.words}: {outcome}{side}"
    return Check(name, figure, bound.words, value, outcome, asked.get(outcome, "none"), bound.source, words, needed)


def decide(bound: Bound, value: Estimate) -> Outcome:
    """By the whole interval, or by the value alone where the bound says so. What cannot be computed is undecided."""
    if math.isnan(value.value) or (bound.by == "interval" and (math.isnan(value.low) or math.isnan(value.high))):
        return "undecided"
    low, high = (value.value, value.value) if bound.by == "point" else (value.low, value.high)
    if bound.covers is not None:
        return "passed" if low <= bound.covers <= high else "failed"
    if bound.at_least is not None:
        if bound.reject_below_worth:
            return "passed" if low > bound.edge else "failed" if high < bound.edge + bound.worth else "undecided"
        return "passed" if low >= bound.edge else "failed" if high < bound.edge else "undecided"
    return "passed" if high <= bound.edge else "failed" if low > bound.edge else "undecided"


def needed_leads(bound: Bound, value: Estimate) -> int:
    """More leads until a true distance like the one seen, but no smaller than is worth finding, is decided with power .8.

    The standard error falls with the root of the leads: n (( z.975 + z.8 ) se / distance)^2 - n, se from the observed interval.
    0 where nothing can be said.
    """
    error, seen = (value.high - value.low) / (2 * Z95), abs(value.value - bound.edge)
    reach = (Z95 + POWER) * error
    distance = seen if reach <= max(seen, bound.worth) else max(seen, bound.worth)
    if not distance or not math.isfinite(reach):
        return 0
    return max(0, math.ceil(value.n * ((reach / distance) ** 2 - 1)))


def about(leads: int) -> str:
    """Two digits are all that such a number knows."""
    if not leads:
        return "0"
    return f"{int(round(leads, 1 - math.floor(math.log10(leads)))):,}"


def _words(ruling: Ruling, checks: tuple[Check, ...], needed: int) -> str:
    because = "; ".join(check.words for check in checks if check.consequence == ruling)
    if ruling == "ship":
        return f"ship: {sum(check.outcome == 'passed' for check in checks)} of {len(checks)} checks passed, none stands against it"
    wait = f"needs about {about(needed)} more leads to decide. " if needed else ""
    return f"{ruling}: {wait}{because}"


def _plain(check: Check) -> dict[str, object]:
    return {**asdict(check), "value": None if check.value is None else plain_estimate(check.value)}
