"""Dataclasses of numpy arrays as bytes, without pickle."""

import io
import zipfile
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from shared.errors import CorruptArtifact

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)
else:
    T = TypeVar("T")


def to_bytes(arrays: "DataclassInstance") -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{field.name: getattr(arrays, field.name) for field in fields(arrays)})
    return buffer.getvalue()


def from_bytes(kind: type[T], data: bytes) -> T:
    """Read what `to_bytes` wrote; CorruptArtifact for anything else."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return kind(**{field.name: arrays[field.name] for field in fields(kind)})
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as fault:
        raise CorruptArtifact(
            f"The {kind.__name__.lower()} arrays cannot be read: {fault}", fix="Restore the artefact or roll back."
        ) from fault
