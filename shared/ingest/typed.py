"""An extract as typed rows of its table, with every cell and row that does not fit put aside by name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from shared.errors import DataError
from shared.ingest.coerce import ARROW, MISSING, ZONE, Cell, coerce
from shared.ingest.declared import Intake
from shared.ingest.read import Extract

MOST_MISFITS = 0.2
"""A column of which more than this share does not parse is not that column."""
ENOUGH_TO_TELL = 20
NAMED = 3


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a file does not say itself: when it was delivered, and for a snapshot the day it describes."""

    known_at: datetime | None
    vintage: date | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Typed:
    """`rows` by declared column, each with `row_` (its place in the file, from 0); `cells` and `dropped` are put aside."""

    rows: pa.Table
    cells: list[Cell]
    dropped: list[Cell]

    def without(self, dropped: Sequence[Cell]) -> "Typed":
        """The same with these rows put aside too."""
        gone = pa.array({cell.row for cell in dropped}, pa.int64())
        return replace(self, rows=self.rows.filter(pc.invert(pc.is_in(self.rows.column("row_"), gone))), dropped=[*self.dropped, *dropped])


def typed(extract: Extract, intake: Intake, delivery: Delivery) -> Typed:
    """Raises DataError for what concerns the whole file: a column that is absent or another one, zones mixed, a clock ahead."""
    columns, cells = {}, list[Cell]()
    headers = _headers(extract, intake, delivery)
    for name, kind in intake.table.columns.items():
        if header := headers[name]:
            texts = extract.texts.column(header)
            if kind == "TIMESTAMP":
                _refuse_mixed_zones(extract, header, texts)
            columns[name], misfits = coerce(texts, name, intake.way(name), kind)
            _refuse_another_column(extract, header, misfits)
            cells += misfits
        else:
            columns[name] = _constant(intake, name, delivery, extract.texts.num_rows)
    rows = pa.table({"row_": pa.array(range(extract.texts.num_rows), pa.int64()), **columns})
    _refuse_the_future(extract, intake, rows, delivery.now)
    incomplete = list(_incomplete(intake, rows, cells))
    whole = {cell.row for cell in incomplete}
    found = Typed(rows, [cell for cell in cells if cell.row not in whole], []).without(incomplete)
    return found.without(list(_ahead_of_delivery(intake, found.rows)))


def _headers(extract: Extract, intake: Intake, delivery: Delivery) -> dict[str, str | None]:
    given = {intake.rules.delivered: delivery.known_at, intake.rules.dated: delivery.vintage}
    found = {name: intake.header(name, extract.texts.column_names) for name in intake.table.columns}
    absent = sorted(name for name in intake.required if found[name] is None and given.get(name) is None)
    if absent:
        options = [
            f"{option} for {name}"
            for name, option in ((intake.rules.delivered, "--known-at"), (intake.rules.dated, "--vintage"))
            if name in absent
        ]
        raise DataError(
            f"{extract.path} has no column {', '.join(absent)} for {intake.table.name}; it has {', '.join(extract.texts.column_names)}.",
            fix=f"Say {' and '.join(options)}."
            if options
            else f"Name the header under ingest.headers of infra/tables/{intake.table.name}.json.",
        )
    twice = [name for name, value in given.items() if name and value is not None and found.get(name)]
    if twice:
        raise DataError(f"{extract.path} says {', '.join(twice)} itself.", fix="Leave the option out, or the column.")
    return found


def _constant(intake: Intake, name: str, delivery: Delivery, rows: int) -> pa.Array:
    value = {intake.rules.delivered: delivery.known_at, intake.rules.dated: delivery.vintage}.get(name)
    return pa.array([value] * rows, ARROW[intake.table.columns[name]])


def _refuse_mixed_zones(extract: Extract, header: str, texts: pa.ChunkedArray) -> None:
    zones: dict[str, int] = {}
    distinct = pc.dictionary_encode(texts.combine_chunks())
    for index, said in enumerate(distinct.dictionary.to_pylist()):
        if said is not None and said.strip().lower() not in MISSING:
            found = ZONE.search(said.strip())
            zone = "no zone" if found is None else found.group(1).replace("Z", "UTC").replace("+00:00", "UTC").replace("+0000", "UTC")
            zones.setdefault(zone, pc.index(distinct.indices, index).as_py())
    if len(zones) > 1:
        rows = ", ".join(f"row {row + extract.first_row} {zone}" for zone, row in list(zones.items())[:NAMED])
        raise DataError(f"{extract.path}: column {header} mixes time zones: {rows}.", fix="Export every instant in UTC.")


def _refuse_another_column(extract: Extract, header: str, misfits: list[Cell]) -> None:
    rows = extract.texts.num_rows
    if len(misfits) > MOST_MISFITS * rows and rows >= ENOUGH_TO_TELL:
        named = ", ".join(f"row {cell.row + extract.first_row}: {cell.value!r}" for cell in misfits[:NAMED])
        raise DataError(
            f"{extract.path}: {len(misfits):,} of {rows:,} values of {header} do not fit ({misfits[0].reason}; {named}).",
            fix="It is another column under this name, or the coercion in infra/tables is not the right one.",
        )


def _refuse_the_future(extract: Extract, intake: Intake, rows: pa.Table, now: datetime) -> None:
    ahead = pc.indices_nonzero(pc.fill_null(pc.greater(rows.column(intake.rules.delivered), pa.scalar(now, ARROW["TIMESTAMP"])), False))  # noqa: FBT003
    if len(ahead):
        named = ", ".join(str(row + extract.first_row) for row in ahead.to_pylist()[:NAMED])
        raise DataError(
            f"{extract.path}: {intake.rules.delivered} lies in the future in {len(ahead):,} rows (row {named}).",
            fix="Correct the clock or the time zone of the export; nobody knows a row before it is delivered.",
        )


def _incomplete(intake: Intake, rows: pa.Table, cells: list[Cell]) -> "list[Cell]":
    wrong = {(cell.row, cell.column): cell for cell in cells}
    found: dict[int, Cell] = {}
    for name in intake.table.columns:
        if name in intake.required:
            for row in pc.indices_nonzero(pc.is_null(rows.column(name))).to_pylist():
                found.setdefault(row, wrong.get((row, name)) or Cell(row, name, "", "empty, and every row needs it"))
    return list(found.values())


def _ahead_of_delivery(intake: Intake, rows: pa.Table) -> "list[Cell]":
    """Rows that tell of a day or instant after their own delivery."""
    known, place = rows.column(intake.rules.delivered), rows.column("row_")
    found: dict[int, Cell] = {}
    for name, kind in intake.table.columns.items():
        if kind in {"DATE", "TIMESTAMP"} and name != intake.rules.delivered:
            ahead = pc.fill_null(pc.greater(pc.cast(rows.column(name), known.type), known), False)  # noqa: FBT003
            for index in pc.indices_nonzero(ahead).to_pylist():
                row, value = place[index].as_py(), rows.column(name)[index].as_py()
                found.setdefault(row, Cell(row, name, str(value), "later than its own delivery"))
    return list(found.values())
