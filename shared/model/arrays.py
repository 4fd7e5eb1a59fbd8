"""Dataclasses of numpy arrays as bytes, without pickle."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import numpy as np

from shared.errors import CorruptArtifact

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)
else:
    T = TypeVar("T")


def to_bytes(arrays: "DataclassInstance") -> bytes:
    """The arrays by name; those of a dataclass inside it as `<field>.<name>`."""
    buffer = io.BytesIO()
    np.savez(buffer, **dict(_flat(arrays, "")))
    return buffer.getvalue()


def from_bytes(kind: type[T], data: bytes) -> T:
    """Read what `to_bytes` wrote; CorruptArtifact for anything else."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return _whole(kind, arrays, "")
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as fault:
        raise CorruptArtifact(
            f"The {kind.__name__.lower()} arrays cannot be read: {fault}", fix="Restore the artefact or roll back."
        ) from fault


def _flat(arrays: "DataclassInstance", prefix: str) -> Iterator[tuple[str, Any]]:
    for field in fields(arrays):
        value = getattr(arrays, field.name)
        if is_dataclass(value) and not isinstance(value, type):
            yield from _flat(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value


def _whole(kind: type[T], arrays: Mapping[str, Any], prefix: str) -> T:
    hints = get_type_hints(kind)
    parts = {field.name: hints[field.name] for field in fields(kind)}
    return kind(
        **{
            name: _whole(part, arrays, f"{prefix}{name}.") if is_dataclass(part) and isinstance(part, type) else arrays[prefix + name]
            for name, part in parts.items()
        }
    )
