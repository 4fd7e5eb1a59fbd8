"""Dataclasses of numpy arrays as bytes, without pickle."""

import io
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from shared.errors import CorruptArtifact, LeadscoreError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)
else:
    T = TypeVar("T")

MAX_BYTES = 200_000_000

_UNREADABLE = (LookupError, ValueError, TypeError, OSError, EOFError, OverflowError, RecursionError, NotImplementedError, RuntimeError)


def to_bytes(arrays: "DataclassInstance") -> bytes:
    """The arrays by name; those of a dataclass inside it as `<field>.<name>`."""
    buffer = io.BytesIO()
    np.savez(buffer, **dict(_flat(arrays, "")))
    return buffer.getvalue()


def from_bytes(kind: type[T], data: bytes) -> T:
    """Read what `to_bytes` wrote, as read-only arrays; CorruptArtifact for anything else."""
    with reading(f"the {kind.__name__.lower()} arrays"), zipfile.ZipFile(io.BytesIO(data)) as archive:
        return _whole(kind, archive, "")


def _flat(arrays: "DataclassInstance", prefix: str) -> Iterator[tuple[str, Any]]:
    for field in fields(arrays):
        value = getattr(arrays, field.name)
        if is_dataclass(value) and not isinstance(value, type):
            yield from _flat(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value


def _whole(kind: type[T], archive: zipfile.ZipFile, prefix: str) -> T:
    hints = get_type_hints(kind)
    parts = {field.name: hints[field.name] for field in fields(kind)}
    return kind(
        **{
            name: _whole(part, archive, f"{prefix}{name}.")
            if isinstance(part, type) and is_dataclass(part)
            else _array(archive, f"{prefix}{name}.npy")
            for name, part in parts.items()
        }
    )


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """No array takes more memory than its bytes in the archive: nothing is unpacked, no header is believed."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise ValueError(f"{name} is compressed, which we never write")
    raw = archive.read(info)
    stream = io.BytesIO(raw)
    if npy.read_magic(stream) != (1, 0):
        raise ValueError(f"{name} is of another npy version")
    shape, by_column, dtype = npy.read_array_header_1_0(stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(raw) - stream.tell():
        raise ValueError(f"{name} says {shape} of {dtype}, but holds {len(raw) - stream.tell()} bytes")
    return np.frombuffer(raw, dtype, offset=stream.tell()).reshape(shape, order="F" if by_column else "C")


def expect(arrays: "DataclassInstance", dtype: DTypeLike, shape: tuple[int, ...], *names: str) -> None:
    """ValueError unless these fields are arrays of this type and shape."""
    for name in names:
        array = getattr(arrays, name)
        if array.dtype != dtype or array.shape != shape:
            raise ValueError(f"{name} is {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}")


def require(rules: Mapping[str, object]) -> None:
    """ValueError naming the first rule that does not hold."""
    for rule, holds in rules.items():
        if not holds:
            raise ValueError(rule)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Whatever reading rubbish may raise, as CorruptArtifact."""
    try:
        yield
    except CorruptArtifact:
        raise
    except (*_UNREADABLE, zipfile.BadZipFile, zlib.error, LeadscoreError) as fault:
        raise CorruptArtifact(f"In the artefact, {what} cannot be read: {fault}", fix="Restore the artefact or roll back.") from fault
