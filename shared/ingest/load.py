"""A file into its table: typed, quarantined, once, and with a report that adds up."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from shared.errors import DataError
from shared.ingest.declared import Intake, intake
from shared.ingest.duplicates import resolve
from shared.ingest.read import Extract, read_extract
from shared.ingest.typed import NAMED, Delivery, Typed, typed
from shared.ports import BulkWarehouse, Query

FILES = "monitoring.ingested_files"
PAGE = 500


@dataclass(frozen=True, slots=True)
class Report:
    """Rows: read = loaded + quarantined + already there. `reasons` counts by (column, reason) what was put aside.

    `before` is when the same bytes were loaded already; then nothing was done.
    """

    table: str
    file: str
    read: int
    loaded: int
    quarantined: int
    already_there: int
    cells: int
    reasons: Mapping[tuple[str, str], int]
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A line of `<table>_quarantine`."""

    file_sha256: str
    row_number: int
    column_name: str
    value: str | None
    reason: str
    quarantined_at: datetime


@dataclass(frozen=True, slots=True)
class FileRow:
    """A line of `monitoring.ingested_files`."""

    file_sha256: str
    table_name: str
    file_name: str
    rows_read: int
    rows_loaded: int
    rows_quarantined: int
    rows_already_there: int
    cells_quarantined: int
    loaded_at: datetime


def load_file(warehouse: BulkWarehouse, table: str, path: Path, delivery: Delivery, say: Callable[[str], None]) -> Report:
    """Load one file. Safe to repeat at any point: rows by their key, the file by its bytes. DataError refuses it whole."""
    into = intake(table)
    say(f"reading {path.name}")
    extract = read_extract(path)
    if known := _before(warehouse, extract, table):
        return known
    say(f"typing {extract.texts.num_rows:,} rows")
    found = resolve(typed(extract, into, delivery), extract, into, warehouse)
    say("comparing with what is there")
    fresh = _fresh(warehouse, extract, into, found.rows)
    say(f"writing {fresh.num_rows:,} rows")
    warehouse.insert(table, fresh.drop_columns(["row_"]))
    _put_aside(warehouse, extract, into, found, delivery.now)
    report = _report(extract, table, found, fresh.num_rows)
    counts = (report.read, report.loaded, report.quarantined, report.already_there, report.cells)
    warehouse.append(FILES, [FileRow(extract.sha256, table, path.name, *counts, delivery.now)])
    return report


def _before(warehouse: BulkWarehouse, extract: Extract, table: str) -> Report | None:
    text = f"SELECT loaded_at FROM `{FILES}` WHERE file_sha256 = @sha256 AND table_name = @name"
    rows = warehouse.query(Query("ingested_before", text, {"sha256": "STRING", "name": "STRING"}), sha256=extract.sha256, name=table)
    if not rows.values:
        return None
    loaded_at = next(iter(rows))["loaded_at"]
    assert isinstance(loaded_at, datetime)  # noqa: S101 - the declared type
    count = extract.texts.num_rows
    return Report(table, extract.path.name, count, 0, 0, count, 0, {}, loaded_at)


def _fresh(warehouse: BulkWarehouse, extract: Extract, into: Intake, rows: pa.Table) -> pa.Table:
    """The rows whose key is not in the table. DataError when a key is there with other content: a snapshot came twice."""
    key, clock = list(into.table.key), into.rules.delivered
    old = _there(warehouse, into, rows)
    if not old.num_rows:
        return rows
    values = [name for name in into.table.columns if name not in {*key, clock}]
    renamed = old.select([*key, *values]).rename_columns([*key, *(f"old_{name}" for name in values)])
    both = rows.join(renamed.append_column("there_", pa.array([True] * old.num_rows)), keys=key, join_type="left outer")
    there = pc.fill_null(both.column("there_"), False)  # noqa: FBT003
    known = both.filter(there)
    changed = {name: _changed(known, name) for name in values}
    differing = [name for name, rows_changed in changed.items() if rows_changed]
    if differing:
        place = sorted({row for rows_changed in changed.values() for row in rows_changed})
        named = f"row {', '.join(str(row + extract.first_row) for row in place[:NAMED])}; {', '.join(differing[:6])}"
        raise DataError(
            f"{extract.path}: {len(place):,} rows are in {into.table.name} already with other content ({named}).",
            fix="A snapshot is delivered once. Deliver a correction under its own date, or remove the first delivery.",
        )
    return rows.filter(pc.is_in(rows.column("row_"), both.filter(pc.invert(there)).column("row_").combine_chunks()))


def _there(warehouse: BulkWarehouse, into: Intake, rows: pa.Table) -> pa.Table:
    """What the table holds between the first and the last clock of these rows, by the column of its key that is one."""
    clock = next(name for name in reversed(into.table.key) if into.table.columns[name] in {"DATE", "TIMESTAMP"})
    kind = into.table.columns[clock]
    limits = pc.min_max(rows.column(clock)).as_py()
    if limits["min"] is None:
        return rows.slice(0, 0)
    columns = ", ".join(f"s.`{name}`" for name in into.table.columns)
    text = f"SELECT {columns} FROM `{into.table.name}` AS s WHERE s.`{clock}` BETWEEN @first AND @last"
    query = Query("ingest_there", text, {"first": kind, "last": kind})
    found = warehouse.arrow(query, first=limits["min"], last=limits["max"])
    return found.cast(rows.drop_columns(["row_"]).schema)


def _changed(known: pa.Table, name: str) -> list[int]:
    new, old = known.column(name), known.column(f"old_{name}")
    differs = pc.or_(pc.fill_null(pc.not_equal(new, old), False), pc.xor(pc.is_null(new), pc.is_null(old)))  # noqa: FBT003
    return [int(row) for row in known.column("row_").filter(differs).to_pylist()]


def _put_aside(warehouse: BulkWarehouse, extract: Extract, into: Intake, found: Typed, now: datetime) -> None:
    cells = [
        QuarantineRow(extract.sha256, c.row + extract.first_row, c.column, c.value, c.reason, now) for c in found.cells + found.dropped
    ]
    for start in range(0, len(cells), PAGE):
        warehouse.append(into.quarantine, cells[start : start + PAGE])


def _report(extract: Extract, table: str, found: Typed, loaded: int) -> Report:
    reasons = Counter((cell.column, cell.reason.partition(" row ")[0]) for cell in found.cells + found.dropped)
    there = found.rows.num_rows - loaded
    return Report(table, extract.path.name, extract.texts.num_rows, loaded, len(found.dropped), there, len(found.cells), reasons)
