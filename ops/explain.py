"""The whole story of one lead: what was scored, from what, by which model, and what Salesforce answered."""

import json
from dataclasses import dataclass, replace

from functions.score_lead import Scoring
from shared.asks import answer_one
from shared.asof.contract import Contract
from shared.asof.labels import leads_sql
from shared.asof.seen import Seen, seen
from shared.errors import CrmUnavailable, LeadscoreError, UnknownLead
from shared.lead import Ask
from shared.ledger import LeadReceipt, ServedScore
from shared.model.artifact import Artifact
from shared.model.registry import Registry
from shared.model.scorer import judge
from shared.ports import Query
from shared.score import canonical, digest, reasons_json


@dataclass(frozen=True, slots=True)
class Check:
    """Whether something comes out again as it was written down; `why` says what differs."""

    same: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """`scores` begins with the champion's latest, which the other parts are about.

    rescored: the logged vector through the same model. asked_again: the same question to the warehouse as it is now.
    """

    scores: list[ServedScore]
    receipts: list[LeadReceipt]
    artifact: Artifact
    rows: list[Seen]
    rescored: Check
    asked_again: Check


def tell(lead_id: str, scoring: Scoring, registry: Registry) -> Story:
    """Raises UnknownLead when the lead was never scored."""
    ledger = scoring.ledger
    scores = ledger.scores_of(lead_id)
    if not scores:
        raise UnknownLead(f"Lead {lead_id} has no score.", fix="See ./leadscore dlq list for messages about it that died.")
    latest = next((score for score in scores if score.row.role == "champion"), scores[0])
    artifact = registry.load(latest.row.model_version)
    ask = Ask(lead_id, _crd(lead_id, scoring, artifact.contract), latest.row.as_of)
    given = [{"lead_id": ask.lead_id, "crd": ask.crd, "as_of": ask.as_of}]
    rows = scoring.warehouse.query(seen(artifact.contract), asks=given).into(Seen)
    ordered = [latest, *(score for score in scores if score is not latest)]
    return Story(
        ordered, ledger.receipts_of(lead_id), artifact, rows, _rescored(latest, artifact), _asked_again(latest, ask, scoring, artifact)
    )


def _rescored(score: ServedScore, artifact: Artifact) -> Check:
    """Byte for byte: every number and every word of the ledger's row."""
    if score.features is None:
        return Check(same=False, why="its vector is not in scores.feature_log")
    row = score.row
    if digest(score.features) != row.feature_hash:
        return Check(same=False, why="the logged vector does not have the hash in the ledger")
    (judged,) = judge(artifact, [json.loads(score.features)])
    again = replace(
        row,
        margin=judged.margin,
        probability=judged.probability,
        percentile=judged.percentile,
        score=judged.score,
        band=judged.band,
        action=judged.action,
        reasons=reasons_json(judged.reasons),
    )
    names = ("margin", "probability", "percentile", "score", "band", "action", "reasons")
    differing = [name for name in names if repr(getattr(row, name)) != repr(getattr(again, name))]
    return Check(not differing, ", ".join(f"{name} was {getattr(row, name)}, is {getattr(again, name)}" for name in differing))


def _asked_again(score: ServedScore, ask: Ask, scoring: Scoring, artifact: Artifact) -> Check:
    try:
        vector = answer_one(scoring.warehouse, artifact.contract, ask)
    except LeadscoreError as fault:
        return Check(same=False, why=str(fault))
    if canonical(vector) == score.features:
        return Check(same=True)
    before = json.loads(score.features or "{}")
    differing = [name for name, value in vector.items() if before.get(name) != value]
    return Check(same=False, why=", ".join(f"{name} was {before.get(name)}, is {vector[name]}" for name in differing))


def _crd(lead_id: str, scoring: Scoring, contract: Contract) -> int | None:
    """From the latest extract; from Salesforce for a lead that no extract knows yet."""
    if contract.lead.crd is None:
        return None
    known = {"known_by": scoring.clock.now()} if contract.lead.known_at else {}
    text = f"SELECT crd FROM (\n{leads_sql(contract)}\n) AS leads\nWHERE lead_id = @lead_id"
    kinds = {"lead_id": "STRING", **dict.fromkeys(known, "TIMESTAMP")}
    for (crd,) in scoring.warehouse.query(Query("crd_of_lead", text, kinds), lead_id=lead_id, **known).values:
        return crd  # type: ignore[return-value]
    try:
        return next((lead.crd for lead in scoring.crm().leads([lead_id])), None)
    except CrmUnavailable:
        return None
