"""How to build training rows, settled by measurement: train under each policy, judge as it would, and as production would.

as_of: each feature as known at the contact. current: as known when the dataset is made. hybrid: as_of, but mutable
features missing for old leads. financials_current: money as known when the dataset is made, the rest as of the contact.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from shared.asof.compile import fitted_params, statistic_params, vectors_sql
from shared.asof.contract import Contract, Feature
from shared.asof.labels import NEGATIVE, POSITIVE, labels, mature_asks_sql
from shared.errors import DataError
from shared.matrix import Matrix
from shared.metrics.intervals import Estimate, bootstrap
from shared.metrics.ranking import Ranked, auc_pr, lift_at
from shared.metrics.summary import week_of
from shared.ports import BulkWarehouse, Query
from training_job.dataset import Dataset, encoded, load_dataset
from training_job.families import fit_xgboost
from training_job.lesson import Lesson, Plan
from training_job.policy import TrainingPolicy
from training_job.statistics import fit_statistics
from training_job.value_drift import ValueDrift, value_drift

Say = Callable[[str], None]

TRAIN_SHARE = 0.7
OLD_DAYS = 180
MIN_POSITIVES = 20
FREE_CHILD_WEIGHT = 5
"""Light enough for a model to pick up what a few hundred rows hold, which is what this is about."""
MEASURES: Mapping[str, Callable[[Ranked, Matrix | None], float]] = {
    "auc_pr": auc_pr,
    "lift_at_10": lambda ranked, weight: lift_at(ranked, 0.1, weight),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """offline: what the policy's own evaluation reports. realised: the same model on the same later leads, served.

    lie: offline less realised, on the same rows. against_as_of: realised less what the as_of policy realises there. The
    intervals of both are of the difference. as_of asks the same question twice, so its lie is 0 by construction.
    """

    policy: str
    offline: Mapping[str, Estimate]
    realised: Mapping[str, Estimate]
    lie: Mapping[str, Estimate]
    against_as_of: Mapping[str, Estimate]

    @property
    def words(self) -> str:
        lie = self.lie["auc_pr"]
        if lie.low > 0:
            return f"promises too much: AUC-PR {_signed(lie)} that production does not see"
        if lie.high < 0:
            return f"promises too little: AUC-PR {_signed(lie)}"
        return "keeps its promise, as far as these leads can tell"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Leads contacted until `split` train, with the label window as a gap; those from then on judge."""

    split: datetime
    trained_on: int
    judged_on: int
    positives: int
    verdicts: tuple[Verdict, ...]
    drift: tuple[ValueDrift, ...]


def compare_policies(warehouse: BulkWarehouse, contract: Contract, known_by: datetime, policy: TrainingPolicy, say: Say) -> Comparison:
    """Train the same model on the same rows under each policy; score the same later leads. DataError with too few positives.

    Only leads that production would have scored are judged: those whose required sources were found at the contact.
    """
    say("labels and statistics")
    split = _split(warehouse, contract, known_by)
    contract = fit_statistics(warehouse, contract, split)
    say("features as known at each contact")
    rows = load_dataset(warehouse, contract, known_by)
    say("features as known today")
    today = _today(warehouse, contract, known_by, rows)
    gap_days = contract.lead.outcome.window_days + contract.lead.lag_days
    train, later = rows.split(split, gap_days)
    _require_positives(train, later)
    say("drift of each feature")
    drift = value_drift(rows, today, contract)
    ranked = {}
    for name, matrix in _policies(rows, today, contract, known_by):
        say(f"policy {name}")
        ranked[name] = _ranked(*replace(rows, matrix=matrix).split(split, gap_days), later, policy)
    judged = (later.outcome, week_of(later.contacted_at))
    verdicts = tuple(_verdict(name, own, real, ranked["as_of"][1], judged) for name, (own, real) in ranked.items())
    return Comparison(split, len(train), len(later), int(later.outcome.sum()), verdicts, drift)


def _ranked(train: Dataset, own: Dataset, served: Dataset, policy: TrainingPolicy) -> tuple[Ranked, Ranked]:
    """The later leads by a model fitted on `train`: with the values the policy's own table has, and with those production had."""
    free = Plan({**policy.xgboost, "min_child_weight": FREE_CHILD_WEIGHT}, policy.xgboost_rounds)
    predictor = fit_xgboost(Lesson(train.matrix, train.outcome, train.schema.matrix_names, policy), free).predictor
    return Ranked.of(predictor.margins(own.matrix), own.outcome), Ranked.of(predictor.margins(served.matrix), served.outcome)


def _split(warehouse: BulkWarehouse, contract: Contract, known_by: datetime) -> datetime:
    mature = [row["contacted_at"] for row in warehouse.query(labels(contract), known_by=known_by) if row["status"] in {POSITIVE, NEGATIVE}]
    contacts = sorted(moment for moment in mature if isinstance(moment, datetime))
    if not contacts:
        raise DataError(f"No lead is mature by {known_by:%Y-%m-%d}.", fix="Check the outcome window and the lag in the contract.")
    return contacts[int(TRAIN_SHARE * len(contacts))].astimezone(UTC)


def _today(warehouse: BulkWarehouse, contract: Contract, known_by: datetime, rows: Dataset) -> Matrix:
    """The same leads asked about at `known_by`, as a table of current values has them [rows, matrix columns]."""
    asks = f"SELECT lead_id, crd, @known_by AS as_of FROM (\n{mature_asks_sql(contract)}\n)"
    query = Query(f"today_{contract.name}", vectors_sql(contract, asks), {"known_by": "TIMESTAMP", **statistic_params(contract)})
    vectors = warehouse.arrow(query, known_by=known_by, **fitted_params(contract))
    place = {lead_id: index for index, lead_id in enumerate(vectors.column("lead_id").to_pylist())}
    return encoded(vectors.take([place[lead_id] for lead_id in rows.lead_ids]), rows.schema)


def _require_positives(*sides: Dataset) -> None:
    before, after = (int(side.outcome.sum()) for side in sides)
    if min(before, after) < MIN_POSITIVES:
        raise DataError(
            f"{before} positives before the split and {after} after it are too few to compare policies.",
            fix=f"Each side needs {MIN_POSITIVES}; wait for more leads to mature.",
        )


def _policies(rows: Dataset, today: Matrix, contract: Contract, known_by: datetime) -> Iterator[tuple[str, Matrix]]:
    then, features = rows.matrix, {feature.name: feature for feature in contract.usable}
    owners = [features[name] for name in np.array(rows.schema.names)[rows.schema.owner]]
    mutable = np.array([_touches(contract, feature, lambda f: f.kind == "mutable") for feature in owners])
    money = np.array([_touches(contract, feature, lambda f: f.is_financial) for feature in owners])
    old = rows.contacted_at < np.datetime64((known_by - timedelta(days=OLD_DAYS)).replace(tzinfo=None))
    yield "as_of", then
    yield "current", today
    yield "hybrid", np.where(old[:, None] & mutable[None, :], np.nan, then)
    yield "financials_current", np.where(money[None, :], today, then)


def _touches(contract: Contract, feature: Feature, what: Callable[[Feature], bool]) -> bool:
    """Whether the feature, or anything it is computed from, is of that sort."""
    return any(what(each) for each in contract.closure([feature]))


def _verdict(name: str, own: Ranked, real: Ranked, honest: Ranked, judged: tuple[Matrix, NDArray[np.generic]]) -> Verdict:
    def of(statistic: Callable[[Callable[[Ranked, Matrix | None], float], Matrix | None], float]) -> dict[str, Estimate]:
        return {measure: bootstrap(lambda w, f=f: statistic(f, w), *judged) for measure, f in MEASURES.items()}  # type: ignore[misc]

    return Verdict(
        policy=name,
        offline=of(lambda f, w: f(own, w)),
        realised=of(lambda f, w: f(real, w)),
        lie=of(lambda f, w: f(own, w) - f(real, w)),
        against_as_of=of(lambda f, w: f(real, w) - f(honest, w)),
    )


def _signed(estimate: Estimate) -> str:
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"
