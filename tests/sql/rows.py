"""Tables of a case file, as YAML says them, in a warehouse."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from shared.adapters.duckdb import DuckDBWarehouse
from shared.tables import table

_ARROW = {
    "STRING": pa.string(),
    "INT64": pa.int64(),
    "FLOAT64": pa.float64(),
    "BOOL": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
}


def load_rows(warehouse: DuckDBWarehouse, tables: Mapping[str, Any]) -> None:
    """Each table's rows, filled up with its defaults; a column nobody names is NULL."""
    for name, content in tables.items():
        declared = table(name).columns
        rows = [{**content.get("defaults", {}), **row} for row in content["rows"]]
        assert not {column for row in rows for column in row} - declared.keys(), f"{name} has no such column"
        columns = {column: pa.array([typed(kind, row.get(column)) for row in rows], _ARROW[kind]) for column, kind in declared.items()}
        warehouse.load_arrow(name, pa.table(columns))


def typed(kind: str, value: Any) -> Any:
    """A YAML value as its GoogleSQL type; days and instants may come as text or as YAML's own dates."""
    if value is None or kind not in {"TIMESTAMP", "DATE"}:
        return value
    if kind == "DATE":
        return value if isinstance(value, date) else date.fromisoformat(value)
    instant = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def plain(value: object) -> object:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
