"""A score and the reasons for it, as the ledger keeps them and Salesforce shows them."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

POINTS_AT_BASE_ODDS = 500
POINTS_TO_DOUBLE_THE_ODDS = 50
REASON_LIMIT = 255

Value: TypeAlias = float | str | None
Role: TypeAlias = Literal["champion", "challenger"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature's exact Shapley contribution to the margin (log-odds), and how to say it."""

    feature: str
    contribution: float
    text: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a model says of one vector.

    margin: raw log-odds, which ranks; probability: calibrated, which is shown; percentile: 0-100 within the
    model's frozen reference; score: points, 500 at the base rate of training and 50 more for twice the odds.
    """

    margin: float
    probability: float
    percentile: float
    score: int
    band: str
    action: str
    reasons: tuple[Reason, ...]


def points(margin: float, base_rate: float) -> int:
    """The margin on the points-to-double-the-odds scale of credit scorecards."""
    base_margin = math.log(base_rate / (1 - base_rate))
    doublings = (margin - base_margin) / math.log(2)
    return round(POINTS_AT_BASE_ODDS + POINTS_TO_DOUBLE_THE_ODDS * doublings)


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One line of `scores.ledger`: append-only, one per lead, stage entry, model version, as_of and role."""

    lead_id: str
    stage_entered_at: datetime
    model_version: str
    as_of: datetime
    scored_at: datetime
    role: Role
    origin: str
    event_id: str
    margin: float
    probability: float
    percentile: float
    score: int
    band: str
    action: str
    reasons: str
    feature_hash: str


@dataclass(frozen=True, slots=True)
class FeatureLogRow:
    """The vector that was served, under the key of its ledger row; `features` is canonical JSON."""

    lead_id: str
    stage_entered_at: datetime
    model_version: str
    as_of: datetime
    features: str
    feature_hash: str


def canonical(features: Mapping[str, Value]) -> str:
    """A vector as JSON with sorted names: the same vector gives the same bytes."""
    return json.dumps(dict(features), sort_keys=True, separators=(",", ":"))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def reasons_json(reasons: tuple[Reason, ...]) -> str:
    return json.dumps([{"feature": r.feature, "contribution": round(r.contribution, 6), "text": r.text} for r in reasons])


def reasons_text(reasons_as_json: str, limit: int = REASON_LIMIT) -> str:
    """The reasons as one text for a Salesforce field, most telling first, cut at a whole reason or word."""
    parts = [f"{'+' if r['contribution'] > 0 else '-'} {r['text']}" for r in json.loads(reasons_as_json)]
    if not parts:
        return ""
    text = _cut_at_a_word(parts[0], limit)
    for part in parts[1:]:
        if len(text) + len(part) + 2 > limit:
            break
        text = f"{text}; {part}"
    return text


def _cut_at_a_word(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rsplit(" ", 1)[0] + "…"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked for a score, about which stage entry, and as of when."""

    lead_id: str
    stage_entered_at: datetime
    as_of: datetime
    origin: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Scored:
    """What is written down about one score: the ledger's line, and the vector behind it."""

    score: LedgerRow
    vector: FeatureLogRow


def scored(
    asked: Asked, vector: Mapping[str, Value], judged: Judgement, version: str, scored_at: datetime, role: Role = "champion"
) -> Scored:
    features = canonical(vector)
    logged = FeatureLogRow(asked.lead_id, asked.stage_entered_at, version, asked.as_of, features, digest(features))
    row = LedgerRow(
        lead_id=asked.lead_id,
        stage_entered_at=asked.stage_entered_at,
        model_version=version,
        as_of=asked.as_of,
        scored_at=scored_at,
        role=role,
        origin=asked.origin,
        event_id=asked.event_id,
        margin=judged.margin,
        probability=judged.probability,
        percentile=judged.percentile,
        score=judged.score,
        band=judged.band,
        action=judged.action,
        reasons=reasons_json(judged.reasons),
        feature_hash=logged.feature_hash,
    )
    return Scored(row, logged)


def rows(of: Sequence[Scored]) -> tuple[list[LedgerRow], list[FeatureLogRow]]:
    """The lines for each of the two tables."""
    return [each.score for each in of], [each.vector for each in of]
