"""The figures a policy can hold to a bound, each computed from the evidence only when it is asked for."""

import math
from collections.abc import Callable, Mapping
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from shared.metrics.calibration import Bins, brier_skill, ece
from shared.metrics.compare import paired, paired_auc
from shared.metrics.intervals import Z95, Estimate, Resamples, Statistic
from shared.metrics.ranking import Ranked, auc_pr, auc_roc, bottom_rate, lift_at
from training_job.gate.evidence import Evidence, Floats, Sealed

Figure = Callable[[], Estimate]

RESAMPLES = 500
AUC_RESAMPLES = 4000
BLOCKS = 4
MIN_SEGMENT_POSITIVES = 20


def known_figures(evidence: Evidence) -> dict[str, Figure]:
    """By name; a figure the evidence says nothing about is not there."""
    sealed = evidence.sealed
    draws = Resamples.of(sealed.period, RESAMPLES, 0, evidence.alpha)
    alone = _alone(sealed, draws)
    return {
        **_counts(evidence),
        **alone,
        **_against("champion", sealed, sealed.champion, draws),
        **_against("rules", sealed, sealed.rules, draws),
        **_segments(sealed, evidence.alpha),
        **_stability(evidence, alone),
        **{name: partial(_as_is, figure) for name, figure in evidence.extra.items()},
    }


def _as_is(estimate: Estimate) -> Estimate:
    return estimate


def _counts(evidence: Evidence) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    n, positives = len(evidence.sealed), int(evidence.sealed.outcome.sum())
    if evidence.leaks is not None:
        leaks = float(len(evidence.leaks))
        found["audit.leaks"] = partial(_as_is, Estimate(leaks, leaks, leaks, n, positives))
    if evidence.parity is not None:
        wrong = float(evidence.parity.mismatches)
        found["parity.mismatches"] = partial(_as_is, Estimate(wrong, wrong, wrong, evidence.parity.vectors, 0))
    return found


def _alone(sealed: Sealed, draws: Resamples) -> dict[str, Figure]:
    ranked = Ranked.of(sealed.margin, sealed.outcome)
    residual = sealed.probability - sealed.outcome
    statistics: dict[str, Statistic] = {
        "auc_roc": partial(auc_roc, ranked),
        "auc_pr": partial(auc_pr, ranked),
        "lift_at_10": partial(lift_at, ranked, 0.1),
        "brier_skill": partial(brier_skill, sealed.probability, sealed.outcome),
        "ece": partial(ece, sealed.probability, sealed.outcome, Bins.equal_mass(sealed.probability)),
        "gap": lambda weight: float(np.average(residual, weights=weight)),
    }
    return {f"sealed.{name}": cache(partial(draws.estimate, statistic, sealed.outcome)) for name, statistic in statistics.items()}


def _against(name: str, sealed: Sealed, other: Floats | None, draws: Resamples) -> dict[str, Figure]:
    if other is None:
        return {}
    ours, theirs = Ranked.of(sealed.margin, sealed.outcome), Ranked.of(other, sealed.outcome)

    def lift_gain() -> Estimate:
        return paired(partial(lift_at, ours, 0.1), partial(lift_at, theirs, 0.1), sealed.outcome, draws).estimate

    def bottom_ratio(weight: Floats | None) -> float:
        base = bottom_rate(theirs, 0.2, weight)
        return bottom_rate(ours, 0.2, weight) / base if base > 0 else math.nan

    return {
        f"{name}.auc_roc_gain": partial(_auc_gain, sealed, other, slice(None), draws.alpha),
        f"{name}.lift_at_10_gain": lift_gain,
        f"{name}.bottom_20_ratio": partial(draws.estimate, bottom_ratio, sealed.outcome),
        f"{name}.periods_better": partial(_blocks_better, sealed, other),
    }


def _blocks_better(sealed: Sealed, other: Floats) -> Estimate:
    """The share of BLOCKS consecutive stretches of the sealed period in which the candidate ranks better; the range is all there is."""
    wins = []
    for rows in np.array_split(np.argsort(sealed.period, kind="stable"), BLOCKS):
        outcome = sealed.outcome[rows]
        if 0 < outcome.mean() < 1:
            wins.append(auc_roc(Ranked.of(sealed.margin[rows], outcome)) > auc_roc(Ranked.of(other[rows], outcome)))
    share = float(np.mean(wins)) if wins else math.nan
    return Estimate(share, 0.0, 1.0, len(sealed), int(sealed.outcome.sum()))


def _segments(sealed: Sealed, alpha: float) -> dict[str, Figure]:
    """AUC gain over the champion per segment, at alpha over their number, so that many accuse by chance no more than one."""
    if sealed.segment is None or sealed.champion is None:
        return {}
    names = [name for name in np.unique(sealed.segment) if sealed.outcome[sealed.segment == name].sum() >= MIN_SEGMENT_POSITIVES]
    gain = partial(_auc_gain, sealed, sealed.champion)
    return {f"segment.{name}": partial(gain, sealed.segment == name, alpha / len(names)) for name in names}


def _auc_gain(sealed: Sealed, other: Floats, rows: NDArray[np.bool_] | slice, alpha: float) -> Estimate:
    draws = Resamples.of(sealed.period[rows], AUC_RESAMPLES, 0, alpha)
    return paired_auc(sealed.margin[rows], other[rows], sealed.outcome[rows], draws).estimate


def _stability(evidence: Evidence, alone: Mapping[str, Figure]) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    for name, short in (("auc_roc", "auc_gap"), ("lift_at_10", "lift_gap")):
        if name in evidence.train:
            found[f"train_test.{short}"] = partial(_gap, evidence.train[name], alone[f"sealed.{name}"])
    if len(evidence.folds) > 1:
        found["folds.auc_roc_sd"] = partial(_spread, [fold["auc_roc"] for fold in evidence.folds], relative=False)
        found["folds.auc_pr_cov"] = partial(_spread, [fold["auc_pr"] for fold in evidence.folds], relative=True)
    for name, drift in evidence.drift.items():
        slack = drift.critical
        found[f"drift.{name}"] = partial(_as_is, Estimate(drift.psi, max(0.0, drift.psi - slack), drift.psi + slack, drift.n, 0))
    return found


def _gap(train: Estimate, sealed: Figure) -> Estimate:
    """Train minus sealed; the training rows are many and fitted, so the interval is the sealed one's."""
    judged = sealed()
    return Estimate(train.value - judged.value, train.value - judged.high, train.value - judged.low, judged.n, judged.positives)


def _spread(folds: list[Estimate], *, relative: bool) -> Estimate:
    """Standard deviation between folds beyond what sampling explains: sqrt(max(0, s^2 - mean se^2)) (DerSimonian & Laird 1986).

    The interval is that of s^2 under a chi-square of folds - 1, with the same sampling part taken off.
    """
    values = np.array([fold.value for fold in folds])
    sampling = float(np.mean([((fold.high - fold.low) / (2 * Z95)) ** 2 for fold in folds]))
    freedom, variance = len(values) - 1, float(values.var(ddof=1))
    ends = [variance, variance * freedom / chi2.ppf(0.975, freedom), variance * freedom / chi2.ppf(0.025, freedom)]
    scale = float(values.mean()) if relative else 1.0
    value, low, high = (math.sqrt(max(0.0, end - sampling)) / scale for end in ends)
    return Estimate(value, low, high, sum(fold.n for fold in folds), sum(fold.positives for fold in folds))
