import numpy as np
import pytest

from shared.metrics.drift import psi


def test_it_is_the_published_formula_on_two_levels() -> None:
    reference, current = np.repeat([0.0, 1.0], [80, 20]), np.repeat([0.0, 1.0], [60, 40])
    by_hand = (0.8 - 0.6) * np.log(0.8 / 0.6) + (0.2 - 0.4) * np.log(0.2 / 0.4)
    assert psi(reference, current).psi == pytest.approx(by_hand)


def test_a_column_that_was_all_zero_is_not_called_stable_when_it_is_not_zero_any_more() -> None:
    random = np.random.default_rng(0)
    before = np.zeros(5000)
    after = np.where(random.uniform(size=5000) < 0.6, random.integers(1, 7, 5000), 0).astype(float)
    assert psi(before, after).psi > 3


def test_zero_inflation_does_not_hide_a_shift_of_the_rest() -> None:
    random = np.random.default_rng(1)

    def column(shift: float) -> np.ndarray:
        return np.where(random.uniform(size=20_000) < 0.9, 0.0, random.normal(shift, 1, 20_000))

    assert psi(column(0), column(2)).beyond_chance
    assert not psi(column(0), column(0)).beyond_chance


def test_missing_values_are_a_bin() -> None:
    full = np.random.default_rng(2).normal(size=3000)
    gaps = np.where(np.arange(3000) % 4 == 0, np.nan, full)
    assert psi(full, gaps).beyond_chance


@pytest.mark.parametrize("n", [150, 1000, 10_000])
def test_quiet_days_stay_below_the_critical_value_whatever_their_size(n: int) -> None:
    random = np.random.default_rng(n)
    reference = random.normal(size=20_000)
    alarms = [psi(reference, random.normal(size=n), alpha=0.05).beyond_chance for _ in range(400)]
    assert np.mean(alarms) < 0.09


def test_an_empty_sample_is_an_error() -> None:
    with pytest.raises(ValueError, match="both sides"):
        psi(np.empty(0), np.ones(3))
