"""The tables as `infra/tables/*.json` declares them: one description for Terraform, the writers and the analyser."""

import json
from dataclasses import dataclass
from functools import cache

from shared.config import ROOT

TABLES = ROOT / "infra" / "tables"


@dataclass(frozen=True, slots=True)
class Table:
    """`name` is `dataset.table`; `columns` maps a column to its GoogleSQL type; `key` is unique per row."""

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]


@cache
def table(name: str) -> Table:
    return _read(json.loads((TABLES / f"{name}.json").read_text()))


@cache
def all_tables() -> tuple[Table, ...]:
    return tuple(_read(json.loads(path.read_text())) for path in sorted(TABLES.glob("*.json")))


def _read(declared: dict[str, object]) -> Table:
    schema = declared["schema"]
    assert isinstance(schema, list)  # noqa: S101 - a file of this repository
    return Table(
        name=str(declared["table"]),
        columns={column["name"]: column["type"] for column in schema},
        key=tuple(declared["key"]),  # type: ignore[arg-type]
    )
