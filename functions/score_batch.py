"""The nightly batch: every open lead whose score is missing, stale or from an older model, in pages of messages."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter

from functions.finish_batch import finish_if_over
from functions.messages import BatchCommand, PageMessage
from functions.score_lead import Scoring
from shared.asks import Vector, answer
from shared.asof.labels import OpenLead, open_leads
from shared.batches import BatchPage, BatchRun
from shared.clock import isoformat
from shared.errors import Terminal
from shared.log import about, log, timed
from shared.model.artifact import Artifact
from shared.model.scorer import judge
from shared.score import Asked, Judgement, Scored, rows, scored

SCORE_PAGE = "score-page"


@dataclass(frozen=True, slots=True)
class PageReport:
    """Leads of one page that were scored, had been by an earlier delivery of it, and could not be."""

    scored: int
    already_scored: int
    not_scored: int


def plan_batch(command: BatchCommand, scoring: Scoring) -> BatchRun:
    """Publish the pages of leads to score, page by page as the warehouse tells them.

    Planned again, after a crash or by Scheduler's retry, only what has no score yet is published again. The page that
    is scored last ends the run: it measures drift and announces every open lead to the sync.
    """
    model, now = scoring.champions.get(), scoring.clock.now()
    as_of = command.as_of or now
    stale_days = scoring.policy.stale_after_days if command.stale_after_days is None else command.stale_after_days
    stale_before = as_of - timedelta(days=stale_days) if stale_days else None
    run_id = f"nightly-{isoformat(now)}"
    asked = {"known_by": as_of, "since": as_of - timedelta(days=scoring.policy.open_days), "model_version": model.version}
    open_, due, pages = 0, 0, 0
    waiting: list[OpenLead] = []
    for part in scoring.warehouse.pages(open_leads(model.contract), scoring.policy.page_size, **asked):
        leads = part.into(OpenLead)
        open_ += len(leads)
        waiting += [lead for lead in leads if _is_due(lead, stale_before)]
        while len(waiting) >= scoring.policy.page_size:
            page, waiting = waiting[: scoring.policy.page_size], waiting[scoring.policy.page_size :]
            _publish(scoring, run_id, pages, as_of, page)
            due, pages = due + len(page), pages + 1
    if waiting:
        _publish(scoring, run_id, pages, as_of, waiting)
        due, pages = due + len(waiting), pages + 1
    run = BatchRun(run_id, now, as_of, model.version, open_, due, pages)
    scoring.batches.planned(run)
    age = (now - model.manifest.training.known_by).days
    log.info("batch_planned", run_id=run_id, model_version=model.version, open=open_, to_score=due, pages=pages, model_age_days=age)
    finish_if_over(run_id, scoring)
    return run


def score_page(page: PageMessage, scoring: Scoring) -> PageReport:
    """Score one page, by the champion alone. Safe to repeat.

    A lead that cannot be scored is passed over and named in `monitoring.batch_pages`: every night tries it again.
    """
    started, model = perf_counter(), scoring.champions.get()
    about(run_id=page.run_id, page=page.page, model_version=model.version)
    with timed("ask"):
        answers = answer(scoring.warehouse, model.contract, page.asks())
    with timed("score"):
        done, refused = _judged(page, answers, model, scoring.clock.now())
    with timed("ledger"):
        new = scoring.ledger.record(*rows(done))
        not_scored = sum(map(len, refused.values()))
        seconds = round(perf_counter() - started, 3)
        now, reasons = scoring.clock.now(), json.dumps(refused)
        scoring.batches.page_done(BatchPage(page.run_id, page.page, now, model.version, len(done), not_scored, reasons, seconds))
    log.info("page_scored", scored=new, already=len(done) - new, not_scored=not_scored, reasons={k: len(v) for k, v in refused.items()})
    finish_if_over(page.run_id, scoring)
    return PageReport(new, len(done) - new, not_scored)


def _judged(
    page: PageMessage, answers: Sequence[Vector | Terminal], model: Artifact, now: datetime
) -> tuple[list[Scored], dict[str, list[str]]]:
    done, refused = [], defaultdict(list)
    for lead, vector, judged in zip(page.leads, answers, judge_each(model, answers), strict=True):
        if isinstance(vector, Terminal) or isinstance(judged, Terminal):
            refused[judged.code if isinstance(judged, Terminal) else "unknown"].append(lead.lead_id)
            continue
        asked = Asked(lead.lead_id, lead.stage_entered_at, page.as_of, "batch", page.run_id)
        done.append(scored(asked, vector, judged, model.version, now))
    return done, refused


def judge_each(model: Artifact, answers: Sequence[Vector | Terminal]) -> list[Judgement | Terminal]:
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


def _is_due(lead: OpenLead, stale_before: datetime | None) -> bool:
    if lead.last_as_of is None:
        return True
    return stale_before is not None and lead.last_as_of < stale_before


def _publish(scoring: Scoring, run_id: str, number: int, as_of: datetime, page: Sequence[OpenLead]) -> None:
    leads = [{"lead_id": p.lead_id, "crd": p.crd, "stage_entered_at": isoformat(p.contacted_at)} for p in page]
    body = json.dumps({"run_id": run_id, "page": number, "as_of": isoformat(as_of), "leads": leads}).encode()
    scoring.topic.publish(SCORE_PAGE, body, {"run_id": run_id, "page": str(number)})
