"""Persons on one side only, a period opened once, filters on training rows, calibration by later skill."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from shared.asof.vector import Column, Matrix, Schema
from shared.config import ROOT
from shared.errors import ConfigError, DataError
from shared.model.calibrate import Segment, probability
from tests.fakes import FakeObjects
from training_job import calibration
from training_job.calibration import Judgements
from training_job.candidates import Course
from training_job.checkpoint import keeping, pack, unpack
from training_job.compare import compare
from training_job.dataset import Dataset, require_enough
from training_job.folder import Folder
from training_job.folds import Period, last_period, rolling_origin, seal
from training_job.policy import CalibrationPolicy, FilterPolicy, SegmentPolicy, training
from training_job.screening import screen, variance_inflation
from training_job.sealed import Seal, SealBroken

POLICY = training(ROOT / "policies")
DAY = np.timedelta64(1, "D")
NOW = datetime(2025, 1, 1, tzinfo=UTC)


def moments(rows: int, days: int = 600) -> np.ndarray:
    return np.datetime64("2023-01-01", "us") + np.sort(np.random.default_rng(1).integers(0, days, rows)) * DAY


def dataset(matrix: Matrix, outcome: Matrix, entity: Matrix | None = None) -> Dataset:
    schema = Schema(tuple(Column(f"f{i}", "float", ()) for i in range(matrix.shape[1])))
    ids = [f"lead{i}" for i in range(len(outcome))]
    return Dataset(ids, moments(len(outcome)), matrix, outcome, schema, {}, 0, entity)


def signal(rows: int = 4000, seed: int = 2) -> Dataset:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, 4))
    return dataset(matrix, (random.uniform(size=rows) < 1 / (1 + np.exp(2 - matrix[:, 0]))).astype(float))


def test_a_person_who_is_judged_is_not_trained_on() -> None:
    found = signal(3000)
    entity = np.random.default_rng(3).integers(0, 1200, 3000).astype(float)
    entity[::7] = np.nan
    for fold in (
        *rolling_origin(found.contacted_at, found.outcome, 5, 30, entity),
        seal(found.contacted_at, found.outcome, last_period(found.contacted_at, 0.2), 30, entity),
    ):
        both = np.intersect1d(entity[fold.train], entity[fold.judge])
        assert not np.isfinite(both).any()
        assert found.contacted_at[fold.train].max() + 30 * DAY < found.contacted_at[fold.judge].min()


@pytest.mark.parametrize(
    ("text", "said"),
    [("2024-01-01", "FROM..TO"), ("2024-02-01..2024-01-01", "ends before"), ("x..y", "FROM..TO"), ("2024-13-01..2024-14-01", "FROM..TO")],
)
def test_a_period_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Period.parse(text)


def test_a_sealed_period_without_leads_or_positives_is_named() -> None:
    found = signal()
    with pytest.raises(ConfigError, match="contacted from 2030-01-01 to 2030-02-01"):
        seal(found.contacted_at, found.outcome, Period(date(2030, 1, 1), date(2030, 2, 1)), 30)
    none = replace(found, outcome=np.zeros(len(found)))
    with pytest.raises(DataError, match="0 positives"):
        seal(none.contacted_at, none.outcome, last_period(none.contacted_at, 0.2), 30)


def test_an_opening_is_recorded_once_counted_after_and_widens_the_interval() -> None:
    objects, period = FakeObjects(), Period(date(2024, 1, 1), date(2024, 3, 1))
    seal = Seal(objects)
    openings = [seal.open("leads", period, name, NOW) for name in ("a", "b", "a", "c")]
    assert [each.number for each in openings] == [1, 2, 1, 3]
    assert [each.alpha for each in openings] == pytest.approx([0.05, 0.025, 0.05, 0.05 / 3])
    assert seal.open("other leads", period, "a", NOW).number == 1
    assert len(objects.names("registry/sealed/")) == 4
    with pytest.raises(SealBroken, match="opened 3 times"):
        Seal(objects, most=3).open("leads", period, "d", NOW)
    assert Seal(objects, most=3).open("leads", period, "b", NOW).number == 2


def test_constants_copies_empties_and_repetitions_are_named_and_a_zero_inflated_column_is_not() -> None:
    random = np.random.default_rng(4)
    told = random.normal(size=5000)
    mostly_zero = np.where(random.uniform(size=5000) < 0.97, 0.0, random.integers(1, 9, 5000))
    empty = np.where(random.uniform(size=5000) < 0.001, 1.0, np.nan)
    noise = random.normal(size=5000)
    matrix = np.column_stack([told, told + random.normal(0, 0.05, 5000), np.full(5000, 3.0), told, mostly_zero, empty, noise])
    outcome = (random.uniform(size=5000) < 1 / (1 + np.exp(2 - told - 1.5 * (mostly_zero > 0)))).astype(float)
    removed = {each.feature: each.rule for each in screen(dataset(matrix, outcome), FilterPolicy())}
    assert {name: removed.get(name) for name in ("f2", "f3", "f5", "f6")} == {
        "f2": "constant",
        "f3": "duplicate",
        "f5": "missing",
        "f6": "iv",
    }
    assert sorted(removed.get(name, "kept") for name in ("f0", "f1")) == ["kept", "vif"]
    assert "f4" not in removed
    light = {each.feature: each.rule for each in screen(dataset(matrix, outcome), FilterPolicy().of("light"))}
    assert light == {"f2": "constant", "f3": "duplicate", "f5": "missing"}


def test_when_nothing_is_left_every_feature_is_named_with_its_reason() -> None:
    with pytest.raises(DataError, match=r"f0 is 1 in every row; f1 is missing in 100\.0% of the rows"):
        screen(dataset(np.column_stack([np.ones(100), np.full(100, np.nan)]), (np.arange(100) % 2).astype(np.float64)), FilterPolicy())


def test_generalised_variance_inflation_is_the_usual_one_for_numbers() -> None:
    random = np.random.default_rng(5)
    x = random.normal(size=(2000, 3))
    x[:, 2] = x[:, 0] + random.normal(0, 0.3, 2000)
    residual = (
        x[:, 2] - np.column_stack([np.ones(2000), x[:, :2]]) @ np.linalg.lstsq(np.column_stack([np.ones(2000), x[:, :2]]), x[:, 2])[0]
    )
    assert variance_inflation(x, np.arange(3))[2] == pytest.approx(x[:, 2].var() / residual.var(), rel=1e-6)


def test_infinite_values_are_named() -> None:
    found = signal()
    found.matrix[7, 1] = np.inf
    with pytest.raises(DataError, match="f1: infinite in 1 training rows"):
        require_enough(found, POLICY)


def judged(rows: int = 12_000, slope: float = 1.0, seed: int = 6, late_shift: float = 0.0) -> Judgements:
    random = np.random.default_rng(seed)
    truth = random.normal(-3.6, 0.6, rows)
    at = moments(rows, 720)
    period = np.repeat(np.arange(5), -(-rows // 5))[:rows]
    moved = truth + np.where(at > at.max() - 120 * DAY, late_shift, 0.0)
    outcome = (random.uniform(size=rows) < 1 / (1 + np.exp(-moved))).astype(float)
    return Judgements(slope * truth, outcome, period, at)


def test_true_margins_are_taken_at_their_word_and_distorted_ones_are_bent_back() -> None:
    policy = CalibrationPolicy(prior_min_positives=1_000_000)
    assert calibration.fit(judged(), policy, None).method == "none"
    bent = calibration.fit(judged(slope=3), policy, None)
    assert bent.method == "sigmoid"
    assert bent.skill["sigmoid"] > 0 > bent.skill["none"]


def test_isotonic_is_refused_under_its_minimum_of_positives() -> None:
    few = calibration.fit(judged(3000), CalibrationPolicy(), None)
    assert "isotonic" not in few.skill
    assert "it needs 500" in few.refused["isotonic"]
    assert "isotonic" in calibration.fit(judged(40_000), CalibrationPolicy(), None).skill


def test_a_moved_base_rate_moves_the_probabilities_and_is_said() -> None:
    """2.5 % to 3.9 %: a model calibrated on the whole past would go on predicting the old rate."""
    past = judged(30_000, late_shift=0.47)
    recent = past.contacted_at > past.contacted_at.max() - 90 * DAY
    unmoved = calibration.fit(past, CalibrationPolicy(prior_min_positives=1_000_000), None)
    assert unmoved.probability(past.margins[recent]).mean() < 0.85 * past.outcome[recent].mean()
    found = calibration.fit(past, CalibrationPolicy(), None)
    assert found.prior is not None
    assert found.prior.predicted < found.prior.actual.low
    assert found.probability(past.margins[recent]).mean() == pytest.approx(past.outcome[recent].mean(), rel=0.1)
    assert not found.prior.broke
    broken = calibration.fit(judged(30_000, late_shift=1.6), CalibrationPolicy(), None)
    assert broken.prior is not None
    assert broken.prior.added == pytest.approx(np.log(2))
    assert broken.prior.words.endswith(
        "the odds were moved by a factor of 2.00, the most the policy follows: the past says little about now"
    )
    steady = calibration.fit(judged(30_000), CalibrationPolicy(), None)
    assert steady.prior is not None
    assert abs(steady.prior.added) < steady.prior.error


def test_segments_are_shrunk_and_kept_only_where_they_help_later() -> None:
    policy = SegmentPolicy(feature="aum", cuts=(100.0, 500.0), prior_positives=50)
    plain, random = judged(30_000), np.random.default_rng(7)
    value = random.choice([50.0, 200.0, 900.0, np.nan], 30_000)
    assert calibration.fit(replace(plain, segment=value), CalibrationPolicy(), policy).segment_skill < 1e-4
    lifted = plain.outcome.copy()
    more = (value == 900) & (random.uniform(size=30_000) < 0.04)
    lifted[more] = 1
    found = calibration.fit(replace(plain, segment=value, outcome=lifted), CalibrationPolicy(), policy)
    assert found.segment is not None
    low, middle, high = found.segment.offsets
    assert high > 0.3
    assert max(abs(low), abs(middle)) < 0.5
    assert found.segment.offset(np.array([np.nan, 900.0])).tolist() == [0.0, high]


def test_a_segment_moves_the_odds_and_missing_stays() -> None:
    segment = Segment(feature="aum", cuts=(100.0,), offsets=(0.0, float(np.log(2))))
    knots = ((-10.0, 10.0), (0.2, 0.2))
    found = probability(np.zeros(3), knots, segment.offset(np.array([50.0, 150.0, np.nan])))
    np.testing.assert_allclose(found, [0.2, 1 / 3, 0.2])


def test_a_kept_period_is_not_judged_again_and_a_broken_one_is() -> None:
    found, objects = signal(3000), FakeObjects()
    course = Course(found, "some", 1, POLICY.brief())
    folder = Folder(objects)
    first = compare(course, lambda _: None, keeping(folder, found, course.policy))
    names = objects.names("progress/")
    assert len(names) == 5
    again = unpack(pack(first.periods[0]))
    np.testing.assert_array_equal(again.seen["xgboost"].margins, first.periods[0].seen["xgboost"].margins)
    written = {name: objects.read(name).generation for name in names}
    objects.write(names[0], b"half a file")
    second = compare(course, lambda _: None, keeping(folder, found, course.policy))
    assert [objects.read(name).generation == written[name] for name in names] == [False, True, True, True, True]
    for one, two in zip(first.tried, second.tried, strict=True):
        np.testing.assert_array_equal(one.margins, two.margins)
