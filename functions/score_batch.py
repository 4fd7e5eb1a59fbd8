"""The nightly batch: every open lead whose score is missing, stale or from an older model, in pages of messages."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from functions.messages import BatchCommand, PageMessage
from functions.score_lead import LEAD_SCORED, Scoring
from shared.asks import Vector, answer
from shared.asof.labels import OpenLead, open_leads
from shared.clock import isoformat
from shared.errors import Terminal
from shared.log import log
from shared.model.artifact import Artifact
from shared.model.scorer import judge
from shared.score import Asked, Judgement, feature_log_row, ledger_row

SCORE_PAGE = "score-page"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchReport:
    """How many open leads there were, how many of them are to be scored, and in how many pages."""

    run_id: str
    open: int
    to_score: int
    pages: int


@dataclass(frozen=True, slots=True)
class PageReport:
    """Leads of one page that were scored, and those that could not be."""

    scored: int
    not_scored: int


def plan_batch(command: BatchCommand, scoring: Scoring) -> BatchReport:
    """Publish the pages of leads to score, and announce the others so that the sync heals what Salesforce missed."""
    model = scoring.champions.get()
    as_of = command.as_of or scoring.clock.now()
    since = as_of - timedelta(days=scoring.policy.open_days)
    rows = scoring.warehouse.query(open_leads(model.contract), known_by=as_of, since=since, model_version=model.version)
    leads = rows.into(OpenLead)
    stale_days = scoring.policy.stale_after_days if command.stale_after_days is None else command.stale_after_days
    due, fresh = _split(leads, as_of - timedelta(days=stale_days) if stale_days else None)
    run_id = f"nightly-{isoformat(as_of)}-{model.version}"
    pages = list(_pages(due, scoring.policy.page_size))
    for number, page in enumerate(pages):
        scoring.topic.publish(SCORE_PAGE, _page_body(run_id, as_of, page), {"run_id": run_id, "page": str(number)})
    for page in _pages(fresh, scoring.policy.page_size):
        _announce(scoring, [lead.lead_id for lead in page], run_id)
    report = BatchReport(run_id, len(leads), len(due), len(pages))
    age = (scoring.clock.now() - model.manifest.training.known_by).days
    log.info("batch_planned", run_id=run_id, open=report.open, to_score=report.to_score, pages=report.pages, model_age_days=age)
    return report


def score_page(page: PageMessage, scoring: Scoring) -> PageReport:
    """Score one page. A lead that cannot be scored is named and passed over: every night tries it again. Safe to repeat."""
    model = scoring.champions.get()
    answers = answer(scoring.warehouse, model.contract, page.asks())
    now = scoring.clock.now()
    scores, logs = [], []
    for lead, vector, judged in zip(page.leads, answers, _judge_each(model, answers), strict=True):
        if isinstance(vector, Terminal) or isinstance(judged, Terminal):
            log.warning("lead_not_scored", run_id=page.run_id, lead_id=lead.lead_id, reason=str(judged))
            continue
        asked = Asked(lead.lead_id, lead.stage_entered_at, page.as_of, "batch", page.run_id)
        logs.append(feature_log_row(asked, vector, model.version))
        scores.append(ledger_row(asked, judged, model.version, now, logs[-1].feature_hash))
    scoring.ledger.record(scores, logs)
    _announce(scoring, [score.lead_id for score in scores], page.run_id)
    report = PageReport(len(scores), len(page.leads) - len(scores))
    log.info("page_scored", run_id=page.run_id, scored=report.scored, not_scored=report.not_scored)
    return report


def _judge_each(model: Artifact, answers: Sequence[Vector | Terminal]) -> list[Judgement | Terminal]:
    """All at once; only if one of them is at fault, one by one, to find which."""
    vectors = [vector for vector in answers if not isinstance(vector, Terminal)]
    try:
        judged: Iterator[Judgement | Terminal] = iter(judge(model, vectors))
    except Terminal:
        judged = (_judge_one(model, vector) for vector in vectors)
    return [answered if isinstance(answered, Terminal) else next(judged) for answered in answers]


def _judge_one(model: Artifact, vector: Vector) -> Judgement | Terminal:
    try:
        return judge(model, [vector])[0]
    except Terminal as fault:
        return fault


def _split(leads: Sequence[OpenLead], stale_before: datetime | None) -> tuple[list[OpenLead], list[OpenLead]]:
    def is_due(lead: OpenLead) -> bool:
        if lead.last_as_of is None:
            return True
        return stale_before is not None and lead.last_as_of < stale_before

    return [lead for lead in leads if is_due(lead)], [lead for lead in leads if not is_due(lead)]


def _page_body(run_id: str, as_of: datetime, page: Sequence[OpenLead]) -> bytes:
    leads = [{"lead_id": p.lead_id, "crd": p.crd, "stage_entered_at": isoformat(p.contacted_at)} for p in page]
    return json.dumps({"run_id": run_id, "as_of": isoformat(as_of), "leads": leads}).encode()


def _announce(scoring: Scoring, lead_ids: list[str], run_id: str) -> None:
    if lead_ids:
        scoring.topic.publish(LEAD_SCORED, json.dumps({"lead_ids": lead_ids}).encode(), {"run_id": run_id})


def _pages(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
