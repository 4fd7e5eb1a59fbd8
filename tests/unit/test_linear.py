import numpy as np
from sklearn.linear_model import LogisticRegression

from shared.config import ROOT
from shared.model.arrays import from_bytes, to_bytes
from shared.model.linear import Linear
from training_job.families import fit_logistic
from training_job.imbalance import none as plain
from training_job.policy import training

POLICY = training(ROOT / "policies")


def _fitted(missing_share: float) -> tuple[Linear, np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    matrix = random.normal(3, 2, size=(2000, 4))
    outcome = (random.uniform(size=2000) < 1 / (1 + np.exp(-(matrix[:, 0] - 3)))).astype(float)
    matrix[random.uniform(size=matrix.shape) < missing_share] = np.nan
    predictor = fit_logistic(plain(matrix, outcome, 0), POLICY).predictor
    assert isinstance(predictor, Linear)
    return predictor, matrix, outcome


def test_without_missing_values_it_is_scikit_learn_s_model() -> None:
    linear, matrix, outcome = _fitted(0.0)
    standard = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    oracle = LogisticRegression(C=POLICY.logistic["C"], max_iter=500).fit(standard, outcome)
    np.testing.assert_allclose(linear.margins(matrix), oracle.decision_function(standard), atol=1e-3)


def test_contributions_add_up_and_average_to_nothing_over_the_training_rows() -> None:
    linear, matrix, _ = _fitted(0.2)
    shares = linear.contributions(matrix)
    np.testing.assert_allclose(linear.expected + shares.sum(axis=1), linear.margins(matrix))
    np.testing.assert_allclose(shares.mean(axis=0), 0, atol=1e-9)


def test_beyond_the_values_seen_the_line_is_not_drawn_on() -> None:
    linear, matrix, _ = _fitted(0.2)
    far = np.full((1, 4), 1e9)
    edge = np.nanmax(matrix, axis=0)[None, :]
    np.testing.assert_array_equal(linear.margins(far), linear.margins(edge))


def test_a_constant_or_empty_column_does_no_harm() -> None:
    _, matrix, outcome = _fitted(0.0)
    matrix[:, 1], matrix[:, 2] = 7.0, np.nan
    linear = fit_logistic(plain(matrix, outcome, 0), POLICY).predictor
    assert np.isfinite(linear.margins(matrix)).all()
    assert np.isfinite(linear.margins(np.zeros((1, 4)))).all()


def test_what_is_written_is_read_back() -> None:
    linear, matrix, _ = _fitted(0.1)
    np.testing.assert_array_equal(from_bytes(Linear, to_bytes(linear)).margins(matrix), linear.margins(matrix))
