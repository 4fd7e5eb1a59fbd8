"""XGBoost itself is the oracle of the numpy scorer."""

import numpy as np
import pytest
import xgboost

from shared.asof.vector import Matrix
from shared.errors import CorruptArtifact
from shared.model.arrays import from_bytes, to_bytes
from shared.model.trees import Trees
from training_job.families import trees_of

ROWS, COLUMNS = 3000, 12


def _data(seed: int) -> tuple[Matrix, Matrix]:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(ROWS, COLUMNS))
    matrix[:, 0] = random.integers(0, 5, ROWS)
    matrix[random.uniform(size=matrix.shape) < 0.15] = np.nan
    drive = np.nan_to_num(matrix[:, 0]) * np.nan_to_num(matrix[:, 1]) + np.nan_to_num(matrix[:, 2])
    return matrix, (random.uniform(size=ROWS) < 1 / (1 + np.exp(-drive))).astype(float)


def _booster(matrix: Matrix, outcome: Matrix, depth: int) -> xgboost.Booster:
    params = {"objective": "binary:logistic", "max_depth": depth, "eta": 0.3, "nthread": 1, "base_score": 0.1}
    return xgboost.train(params, xgboost.DMatrix(matrix, outcome), 30)


def _on_thresholds(trees: Trees, matrix: Matrix) -> Matrix:
    """Rows whose values are exactly split values of the trees, as doubles."""
    edges = matrix[:500].copy()
    inner = np.flatnonzero(trees.left != np.arange(len(trees.left)))
    picks = np.random.default_rng(0).choice(inner, len(edges))
    edges[np.arange(len(edges)), trees.feature[picks]] = trees.threshold[picks]
    return edges


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 6, 8])
def test_margins_and_contributions_are_xgboost_s(depth: int) -> None:
    matrix, outcome = _data(depth)
    booster = _booster(matrix, outcome, depth)
    trees = trees_of(booster)
    assert isinstance(trees, Trees)
    for rows in (matrix[:400], _on_thresholds(trees, matrix)):
        data = xgboost.DMatrix(rows)
        np.testing.assert_allclose(trees.margins(rows), booster.predict(data, output_margin=True), atol=1e-5)
        exact = booster.predict(data, pred_contribs=True)
        np.testing.assert_allclose(trees.contributions(rows), exact[:, :-1], atol=2e-5)
        np.testing.assert_allclose(trees.expected, exact[0, -1], atol=2e-5)


def test_contributions_add_up_to_the_margin() -> None:
    matrix, outcome = _data(11)
    trees = trees_of(_booster(matrix, outcome, 5))
    total = trees.expected + trees.contributions(matrix[:200]).sum(axis=1)
    np.testing.assert_allclose(total, trees.margins(matrix[:200]), atol=1e-9)


def test_infinite_values_fall_on_their_own_side() -> None:
    matrix, outcome = _data(12)
    trees = trees_of(_booster(matrix, outcome, 4))
    extreme = matrix[:50].copy()
    extreme[:, 1], extreme[:, 2] = np.inf, -np.inf
    finite = extreme.copy()
    finite[:, 1], finite[:, 2] = 1e30, -1e30
    np.testing.assert_array_equal(trees.margins(extreme), trees.margins(finite))
    np.testing.assert_allclose(trees.contributions(extreme), trees.contributions(finite), atol=1e-12)


def test_what_is_written_is_read_back_and_rubbish_is_refused() -> None:
    matrix, outcome = _data(13)
    trees = trees_of(_booster(matrix, outcome, 3))
    data = to_bytes(trees)
    np.testing.assert_array_equal(from_bytes(Trees, data).margins(matrix), trees.margins(matrix))
    for broken in (b"", b"not a zip", data[: len(data) // 2]):
        with pytest.raises(CorruptArtifact):
            from_bytes(Trees, broken)


def test_no_rows_give_no_margins() -> None:
    matrix, outcome = _data(14)
    trees = trees_of(_booster(matrix, outcome, 2))
    assert trees.margins(matrix[:0]).shape == (0,)
    assert trees.contributions(matrix[:0]).shape == (0, COLUMNS)
