"""The parts of training that decide: strategies, filters, calibration, sealed period, verdict."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.outliers_influence import variance_inflation_factor

from shared.adapters.directory import DirectoryObjects
from shared.asof.vector import Column, Matrix, Schema
from shared.config import ROOT
from shared.errors import DataError
from shared.model import calibrate
from training_job.calibrators import calibrated
from training_job.dataset import Dataset
from training_job.filters import told_by_others, unfit
from training_job.imbalance import STRATEGIES
from training_job.policy import training
from training_job.sealed import count_opening

POLICY = training(ROOT / "policies")
NOW = datetime(2025, 1, 1, tzinfo=UTC)
DAY = np.timedelta64(1, "D")


def dataset(matrix: Matrix, outcome: Matrix, persons: tuple[int | None, ...] = ()) -> Dataset:
    rows = len(outcome)
    schema = Schema(tuple(Column(f"f{i}", "float", ()) for i in range(matrix.shape[1])))
    at = np.datetime64("2024-01-01", "us") + np.arange(rows) * DAY
    return Dataset([str(i) for i in range(rows)], at, matrix, outcome, schema, {}, 0, persons)


def test_smote_adds_positives_and_leaves_the_rows_as_they_are() -> None:
    random = np.random.default_rng(0)
    matrix = random.normal(size=(2000, 3))
    matrix[::7, 1] = np.nan
    outcome = (np.arange(2000) % 40 == 0).astype(float)
    rows = STRATEGIES["smote"](matrix, outcome, 1)
    np.testing.assert_array_equal(rows.matrix[:2000], matrix)
    assert rows.outcome.sum() == 195
    assert set(rows.outcome[2000:]) == {1.0}


def test_weighting_gives_both_classes_the_same_mass() -> None:
    outcome = (np.arange(1000) % 50 == 0).astype(float)
    rows = STRATEGIES["scale_pos_weight"](np.zeros((1000, 1)), outcome, 1)
    assert rows.weight[outcome == 1].sum() == pytest.approx(rows.weight[outcome == 0].sum())


def test_vif_is_that_of_statsmodels_and_the_worst_goes_first() -> None:
    random = np.random.default_rng(1)
    a, b = random.normal(size=(2, 3000))
    columns = np.column_stack([a, b, a + 0.1 * random.normal(size=3000), random.normal(size=3000)])
    standard = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    ((index, vif),) = told_by_others(columns, 10)
    assert index in {0, 2}
    assert vif == pytest.approx(variance_inflation_factor(standard, index), rel=1e-6)


def test_a_sum_of_others_is_found_however_exact() -> None:
    random = np.random.default_rng(2)
    a, b = random.normal(size=(2, 500))
    found = dict(told_by_others(np.column_stack([a, b, a + b]), 10))
    assert len(found) == 1
    assert next(iter(found.values())) == np.inf


def test_constant_copied_empty_and_told_features_are_left_out_and_why_is_said() -> None:
    random = np.random.default_rng(3)
    a = random.normal(size=1000)
    empty = np.where(np.arange(1000) < 5, 1.0, np.nan)
    found = unfit(dataset(np.column_stack([a, np.ones(1000), a, empty]), random.integers(0, 2, 1000).astype(float)), POLICY.filters)
    assert found == {"f1": "constant", "f2": "the same in every row as f0", "f3": "missing in 99.5% of rows"}


def test_calibration_is_chosen_by_skill_on_other_periods_and_isotonic_needs_positives() -> None:
    random = np.random.default_rng(4)
    truth = [random.normal(-2, 1, 4000) for _ in range(4)]
    outcomes = [(random.uniform(size=4000) < 1 / (1 + np.exp(-t))).astype(float) for t in truth]
    twisted = [3 * t + 4 for t in truth]
    few = calibrated(twisted, outcomes, isotonic_min_positives=10**9)
    assert few.method == "sigmoid"
    assert set(few.skill) == {"none", "sigmoid"}
    many = calibrated(twisted, outcomes, isotonic_min_positives=10)
    assert many.skill["sigmoid"] > many.skill["none"]
    assert calibrate.probability(np.concatenate(twisted), many.knots).mean() == pytest.approx(np.concatenate(outcomes).mean(), abs=0.01)


def test_a_base_rate_that_moved_moves_the_probabilities_and_is_said() -> None:
    random = np.random.default_rng(5)
    rates = (0.025, 0.025, 0.025, 0.039)
    margins, outcomes = [], []
    for rate in rates:
        signal = random.normal(0, 0.5, 12_000)
        shift = np.log(rate / (1 - rate)) - 0.12
        outcomes.append((random.uniform(size=12_000) < 1 / (1 + np.exp(-(signal + shift)))).astype(float))
        margins.append(signal)
    found = calibrated(margins, outcomes, 10**9)
    assert found.shift > 0.15
    assert "rate of the last period" in found.words
    assert calibrate.probability(margins[-1], found.knots).mean() == pytest.approx(outcomes[-1].mean(), abs=1e-3)
    steady = calibrated(margins[:3], outcomes[:3], 10**9)
    assert steady.shift == 0
    assert "rate of the last period" not in steady.words


def test_each_look_at_a_sealed_period_is_counted_once_a_run_and_the_last_one_refused(tmp_path: Path) -> None:
    objects = DirectoryObjects(tmp_path)
    assert [count_opening(objects, "p", run, NOW, most=2) for run in ("a", "b", "a")] == [1, 2, 1]
    with pytest.raises(DataError, match="opened 2 times"):
        count_opening(objects, "p", "c", NOW, most=2)
    assert count_opening(objects, "q", "c", NOW, most=2) == 1


def test_no_person_stands_on_both_sides_of_the_sealed_period() -> None:
    persons = tuple(i % 70 for i in range(100))
    known, sealed = dataset(np.zeros((100, 1)), np.zeros(100), persons).split(datetime(2024, 3, 21, tzinfo=UTC), gap_days=5)
    assert not set(known.persons) & set(sealed.persons)
    assert known.contacted_at.max() < np.datetime64("2024-03-16")
    assert len(sealed) == 20
