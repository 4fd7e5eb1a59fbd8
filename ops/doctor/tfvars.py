"""infra/<environment>.tfvars: read, and what its form cannot tell. The form itself is Terraform's own to check (variables.tf)."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ops.doctor import declared
from ops.doctor.check import Line, green, red
from shared.errors import ConfigError

_TOKEN = re.compile(r'[ \t\r]+|(?:#|//)[^\n]*|\n|"(?:[^"\\\n]|\\.)*"|[A-Za-z_][\w-]*|-?\d+(?:\.\d+)?|[={}\[\],:]')
_WORDS = {"true": True, "false": False, "null": None}
_EXAMPLE = re.compile(r"example\.com|example-project")


def read(path: Path) -> Mapping[str, Any]:
    """The values of a tfvars file. ConfigError names the line that cannot be read."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise ConfigError(f"There is no {path}.", fix="--environment is dev, staging or prod.") from None
    return _Reader(path, text).settings("")


def lines(path: Path, values: Mapping[str, Any]) -> Iterator[Line]:
    """Names nothing reads, values of the example, and values that do not go together."""
    wrong = [*_unknown(path, values), *_examples(path, values), *_together(path, values)]
    yield from wrong
    if not wrong:
        yield green(path.name, f"{len(values)} variables, none unknown and none of the example's")


def _unknown(path: Path, values: Mapping[str, Any]) -> Iterator[Line]:
    known = declared.variables()
    for name in values.keys() - known.keys():
        near = difflib.get_close_matches(name, known, 1) or sorted(known)
        yield red(path.name, f"{name} is no variable; Terraform would pass it over", f"In {path}: {name} -> {' | '.join(near)}")


def _examples(path: Path, values: Mapping[str, Any]) -> Iterator[Line]:
    for name, value in _texts("", values):
        if _EXAMPLE.search(value):
            yield red(path.name, f"{name} is still the example's: {value}", f"In {path}: set {name} to your own")


def _together(path: Path, values: Mapping[str, Any]) -> Iterator[Line]:
    if values.get("environment") != path.stem:
        yield red(path.name, f"environment is {values.get('environment')!r}", f'In {path}: environment = "{path.stem}"')
    if values.get("entrance") and not values.get("salesforce", {}).get("organization_id"):
        fix = f"In {path}: salesforce.organization_id, from `sf org display --json` (18 letters)"
        yield red(path.name, "there is an entrance, but messages of no organisation are let in", fix)


def _texts(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield prefix, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(f"{prefix}.{name}" if prefix else str(name), inner)


class _Reader:
    """Values as a tfvars file may hold them: texts, numbers, true, false, null, objects, lists. No expressions."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._tokens = [token for token in self._split(text) if token[0].strip() and not re.match("#|//", token[0])]
        self._at = 0

    def settings(self, end: str) -> dict[str, Any]:
        """`name = value` until `end`."""
        found: dict[str, Any] = {}
        while self._peek() != end:
            name = self._take().strip('"')
            if self._peek() not in {"=", ":"}:
                raise self._refused()
            self._take()
            found[name] = self._value()
            if self._peek() == ",":
                self._take()
        return found

    def _value(self) -> Any:
        token = self._take()
        if token in {"{", "["}:
            found = self.settings("}") if token == "{" else self._list()  # noqa: S105 - of the grammar
            self._take()
            return found
        if token in _WORDS:
            return _WORDS[token]
        try:
            return json.loads(token)
        except ValueError:
            self._at -= 1
            raise self._refused() from None

    def _list(self) -> list[Any]:
        found = []
        while self._peek() != "]":
            found.append(self._value())
            if self._peek() == ",":
                self._take()
        return found

    def _split(self, text: str) -> Iterator[tuple[str, int]]:
        position, line = 0, 1
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise ConfigError(f"{self._path}:{line}: {text[position : position + 20]!r} cannot be read.", fix="Write name = value.")
            yield match[0], line
            position, line = match.end(), line + match[0].count("\n")

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise self._refused()
        self._at += 1
        return token

    def _refused(self) -> ConfigError:
        token, line = self._tokens[self._at] if self._at < len(self._tokens) else ("the end", "end")
        return ConfigError(f"{self._path}:{line}: {token} is not expected here.", fix="Write name = value, without expressions.")
