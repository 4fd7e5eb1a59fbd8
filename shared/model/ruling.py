"""What the gate said of a version, as it is stored beside the models."""

from typing import Literal

from pydantic import ConfigDict

from shared.documents import Document


class Measured(Document):
    """A figure with its interval; null where it could not be computed."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    positives: int


class RuledCheck(Document):
    """One bound held against one figure."""

    model_config = ConfigDict(extra="ignore")

    name: str
    threshold: str
    value: Measured | None
    outcome: Literal["passed", "failed", "undecided", "absent"]
    consequence: str
    source: str
    words: str


class Ruling(Document):
    """`champion` is the version the candidate was compared with, None where there was none."""

    model_config = ConfigDict(extra="ignore")

    verdict: Literal["ship", "hold", "reject"]
    words: str
    candidate: str
    champion: str | None
    needed_leads: int
    evidence_sha256: str
    checks: tuple[RuledCheck, ...] = ()
