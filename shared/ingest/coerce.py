"""Vendors' texts to typed values: each way is a function that answers a value, None for missing, or a Misfit with the reason."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

MISSING = frozenset({"", "null", "none", "nan", "n/a", "#n/a"})
FEW = 2
"""What "< 5" counts as: the vendor hides counts under five."""

_FALSE, _TRUE = frozenset({"no", "n", "false", "0", "f"}), frozenset({"yes", "y", "true", "1", "t"})
_DAYS = ("%Y-%m-%d", "%m/%d/%Y", "%Y%m%d")
ZONE = re.compile(r"(Z|UTC|[+-]\d\d:?\d\d)$")


class Misfit(ValueError):
    """A text that is no value of its column; the message is the reason in the quarantine."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value put aside: where it stood, what it said, why it does not fit."""

    row: int
    column: str
    value: str
    reason: str


def text(said: str) -> str:
    return said


def crd(said: str) -> int:
    """The digits of `CRD# 1234567`, ` 1234567`, `1234567.0`; letters among them or several numbers are no CRD."""
    found = re.fullmatch(r"(?:CRD)?[\s#:_-]*0*(\d{1,10})(?:\.0+)?", said, re.IGNORECASE)
    if not found or not int(found.group(1)):
        raise Misfit("not a CRD: digits only, with or without the word CRD before them")
    return int(found.group(1))


def number(said: str) -> float:
    """`$1,200.50`, `45%`, `(1,200)` for a loss, `1e3`."""
    bare = re.sub(r"[$,%\s]", "", said)
    negative = bare.startswith("(") and bare.endswith(")")
    try:
        value = float(bare.strip("()"))
    except ValueError:
        raise Misfit("not a number") from None
    if value in {float("inf"), float("-inf")}:
        raise Misfit("not a finite number")
    return -value if negative else value


def count(said: str) -> int:
    """A whole number; `< 5` is 2."""
    if re.fullmatch(r"<\s*5", said):
        return FEW
    value = number(said)
    if value != int(value):
        raise Misfit("not a whole number")
    return int(value)


def flag(said: str) -> bool | None:
    """Yes, No, Unknown in any case; Unknown is missing."""
    word = said.lower()
    if word == "unknown":
        return None
    if word not in _TRUE | _FALSE:
        raise Misfit("not one of Yes, No, Unknown")
    return word in _TRUE


def zip_code(said: str) -> str:
    """Five digits of `2134.0`, `02134-1234`, `60614`."""
    found = re.fullmatch(r"(\d{3,5})(?:\.0+|-\d{4})?", said)
    if not found:
        raise Misfit("not a ZIP code")
    return found.group(1).zfill(5)


def json_text(said: str) -> str:
    """JSON in a text, written one way: keys in order, no spaces."""
    try:
        return json.dumps(json.loads(said), sort_keys=True, separators=(",", ":"))
    except json.JSONDecodeError:
        raise Misfit("not JSON") from None


def day(said: str) -> date:
    for form in _DAYS:
        try:
            return datetime.strptime(said[:10] if form == _DAYS[0] else said, form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    raise Misfit("not a day: YYYY-MM-DD, M/D/YYYY or YYYYMMDD")


def instant(said: str) -> datetime:
    """ISO 8601; without a zone it is UTC (a column that mixes zones is refused before this)."""
    try:
        found = datetime.fromisoformat(said.removesuffix("UTC").strip())
    except ValueError:
        raise Misfit("not an instant in ISO 8601") from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


COERCIONS: dict[str, Callable[[str], object]] = {
    "text": text,
    "crd": crd,
    "number": number,
    "count": count,
    "flag": flag,
    "zip": zip_code,
    "json": json_text,
    "day": day,
    "instant": instant,
}
BY_TYPE = {"STRING": "text", "INT64": "count", "FLOAT64": "number", "BOOL": "flag", "DATE": "day", "TIMESTAMP": "instant"}
ARROW = {
    "STRING": pa.string(),
    "INT64": pa.int64(),
    "FLOAT64": pa.float64(),
    "BOOL": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
}


def coerce(column: pa.ChunkedArray, name: str, way: str, kind: str) -> tuple[pa.Array, list[Cell]]:
    """A column of texts as the GoogleSQL type `kind` by the coercion `way`, and the cells that did not fit, by row from 0.

    Each distinct text is read once.
    """
    coded = pc.dictionary_encode(column.combine_chunks())
    read = [_value(COERCIONS[way], said) for said in coded.dictionary.to_pylist()]
    values = pa.array([None if isinstance(value, Misfit) else value for value in read], ARROW[kind])
    wrong = pa.array([isinstance(value, Misfit) for value in read], pa.bool_())
    return values.take(coded.indices), list(_cells(coded, wrong, name, read)) if any(wrong.to_pylist()) else []


def _cells(coded: pa.DictionaryArray, wrong: pa.Array, name: str, read: list[object]) -> Iterator[Cell]:
    rows = pc.indices_nonzero(pc.fill_null(wrong.take(coded.indices), False)).to_pylist()  # noqa: FBT003 - arrow's own signature
    for row in rows:
        index = coded.indices[row].as_py()
        yield Cell(row, name, str(coded.dictionary[index])[:80], str(read[index]))


def _value(way: Callable[[str], object], said: str | None) -> object:
    bare = (said or "").strip()
    if bare.lower() in MISSING or (bare == "NA" and way is not text):  # among texts NA is a registration type
        return None
    try:
        return way(bare)
    except Misfit as fault:
        return fault
    except OverflowError:
        return Misfit("out of range")
