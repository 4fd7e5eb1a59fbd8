"""The part of Cloud Logging's query language that our metrics use: comparisons, `:` for "contains", lists, AND, OR, brackets."""

import re
from collections.abc import Mapping
from typing import Any

_TOKENS = re.compile(r'\s*("(?:[^"\\]|\\.)*"|AND\b|OR\b|[()]|[<>]=?|=|:|[\w.-]+)')


def matches(query: str, entry: Mapping[str, Any]) -> bool:
    """Whether the entry is one the query finds. ValueError for what the subset does not know."""
    parser = _Parser(_TOKENS.findall(query), entry)
    if _squeezed("".join(parser.tokens)) != _squeezed(query):
        raise ValueError(f"not understood: {query}")
    found = parser.either()
    if parser.tokens:
        raise ValueError(f"left over: {parser.tokens}")
    return found


def _squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


class _Parser:
    """Recursive descent."""

    def __init__(self, tokens: list[str], entry: Mapping[str, Any]) -> None:
        self.tokens = tokens
        self._entry = entry

    def either(self) -> bool:
        found = self._both()
        while self._take("OR"):
            found = self._both() or found
        return found

    def _both(self) -> bool:
        found = self._one()
        while self._take("AND"):
            found = self._one() and found
        return found

    def _one(self) -> bool:
        if self._take("("):
            found = self.either()
            self._close()
            return found
        field, sign = self.tokens.pop(0), self.tokens.pop(0)
        return any(_compare(_value(field, self._entry), sign, wanted) for wanted in self._wanted())

    def _wanted(self) -> list[str]:
        if not self._take("("):
            return [self.tokens.pop(0)]
        wanted = [self.tokens.pop(0)]
        while self._take("OR"):
            wanted.append(self.tokens.pop(0))
        self._close()
        return wanted

    def _close(self) -> None:
        if not self._take(")"):
            raise ValueError(f"a bracket stays open before {self.tokens}")

    def _take(self, token: str) -> bool:
        return bool(self.tokens) and self.tokens[0] == token and bool(self.tokens.pop(0))


def _value(path: str, entry: Mapping[str, Any]) -> Any:
    value: Any = entry
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _compare(value: Any, sign: str, wanted: str) -> bool:
    if value is None:
        return False
    text = wanted.strip('"')
    if sign == "=":
        return str(value).lower() == text.lower()
    if sign == ":":
        return text.lower() in str(value).lower()
    return {">": float(value) > float(text), "<": float(value) < float(text)}[sign]
