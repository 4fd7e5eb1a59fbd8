"""What the model goes by: exact contributions over all periods, how steady they are, and how they differ from an earlier model's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from shared.asof.contract import Contract
from shared.matrix import Matrix
from shared.model.artifact import Artifact, Predictor
from shared.model.scorer import say
from shared.score import Value
from training_job.dataset import Dataset
from training_job.trained import Trained

SAMPLE = 600
TOP = 5


@dataclass(frozen=True, slots=True)
class Importance:
    """Mean absolute contribution to the log-odds of a feature over the judged rows: all together, and its spread over periods.

    direction: Spearman correlation of the feature's value with its contribution, NaN for categories. kept: share of periods that
    could use it.
    """

    feature: str
    importance: float
    share: float
    spread: float
    direction: float
    kept: float


@dataclass(frozen=True, slots=True)
class Compared:
    """The ranking of this model's features beside an earlier one's, over those both have."""

    version: str
    rank_correlation: float
    words: tuple[str, ...]


def importance(trained: Trained, seed: int = 0) -> tuple[list[Importance], float]:
    """By falling importance, and the mean rank correlation between the periods' own rankings (1: the same in each)."""
    data, candidate = trained.development, trained.chosen.candidate
    rows = [_sample(period.fold.judge, seed) for period in trained.compared.periods]
    each = [
        shares_of(
            period.seen[candidate.name].predictor, data.take(judge).without(set(data.schema.names) - set(period.kept[candidate.screen]))
        )
        for period, judge in zip(trained.compared.periods, rows, strict=True)
    ]
    by_period = {name: [float(np.abs(found[name]).mean()) if name in found else np.nan for found in each] for name in trained.schema}
    final = data.take(np.concatenate(rows)).without(set(data.schema.names) - set(trained.schema))
    own = shares_of(trained.predictor, final)
    total = sum(float(np.abs(share).mean()) for share in own.values()) or 1.0
    found = [_importance(name, own[name], by_period[name], final, total) for name in trained.schema]
    return sorted(found, key=lambda item: -item.importance), _steadiness(list(by_period.values()))


def shares_of(model: Predictor, rows: Dataset) -> dict[str, Matrix]:
    """Contribution [rows] of each feature; those of a category's columns add up to the category's."""
    shares = model.contributions(rows.matrix)
    owner = rows.schema.owner
    return {name: shares[:, owner == index].sum(axis=1) for index, name in enumerate(rows.schema.names)}


def drivers(trained: Trained, contract: Contract, rows: Dataset, keys: Mapping[str, str]) -> list[dict[str, str | float]]:
    """The five strongest contributions of each lead of the best tenth, in the words of the contract."""
    mine = rows.without(set(rows.schema.names) - set(trained.schema))
    margins = trained.predictor.margins(mine.matrix)
    best = np.argsort(-margins, kind="stable")[: max(1, len(margins) // 10)]
    shares = shares_of(trained.predictor, mine.take(best))
    features = {feature.name: feature for feature in contract.usable}
    table = []
    for place, row in enumerate(best):
        strongest = sorted(shares, key=lambda name: -abs(shares[name][place]))[:TOP]
        for rank, name in enumerate(strongest, start=1):
            if shares[name][place]:
                lead = mine.lead_ids[row]
                said = say(features[name], _value(mine, name, int(row)))
                contribution = round(float(shares[name][place]), 6)
                table.append({"id": keys.get(lead, lead), "rank": rank, "feature": name, "contribution": contribution, "reason": said})
    return table


def against(found: Sequence[Importance], earlier: Artifact, rows: Dataset) -> Compared | None:
    """How the ranking moved since `earlier`, in words; None where the two share too little to compare."""
    both = [item.feature for item in found if item.feature in earlier.schema.names]
    strange = [column for column in earlier.schema.columns if column not in rows.schema.columns]
    if len(both) < 3 or strange:  # noqa: PLR2004 - two ranks are always or never alike
        return None
    mine = rows.without(set(rows.schema.names) - set(earlier.schema.names))
    then = {name: float(np.abs(share).mean()) for name, share in shares_of(earlier.predictor, mine).items()}
    now = {item.feature: item.importance for item in found}
    before, after = (_ranks({name: source[name] for name in both}) for source in (then, now))
    moves = sorted(both, key=lambda name: after[name] - before[name])
    words = [f"{name} rose from {before[name]} to {after[name]}" for name in moves[:3] if after[name] < before[name]]
    words += [f"{name} fell from {before[name]} to {after[name]}" for name in moves[::-1][:3] if after[name] > before[name]]
    return Compared(earlier.version, float(spearmanr([then[n] for n in both], [now[n] for n in both]).statistic), tuple(words))


def _ranks(values: Mapping[str, float]) -> dict[str, int]:
    return {name: place for place, name in enumerate(sorted(values, key=lambda name: -values[name]), start=1)}


def _sample(rows: np.ndarray, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).choice(rows, min(SAMPLE, len(rows)), replace=False))


def _importance(name: str, share: Matrix, periods: Sequence[float], rows: Dataset, total: float) -> Importance:
    known = [value for value in periods if np.isfinite(value)]
    value = rows.matrix[:, rows.schema.owner == rows.schema.names.index(name)]
    direction = float("nan")
    if value.shape[1] == 1:
        seen = ~np.isnan(value[:, 0])
        if seen.sum() > 2 and np.ptp(value[seen, 0]) and np.ptp(share[seen]):  # noqa: PLR2004
            direction = float(spearmanr(value[seen, 0], share[seen]).statistic)
    mean = float(np.abs(share).mean())
    return Importance(name, mean, mean / total, float(np.std(known)) if known else 0.0, direction, len(known) / max(len(periods), 1))


def _steadiness(by_feature: Sequence[Sequence[float]]) -> float:
    """Mean Spearman correlation over all pairs of periods, of the features both could use."""
    table = np.array(by_feature)
    found = []
    for one in range(table.shape[1]):
        for two in range(one):
            both = np.isfinite(table[:, one]) & np.isfinite(table[:, two])
            if both.sum() > 2 and np.ptp(table[both, one]) and np.ptp(table[both, two]):  # noqa: PLR2004
                found.append(spearmanr(table[both, one], table[both, two]).statistic)
    return float(np.mean(found)) if found else float("nan")


def _value(rows: Dataset, name: str, row: int) -> Value:
    column = rows.schema.columns[rows.schema.names.index(name)]
    values = rows.matrix[row, rows.schema.owner == rows.schema.names.index(name)]
    if np.isnan(values[0]):
        return None
    return column.levels[int(values.argmax())] if column.levels else float(values[0])
