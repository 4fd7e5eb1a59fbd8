import math

import pytest
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from shared.errors import DataError
from shared.metrics.experiments import compare_rates, effect_size, needed_per_arm, power, sample_ratio


@pytest.mark.parametrize(
    ("base", "uplift", "wanted"), [(0.0389, 1.5, 1_918), (0.0389, 1.3, 4_925), (0.0389, 1.2, 10_621), (0.0254, 1.5, 2_991)]
)
def test_the_leads_an_experiment_needs_are_those_of_the_domain_s_plan(base: float, uplift: float, wanted: int) -> None:
    """The plan's formula does without the arcsine, which differs by one part in a hundred."""
    assert needed_per_arm(base, base * uplift) == pytest.approx(wanted, rel=0.012)


def test_power_is_statsmodels_and_turns_back_into_the_rows_needed() -> None:
    per_arm = needed_per_arm(0.04, 0.05, 0.9)
    assert power(0.04, 0.05, per_arm) == pytest.approx(0.9)
    assert NormalIndPower().power(effect_size(0.04, 0.05), per_arm, 0.05, 1) == pytest.approx(0.9)
    assert math.isinf(needed_per_arm(0.04, 0.04))
    with pytest.raises(DataError, match=r"power of 1\.2"):
        needed_per_arm(0.04, 0.05, 1.2)


@pytest.mark.parametrize(("first", "second"), [((30, 600), (22, 700)), ((0, 40), (3, 50)), ((5, 5), (5, 5))])
def test_two_rates_are_compared_as_statsmodels_does(first: tuple[int, int], second: tuple[int, int]) -> None:
    found = compare_rates(first, second)
    low, high = confint_proportions_2indep(*first, *second, method="newcomb")
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high), abs=1e-9)
    if first[0] < first[1]:
        z, p_value = proportions_ztest([first[0], second[0]], [first[1], second[1]])
        assert (found.z, found.p_value) == pytest.approx((z, p_value))
    else:
        assert found.p_value == 1


def test_an_arm_without_leads_is_an_error() -> None:
    with pytest.raises(DataError, match="positives of 0 leads"):
        compare_rates((0, 0), (1, 5))


def test_a_broken_split_is_found_and_a_fair_one_is_not() -> None:
    assert sample_ratio([5000, 5600]).p_value < 1e-6
    assert sample_ratio([5000, 5050]).p_value > 0.05
    assert sample_ratio([8000, 2000], [0.8, 0.2]).p_value == 1
