"""The schema of a topic, enforced as Pub/Sub does: a message that does not fit is not published."""

import json
from collections.abc import Mapping

from sandbox.topology import topology
from shared.config import ROOT

_FOLDER = ROOT / "infra" / "schemas"
_FITS = {"string": lambda value: isinstance(value, str), "long": lambda value: type(value) is int, "null": lambda value: value is None}


def misfit(topic: str, body: bytes) -> str:
    """Why a body does not fit its topic's Avro record in JSON encoding; empty when it does, or when there is no schema."""
    name = topology().schemas.get(topic)
    if name is None:
        return ""
    fields = {field["name"]: field["type"] for field in json.loads((_FOLDER / f"{name}.avsc").read_text())["fields"]}
    try:
        value = json.loads(body)
    except ValueError:
        return "the message is not JSON"
    if not isinstance(value, dict) or value.keys() != fields.keys():
        return f"the message is no record of {', '.join(fields)}"
    return next((f"{field} is no {kind}" for field, kind in fields.items() if not _is(value[field], kind)), "")


def _is(value: object, kind: str | list[str]) -> bool:
    """A union is written {"long": 1}, only null as it is."""
    if isinstance(kind, str):
        return bool(_FITS[kind](value))
    if isinstance(value, Mapping) and len(value) == 1:
        ((branch, inner),) = value.items()
        return branch in kind and branch != "null" and _is(inner, branch)
    return value is None and "null" in kind
