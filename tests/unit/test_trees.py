"""XGBoost itself is the oracle of the numpy scorer."""

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from shared.asof.vector import Matrix
from shared.model.arrays import from_bytes, to_bytes
from shared.model.trees import Trees
from training_job.families import trees_of

ROWS, COLUMNS = 20_000, 12
TRAINED = 4000


def _rows(seed: int) -> Matrix:
    """Float64 values that float32 must round, whole numbers, missing values and both infinities."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(ROWS, COLUMNS))
    matrix[:, 0] = random.integers(0, 5, ROWS)
    matrix[random.uniform(size=matrix.shape) < 0.15] = np.nan
    matrix[random.uniform(size=matrix.shape) < 0.01] = np.inf
    matrix[random.uniform(size=matrix.shape) < 0.01] = -np.inf
    return matrix


def _outcome(matrix: Matrix, seed: int) -> Matrix:
    finite = np.nan_to_num(matrix, posinf=3, neginf=-3)
    drive = finite[:, 0] * finite[:, 1] + finite[:, 2] - finite[:, 3] ** 2 + np.isnan(matrix[:, 4])
    return (np.random.default_rng(seed).uniform(size=len(matrix)) < 1 / (1 + np.exp(-drive))).astype(float)


def _booster(depth: int, *, forest: bool = False) -> xgboost.Booster:
    """Boosted trees, or a random forest: rows and columns drawn per tree, all grown side by side in one round."""
    rows = _rows(1000 + depth)[:TRAINED]
    matrix, outcome = np.where(np.isinf(rows), np.nan, rows), _outcome(rows, depth)
    drawn = {"num_parallel_tree": 16, "subsample": 0.6, "colsample_bynode": 0.5, "eta": 1.0} if forest else {"eta": 0.3}
    params = {
        "objective": "binary:logistic",
        "max_depth": depth,
        "nthread": 1,
        "base_score": 0.1,
        "seed": depth,
        "min_child_weight": 0,
        **drawn,
    }
    return xgboost.train(params, xgboost.DMatrix(matrix, outcome), 1 if forest else 12)


def _trees(booster: xgboost.Booster) -> Trees:
    trees = trees_of(booster)
    assert isinstance(trees, Trees)
    return trees


def _on_thresholds(trees: Trees, matrix: Matrix) -> Matrix:
    """Half of the rows with a value exactly on a split, or one double beside it, which float32 may round onto the split."""
    random = np.random.default_rng(0)
    edges = matrix.copy()
    inner = np.flatnonzero(trees.left != np.arange(len(trees.left)))
    picks = random.choice(inner, len(edges) // 2)
    split = trees.threshold[picks].astype(np.float64)
    nudged = np.nextafter(split, random.choice([-np.inf, np.inf], len(picks)))
    edges[np.arange(len(picks)), trees.feature[picks]] = np.where(random.uniform(size=len(picks)) < 0.5, split, nudged)
    return edges


def _finite(rows: Matrix) -> NDArray[np.float32]:
    """XGBoost's Python interface turns infinities away; the largest float32 lies beyond every split just as well."""
    most = float(np.finfo(np.float32).max)
    return np.clip(rows, -most, most).astype(np.float32)


def _same_top_five(ours: Matrix, theirs: Matrix) -> bool:
    """The fifth strongest of one is as strong as the fifth of the other, and all that is clearly stronger is in both."""
    strength, oracle = np.abs(ours), np.abs(theirs)
    fifth = np.sort(oracle, axis=1)[:, -5][:, None]
    named = strength >= np.sort(strength, axis=1)[:, -5][:, None]
    return bool((named | (oracle < fifth + 4e-5)).all() and (~named | (oracle > fifth - 4e-5)).all())


@pytest.mark.parametrize("forest", [False, True], ids=["boosted", "forest"])
@pytest.mark.parametrize("depth", range(1, 9))
def test_margins_contributions_and_top_five_are_xgboost_s_on_twenty_thousand_rows(depth: int, forest: bool) -> None:
    booster = _booster(depth, forest=forest)
    trees = _trees(booster)
    rows = _on_thresholds(trees, _rows(depth))
    data = xgboost.DMatrix(_finite(rows), nthread=1)
    margins = trees.margins(rows)
    explained, shares = trees.explained(rows)
    exact = booster.predict(data, pred_contribs=True)
    np.testing.assert_allclose(margins, booster.predict(data, output_margin=True), rtol=0, atol=1e-5)
    assert explained.tobytes() == margins.tobytes()
    np.testing.assert_allclose(shares, exact[:, :-1], rtol=0, atol=2e-5)
    np.testing.assert_allclose(trees.expected, exact[0, -1], rtol=0, atol=2e-5)
    np.testing.assert_allclose(trees.expected + shares.sum(axis=1), margins, rtol=0, atol=1e-9)
    assert _same_top_five(shares, exact[:, :-1])


def test_a_row_alone_and_a_row_among_others_give_the_same_bytes() -> None:
    trees, rows = _trees(_booster(6)), _rows(21)[:2000]
    many, shares = trees.margins(rows), trees.contributions(rows)
    for index in range(0, 2000, 71):
        alone = rows[index : index + 1]
        assert trees.margins(alone).tobytes() == many[index : index + 1].tobytes()
        assert trees.contributions(alone).tobytes() == shares[index : index + 1].tobytes()
    assert trees.margins(rows[::-1])[::-1].tobytes() == many.tobytes()


def test_rows_beyond_one_chunk_are_scored_like_the_first() -> None:
    trees, rows = _trees(_booster(3)), _rows(22)
    np.testing.assert_array_equal(trees.margins(np.vstack([rows, rows])), np.tile(trees.margins(rows), 2))


def test_what_is_written_is_read_back() -> None:
    trees, rows = _trees(_booster(3)), _rows(13)[:100]
    np.testing.assert_array_equal(from_bytes(Trees, to_bytes(trees)).margins(rows), trees.margins(rows))


def test_a_double_beyond_float32_is_infinite_and_no_error() -> None:
    trees, rows = _trees(_booster(4)), _rows(15)[:200]
    huge = np.where(np.isinf(rows), np.sign(rows) * 1e300, rows)
    np.testing.assert_array_equal(trees.margins(huge), trees.margins(rows))
    np.testing.assert_array_equal(trees.contributions(huge[:20]), trees.contributions(rows[:20]))


def test_no_rows_give_no_margins() -> None:
    trees, rows = _trees(_booster(2)), _rows(14)
    assert trees.margins(rows[:0]).shape == (0,)
    assert trees.contributions(rows[:0]).shape == (0, COLUMNS)
