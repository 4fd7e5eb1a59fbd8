"""The parts of a contract, each checked on its own: what a person may write, and what it means."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from shared.documents import Document, broken_rule

DERIVED = "features"
"""The pseudo-source of features computed from other features."""
ASKED = "ask"
"""The pseudo-source of features of the question itself: when it is asked."""

Dtype = Literal["float", "bool", "category", "text"]
Unit = Literal["$", "$m", "%", "count", "days", "months", "years", "miles", "ratio", "points", "code"]


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


class Entries(Document):
    """Where every entry of a lead into a stage is kept: an extract shows only one. `contacted` is the stage that starts the clock."""

    table: TableName
    key: Name
    stage: Name
    contacted: str
    entered_at: Name
    known_at: Name


class Lead(Document):
    """The relation of leads. `known_at` orders the extracts of one lead; without it there is one row a lead.

    `reopened` says which contact of a lead contacted more than once is its time zero: the latest one, as the CRM field
    shows it, or the first one ever known, with the first outcome. `entries` tells of contacts between two extracts.
    """

    table: TableName
    key: Name
    crd: Name | None = None
    contacted_at: Name
    known_at: Name | None = None
    outcome: Outcome
    lag_days: Annotated[int, Field(ge=0)] = 0
    reopened: Literal["latest", "first"] = "latest"
    entries: Entries | None = None

    @model_validator(mode="after")
    def _history(self) -> "Lead":
        if self.known_at is None and (self.reopened == "first" or self.entries):
            raise broken_rule("without known_at there is one row a lead, so reopened: first and entries have nothing to go by")
        if self.reopened == "first" and self.outcome.event_at is None:
            raise broken_rule("reopened: first needs an outcome with event_at; a value of a column does not say which contact it follows")
        return self


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
    source such as `job.firm_crd`. `grain` names the columns that identify a row across its versions.
    `lag_days` delays every row; a source without `known_at` needs it, from `event_time`, and a waiver.
    `max_age_days`: an older row is stale, which is said, and is as good as none.
    """

    kind: Literal["event", "vintage", "history"]
    known_at: Name | None = None
    table: TableName | None = None
    key: Name | None = None
    on: str = "lead_id"
    event_time: Name | None = None
    lag_days: Annotated[int, Field(ge=0)] | None = None
    waiver: Waiver | None = None
    max_age_days: Annotated[int, Field(gt=0)] | None = None
    where: str | None = None
    grain: tuple[Name, ...] = ()
    required: bool = False

    @model_validator(mode="after")
    def _clocks(self) -> "Source":
        if self.known_at is None and None in {self.event_time, self.lag_days, self.waiver}:
            raise broken_rule("a source without known_at needs event_time, lag_days, and a waiver with by, reason and expires")
        if self.known_at is not None and self.waiver is not None:
            raise broken_rule("a source with known_at needs no waiver")
        if self.kind != "event" and self.event_time is None:
            raise broken_rule(f"a {self.kind} source needs event_time: the column that says when the row happened")
        if self.grain and self.kind != "history":
            raise broken_rule(f"a {self.kind} source has one row at a time and no grain; grain is for history sources")
        if self.max_age_days is not None and self.kind != "vintage":
            raise broken_rule("max_age_days is for vintage sources")
        if self.kind != "history" and re.search(r"\bask\.", self.where or ""):
            raise broken_rule(f"the where of a {self.kind} source cannot mention the ask; a history source's can")
        return self


class Statistic(Document):
    """A number or words of the training rows, fitted once, kept in the artefact, and given to the query as a parameter.

    median and quantile (with `q`) of a number; top: the `n` most frequent values of a text or category, ties by name.
    """

    of: Name
    take: Literal["median", "quantile", "top"]
    q: Annotated[float, Field(gt=0, lt=1)] | None = None
    n: Annotated[int, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Statistic":
        if (self.take == "quantile") != (self.q is not None) or (self.take == "top") != (self.n is not None):
            raise broken_rule("a quantile has q, a top has n, a median neither")
        return self

    @property
    def param_type(self) -> str:
        """The type of the query parameter it fills, which has its name."""
        return "FLOAT64" if self.n is None else "ARRAY<STRING>"


class Feature(Document):
    """One feature, defined once: a column of its source, or a GoogleSQL expression over it.

    A `helper` is computed for other features to use and never shown to a model; only a helper can be a text.
    `group` or `groups` say which catalogues it belongs to. `range`: a value outside it is missing. `missing`: numbers that mean missing.
    `sentence` says a value in a reason; a bool says `sentence` when true and `otherwise` when not. `note` says what was
    corrected; `why` says why it may not be used. `financial`: about money or clients, where the unit does not say so.
    """

    name: Name
    source: str
    dtype: Dtype
    column: Name | None = None
    sql: str | None = None
    unit: Unit | None = None
    range: tuple[float, float] | None = None
    levels: tuple[str, ...] = ()
    missing: tuple[float, ...] = ()
    known: Literal["at_contact", "after_contact"] = "at_contact"
    why: str = ""
    group: str = "base"
    groups: tuple[str, ...] = ()
    kind: Literal["stable", "calculable", "mutable"] = "calculable"
    sentence: str = ""
    otherwise: str = ""
    note: str = ""
    financial: bool = False
    pii: bool = False
    helper: bool = False

    @property
    def is_financial(self) -> bool:
        return self.financial or self.unit in {"$", "$m"}

    @property
    def all_groups(self) -> tuple[str, ...]:
        return self.groups or (self.group,)

    @model_validator(mode="after")
    def _one_definition(self) -> "Feature":
        if (self.column is None) == (self.sql is None):
            raise broken_rule(f"{self.name}: give column or sql, one of the two")
        if (self.dtype == "category") != bool(self.levels):
            raise broken_rule(f"{self.name}: a category lists its levels, nothing else does")
        if self.dtype == "text" and not self.helper:
            raise broken_rule(f"{self.name}: free text cannot be shown to a model; make it a helper, or a category with levels")
        if self.range and self.range[0] >= self.range[1]:
            raise broken_rule(f"{self.name}: range goes from the lowest to the highest value allowed")
        return self

    @model_validator(mode="after")
    def _sayable(self) -> "Feature":
        sample = {"float": 1.5, "bool": 1.0}.get(self.dtype, "level")
        try:
            self.sentence.format(value=sample)
        except (ValueError, KeyError, IndexError, TypeError) as fault:
            raise broken_rule(f"{self.name}: the sentence cannot say a {self.dtype}: {fault}") from fault
        return self


Fitted = Mapping[str, float | tuple[str, ...]]
"""Statistics by name, as they were fitted on the training rows."""
