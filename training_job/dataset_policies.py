"""How to build training rows, settled by measurement: train under each policy, judge as it would, and as production would.

as_of: each feature as known at the contact. current: as known when the dataset is made. hybrid: as_of, but mutable
features missing for old leads. financials_current: money as known when the dataset is made, the rest as of the contact.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from shared.asof.contract import Contract, Feature
from shared.asof.vector import Matrix
from shared.errors import DataError
from shared.metrics.intervals import Estimate, bootstrap
from shared.metrics.ranking import Ranked, auc_pr, lift_at
from shared.metrics.summary import week_of
from shared.ports import BulkWarehouse
from training_job.audit.evidence import Evidence, gather
from training_job.families import fit_xgboost
from training_job.imbalance import none as plain
from training_job.policy import TrainingPolicy

Say = Callable[[str], None]

TRAIN_SHARE = 0.7
OLD_DAYS = 180
MONEY = frozenset({"$", "$m"})
MIN_POSITIVES = 20
FREE_CHILD_WEIGHT = 5
"""Light enough for a model to pick up what a few hundred rows hold, which is what this is about."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """offline: what the policy's own evaluation reports. realised: the same model on the same later leads, served.

    lie: offline less realised, on the same rows; its interval is of the difference.
    """

    policy: str
    offline: Mapping[str, Estimate]
    realised: Mapping[str, Estimate]
    lie: Mapping[str, Estimate]

    @property
    def words(self) -> str:
        lie = self.lie["auc_pr"]
        if lie.low > 0:
            return f"promises too much: AUC-PR {lie.value:+.3f} [{lie.low:+.3f}, {lie.high:+.3f}] that production does not see"
        if lie.high < 0:
            return f"promises too little: AUC-PR {lie.value:+.3f} [{lie.low:+.3f}, {lie.high:+.3f}]"
        return "keeps its promise, as far as these leads can tell"


@dataclass(frozen=True, slots=True)
class Comparison:
    """changed: per feature, the share of later leads whose value at contact is not the value of today."""

    trained_on: int
    judged_on: int
    positives: int
    verdicts: tuple[Verdict, ...]
    changed: Mapping[str, float]


def compare_policies(warehouse: BulkWarehouse, contract: Contract, known_by: datetime, policy: TrainingPolicy, say: Say) -> Comparison:
    """Train the same model on the same rows under each policy; score the same later leads. DataError with too few positives."""
    evidence = gather(warehouse, contract, known_by, say)
    train, later = _split(evidence, contract.lead.outcome.window_days + contract.lead.lag_days)
    before, after = (int(evidence.outcome[side].sum()) for side in (train, later))
    if min(before, after) < MIN_POSITIVES:
        raise DataError(
            f"{before} positives before the split and {after} after it are too few to compare policies.",
            fix=f"Each side needs {MIN_POSITIVES}; wait for more leads to mature.",
        )
    served = _matrix(evidence.then)[later]
    outcome, period = evidence.outcome[later], week_of(evidence.contacted_at[later])
    free = policy.model_copy(update={"xgboost": {**policy.xgboost, "min_child_weight": FREE_CHILD_WEIGHT}})
    verdicts = []
    for name, matrix in _policies(evidence):
        say(f"policy {name}")
        predictor = fit_xgboost(plain(matrix[train], evidence.outcome[train], free.seed), free).predictor
        offline, realised = predictor.margins(matrix[later]), predictor.margins(served)
        verdicts.append(_verdict(name, offline, realised, outcome, period))
    changed = {name: _changed(evidence.then[name][later], evidence.today[name][later]) for name in evidence.then}
    return Comparison(int(train.sum()), int(later.sum()), int(outcome.sum()), tuple(verdicts), changed)


def _split(evidence: Evidence, gap_days: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    start = evidence.contacted_at[int(TRAIN_SHARE * evidence.rows)]
    return evidence.contacted_at < start - np.timedelta64(timedelta(days=gap_days)), evidence.contacted_at >= start


def _policies(e: Evidence) -> Iterator[tuple[str, Matrix]]:
    then, today = _matrix(e.then), _matrix(e.today)
    features = {feature.name: feature for feature in e.contract.usable}
    mutable = np.array([_touches(e.contract, features[name], lambda f: f.kind == "mutable") for name in e.then])
    money = np.array([_touches(e.contract, features[name], lambda f: f.unit in MONEY) for name in e.then])
    old = e.age_days > OLD_DAYS
    yield "as_of", then
    yield "current", today
    yield "hybrid", np.where(old[:, None] & mutable[None, :], np.nan, then)
    yield "financials_current", np.where(money[None, :], today, then)


def _touches(contract: Contract, feature: Feature, what: Callable[[Feature], bool]) -> bool:
    """Whether the feature, or anything it is computed from, is of that sort."""
    return any(what(each) for each in contract.closure([feature]))


def _matrix(values: Mapping[str, Matrix]) -> Matrix:
    return np.column_stack(list(values.values()))


def _verdict(name: str, offline: Matrix, realised: Matrix, outcome: Matrix, period: NDArray[np.generic]) -> Verdict:
    own, real = Ranked.of(offline, outcome), Ranked.of(realised, outcome)
    measures: dict[str, Callable[[Ranked, Matrix | None], float]] = {
        "auc_pr": auc_pr,
        "lift_at_10": lambda ranked, weight: lift_at(ranked, 0.1, weight),
    }
    return Verdict(
        name,
        {m: bootstrap(lambda w, f=f: f(own, w), outcome, period) for m, f in measures.items()},  # type: ignore[misc]
        {m: bootstrap(lambda w, f=f: f(real, w), outcome, period) for m, f in measures.items()},  # type: ignore[misc]
        {m: bootstrap(lambda w, f=f: f(own, w) - f(real, w), outcome, period) for m, f in measures.items()},  # type: ignore[misc]
    )


def _changed(then: Matrix, today: Matrix) -> float:
    same = (np.isnan(then) & np.isnan(today)) | np.isclose(then, today)
    return float(1 - same.mean())
