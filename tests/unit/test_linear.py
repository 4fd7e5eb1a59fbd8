import numpy as np
from sklearn.linear_model import LogisticRegression

from shared.config import ROOT
from shared.model.arrays import from_bytes, to_bytes
from shared.model.linear import Linear
from training_job.families import fit_logistic
from training_job.lesson import Lesson, Plan
from training_job.policy import training

POLICY = training(ROOT / "policies")


def _fitted(missing_share: float) -> tuple[Linear, np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    matrix = random.normal(3, 2, size=(2000, 4))
    outcome = (random.uniform(size=2000) < 1 / (1 + np.exp(-(matrix[:, 0] - 3)))).astype(float)
    matrix[random.uniform(size=matrix.shape) < missing_share] = np.nan
    predictor = fit_logistic(Lesson(matrix, outcome, (), POLICY), Plan(POLICY.logistic), None).predictor
    assert isinstance(predictor, Linear)
    return predictor, matrix, outcome


def test_without_missing_values_it_is_scikit_learn_s_model() -> None:
    linear, matrix, outcome = _fitted(0.0)
    standard = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    oracle = LogisticRegression(C=POLICY.logistic["C"], max_iter=500).fit(standard, outcome)
    np.testing.assert_allclose(linear.margins(matrix), oracle.decision_function(standard), atol=1e-3)


def test_with_missing_values_it_is_scikit_learn_s_model_with_indicators_on_twenty_thousand_rows() -> None:
    random = np.random.default_rng(6)
    matrix = random.normal(3, 2, size=(20_000, 6))
    matrix[random.uniform(size=matrix.shape) < 0.2] = np.nan
    outcome = (random.uniform(size=len(matrix)) < 1 / (1 + np.exp(1 - np.nan_to_num(matrix[:, 0]) + np.isnan(matrix[:, 1])))).astype(float)
    linear = fit_logistic(Lesson(matrix, outcome, (), POLICY), Plan(POLICY.logistic), None).predictor
    assert isinstance(linear, Linear)
    missing, mean = np.isnan(matrix), np.nanmean(matrix, axis=0)
    standard = np.where(missing, 0, (matrix - mean) / np.nanstd(matrix, axis=0))
    told = linear.missing_weight != 0  # an indicator stands only where missing tells something: columns 0 and 1
    assert np.flatnonzero(told).tolist() == [0, 1]
    design = np.hstack([standard, (missing - missing.mean(axis=0))[:, told]])
    oracle = LogisticRegression(C=POLICY.logistic["C"], max_iter=int(POLICY.logistic["max_iter"]), random_state=POLICY.seed).fit(
        design, outcome
    )
    shares = linear.contributions(matrix)
    np.testing.assert_allclose(linear.margins(matrix), oracle.decision_function(design), rtol=0, atol=1e-5)
    by_column = design * oracle.coef_[0]  # the Shapley value of a linear model, centred columns being independent
    by_column[:, :2] += by_column[:, 6:]
    np.testing.assert_allclose(shares, by_column[:, :6], rtol=0, atol=2e-5)
    np.testing.assert_allclose(linear.expected + shares.sum(axis=1), linear.margins(matrix), rtol=0, atol=1e-9)


def test_infinite_values_count_as_the_furthest_seen() -> None:
    linear, matrix, _ = _fitted(0.1)
    low, high = np.nanmin(matrix, axis=0), np.nanmax(matrix, axis=0)
    np.testing.assert_array_equal(linear.margins(np.array([[np.inf] * 4, [-np.inf] * 4])), linear.margins(np.array([high, low])))


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
    linear = fit_logistic(Lesson(matrix, outcome, (), POLICY), Plan(POLICY.logistic), None).predictor
    assert np.isfinite(linear.margins(matrix)).all()
    assert np.isfinite(linear.margins(np.zeros((1, 4)))).all()


def test_what_is_written_is_read_back() -> None:
    linear, matrix, _ = _fitted(0.1)
    np.testing.assert_array_equal(from_bytes(Linear, to_bytes(linear)).margins(matrix), linear.margins(matrix))
