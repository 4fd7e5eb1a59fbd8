"""Entry points: decode, use case, done."""

from dataclasses import asdict

import functions_framework
from flask import Request

from functions import wiring
from functions.catch_up import catch_up as catch_up_missed
from functions.delivery import Answer, XmlAnswer
from functions.messages import AsOfCommand, BatchCommand, PageMessage, ScoredMessage, StageChangeMessage, read
from functions.receive_stage_change import receive_outbound_message as receive_outbound
from functions.receive_stage_change import receive_stage_change as receive
from functions.score_batch import plan_batch
from functions.score_batch import score_page as score_one_page
from functions.score_lead import score_lead as score_one_lead
from functions.sync_all import sync_all as sync_all_scores
from functions.sync_scores import sync_scores as sync_some_scores


@functions_framework.http
def receive_stage_change(request: Request) -> Answer | XmlAnswer:
    app = wiring.app()
    if request.mimetype in {"text/xml", "application/soap+xml"}:
        return app.delivery.outbound("receive_stage_change", request, lambda token, body: receive_outbound(token, body, app.ingress))
    return app.delivery.call("receive_stage_change", request, lambda token, body: receive(token, body, app.ingress))


@functions_framework.http
def score_lead(request: Request) -> Answer:
    app = wiring.app()
    return app.delivery.push("score_lead", request, lambda m: score_one_lead(read(StageChangeMessage, m.body).change(), app.scoring))


@functions_framework.http
def score_batch(request: Request) -> Answer:
    app = wiring.app()
    return app.delivery.scheduled("score_batch", request, lambda body: plan_batch(read(BatchCommand, body), app.scoring).told())


@functions_framework.http
def score_page(request: Request) -> Answer:
    app = wiring.app()
    return app.delivery.push("score_page", request, lambda m: score_one_page(read(PageMessage, m.body), app.scoring))


@functions_framework.http
def sync_scores(request: Request) -> Answer:
    app = wiring.app()
    return app.delivery.push(
        "sync_scores", request, lambda m: sync_some_scores(read(ScoredMessage, m.body).lead_ids, m.message_id, app.syncing)
    )


@functions_framework.http
def sync_all(request: Request) -> Answer:
    app = wiring.app()
    return app.delivery.scheduled(
        "sync_all", request, lambda body: asdict(sync_all_scores(app.scope(read(AsOfCommand, body).as_of), app.syncing))
    )


@functions_framework.http
def catch_up(request: Request) -> Answer:
    app = wiring.app()
    return app.delivery.scheduled("catch_up", request, lambda body: asdict(catch_up_missed(read(AsOfCommand, body).as_of, app.catching_up)))
