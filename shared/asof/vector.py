"""From named values to the numeric matrix a model reads, bound strictly by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared.asof.contract import Contract
from shared.errors import SchemaMismatch, UnknownCategory
from shared.matrix import Matrix as Matrix  # noqa: PLC0414 - said here to all who encode
from shared.score import Value


@dataclass(frozen=True, slots=True)
class Column:
    """One feature of a schema. A category spreads over one matrix column per level, a number over one."""

    name: str
    dtype: str
    levels: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.levels) or 1


@dataclass(frozen=True)
class Schema:
    """The features of a model in order. It travels with the artefact, and is all that encodes a vector."""

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, contract: Contract) -> "Schema":
        return cls(tuple(Column(f.name, f.dtype, f.levels) for f in contract.usable))

    @cached_property
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
        return np.repeat(np.arange(len(self.columns)), self._widths)

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """For each feature, the first of its matrix columns."""
        return np.cumsum([0, *self._widths])[:-1]

    @cached_property
    def _widths(self) -> list[int]:
        return [column.width for column in self.columns]

    def encode(self, table: Mapping[str, Sequence[Value]]) -> Matrix:
        """float64 [rows, matrix columns] of equally long columns by name; missing is NaN.

        Raises SchemaMismatch when a feature has no column, UnknownCategory for a level the schema does not list.
        """
        self._refuse_if_absent(table)
        numbers, places = self._numbers
        matrix = np.empty((len(table[self.names[0]]), sum(self._widths)))
        matrix[:, places] = np.array([table[name] for name in numbers], np.float64).T
        for column, start in zip(self.columns, self.starts, strict=True):
            if column.levels:
                matrix[:, start : start + column.width] = _indicators(column, table[column.name])
        return matrix

    def encode_rows(self, vectors: Sequence[Mapping[str, Value]]) -> Matrix:
        """The same of rows by name, without a detour over columns where all are numbers."""
        for vector in vectors:
            self._refuse_if_absent(vector)
        rows = [tuple(map(vector.__getitem__, self.names)) for vector in vectors]
        if len(self._numbers[0]) == len(self.names):
            return np.array(rows, np.float64)
        return self.encode(dict(zip(self.names, zip(*rows, strict=True), strict=True)))

    def _refuse_if_absent(self, named: Mapping[str, object]) -> None:
        if not self._name_set <= named.keys():
            absent = [name for name in self.names if name not in named]
            raise SchemaMismatch(
                f"The vector lacks {', '.join(absent)}; the model was trained on {len(self.columns)} features.",
                fix="Score with the contract the model was trained on.",
            )

    @cached_property
    def _name_set(self) -> frozenset[str]:
        return frozenset(self.names)

    @cached_property
    def _numbers(self) -> tuple[list[str], list[int]]:
        """The features that are numbers, which are encoded at one stroke, and the matrix columns they go to."""
        found = [(c.name, start) for c, start in zip(self.columns, self.starts.tolist(), strict=True) if not c.levels]
        return [name for name, _ in found], [start for _, start in found]


def _indicators(column: Column, values: Sequence[Value]) -> Matrix:
    """[rows, levels]: 1 at the row's level, NaN throughout where it is missing."""
    present = {value for value in values if value is not None}
    unknown = present.difference(column.levels)
    if unknown:
        raise UnknownCategory(
            f"{column.name} is {', '.join(sorted(map(repr, unknown)))}; known levels: {', '.join(column.levels)}.",
            fix=f"Correct the data, or add the level to {column.name} in the contract and train again.",
        )
    number: dict[Value, float] = {None: np.nan, **{level: float(index) for index, level in enumerate(column.levels)}}
    numbers = np.array([number[value] for value in values])[:, None]
    return np.where(np.isnan(numbers), np.nan, numbers == np.arange(len(column.levels)))
