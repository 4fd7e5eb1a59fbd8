"""The gate's checks as versioned data: policies/gates.yaml."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from shared.documents import Document, broken_rule, load

Consequence = Literal["reject", "hold", "note"]


class Bound(Document):
    """One check: a figure, or a pattern of figures, and the side of the bound it has to be on."""

    name: str
    figure: str
    source: str
    at_least: float | None = None
    at_most: float | None = None
    covers: float | None = None
    by: Literal["interval", "point"] = "interval"
    worth: float = Field(default=0.0, ge=0)
    reject_below_worth: bool = False
    failed: Consequence
    undecided: Consequence
    absent: Consequence

    @model_validator(mode="after")
    def _one_bound(self) -> "Bound":
        if sum(bound is not None for bound in (self.at_least, self.at_most, self.covers)) != 1:
            raise broken_rule("a check has exactly one of at_least, at_most and covers")
        if self.reject_below_worth and (self.at_least is None or not self.worth):
            raise broken_rule("reject_below_worth needs at_least and a worth")
        return self

    @property
    def edge(self) -> float:
        return next(bound for bound in (self.at_least, self.at_most, self.covers) if bound is not None)

    @property
    def words(self) -> str:
        if self.covers is not None:
            return f"interval holds {self.covers:g}"
        return f"at least {self.edge:g}" if self.at_least is not None else f"at most {self.edge:g}"


class Unapplied(Document):
    """A threshold of the earlier systems that decides nothing here, and why."""

    rule: str
    why: str


class GatePolicy(Document):
    checks: tuple[Bound, ...] = Field(min_length=1)
    not_applied: tuple[Unapplied, ...] = ()

    @model_validator(mode="after")
    def _named_once(self) -> "GatePolicy":
        names = [bound.name for bound in self.checks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise broken_rule(f"checks are named once; twice here: {', '.join(twice)}")
        return self


def gates(folder: Path) -> GatePolicy:
    return load(folder / "gates.yaml", GatePolicy)
