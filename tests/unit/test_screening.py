import numpy as np
import pytest
from statsmodels.stats.outliers_influence import variance_inflation_factor
from statsmodels.tools import add_constant

from shared.metrics.binning import Bins
from shared.metrics.drift import ks_two_sample
from shared.metrics.screening import information_value, vif, weight_of_evidence


def test_a_zero_inflated_column_that_tells_is_not_called_constant() -> None:
    random = np.random.default_rng(0)
    outcome = (random.uniform(size=8000) < 0.1).astype(float)
    seldom = np.where(random.uniform(size=8000) < 0.03 + 0.12 * outcome, random.exponential(size=8000), 0.0)
    assert information_value(seldom, outcome) > 0.1
    assert information_value(np.zeros(8000), outcome) == 0
    assert information_value(random.normal(size=8000), outcome) < 0.02


def test_missing_is_a_bin_that_can_tell_by_itself() -> None:
    outcome = np.repeat([1.0, 0.0], 500)
    values = np.where(np.arange(1000) < 400, np.nan, 1.0)
    assert information_value(values, outcome) > 1
    assert np.isnan(information_value(values, np.zeros(1000)))


def test_every_value_has_a_bin_and_levels_have_their_own() -> None:
    sample = np.concatenate([np.zeros(500), np.random.default_rng(1).normal(size=500)])
    bins = Bins.of(sample)
    member = bins.member(np.array([np.nan, 0.0, -1e9, 1e9, 0.1]))
    assert member[0] == 0
    assert member[1] == 1
    assert (member < len(bins)).all()
    assert bins.counts(sample).sum() == 1000
    assert bins.counts(sample)[1] == 500


def test_weights_of_evidence_have_the_sign_of_the_outcome() -> None:
    found = weight_of_evidence(np.repeat([0, 1, 3], 100), np.concatenate([np.zeros(100), np.ones(100), np.repeat([0.0, 1.0], 50)]))
    assert found.woe[0] < 0 < found.woe[1]
    assert found.woe[2] == pytest.approx(0)
    assert len(found.woe) == 3


@pytest.mark.parametrize("seed", range(3))
def test_variance_inflation_is_statsmodels_on_every_column(seed: int) -> None:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(300, 6)) @ random.normal(size=(6, 6))
    design = add_constant(matrix)
    assert vif(matrix) == pytest.approx([variance_inflation_factor(design, i) for i in range(1, 7)], rel=1e-6)


def test_a_column_that_others_determine_has_infinite_inflation_and_a_constant_none() -> None:
    random = np.random.default_rng(4)
    a, b, alone = random.normal(size=(3, 200))
    found = vif(np.stack([a, b, a + 2 * b, alone, np.full(200, 3.0)], axis=1))
    assert np.isinf(found[:3]).all()
    assert found[3] < 1.2
    assert found[4] == 1


@pytest.mark.parametrize("n", [200, 3000])
def test_quiet_samples_stay_below_the_critical_gap(n: int) -> None:
    random = np.random.default_rng(n)
    reference = random.normal(size=5000)
    assert np.mean([ks_two_sample(reference, random.normal(size=n), 0.05).beyond_chance for _ in range(200)]) < 0.1
    assert ks_two_sample(reference, random.normal(0.5, 1, n)).beyond_chance
