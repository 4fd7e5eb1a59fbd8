"""Where the base rate stands now: followed where it wanders, left alone where it only scatters."""

from collections.abc import Callable

import numpy as np
import pytest

from training_job.base_rate import level, shift_to

Path = Callable[[np.ndarray], np.ndarray]
MONTHS, ROWS, WORLDS = 24, 20_000, 30


def stand(path: Path, seed: int) -> tuple[float, float]:
    """What `level` says of a world whose log-odds stand off by `path` of the month, and its standard error."""
    random = np.random.default_rng(seed)
    seconds = np.sort(random.integers(0, MONTHS * 30 * 86_400, ROWS))
    margin = random.normal(-3.6, 0.6, ROWS)
    outcome = random.uniform(size=ROWS) < 1 / (1 + np.exp(-margin - path(seconds / (30 * 86_400))))
    contacted = np.datetime64("2023-01-01", "us") + seconds.astype("timedelta64[s]")
    found = level(1 / (1 + np.exp(-margin)), outcome.astype(float), contacted)
    return found.now, found.error


@pytest.mark.parametrize(
    ("path", "truth"),
    [
        (lambda month: 0 * month, 0.0),
        (lambda month: 0.4 * (month / MONTHS - 0.5), 0.2),
        (lambda month: np.where(month > 20, 0.47, 0.0), 0.47),
    ],
    ids=["steady", "rising by half over two years", "2.5 to 3.9 % four months ago"],
)
def test_the_level_is_nearer_than_the_past_s_mean_and_its_error_is_the_one_said(path: Path, truth: float) -> None:
    said = np.array([stand(path, seed) for seed in range(WORLDS)])
    error = np.sqrt(np.mean((said[:, 0] - truth) ** 2))
    assert error < max(0.75 * truth, 0.09)
    assert error < 1.5 * said[:, 1].mean()
    assert truth or abs(said[:, 0].mean()) < 0.03


def test_weeks_that_swing_are_not_taken_for_a_level() -> None:
    """Half of the weeks at double odds and half at half: a month scatters far more than its count would have it."""

    def swinging(month: np.ndarray) -> np.ndarray:
        week = (month * 30 // 7).astype(int)
        return np.where(np.random.default_rng(5).permutation(200)[week] % 2, 0.7, -0.7)

    said = np.array([stand(swinging, seed) for seed in range(WORLDS)])
    calm = np.array([stand(lambda month: 0 * month, seed) for seed in range(WORLDS)])
    assert said[:, 1].mean() > 1.3 * calm[:, 1].mean()


def test_a_lone_surprising_lead_and_months_without_any_are_borne() -> None:
    """A step calibration says 0 at the bottom; there a positive is nothing a finite shift could explain."""
    margin = np.zeros(400)
    contacted = np.datetime64("2023-01-01", "us") + (np.arange(400) * 86_400).astype("timedelta64[s]")
    contacted[-1] += np.timedelta64(300, "D")
    outcome = (np.arange(400) % 20 == 0).astype(float)
    outcome[-1] = 1.0
    predicted = np.where(np.arange(400) < 399, 0.05, 0.0)
    found = level(predicted, outcome, contacted)
    assert np.isfinite([found.now, found.error]).all()
    near = contacted.copy()
    near[-1] = near[-2] + np.timedelta64(31, "D")
    assert found.error > level(predicted, outcome, near).error
    assert level(1 / (1 + np.exp(-margin)), np.zeros(400), contacted).now < 0


def test_a_shift_is_none_where_no_shift_would_do() -> None:
    predicted = np.full(10, 0.2)
    assert shift_to(predicted, 0.5) == pytest.approx(np.log(4))
    assert shift_to(predicted, 0.0) == shift_to(predicted, 1.0) == 0.0
