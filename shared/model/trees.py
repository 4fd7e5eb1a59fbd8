"""A tree ensemble as numpy arrays: margins, and exact path-dependent Shapley values.

For a leaf with value v and the unique features j on its path, let o_j be 1 when the row satisfies every split on j
along the path and 0 otherwise, and z_j the product of the cover ratios (child / parent) over those splits. Then

    phi_j += v (o_j - z_j) * integral over t in [0, 1] of prod over k != j of (t o_k + (1 - t) z_k)

which is the path-dependent Shapley value of TreeSHAP (Lundberg et al. 2020). The integrand is a polynomial of degree
|path| - 1 in t, so Gauss-Legendre quadrature with ceil(|path| / 2) points is exact, not an approximation (the
polynomial view: Yu et al. 2022, arXiv 2209.08192). docs/model.md derives it.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from shared.matrix import Matrix
from shared.model.arrays import expect, require

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_FEW_ROWS = 1000
_CHUNK_ROWS = 32_768
_LEAF_GRAIN = 2.0**-40
_SMALLEST_RATIO = 1e-30
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Trees:
    """Nodes of all trees in one sequence; a leaf is its own child, so every row takes `depth` equal steps.

    roots [trees]; feature, threshold, default_right, left, right, value [nodes].
    path_feature, path_low, path_high, path_missing_ok, path_ratio [depth, leaves]; leaf_value [leaves]. A row
    follows a path where low <= x < high; a bound that is not there is NaN, and unused places accept everything.
    Leaf values are multiples of 2**-40, so that their sum is exact and the same in whatever order they are added.
    """

    roots: Ints
    feature: Ints
    threshold: Floats
    default_right: NDArray[np.bool_]
    left: Ints
    right: Ints
    value: Matrix
    path_feature: NDArray[np.intp]
    path_low: Floats
    path_high: Floats
    path_missing_ok: NDArray[np.bool_]
    path_ratio: Matrix
    leaf_value: Matrix
    base_margin: Matrix
    depth: Ints

    def __post_init__(self) -> None:
        """ValueError unless the arrays fit together and every path ends at a leaf within `depth` steps."""
        roots, nodes, paths = self.roots.shape[:1], self.feature.shape[:1], self.path_ratio.shape[:2]
        expect(self, np.int32, (), "depth")
        expect(self, np.int32, roots, "roots")
        expect(self, np.int32, nodes, "feature", "left", "right")
        expect(self, np.float32, nodes, "threshold")
        expect(self, np.bool_, nodes, "default_right")
        expect(self, np.float64, nodes, "value")
        expect(self, np.intp, paths, "path_feature")
        expect(self, np.float32, paths, "path_low", "path_high")
        expect(self, np.bool_, paths, "path_missing_ok")
        expect(self, np.float64, paths, "path_ratio")
        expect(self, np.float64, paths[1:], "leaf_value")
        expect(self, np.float64, (), "base_margin")
        numbers = (self.value, self.leaf_value, self.base_margin)
        require(
            {
                "there is a tree, and a path": self.roots.size > 0 and self.path_ratio.size > 0,
                f"depth is 1 to {_MAX_DEPTH}": 1 <= self.depth <= _MAX_DEPTH,
                "nodes point at nodes": all(((a >= 0) & (a < len(self.feature))).all() for a in (self.roots, self.left, self.right)),
                "features are counted from 0": min(self.feature.min(), self.path_feature.min()) >= 0,
                "values are finite": all(np.isfinite(array).all() for array in numbers),
                "cover ratios are above 0 and at most 1": ((self.path_ratio > 0) & (self.path_ratio <= 1)).all(),
            }
        )
        require({"every path ends at a leaf": self._ends()})

    def _ends(self) -> bool:
        reached = np.zeros(len(self.left), np.bool_)
        reached[self.roots] = True
        for _ in range(int(self.depth)):
            below = np.concatenate([self.left[reached], self.right[reached]])
            reached[:] = False
            reached[below] = True
        last = np.flatnonzero(reached)
        return bool(((self.left[last] == last) & (self.right[last] == last)).all())

    def fits(self, columns: int) -> bool:
        return max(int(self.feature.max()), int(self.path_feature.max())) < columns

    @property
    def expected(self) -> float:
        """The mean margin over the cover of the training rows: what contributions add up from."""
        return float(self.base_margin + self.leaf_value @ self.path_ratio.prod(axis=0))

    def margins(self, matrix: Matrix) -> Matrix:
        """Raw log-odds [rows], the same bytes for a row alone as among others. Compares as float32, as XGBoost does."""
        if len(matrix) <= _FEW_ROWS:
            return self._walk(_float32(matrix))
        parts = (matrix[i : i + _CHUNK_ROWS] for i in range(0, len(matrix), _CHUNK_ROWS))
        return np.concatenate([self._sweep(_float32(part.T)) for part in parts])

    def _walk(self, rows: Floats) -> Matrix:
        """All trees at once, one level a step: the fewest calls for a few rows."""
        node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        which = np.arange(len(rows))[:, None]
        for _ in range(int(self.depth)):
            x = rows[which, self.feature[node]]
            to_right = np.where(np.isnan(x), self.default_right[node], x >= self.threshold[node])
            node = np.where(to_right, self.right[node], self.left[node])
        return np.asarray(self.base_margin + self.value[node].sum(axis=1))

    def _sweep(self, columns: Floats) -> Matrix:
        """Tree by tree, every split on whole columns [columns, rows] and no row looked up by itself: the fastest for many."""
        total = np.full(columns.shape[1], float(self.base_margin))
        for root in self.roots.tolist():
            leaves: list[int] = []
            reached = self._leaf_numbers(columns, root, leaves)
            total += self.value[leaves][reached]
        return total

    def _leaf_numbers(self, columns: Floats, node: int, leaves: list[int]) -> NDArray[np.uint16] | np.uint16:
        """The index into `leaves` of the leaf each row reaches below `node`: left ^ ((left ^ right) & goes right)."""
        if self.left[node] == node:
            leaves.append(node)
            return np.uint16(len(leaves) - 1)
        x, threshold = columns[self.feature[node]], self.threshold[node]
        to_right = ~(x < threshold) if self.default_right[node] else x >= threshold
        left, right = (self._leaf_numbers(columns, int(child), leaves) for child in (self.left[node], self.right[node]))
        return cast(NDArray[np.uint16], left ^ ((left ^ right) & -to_right.astype(np.uint16)))

    def contributions(self, matrix: Matrix) -> Matrix:
        """Exact Shapley values [rows, matrix columns]; each row sums to its margin minus `expected`."""
        return self.explained(matrix)[1]

    def explained(self, matrix: Matrix) -> tuple[Matrix, Matrix]:
        """Margins and contributions at the price of contributions: the leaves a row reaches are those it is inside of throughout."""
        each = [self._explain(row) for row in _float32(matrix)]
        margins = np.array([margin for margin, _ in each])
        return margins, np.array([shares for _, shares in each]).reshape(matrix.shape)

    def _explain(self, row: Floats) -> tuple[float, Matrix]:
        """In place where it can be: arrays of this size, made and dropped by the dozen, cost more than the arithmetic."""
        x = row.take(self.path_feature)
        inside = ~((x < self.path_low) | (x >= self.path_high))
        np.copyto(inside, self.path_missing_ok, where=np.isnan(x))
        margin = float(self.base_margin + self.leaf_value[inside.all(axis=0)].sum())
        gap = inside - self.path_ratio
        share, factor = np.zeros_like(gap), np.empty_like(gap)
        for node, weight in _quadrature(len(gap)):
            np.multiply(gap, node, out=factor)
            factor += self.path_ratio
            np.divide(weight * factor.prod(axis=0), factor, out=factor)
            share += factor
        share *= gap
        share *= self.leaf_value
        return margin, np.asarray(np.bincount(self.path_feature.ravel(), share.ravel(), minlength=len(row)), np.float64)


def _float32(matrix: Matrix) -> Floats:
    """In rows as they lie; what is beyond float32 becomes infinite, as it does in XGBoost."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(matrix, dtype=np.float32)


@cache
def _quadrature(path_length: int) -> list[tuple[float, float]]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(-(-path_length // 2))
    return list(zip(((nodes + 1) / 2).tolist(), (weights / 2).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Node:
    """One node of one tree as a library wrote it. `left` and `right` are -1 at a leaf, which carries `value`."""

    feature: int
    threshold: float
    default_right: bool
    left: int
    right: int
    value: float
    cover: float


@dataclass(frozen=True, slots=True)
class _Bound:
    low: float = np.nan
    high: float = np.nan
    missing_ok: bool = True
    ratio: float = 1.0


def build(ensemble: list[list[Node]], base_margin: float) -> Trees:
    """Arrays from the nodes of each tree, node 0 being its root. A row goes right when x >= threshold."""
    offsets = np.cumsum([0, *(len(tree) for tree in ensemble)])[:-1]
    nodes = [(int(start) + i, int(start), node) for start, tree in zip(offsets, ensemble, strict=True) for i, node in enumerate(tree)]
    leaves = [leaf for tree in ensemble for leaf in _paths(tree)]
    depth = max([1, *map(_depth, ensemble)])
    return Trees(
        roots=np.array(offsets, np.int32),
        feature=np.array([node.feature for _, _, node in nodes], np.int32),
        threshold=np.array([node.threshold for _, _, node in nodes], np.float32),
        default_right=np.array([node.default_right for _, _, node in nodes], np.bool_),
        left=np.array([me if node.left < 0 else start + node.left for me, start, node in nodes], np.int32),
        right=np.array([me if node.right < 0 else start + node.right for me, start, node in nodes], np.int32),
        value=_grained([node.value for _, _, node in nodes]),
        base_margin=_grained(base_margin),
        depth=np.array(depth, np.int32),
        **_path_arrays(leaves),
    )


def _grained(values: float | list[float]) -> Matrix:
    return np.asarray(np.round(np.asarray(values, np.float64) / _LEAF_GRAIN) * _LEAF_GRAIN)


def _paths(tree: list[Node]) -> list[tuple[float, dict[int, _Bound]]]:
    found: list[tuple[float, dict[int, _Bound]]] = []
    waiting: list[tuple[int, dict[int, _Bound]]] = [(0, {})]
    while waiting:
        index, bounds = waiting.pop()
        node = tree[index]
        if node.left < 0:
            found.append((node.value, bounds))
            continue
        for child, goes_right in ((node.left, False), (node.right, True)):
            waiting.append((child, {**bounds, node.feature: _narrow(bounds, node, tree[child].cover, goes_right=goes_right)}))
    return found


def _narrow(bounds: dict[int, _Bound], node: Node, child_cover: float, *, goes_right: bool) -> _Bound:
    before = bounds.get(node.feature, _Bound())
    return _Bound(
        low=float(np.fmax(before.low, node.threshold)) if goes_right else before.low,
        high=before.high if goes_right else float(np.fmin(before.high, node.threshold)),
        missing_ok=before.missing_ok and node.default_right == goes_right,
        ratio=before.ratio * max(child_cover / node.cover, _SMALLEST_RATIO),
    )


def _path_arrays(leaves: list[tuple[float, dict[int, _Bound]]]) -> dict[str, Any]:
    width = max([1, *(len(bounds) for _, bounds in leaves)])
    padded = [[*bounds.items(), *[(0, _Bound())] * (width - len(bounds))] for _, bounds in leaves]
    places = list(zip(*padded, strict=True))
    return {
        "path_feature": np.array([[feature for feature, _ in place] for place in places], np.intp),
        "path_low": np.array([[bound.low for _, bound in place] for place in places], np.float32),
        "path_high": np.array([[bound.high for _, bound in place] for place in places], np.float32),
        "path_missing_ok": np.array([[bound.missing_ok for _, bound in place] for place in places], np.bool_),
        "path_ratio": np.array([[bound.ratio for _, bound in place] for place in places], np.float64),
        "leaf_value": _grained([value for value, _ in leaves]),
    }


def _depth(tree: list[Node], index: int = 0) -> int:
    node = tree[index]
    return 0 if node.left < 0 else 1 + max(_depth(tree, node.left), _depth(tree, node.right))
