"""What the leak auditor says: a finding names the feature, the rule, the evidence, and how to clear it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Literal

from shared.asof.contract import Contract, LeakWaiver
from shared.clock import isoformat

Severity = Literal["leak", "suspect", "note"]
ORDER: tuple[Severity, ...] = ("leak", "suspect", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """`feature` is a feature, or `source <name>`, or `leads`. `evidence` holds the numbers behind the sentence."""

    feature: str
    rule: str
    severity: Severity
    sentence: str
    remedy: str
    evidence: Mapping[str, float | int | str]
    waived: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Findings, worst first. `not_checked` says which rule could not run and why."""

    contract: str
    contract_hash: str
    known_by: datetime
    rows: int
    positives: int
    features: int
    findings: tuple[Finding, ...]
    not_checked: Mapping[str, str]

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """Leaks nobody answers for."""
        return tuple(finding for finding in self.findings if finding.severity == "leak" and not finding.waived)

    def as_json(self) -> dict[str, object]:
        return {
            "contract": self.contract,
            "contract_hash": self.contract_hash,
            "known_by": isoformat(self.known_by),
            "rows": self.rows,
            "positives": self.positives,
            "features": self.features,
            "leaks": len(self.leaks),
            "findings": [asdict(finding) for finding in self.findings],
            "not_checked": dict(self.not_checked),
        }


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda each: (ORDER.index(each.severity), each.feature, each.rule)))


def waive(findings: Iterable[Finding], contract: Contract, today: date) -> list[Finding]:
    """Findings a person has answered for keep their severity and say who, why and until when."""
    return [_waived(finding, contract.waivers, today) for finding in findings]


def _waived(finding: Finding, waivers: Iterable[LeakWaiver], today: date) -> Finding:
    for waiver in waivers:
        if (waiver.feature, waiver.rule) == (finding.feature, finding.rule) and waiver.expires >= today:
            return replace(finding, waived=f"waived by {waiver.by} until {waiver.expires}: {waiver.reason}")
    return finding
