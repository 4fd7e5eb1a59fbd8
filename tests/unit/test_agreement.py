import numpy as np
import pytest
from scipy.stats import spearmanr

from shared.errors import DataError
from shared.metrics.agreement import agreement, rank_correlation

BANDS = ["Hot"] * 10 + ["Cold"] * 90


def test_the_top_band_s_churn_and_the_moves_add_up() -> None:
    other = ["Cold"] * 3 + ["Hot"] * 9 + ["Cold"] * 88
    found = agreement(np.arange(100.0), np.arange(100.0), (BANDS, other), "Hot")
    assert found.leads == 100 == sum(found.moves.values())
    assert (found.kept.positives, found.kept.n) == (7, 10)
    assert found.churn == pytest.approx(0.3)
    assert (found.joined.positives, found.joined.n) == (2, 9)
    assert found.same_band.value == 0.95
    assert found.rank_correlation.value == pytest.approx(1)


@pytest.mark.parametrize("ties", [False, True])
def test_rank_correlation_is_scipy_s(ties: bool) -> None:
    first, noise = np.random.default_rng(0).normal(size=(2, 300))
    first = np.round(first) if ties else first
    found = rank_correlation(first, first + noise)
    assert found.value == pytest.approx(spearmanr(first, first + noise).statistic)
    assert found.low < found.value < found.high


def test_a_constant_score_correlates_with_nothing() -> None:
    found = rank_correlation(np.zeros(50), np.arange(50.0))
    assert np.isnan(found.value)
    assert (found.low, found.high) == (-1, 1)


def test_too_few_leads_to_compare_is_an_error() -> None:
    with pytest.raises(DataError, match="only 3 leads"):
        agreement(np.zeros(3), np.zeros(3), (["Hot"] * 3, ["Hot"] * 3), "Hot")
