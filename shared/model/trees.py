"""A tree ensemble as numpy arrays: margins, and exact path-dependent Shapley values.

For a leaf with value v and the unique features j on its path, let o_j be 1 when the row satisfies every split on j
along the path and 0 otherwise, and z_j the product of the cover ratios (child / parent) over those splits. Then

    phi_j += v (o_j - z_j) * integral over t in [0, 1] of prod over k != j of (t o_k + (1 - t) z_k)

which is the path-dependent Shapley value of TreeSHAP (Lundberg et al. 2020). The integrand is a polynomial of degree
|path| - 1 in t, so Gauss-Legendre quadrature with ceil(|path| / 2) points is exact, not an approximation (the
polynomial view: Yu et al. 2022, arXiv 2209.08192).
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.asof.vector import Matrix

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_CHUNK_CELLS = 4_000_000
_SMALLEST_RATIO = 1e-30


@dataclass(frozen=True, slots=True)
class Trees:
    """Nodes of all trees in one sequence; a leaf is its own child, so every row takes `depth` equal steps.

    roots [trees]; feature, threshold, default_right, left, right, value [nodes].
    path_feature, path_low, path_high, path_missing_ok, path_ratio [leaves, depth]; leaf_value [leaves]. A row
    follows a path where low <= x < high; a bound that is not there is NaN, and unused places accept everything.
    """

    roots: Ints
    feature: Ints
    threshold: Floats
    default_right: NDArray[np.bool_]
    left: Ints
    right: Ints
    value: Matrix
    path_feature: Ints
    path_low: Floats
    path_high: Floats
    path_missing_ok: NDArray[np.bool_]
    path_ratio: Matrix
    leaf_value: Matrix
    base_margin: Matrix
    depth: Ints

    @property
    def expected(self) -> float:
        """The mean margin over the cover of the training rows: what contributions add up from."""
        return float(self.base_margin + self.leaf_value @ self.path_ratio.prod(axis=1))

    def margins(self, matrix: Matrix) -> Matrix:
        """Raw log-odds [rows]. Values are compared as float32, as XGBoost does."""
        rows = matrix.astype(np.float32)
        chunk = max(1, _CHUNK_CELLS // max(1, len(self.roots)))
        parts = [self._chunk_margins(rows[i : i + chunk]) for i in range(0, len(rows), chunk)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _chunk_margins(self, rows: Floats) -> Matrix:
        node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        which = np.arange(len(rows))[:, None]
        for _ in range(int(self.depth)):
            x = rows[which, self.feature[node]]
            to_right = np.where(np.isnan(x), self.default_right[node], x >= self.threshold[node])
            node = np.where(to_right, self.right[node], self.left[node])
        return np.asarray(self.base_margin + self.value[node].sum(axis=1))

    def contributions(self, matrix: Matrix) -> Matrix:
        """Exact Shapley values [rows, matrix columns]; each row sums to its margin minus `expected`."""
        rows = matrix.astype(np.float32)
        return np.array([self._row_contributions(row) for row in rows]).reshape(matrix.shape)

    def _row_contributions(self, row: Floats) -> Matrix:
        x = row[self.path_feature]
        inside = np.where(np.isnan(x), self.path_missing_ok, ~((x < self.path_low) | (x >= self.path_high)))
        integral = np.zeros_like(self.path_ratio)
        for node, weight in zip(*_quadrature(self.path_ratio.shape[1]), strict=True):
            factor = node * inside + (1 - node) * self.path_ratio
            integral += weight * factor.prod(axis=1, keepdims=True) / factor
        share = self.leaf_value[:, None] * (inside - self.path_ratio) * integral
        return np.bincount(self.path_feature.ravel(), share.ravel(), minlength=len(row)).astype(np.float64)


@cache
def _quadrature(path_length: int) -> tuple[Matrix, Matrix]:
    nodes, weights = np.polynomial.legendre.leggauss(-(-path_length // 2))
    return (nodes + 1) / 2, weights / 2


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
        value=np.array([node.value for _, _, node in nodes], np.float64),
        base_margin=np.array(base_margin, np.float64),
        depth=np.array(depth, np.int32),
        **_path_arrays(leaves),
    )


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
    return {
        "path_feature": np.array([[feature for feature, _ in path] for path in padded], np.int32),
        "path_low": np.array([[bound.low for _, bound in path] for path in padded], np.float32),
        "path_high": np.array([[bound.high for _, bound in path] for path in padded], np.float32),
        "path_missing_ok": np.array([[bound.missing_ok for _, bound in path] for path in padded], np.bool_),
        "path_ratio": np.array([[bound.ratio for _, bound in path] for path in padded], np.float64),
        "leaf_value": np.array([value for value, _ in leaves], np.float64),
    }


def _depth(tree: list[Node], index: int = 0) -> int:
    node = tree[index]
    return 0 if node.left < 0 else 1 + max(_depth(tree, node.left), _depth(tree, node.right))
