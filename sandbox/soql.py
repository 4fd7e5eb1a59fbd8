"""As much SOQL as the product sends: SELECT fields FROM table WHERE conditions ORDER BY field LIMIT n."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shared.clock import parse_instant

Record = dict[str, object]

_QUERY = re.compile(
    r"\s*SELECT\s+(?P<fields>[\w\s,.]+?)\s+FROM\s+(?P<table>\w+)"
    r"(?:\s+WHERE\s+(?P<where>.+?))?(?:\s+ORDER\s+BY\s+(?P<order>\w+)(?:\s+(?P<way>ASC|DESC))?)?(?:\s+LIMIT\s+(?P<limit>\d+))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_IN = re.compile(r"([\w.]+)\s+IN\s*\((.*)\)", re.IGNORECASE | re.DOTALL)
_COMPARE = re.compile(r"([\w.]+)\s*(>=|<=|!=|=|>|<)\s*(.+)", re.DOTALL)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT")
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


class MalformedQueryError(ValueError):
    """What Salesforce would call MALFORMED_QUERY."""


@dataclass(frozen=True, slots=True)
class Select:
    fields: tuple[str, ...]
    table: str
    conditions: tuple[str, ...]
    order: str
    descending: bool
    limit: int | None

    def run(self, records: Iterable[Record]) -> list[Record]:
        tests = [_condition(text) for text in self.conditions]
        found = [record for record in records if all(test(record) for test in tests)]
        if self.order:
            found.sort(key=lambda record: _text(record.get(self.order)), reverse=self.descending)
        return [{name: record.get(name) for name in self.fields} for record in found[: self.limit]]


def parse(text: str) -> Select:
    match = _QUERY.fullmatch(text)
    if not match:
        message = f"unexpected token: {text[:120]!r}"
        raise MalformedQueryError(message)
    where = re.split(r"\s+AND\s+", match["where"], flags=re.IGNORECASE) if match["where"] else []
    return Select(
        fields=tuple(name.strip() for name in match["fields"].split(",")),
        table=match["table"],
        conditions=tuple(where),
        order=match["order"] or "",
        descending=(match["way"] or "").upper() == "DESC",
        limit=int(match["limit"]) if match["limit"] else None,
    )


def _condition(text: str) -> Callable[[Record], bool]:
    text = text.strip()
    if within := _IN.fullmatch(text):
        name, values = within[1], {_literal(value) for value in within[2].split(",")}
        return lambda record: _text(record.get(name)) in values
    if compared := _COMPARE.fullmatch(text):
        name, operator, literal = compared[1], _OPERATORS[compared[2]], compared[3].strip()
        if literal.lower() == "null":
            return lambda record: operator("" if record.get(name) is None else "set", "")
        wanted = _literal(literal)
        return lambda record: record.get(name) is not None and operator(_text(record.get(name)), wanted)
    message = f"unexpected condition: {text[:120]!r}"
    raise MalformedQueryError(message)


def _literal(text: str) -> str:
    return _text(text.strip().strip("'"))


def _text(value: object) -> str:
    """A text that sorts as the value does; instants are written in many ways."""
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    text = str(value)
    return parse_instant(text).isoformat(timespec="microseconds") if _INSTANT.match(text) else text
