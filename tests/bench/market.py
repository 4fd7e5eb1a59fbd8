"""Two scores of one simulated market, for benchmarks and tests of the gate: how good each is is known."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from shared.metrics.drift import psi
from shared.metrics.intervals import Estimate, Resamples
from shared.metrics.ranking import Ranked, auc_pr, auc_roc, lift_at
from training_job.gate.evidence import Evidence, Floats, Parity, Sealed

BASE_RATE = 0.039
WEEKS = 26
RULES_AUC = 0.56
SHARED = 0.6
WEEKLY_LUCK = 0.05


@dataclass(frozen=True, slots=True)
class Pair:
    """A candidate and a champion of known AUC, judged on `n` leads."""

    n: int
    candidate: float
    champion: float = 0.62


def evidence(pair: Pair, seed: int) -> Evidence:
    """Scores are normal, shifted for positives, and correlate as two models of the same features do.

    The base rate and each score's power vary from week to week, independently, so that leads of a week are not independent.
    """
    random = np.random.default_rng(seed)
    week = np.sort(random.integers(0, WEEKS, pair.n))
    outcome = (random.uniform(size=pair.n) < (BASE_RATE * np.exp(random.normal(0, 0.2, WEEKS) - 0.02))[week]).astype(float)
    common = random.normal(size=pair.n)
    powers = [_shift(auc) for auc in (pair.candidate, pair.champion, RULES_AUC)]
    candidate, champion, rules = (_score(random, outcome, week, common, power) for power in powers)
    margin = np.log(BASE_RATE / (1 - BASE_RATE)) + powers[0] * candidate - powers[0] ** 2 / 2
    sealed = Sealed(outcome, week, margin, 1 / (1 + np.exp(-margin)), champion, rules, random.choice(["low", "middle", "high"], pair.n))
    return Evidence(
        candidate="candidate",
        champion="champion",
        sealed=sealed,
        leaks=(),
        parity=Parity(pair.n, 0),
        folds=tuple(_fold(random, powers[0], min(pair.n, 6000)) for _ in range(5)),
        train={name: Estimate(e.value * 1.02, e.low, e.high, e.n, e.positives) for name, e in _fold(random, powers[0], pair.n).items()},
        drift={"score": psi(random.normal(size=pair.n), random.normal(size=pair.n))},
    )


def _shift(auc: float) -> float:
    return sqrt(2) * NormalDist().inv_cdf(auc)


def _score(random: np.random.Generator, outcome: Floats, week: NDArray[np.intp], common: Floats, power: float) -> Floats:
    luck: Floats = random.normal(0, WEEKLY_LUCK, WEEKS)[week]
    return (power + luck) * outcome + sqrt(SHARED) * common + sqrt(1 - SHARED) * random.normal(size=len(outcome))


def _fold(random: np.random.Generator, power: float, n: int) -> dict[str, Estimate]:
    outcome = (random.uniform(size=n) < BASE_RATE).astype(float)
    ranked = Ranked.of(power * outcome + random.normal(size=n), outcome)
    draws = Resamples.of(random.integers(0, WEEKS, n), 60, 0)
    figures = {"auc_roc": auc_roc, "auc_pr": auc_pr, "lift_at_10": lambda ranked, weight: lift_at(ranked, 0.1, weight)}
    return {name: draws.estimate(lambda weight, f=figure: f(ranked, weight), outcome) for name, figure in figures.items()}  # type: ignore[misc]
