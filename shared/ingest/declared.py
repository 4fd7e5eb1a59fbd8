"""How a table is filled from files: the `ingest` part of its JSON in infra/tables."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from shared.documents import Document
from shared.errors import DataError
from shared.ingest.coerce import BY_TYPE
from shared.tables import TABLES, Table, table

Way = Literal["text", "crd", "number", "count", "flag", "zip", "json", "day", "instant"]


class Highest(Document):
    """Of rows with the same key keep the one highest in these columns, the first deciding first; missing is lowest."""

    highest: Annotated[tuple[str, ...], Field(min_length=1)]


class Rules(Document):
    """`headers`: what files call a column besides its own name. `ways`: coercions other than the type's own.

    `delivered` is the column of the clock, given on the command line where a file has none; `dated`, of a snapshot, the
    day it describes. `duplicates`: what to do with rows of the same key; without it they are refused.
    """

    delivered: str
    dated: str | None = None
    headers: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    ways: Mapping[str, Way] = Field(default_factory=dict)
    duplicates: Highest | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """A table and the rules of its intake; `required` columns have a value in every row."""

    table: Table
    rules: Rules
    required: frozenset[str]

    @property
    def quarantine(self) -> str:
        return f"{self.table.name}_quarantine"

    def way(self, column: str) -> str:
        return self.rules.ways.get(column) or BY_TYPE[self.table.columns[column]]

    def header(self, column: str, headers: list[str]) -> str | None:
        """The header that holds a column: its own name or one of its other names, whatever their case."""
        known = {header.strip().lower(): header for header in headers}
        names = (column, *self.rules.headers.get(column, ()))
        return next((known[name.lower()] for name in names if name.lower() in known), None)


@cache
def intake(name: str) -> Intake:
    """DataError when the table is unknown or is not one that files are loaded into."""
    path = TABLES / f"{name}.json"
    declared = json.loads(path.read_text()) if path.is_file() else {}
    if "ingest" not in declared:
        raise DataError(f"{name} is not a table that files are loaded into.", fix=f"Name one of {', '.join(intakes())}.")
    required = frozenset(column["name"] for column in declared["schema"] if column["mode"] == "REQUIRED")
    return Intake(table(name), Rules.model_validate(declared["ingest"]), required)


@cache
def intakes() -> tuple[str, ...]:
    """The tables that files are loaded into."""
    return tuple(path.stem for path in sorted(TABLES.glob("*.json")) if "ingest" in json.loads(path.read_text()))
