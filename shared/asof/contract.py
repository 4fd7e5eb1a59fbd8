"""The contract: the one place that says what a lead is, where the clocks are, and what each feature is."""

import hashlib
import itertools
import re
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from shared.documents import Document, broken_rule, load
from shared.errors import ContractError

DERIVED = "features"
"""The pseudo-source of features computed from other features."""

Dtype = Literal["float", "bool", "category"]


def column_name(header: str) -> str:
    """A CSV header or column as BigQuery can hold it: `emp.var.rate` becomes `emp_var_rate`."""
    return re.sub(r"\W", "_", header.strip())


def _name(text: str) -> str:
    name = column_name(text)
    if not re.fullmatch(r"[A-Za-z_]\w{0,127}", name):
        raise broken_rule(f"{text!r} cannot be a column name; use letters, digits and _, not starting with a digit")
    return name


Name = Annotated[str, AfterValidator(_name)]
TableName = Annotated[str, Field(pattern=r"^([A-Za-z_]\w*\.)?[A-Za-z_]\w*$")]


class Outcome(Document):
    """When a lead is a positive: an event within `window_days` of the contact, or a value of a column."""

    event_at: Name | None = None
    column: Name | None = None
    positive: str | None = None
    window_days: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _one_way(self) -> "Outcome":
        by_value = self.column is not None and self.positive is not None
        if by_value == (self.event_at is not None) or (self.column is None) != (self.positive is None):
            raise broken_rule("give either event_at (with window_days) or column with positive")
        return self


class Lead(Document):
    """The relation of leads. `known_at` orders the extracts of one lead; without it there is one row a lead."""

    table: TableName
    key: Name
    crd: Name | None = None
    contacted_at: Name
    known_at: Name | None = None
    outcome: Outcome
    lag_days: Annotated[int, Field(ge=0)] = 0


class Waiver(Document):
    """A person takes a risk by name, for a reason, until a day."""

    by: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    expires: date

    def expired(self, today: date) -> bool:
        return today > self.expires


class LeakWaiver(Waiver):
    """A finding of the leak audit that a person answers for: the rule `rule` about `feature`."""

    feature: str
    rule: str


class Source(Document):
    """Where features come from, and when each row could first have been known.

    event: one row a lead, as it stood at the event. vintage: the latest visible row by `event_time`.
    history: all visible rows, which features aggregate. `on` is `lead_id`, `crd`, or a column of an earlier
    source such as `job.firm_crd`. `grain` names the columns that identify a row across its versions. A source that
    cannot say when its rows were known declares how late they come (`lag_days` after event_time) under a waiver.
    """

    kind: Literal["event", "vintage", "history"]
    known_at: Name | None = None
    lag_days: Annotated[int, Field(ge=0)] | None = None
    waiver: Waiver | None = None
    table: TableName | None = None
    key: Name | None = None
    on: str = "lead_id"
    event_time: Name | None = None
    max_age_days: Annotated[int, Field(gt=0)] | None = None
    where: str | None = None
    grain: tuple[Name, ...] = ()
    required: bool = False

    @model_validator(mode="after")
    def _clocks(self) -> "Source":
        if self.kind != "event" and self.event_time is None:
            raise broken_rule(f"a {self.kind} source needs event_time: the column that says when the row happened")
        if self.max_age_days is not None and self.kind != "vintage":
            raise broken_rule("max_age_days is for vintage sources")
        declared = self.event_time is not None and self.lag_days is not None and self.waiver is not None
        if self.known_at is None and not declared:
            raise broken_rule("a source without known_at needs event_time, lag_days, and a waiver with by, reason and expires")
        if self.known_at is not None and self.lag_days is not None:
            raise broken_rule("give known_at or lag_days, not both: a lag is only for a source that cannot say when it knew")
        return self


class Feature(Document):
    """One feature, defined once: a column of its source, or a GoogleSQL expression over it.

    A `helper` is computed for other features to use and never shown to a model. `sentence` says a value in a reason;
    a bool says `sentence` when true and `otherwise` when not.
    """

    name: Name
    source: str
    dtype: Dtype
    column: Name | None = None
    sql: str | None = None
    range: tuple[float, float] | None = None
    levels: tuple[str, ...] = ()
    missing: tuple[float, ...] = ()
    known: Literal["at_contact", "after_contact"] = "at_contact"
    why: str = ""
    group: str = "base"
    kind: Literal["stable", "calculable", "mutable"] = "calculable"
    sentence: str = ""
    otherwise: str = ""
    pii: bool = False
    helper: bool = False

    @model_validator(mode="after")
    def _one_definition(self) -> "Feature":
        if (self.column is None) == (self.sql is None):
            raise broken_rule(f"{self.name}: give column or sql, one of the two")
        if (self.dtype == "category") != bool(self.levels):
            raise broken_rule(f"{self.name}: a category lists its levels, nothing else does")
        return self

    @model_validator(mode="after")
    def _sayable(self) -> "Feature":
        sample = {"float": 1.5, "bool": 1.0, "category": "level"}[self.dtype]
        try:
            self.sentence.format(value=sample)
        except (ValueError, KeyError, IndexError, TypeError) as fault:
            raise broken_rule(f"{self.name}: the sentence cannot say a {self.dtype}: {fault}") from fault
        return self


class Contract(Document):
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    lead: Lead
    missing: tuple[str, ...] = ()
    deny: tuple[Name, ...] = ()
    waivers: tuple[LeakWaiver, ...] = ()
    sources: Mapping[str, Source]
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _references(self) -> "Contract":
        for fault in (*self._source_faults(), *self._feature_faults()):
            raise broken_rule(fault)
        return self

    def _source_faults(self) -> list[str]:
        faults, seen = [], set[str]()
        for name, source in self.sources.items():
            upstream = source.on.partition(".")[0]
            if source.on not in {"lead_id", "crd"} and upstream not in seen:
                faults.append(f"sources.{name}.on is {source.on!r}: use lead_id, crd or <earlier source>.<column>")
            if source.on == "crd" and self.lead.crd is None:
                faults.append(f"sources.{name} joins on crd, but lead.crd names no column")
            seen.add(name)
        return faults

    def _feature_faults(self) -> list[str]:
        names = [feature.name for feature in self.features]
        faults = [f"feature {name} is defined twice" for name in set(names) if names.count(name) > 1]
        for feature in self.features:
            if feature.source == DERIVED and not self.inputs(feature):
                faults.append(f"feature {feature.name} is derived, but its sql names no feature declared before it")
            if feature.source not in {*self.sources, DERIVED}:
                faults.append(f"feature {feature.name}: no source {feature.source!r}; there are {', '.join(self.sources)}")
        return faults

    @cached_property
    def refused(self) -> dict[str, str]:
        """Features that may never be used, and why."""
        outcome = {self.lead.outcome.column, self.lead.outcome.event_at} - {None}
        reasons = {}
        for feature in self.features:
            if feature.known == "after_contact":
                reasons[feature.name] = feature.why or "declared after_contact: not known when the lead is scored"
            elif feature.pii or feature.name in self.deny or feature.column in self.deny:
                reasons[feature.name] = "personal data or on the deny list"
            elif feature.column in outcome:
                reasons[feature.name] = "it is the outcome itself"
            elif built_on := next((name for name in self.inputs(feature) if name in reasons), None):
                reasons[feature.name] = f"it is computed from {built_on}, which is refused"
        return reasons

    def inputs(self, feature: Feature) -> tuple[str, ...]:
        """The features a derived feature is computed from; only features declared before it can be."""
        if feature.source != DERIVED:
            return ()
        earlier = [f.name for f in itertools.takewhile(lambda other: other.name != feature.name, self.features)]
        words = set(re.findall(r"\w+", feature.sql or feature.column or ""))
        return tuple(name for name in earlier if name in words)

    @cached_property
    def computed(self) -> tuple[Feature, ...]:
        """The features that may be computed, in declared order."""
        return tuple(feature for feature in self.features if feature.name not in self.refused)

    @cached_property
    def usable(self) -> tuple[Feature, ...]:
        """The features a model may see, in declared order."""
        usable = tuple(feature for feature in self.computed if not feature.helper)
        if not usable:
            raise ContractError(f"Every feature of contract {self.name} is refused.", fix="Declare one known at contact.")
        return usable

    @cached_property
    def hash(self) -> str:
        """Changes whenever anything the contract says changes."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def load_contract(path: Path, today: date | None = None) -> Contract:
    """The contract at `path`. With `today`, a waiver that has run out is a ContractError."""
    contract = load(path, Contract, ContractError)
    if today is not None:
        refuse_expired(contract, today)
    return contract


def refuse_expired(contract: Contract, today: date) -> None:
    sources = ((f"source {name}", source.waiver) for name, source in contract.sources.items() if source.waiver)
    findings = ((f"rule {waiver.rule} on {waiver.feature}", waiver) for waiver in contract.waivers)
    over = [f"{what}: the waiver of {w.by} expired on {w.expires}" for what, w in (*sources, *findings) if w.expired(today)]
    if over:
        raise ContractError("; ".join(over) + ".", fix="Mend the cause, or have a person renew the waiver with a later day.")
