"""A weighted sum of models, served as one: margins add up, so their exact Shapley values do too."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.matrix import Matrix
from shared.model.linear import Linear
from shared.model.trees import Trees, grained

S = TypeVar("S", bound=np.generic)
_UNUSED = {"path_feature": 0.0, "path_low": np.nan, "path_high": np.nan, "path_missing_ok": 1.0, "path_ratio": 1.0}
"""How a place of a path that asks nothing is written."""


@dataclass(frozen=True, slots=True)
class Blend:
    """A linear model and trees over the same matrix columns; the weights are already in their arrays."""

    linear: Linear
    trees: Trees

    def fits(self, columns: int) -> bool:
        return self.linear.fits(columns) and self.trees.fits(columns)

    @property
    def expected(self) -> float:
        return self.linear.expected + self.trees.expected

    def margins(self, matrix: Matrix) -> Matrix:
        return self.linear.margins(matrix) + self.trees.margins(matrix)

    def explained(self, matrix: Matrix) -> tuple[Matrix, Matrix]:
        """Margins and contributions at once."""
        (line, lines), (tree, trees) = self.linear.explained(matrix), self.trees.explained(matrix)
        return line + tree, lines + trees

    def contributions(self, matrix: Matrix) -> Matrix:
        return self.linear.contributions(matrix) + self.trees.contributions(matrix)


Model = Linear | Trees | Blend


def blend(parts: Sequence[tuple[float, Linear | Trees]], columns: int) -> Blend:
    """Sum of weight x margin over the parts, each a model of `columns` matrix columns; at least one part is of trees."""
    zero, one = np.zeros(columns), np.ones(columns)
    linear = Linear(np.zeros(()), zero, zero, one, zero, zero, zero, zero)
    linear = replace(linear, low=np.full(columns, -np.inf), high=np.full(columns, np.inf))
    forest: list[Trees] = []
    for weight, part in parts:
        if isinstance(part, Trees):
            forest.append(_scaled(part, weight))
        else:
            scaled = replace(part, intercept=np.asarray(float(part.intercept) * weight), weight=part.weight * weight)
            linear = replace(scaled, missing_weight=part.missing_weight * weight)
    return Blend(linear, _together(forest))


def shifted(model: Model, by: float) -> Model:
    """The same model with `by` added to every margin."""
    if isinstance(model, Blend):
        return replace(model, linear=replace(model.linear, intercept=np.asarray(float(model.linear.intercept) + by)))
    if isinstance(model, Linear):
        return replace(model, intercept=np.asarray(float(model.intercept) + by))
    return replace(model, base_margin=grained(float(model.base_margin) + by))


def _scaled(trees: Trees, weight: float) -> Trees:
    value, leaf_value = grained(trees.value * weight), grained(trees.leaf_value * weight)
    return replace(trees, value=value, leaf_value=leaf_value, base_margin=grained(float(trees.base_margin) * weight))


def _together(forest: Sequence[Trees]) -> Trees:
    """All trees of several ensembles in one; a leaf is its own child, so shallow trees stand still in the extra steps."""
    starts = np.cumsum([0, *(len(trees.feature) for trees in forest)])[:-1]
    width = max(len(trees.path_feature) for trees in forest)
    parts = [_moved(trees, int(start), width) for trees, start in zip(forest, starts, strict=True)]
    joined = {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}
    base = grained(sum(float(trees.base_margin) for trees in forest))
    return Trees(**joined, base_margin=base, depth=np.array(max(int(trees.depth) for trees in forest), np.int32))


def _moved(trees: Trees, start: int, width: int) -> dict[str, NDArray[Any]]:
    """The arrays of an ensemble whose nodes begin at `start`, its paths padded to `width`."""
    arrays = {field.name: getattr(trees, field.name) for field in fields(Trees) if field.name not in {"base_margin", "depth"}}
    moved = {name: (arrays[name] + start).astype(np.int32) for name in ("roots", "left", "right")}
    return {**arrays, **moved, **{name: _padded(arrays[name], width, value) for name, value in _UNUSED.items()}}


def _padded(paths: NDArray[S], width: int, value: float) -> NDArray[S]:
    """[depth, leaves] grown to [width, leaves]."""
    grown = np.full((width, paths.shape[1]), value, paths.dtype)
    grown[: len(paths)] = paths
    return grown
