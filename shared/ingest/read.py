"""A file of rows as texts, whatever it came as: CSV with any common delimiter, Parquet, or JSON a line."""

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from shared.errors import DataError

KINDS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".ndjson": "json", ".jsonl": "json"}
DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Extract:
    """A file as it arrived: texts by header, the sha256 of its bytes, and the number of its first row as a person counts."""

    path: Path
    sha256: str
    texts: pa.Table
    first_row: int


def read_extract(path: Path) -> Extract:
    """DataError names a file that is absent, empty, of a kind unknown, or broken, with the line where it can."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None or not path.is_file():
        said = f"There is no file {path}." if not path.is_file() else f"{path}: a {path.suffix or 'nameless'} file is not one we read."
        raise DataError(said, fix=f"Give a file that ends in {', '.join(KINDS)}.")
    try:
        texts = {"csv": _csv, "parquet": _parquet, "json": _json}[kind](path)
    except (pa.ArrowInvalid, pa.ArrowException, UnicodeDecodeError) as fault:
        raise DataError(f"{path} cannot be read as {kind}: {str(fault).splitlines()[0]}", fix="Export it again, in UTF-8.") from fault
    if not texts.num_rows:
        raise DataError(f"{path} has no rows.", fix="Export it again; an empty file is never loaded.")
    return Extract(path, hashlib.sha256(path.read_bytes()).hexdigest(), texts, 2 if kind == "csv" else 1)


def _csv(path: Path) -> pa.Table:
    with path.open(newline="", encoding="utf-8-sig") as file:
        first = file.readline()
    delimiter = max(DELIMITERS, key=first.count)
    names = next(csv.reader([first], delimiter=delimiter), [])
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{path}: the header names {', '.join(repeated)} more than once.", fix="Keep one of each.")
    return pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(column_names=names, skip_rows=1),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
    )


def _parquet(path: Path) -> pa.Table:
    table = pyarrow.parquet.read_table(path)
    return pa.table({name: _texts(table.column(name)) for name in table.column_names})


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_nested(column.type):
        return pa.chunked_array([pa.array([None if v is None else json.dumps(v, default=str) for v in column.to_pylist()], pa.string())])
    return pc.cast(column, pa.string())


def _json(path: Path) -> pa.Table:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as fault:
            raise DataError(f"{path}, line {number}: not JSON: {fault.msg}.", fix="Write one object a line.") from fault
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: not an object.", fix="Write one object a line.")
        rows.append({name: value if value is None or isinstance(value, str) else json.dumps(value) for name, value in row.items()})
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})
