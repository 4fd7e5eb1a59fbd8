"""YAML files checked against a model, with errors that point at the line and the key."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from shared.errors import LeadscoreError, Refused

Key = tuple[str | int, ...]
M = TypeVar("M", bound="Document")


class Document(BaseModel):
    """A part of a declared file: immutable, and without keys nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule broken at a key below the part that is checked."""

    key: Key
    text: str


def broken_rule(text: str) -> PydanticCustomError:
    """What a validator raises: the sentence a person reads, as it is."""
    return broken_rules([Fault((), text)])


def broken_rules(faults: Sequence[Fault]) -> PydanticCustomError:
    """Several at once, each at its own key."""
    return PydanticCustomError("rule", "{text}", {"text": "; ".join(fault.text for fault in faults), "faults": tuple(faults)})


class _Loader(yaml.SafeLoader):
    """YAML 1.2's booleans: only true and false, so that the key `on` and the level `no` mean themselves."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), ["t", "f"])


def parse(text: str) -> object:
    """The value of a YAML text."""
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader


def load(path: Path, model: type[M], error: type[LeadscoreError] = Refused) -> M:
    """Parse and check `path`; `error` names the file, the line, the key and what is wrong."""
    if not path.is_file():
        raise error(f"There is no file {path}.", fix="Check the path; the ones that ship are in contracts/ and policies/.")
    text = path.read_text()
    try:
        return model.model_validate(parse(text))
    except yaml.YAMLError as fault:
        complaints = [f"{path} is not YAML: {' '.join(str(fault).split())}"]
    except ValidationError as fault:
        complaints = list(_complaints(path, text, fault))
    raise error("\n".join(complaints), fix="Mend the lines named.")


def _complaints(path: Path, text: str, fault: ValidationError) -> Iterator[str]:
    for item in fault.errors():
        said = item.get("ctx", {}).get("faults") or (Fault((), item["msg"]),)
        yield from (located(path, text, Fault((*item["loc"], *each.key), each.text)) for each in said)


def located(path: Path, text: str, fault: Fault) -> str:
    """The fault as `file:line: key: what is wrong`."""
    lines = line_numbers(text)
    known = next((fault.key[:n] for n in range(len(fault.key), 0, -1) if fault.key[:n] in lines), ())
    return f"{path}:{lines.get(known, 1)}: {_spell(fault.key)}: {fault.text}"


@lru_cache(maxsize=8)
def line_numbers(text: str) -> dict[Key, int]:
    """The line of every key of a YAML text, from 1."""
    return dict(_lines(yaml.compose(text, _Loader), ()))


def _lines(node: yaml.Node | None, key: Key) -> Iterator[tuple[Key, int]]:
    if node is None:
        return
    yield key, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            yield (*key, name.value), name.start_mark.line + 1
            yield from ((k, n) for k, n in _lines(value, (*key, name.value)) if k != (*key, name.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*key, index))


def _spell(key: Sequence[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).lstrip(".") or "the file"
