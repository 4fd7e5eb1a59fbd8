"""A weighted sum of models, served as one: margins add up, so their exact Shapley values do too."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.asof.vector import Matrix
from shared.model.linear import Linear
from shared.model.trees import Trees

S = TypeVar("S", bound=np.generic)
_SCALARS = {"base_margin", "depth"}


@dataclass(frozen=True, slots=True)
class Blend:
    """A linear model and trees over the same matrix columns; the weights are already in their arrays."""

    linear: Linear
    trees: Trees

    @property
    def expected(self) -> float:
        return self.linear.expected + self.trees.expected

    def margins(self, matrix: Matrix) -> Matrix:
        return self.linear.margins(matrix) + self.trees.margins(matrix)

    def contributions(self, matrix: Matrix) -> Matrix:
        return self.linear.contributions(matrix) + self.trees.contributions(matrix)


Model = Linear | Trees | Blend


def blend(parts: Sequence[tuple[float, Linear | Trees]], columns: int) -> Blend:
    """Sum of weight x margin over the parts, each a model of `columns` matrix columns; at least one part is of trees."""
    zero = Linear(np.zeros(()), *(np.zeros(columns) for _ in fields(Linear)[1:]))
    linear = replace(zero, scale=np.ones(columns), low=np.full(columns, -np.inf), high=np.full(columns, np.inf))
    forest: list[Trees] = []
    for weight, part in parts:
        if isinstance(part, Trees):
            forest.append(_scaled(part, weight))
        else:
            scaled = replace(part, intercept=part.intercept * weight, weight=part.weight * weight)
            linear = replace(scaled, missing_weight=part.missing_weight * weight)
    return Blend(linear, _together(forest))


def shifted(model: Model, by: float) -> Model:
    """The same model with `by` added to every margin."""
    if isinstance(model, Blend):
        return replace(model, linear=replace(model.linear, intercept=model.linear.intercept + by))
    if isinstance(model, Linear):
        return replace(model, intercept=np.asarray(model.intercept + by))
    return replace(model, base_margin=np.asarray(model.base_margin + by))


def _scaled(trees: Trees, weight: float) -> Trees:
    return replace(
        trees, value=trees.value * weight, leaf_value=trees.leaf_value * weight, base_margin=np.asarray(trees.base_margin * weight)
    )


def _together(forest: Sequence[Trees]) -> Trees:
    """All trees of several ensembles in one; a leaf is its own child, so shallow trees stand still in the extra steps."""
    starts = np.cumsum([0, *(len(trees.feature) for trees in forest)])[:-1]
    width = max(trees.path_feature.shape[1] for trees in forest)
    moved = [
        replace(
            trees,
            roots=(trees.roots + start).astype(np.int32),
            left=(trees.left + start).astype(np.int32),
            right=(trees.right + start).astype(np.int32),
            path_feature=_padded(trees.path_feature, width, 0),
            path_low=_padded(trees.path_low, width, np.nan),
            path_high=_padded(trees.path_high, width, np.nan),
            path_missing_ok=_padded(trees.path_missing_ok, width, 1),
            path_ratio=_padded(trees.path_ratio, width, 1.0),
        )
        for trees, start in zip(forest, starts, strict=True)
    ]
    joined = {
        field.name: np.concatenate([getattr(trees, field.name) for trees in moved]) for field in fields(Trees) if field.name not in _SCALARS
    }
    base = np.asarray(sum(float(trees.base_margin) for trees in forest))
    return Trees(**joined, base_margin=base, depth=np.array(max(int(trees.depth) for trees in forest), np.int32))


def _padded(paths: NDArray[S], width: int, value: float) -> NDArray[S]:
    grown = np.full((len(paths), width), value, paths.dtype)
    grown[:, : paths.shape[1]] = paths
    return grown
