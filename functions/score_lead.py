"""The whole journey of a contacted lead: ask what was known, judge it, write it down, say so."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from shared.asks import Vector, answer_one
from shared.asof.contract import Contract
from shared.batches import Batches
from shared.clock import isoformat
from shared.errors import InvalidMessage, UnknownLead
from shared.lead import Ask, StageChange
from shared.ledger import Ledger
from shared.log import about, log, timed
from shared.model.artifact import Artifact
from shared.model.registry import ChampionCache
from shared.model.scorer import judge
from shared.policies import ScoringPolicy
from shared.ports import Clock, Crm, Topic, Warehouse
from shared.score import Asked, Scored, rows, scored

LEAD_SCORED = "lead-scored"


@dataclass(frozen=True, slots=True)
class Scoring:
    clock: Clock
    warehouse: Warehouse
    ledger: Ledger
    champions: ChampionCache
    topic: Topic
    crm: Callable[[], Crm]
    policy: ScoringPolicy
    batches: Batches


def score_lead(change: StageChange, scoring: Scoring) -> str:
    """Score one stage entry, once. Safe to repeat at any point: the ledger keeps one row per entry and model.

    Returns what happened: lead_scored, lead_already_scored or stage_ignored. A score that was there before is announced
    again, since the delivery that wrote it may have stopped before announcing; one that a delivery at the same time
    writes is left to that delivery to announce.
    """
    if change.stage != scoring.policy.stage:
        return "stage_ignored"
    _refuse_the_future(change, scoring)
    champion = scoring.champions.get()
    about(lead_id=change.lead_id, model_version=champion.version)
    with timed("ledger"):
        already = scoring.ledger.has(change.lead_id, change.stage_entered_at, champion.version)
    if already:
        _announce(change, scoring)
        return "lead_already_scored"
    with timed("ask"):
        ask = Ask(change.lead_id, _crd(change, champion.contract, scoring), as_of=change.stage_entered_at)
        vector = answer_one(scoring.warehouse, champion.contract, ask)
    with timed("score"):
        asked = Asked(change.lead_id, change.stage_entered_at, ask.as_of, "event", change.event_id)
        (judged,) = judge(champion, [vector])
        ours = scored(asked, vector, judged, champion.version, scoring.clock.now())
        challenge = _challenge(champion, ask, vector, ours, scoring)
    with timed("ledger"):
        new = scoring.ledger.record(*rows([ours, *challenge]))
    if not new:
        return "lead_already_scored"
    log.info("score_recorded", band=judged.band, challengers=len(challenge))
    _announce(change, scoring)
    return "lead_scored"


def _challenge(champion: Artifact, ask: Ask, vector: Vector, ours: Scored, scoring: Scoring) -> list[Scored]:
    """What the challenger says of the same lead, for the ledger only. Whatever ails it is no trouble of the lead's."""
    try:
        challenger = scoring.champions.challenger()
        if challenger is None:
            return []
        if challenger.contract.hash != champion.contract.hash:
            vector = answer_one(scoring.warehouse, challenger.contract, ask)
        (judged,) = judge(challenger, [vector])
        asked = Asked(ours.score.lead_id, ours.score.stage_entered_at, ask.as_of, ours.score.origin, ours.score.event_id)
        return [scored(asked, vector, judged, challenger.version, ours.score.scored_at, "challenger")]
    except Exception as fault:  # noqa: BLE001 - a model on trial may fail in any way at all
        log.warning("challenger_not_scored", error=type(fault).__name__, reason=str(fault))
        return []


def _announce(change: StageChange, scoring: Scoring) -> None:
    with timed("publish"):
        scoring.topic.publish(LEAD_SCORED, json.dumps({"lead_ids": [change.lead_id]}).encode(), {"event_id": change.event_id})


def _crd(change: StageChange, contract: Contract, scoring: Scoring) -> int | None:
    if change.crd is not None or contract.lead.crd is None:
        return change.crd
    for lead in scoring.crm().leads([change.lead_id]):
        return lead.crd
    raise UnknownLead(f"Salesforce has no Lead {change.lead_id}.", fix="Check the id; a merged lead keeps only the survivor's.")


def _refuse_the_future(change: StageChange, scoring: Scoring) -> None:
    latest = scoring.clock.now() + timedelta(minutes=scoring.policy.future_tolerance_minutes)
    if change.stage_entered_at > latest:
        raise InvalidMessage(
            f"stage_entered_at {isoformat(change.stage_entered_at)} of lead {change.lead_id} lies in the future.",
            fix="Correct the sender's clock or time zone, then replay.",
        )
