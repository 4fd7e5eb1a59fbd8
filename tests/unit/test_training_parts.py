import numpy as np
import pytest

from shared.asof.vector import Column, Matrix, Schema
from shared.config import ROOT
from shared.errors import DataError
from shared.model import calibrate
from training_job.calibration import fit_sigmoid
from training_job.candidates import Candidate, Tried, choose
from training_job.dataset import Dataset, require_enough
from training_job.families import FAMILIES
from training_job.filters import clocks
from training_job.folds import rolling_origin
from training_job.policy import training

POLICY = training(ROOT / "policies")
DAY = np.timedelta64(1, "D")


def _moments(rows: int, days: int) -> np.ndarray:
    return np.datetime64("2024-01-01", "us") + np.sort(np.random.default_rng(1).integers(0, days, rows)) * DAY


def _dataset(matrix: Matrix, outcome: Matrix, moments: np.ndarray) -> Dataset:
    schema = Schema(tuple(Column(f"f{i}", "float", ()) for i in range(matrix.shape[1])))
    return Dataset([str(i) for i in range(len(outcome))], moments, matrix, outcome, schema, {"positive": int(outcome.sum())}, 0)


def test_a_period_is_judged_only_by_what_was_settled_a_window_before_it_began() -> None:
    moments = _moments(1000, 300)
    outcome = np.random.default_rng(2).integers(0, 2, 1000).astype(float)
    folds = rolling_origin(moments, outcome, 5, gap_days=30)
    assert len(folds) == 5
    for fold in folds:
        assert moments[fold.train].max() + 30 * DAY < moments[fold.judge].min()
    assert sum(len(fold.judge) for fold in folds) == 1000 - len(np.array_split(np.arange(1000), 6)[0])


def test_a_period_without_both_outcomes_is_left_out() -> None:
    moments, outcome = _moments(600, 300), np.zeros(600)
    outcome[:300:7] = 1
    assert len(rolling_origin(moments, outcome, 5, gap_days=1)) == 2


def test_a_clock_is_found_and_noise_is_not() -> None:
    random, moments = np.random.default_rng(3), _moments(2000, 400)
    trend = (moments - moments[0]) / DAY / 100
    matrix = np.column_stack([trend + random.normal(0, 0.01, 2000), random.normal(size=2000), random.normal(size=2000)])
    matrix[5:, 2] = np.nan
    found = clocks(_dataset(matrix, np.zeros(2000), moments))
    assert list(found) == ["f0"]
    assert found["f0"] > 0.99


def test_leaving_features_out_leaves_the_others_in_place() -> None:
    dataset = _dataset(np.arange(30.0).reshape(10, 3), np.zeros(10), _moments(10, 10))
    kept = dataset.without({"f1"})
    assert kept.schema.names == ("f0", "f2")
    np.testing.assert_array_equal(kept.matrix, dataset.matrix[:, [0, 2]])


@pytest.mark.parametrize(
    ("rows", "positives", "said"), [(999, 200, "999 mature leads"), (2000, 119, "119 positives"), (2000, 2000, "Every")]
)
def test_too_little_to_learn_from_is_said_with_the_minimum(rows: int, positives: int, said: str) -> None:
    outcome = np.zeros(rows)
    outcome[:positives] = 1
    with pytest.raises(DataError, match=said):
        require_enough(_dataset(np.zeros((rows, 1)), outcome, _moments(rows, 10)), POLICY)


def test_the_simplest_family_as_good_as_the_best_is_chosen() -> None:
    logistic, xgboost = (Candidate(family.name, "none", family.complexity) for family in FAMILIES if family.name in {"logistic", "xgboost"})
    empty = np.empty(0)
    close = (Tried(logistic, empty, (0.050, 0.051, 0.049)), Tried(xgboost, empty, (0.055, 0.049, 0.050)))
    assert choose(close).candidate.name == "logistic"
    apart = (Tried(logistic, empty, (0.050, 0.051, 0.049)), Tried(xgboost, empty, (0.080, 0.081, 0.079)))
    assert choose(apart).candidate.name == "xgboost"


def test_platt_scaling_makes_a_distorted_margin_true_again() -> None:
    random = np.random.default_rng(4)
    truth = random.normal(-3, 0.7, 40_000)
    outcome = (random.uniform(size=40_000) < 1 / (1 + np.exp(-truth))).astype(float)
    knots = fit_sigmoid(2 * truth + 5, outcome)
    probability = calibrate.probability(2 * truth + 5, knots)
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-truth)), atol=0.06)
    assert probability.mean() == pytest.approx(outcome.mean(), abs=1e-3)


def test_percentiles_are_of_the_frozen_reference_and_ties_share() -> None:
    reference = calibrate.freeze_reference(np.random.default_rng(5).normal(size=5000))
    assert calibrate.percentile(np.array([-99.0, 0.0, 99.0]), reference) == pytest.approx([0, 50, 100], abs=3)
    flat = calibrate.freeze_reference(np.zeros(100))
    assert calibrate.percentile(np.zeros(1), flat)[0] == 50
