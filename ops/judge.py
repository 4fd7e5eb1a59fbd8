"""What the scores of a replay were worth, once the outcomes have matured."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from shared.asof.contract import Contract
from shared.asof.labels import NEGATIVE, POSITIVE, labels
from shared.metrics.calibration import ReliabilityBin, reliability
from shared.metrics.intervals import Estimate, wilson
from shared.metrics.ranking import Decile, deciles
from shared.metrics.summary import headline, week_of
from shared.ports import Query, Warehouse

_SCORES = Query(
    "event_scores",
    """SELECT
  lead_id,
  stage_entered_at,
  margin,
  probability,
  percentile,
  band,
  reasons
FROM `scores.ledger`
WHERE origin = 'event'
  AND role = 'champion'
ORDER BY lead_id
""",
)


@dataclass(frozen=True, slots=True)
class Example:
    """A lead as a sales rep sees it."""

    lead_id: str
    band: str
    percentile: float
    probability: float
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores of the event path against matured outcomes; `waiting` are scored leads whose label is not settled or not usable."""

    scored: int
    metrics: dict[str, Estimate]
    deciles: list[Decile]
    reliability: list[ReliabilityBin]
    mean_predicted: float
    actual: Estimate
    waiting: int
    top_reasons: list[tuple[str, int]]
    examples: list[Example]


def judge_replay(warehouse: Warehouse, contract: Contract, known_by: datetime) -> Judged:
    """Join the ledger's event scores to the labels known by `known_by`; the periods of the intervals are weeks."""
    scores = list(warehouse.query(_SCORES))
    status = {row["lead_id"]: row["status"] for row in warehouse.query(labels(contract), known_by=known_by)}
    settled = [row for row in scores if status.get(row["lead_id"]) in {POSITIVE, NEGATIVE}]
    outcome = np.array([float(status[row["lead_id"]] == POSITIVE) for row in settled])
    margin, probability = _column(settled, "margin"), _column(settled, "probability")
    moments = np.array([_naive(row["stage_entered_at"]) for row in settled], "datetime64[us]")
    return Judged(
        scored=len(scores),
        metrics=headline(margin, probability, outcome, week_of(moments)),
        deciles=deciles(margin, outcome, probability),
        reliability=reliability(probability, outcome),
        mean_predicted=float(probability.mean()),
        actual=wilson(int(outcome.sum()), len(outcome)),
        waiting=len(scores) - len(settled),
        top_reasons=_top_reasons(scores),
        examples=_examples(scores),
    )


def _column(rows: list[dict[str, object]], name: str) -> NDArray[np.float64]:
    return np.array([row[name] for row in rows], np.float64)


def _naive(moment: object) -> datetime:
    assert isinstance(moment, datetime)
    return moment.replace(tzinfo=None)


def _top_reasons(scores: list[dict[str, object]]) -> list[tuple[str, int]]:
    first = (json.loads(str(row["reasons"])) for row in scores)
    return Counter(reasons[0]["feature"] for reasons in first if reasons).most_common(8)


def _examples(scores: list[dict[str, object]]) -> list[Example]:
    ordered = sorted(scores, key=lambda row: -float(str(row["margin"])))
    picks = {0: None, len(ordered) // 3: None, len(ordered) - 1: None}
    return [_example(ordered[index]) for index in picks]


def _example(row: dict[str, object]) -> Example:
    reasons = [f"{'+' if r['contribution'] > 0 else '-'} {r['text']}" for r in json.loads(str(row["reasons"]))]
    return Example(str(row["lead_id"]), str(row["band"]), float(str(row["percentile"])), float(str(row["probability"])), reasons)
