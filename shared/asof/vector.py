"""From named values to the numeric matrix a model reads, bound strictly by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.asof.contract import Contract
from shared.errors import SchemaMismatch, UnknownCategory
from shared.score import Value

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Column:
    """One feature of a schema. A category spreads over one matrix column per level, a number over one."""

    name: str
    dtype: str
    levels: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.levels) or 1


@dataclass(frozen=True, slots=True)
class Schema:
    """The features of a model in order. It travels with the artefact, and is all that encodes a vector."""

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, contract: Contract) -> "Schema":
        return cls(tuple(Column(f.name, f.dtype, f.levels) for f in contract.usable))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def matrix_names(self) -> tuple[str, ...]:
        """One name per matrix column: `age`, `job=student`."""
        return tuple(
            f"{column.name}={level}" if column.levels else column.name for column in self.columns for level in column.levels or ("",)
        )

    @property
    def owner(self) -> NDArray[np.intp]:
        """For each matrix column, the index of the feature it belongs to."""
        return np.repeat(np.arange(len(self.columns)), [column.width for column in self.columns])

    def encode(self, table: Mapping[str, Sequence[Value]]) -> Matrix:
        """float64 [rows, matrix columns] of equally long columns by name; missing is NaN.

        Raises SchemaMismatch when a feature has no column, UnknownCategory for a level the schema does not list.
        """
        absent = [name for name in self.names if name not in table]
        if absent:
            raise SchemaMismatch(
                f"The vector lacks {', '.join(absent)}; the model was trained on {len(self.columns)} features.",
                fix="Score with the contract the model was trained on.",
            )
        return np.column_stack([part for column in self.columns for part in _encode(column, table[column.name])])


def as_table(vectors: Sequence[Mapping[str, Value]]) -> dict[str, list[Value]]:
    """Rows to columns; every vector has the names of the first."""
    names = vectors[0].keys() if vectors else ()
    return {name: [vector[name] for vector in vectors] for name in names}


def _encode(column: Column, values: Sequence[Value]) -> Iterable[Matrix]:
    if not column.levels:
        return (np.asarray(values, np.float64),)
    present = {value for value in values if value is not None}
    unknown = present.difference(column.levels)
    if unknown:
        raise UnknownCategory(
            f"{column.name} is {', '.join(sorted(map(repr, unknown)))}; known levels: {', '.join(column.levels)}.",
            fix=f"Correct the data, or add the level to {column.name} in the contract and train again.",
        )
    missing = np.array([value is None for value in values])
    return (np.where(missing, np.nan, [value == level for value in values]) for level in column.levels)
