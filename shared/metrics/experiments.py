"""Two arms of an experiment: how many leads it takes, whether the split held, and what the difference is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2 as chi_squared
from scipy.stats import chisquare, ncx2

from shared.errors import DataError
from shared.metrics.intervals import Estimate, wilson

_NORMAL = NormalDist()


def effect_size(first: float, second: float) -> float:
    """Cohen's h between two rates: the difference of their arcsine transforms (Cohen 1988)."""
    return 2 * (math.asin(math.sqrt(first)) - math.asin(math.sqrt(second)))


def power(first: float, second: float, per_arm: float, alpha: float = 0.05) -> float:
    """The chance that a two-sided test of two rates with `per_arm` leads each finds their difference."""
    return power_of(effect_size(first, second), per_arm, alpha)


def power_of(effect: float, per_arm: float, alpha: float = 0.05) -> float:
    """As `power`, from Cohen's h."""
    reach, shift = _NORMAL.inv_cdf(1 - alpha / 2), abs(effect) * math.sqrt(per_arm / 2)
    return _NORMAL.cdf(shift - reach) + _NORMAL.cdf(-shift - reach)


def needed_per_arm(first: float, second: float, wanted: float = 0.8, alpha: float = 0.05) -> float:
    """Leads per arm at which the test finds the difference with probability `wanted`; infinite where there is none."""
    return needed_for(effect_size(first, second), wanted, alpha)


def needed_for(effect: float, wanted: float = 0.8, alpha: float = 0.05) -> float:
    """As `needed_per_arm`, from Cohen's h."""
    if not alpha < wanted < 1:
        raise DataError(f"A power of {wanted} cannot be planned for at alpha {alpha}.", fix="Ask for a power between alpha and 1.")
    return float(brentq(lambda n: power_of(effect, n, alpha) - wanted, 1e-9, 1e4 / effect**2)) if effect else math.inf


def power_chi_square(effect: float, n: float, freedom: int, alpha: float = 0.05) -> float:
    """The chance that a chi-square test on `n` rows finds Cohen's w = `effect`."""
    return float(ncx2.sf(chi_squared.isf(alpha, freedom), freedom, n * effect**2))


@dataclass(frozen=True, slots=True)
class RateDifference:
    """First arm minus second with Newcombe's interval; z and p of the pooled test; ratio of the rates (NaN over 0)."""

    first: Estimate
    second: Estimate
    difference: Estimate
    z: float
    p_value: float
    ratio: float


def compare_rates(first: tuple[int, int], second: tuple[int, int]) -> RateDifference:
    """Positives and rows of each arm. The interval combines the arms' Wilson intervals (Newcombe 1998, method 10)."""
    for positives, n in (first, second):
        if not 0 <= positives <= n or n == 0:
            raise DataError(f"An arm has {positives} positives of {n} leads.", fix="Give positives and leads of each arm.")
    one, two = wilson(*first), wilson(*second)
    value = one.value - two.value
    low = value - math.hypot(one.value - one.low, two.high - two.value)
    high = value + math.hypot(one.high - one.value, two.value - two.low)
    n, positives = one.n + two.n, one.positives + two.positives
    error = math.sqrt(positives / n * (1 - positives / n) * (1 / one.n + 1 / two.n))
    z = value / error if error else 0.0
    ratio = one.value / two.value if two.value else math.nan
    return RateDifference(one, two, Estimate(value, low, high, n, positives), z, 2 * _NORMAL.cdf(-abs(z)), ratio)


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Chi-square of arm sizes against the planned shares; a tiny p_value (SRM) says the split itself is broken."""

    chi_square: float
    p_value: float


def sample_ratio(sizes: Sequence[int], shares: Sequence[float] | None = None) -> SampleRatio:
    """`shares` default to equal arms."""
    planned = np.full(len(sizes), 1 / len(sizes)) if shares is None else np.asarray(shares) / np.sum(shares)
    found = chisquare(sizes, planned * np.sum(sizes))
    return SampleRatio(float(found.statistic), float(found.pvalue))
