import numpy as np
import pytest

from shared.errors import DataError
from shared.metrics.business import cuts, in_cut
from shared.metrics.ranking import Ranked


def _judged(seed: int, n: int = 4000) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    random = np.random.default_rng(seed)
    margin = random.normal(-3, 1, n)
    probability = 1 / (1 + np.exp(-margin))
    outcome = (random.uniform(size=n) < probability).astype(float)
    return (margin, probability, outcome), np.sort(random.integers(0, 20, n))


def test_a_cut_says_what_dialling_its_leads_brings() -> None:
    judged, period = _judged(0)
    (tenth,) = cuts(judged, period, shares=(0.1,))
    best = judged[2][np.argsort(-judged[0])[:400]]
    assert tenth.leads == 400
    assert tenth.actual == best.sum()
    assert tenth.per_100_dials.value == pytest.approx(100 * best.mean())
    assert tenth.calls_saved.value == pytest.approx(best.sum() / judged[2].mean() - 400)
    assert tenth.per_100_dials.low < tenth.per_100_dials.value < tenth.per_100_dials.high


def test_more_dials_a_lead_bring_less_a_dial() -> None:
    judged, period = _judged(1)
    (once,), (thrice,) = cuts(judged, period, shares=(0.2,)), cuts(judged, period, dials_per_lead=3, shares=(0.2,))
    assert thrice.per_100_dials.value == pytest.approx(once.per_100_dials.value / 3)


def test_true_probabilities_keep_their_promise_at_most_cuts_and_halved_ones_break_it() -> None:
    kept = [cut.as_promised for seed in range(20) for cut in cuts(*_judged(seed), shares=(0.1, 0.5))]
    assert np.mean(kept) > 0.85
    (margin, probability, outcome), period = _judged(0)
    assert not any(cut.as_promised for cut in cuts((margin, probability / 2, outcome), period, shares=(0.2, 0.5)))


def test_working_everybody_saves_nothing() -> None:
    judged, period = _judged(2)
    (everyone,) = cuts(judged, period, shares=(1.0,))
    assert everyone.calls_saved.value == pytest.approx(0)
    assert everyone.actual == judged[2].sum()


def test_a_tie_at_the_cut_is_taken_in_part() -> None:
    ranked = Ranked.of(np.array([1.0, 3, 2, 2, 2, 2]), np.array([0.0, 1, 1, 0, 0, 0]))
    assert in_cut(ranked, 0.5).tolist() == [0, 1, 0.5, 0.5, 0.5, 0.5]
    assert in_cut(ranked, 1.0).tolist() == [1] * 6


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_cut_that_cannot_be_is_refused(share: float) -> None:
    judged, period = _judged(3)
    with pytest.raises(DataError, match=f"not {share:g} of them"):
        cuts(judged, period, shares=(share,))
