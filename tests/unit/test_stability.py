import numpy as np
import pytest
from scipy.stats import chi2

from shared.metrics.stability import _chi2_quantile, stability

EVEN = np.full(10, 100.0)


def test_the_same_distribution_has_not_moved_at_any_size() -> None:
    for n in (1.0, 10.0, 1000.0):
        assert not stability(EVEN, EVEN * n, 10_000).beyond_chance


def test_the_critical_value_falls_with_the_sample() -> None:
    small, large = (stability(EVEN, np.full(10, n), 100_000).critical for n in (15.0, 1500.0))
    assert small > 0.1 > large


def test_false_alarms_come_as_often_as_promised() -> None:
    random = np.random.default_rng(0)
    for n in (150, 5000):
        alarms = [
            stability(EVEN, random.multinomial(n, np.full(10, 0.1)).astype(float), 10**9, alpha=0.01).beyond_chance for _ in range(3000)
        ]
        assert 0.004 < np.mean(alarms) < 0.025


def test_a_real_shift_is_seen() -> None:
    moved = np.linspace(0.5, 1.5, 10) * 500
    assert stability(EVEN, moved, 10_000).beyond_chance


@pytest.mark.parametrize("freedom", [3, 9, 20])
def test_the_quantile_is_chi_square_s_within_two_hundredths(freedom: int) -> None:
    for probability in (0.95, 0.99, 0.999):
        assert _chi2_quantile(probability, freedom) == pytest.approx(chi2.ppf(probability, freedom), rel=0.02)


def test_nothing_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="both sides"):
        stability(EVEN, np.zeros(10), 100)
