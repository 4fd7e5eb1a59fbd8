"""What is logged about a delivery: one event a step, joined by trace and ids, in a number that does not grow."""

import base64
import json
from collections.abc import Iterator

import pytest
import structlog
from flask import Flask, request
from structlog.testing import LogCapture

from functions.delivery import Answer, Delivery
from functions.messages import PageMessage, StageChangeMessage, read, write
from functions.score_batch import score_page
from functions.score_lead import score_lead
from shared.clock import isoformat
from shared.lead import StageChange
from tests.fakes import FakeTopic, FakeVerifier
from tests.functional.conftest import House, challenger

TRACE = "105445aa7843bc8bf206b12000100000"


@pytest.fixture
def logged() -> Iterator[LogCapture]:
    """What the events hold after the ids of the delivery have been merged in."""
    capture, before = LogCapture(), structlog.get_config()["processors"]
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture
    structlog.configure(processors=before)


def _push(house: House, change: StageChange) -> Answer:
    return _deliver(house, write(change), lambda body: score_lead(read(StageChangeMessage, body).change(), house.scoring))


def _deliver(house: House, body: bytes, handle: object) -> Answer:
    delivery = Delivery(FakeVerifier(), FakeTopic(), max_attempts=5, project="example-project")
    raw = json.dumps({"message": {"data": base64.b64encode(body).decode(), "messageId": "m7"}}).encode()
    headers = {"Authorization": "Bearer good", "X-Cloud-Trace-Context": f"{TRACE}/10;o=1"}
    with Flask("t").test_request_context("/", method="POST", data=raw, headers=headers):
        return delivery.push("score_lead", request, lambda envelope: handle(envelope.body))  # type: ignore[operator]


def test_every_event_of_a_delivery_carries_its_trace_message_lead_and_model(house: House, logged: LogCapture) -> None:
    change = house.known()[0]
    house.scoring.champions.get()
    logged.entries.clear()
    assert _push(house, change) == ("lead_scored", 200)
    recorded, handled = logged.entries
    for event in (recorded, handled):
        assert event["logging.googleapis.com/trace"] == f"projects/example-project/traces/{TRACE}"
        assert (event["message_id"], event["lead_id"]) == ("m7", change.lead_id)
        assert event["model_version"] == house.scoring.champions.get().version
    assert (recorded["event"], handled["event"], handled["outcome"]) == ("score_recorded", "message_handled", "lead_scored")
    parts = [handled[f"{step}_ms"] for step in ("verify", "ask", "score", "ledger", "publish")]
    assert all(part >= 0 for part in parts)
    assert sum(parts) <= handled["ms"]


def test_a_delivery_logs_as_many_events_whatever_it_meets(house: House, logged: LogCapture) -> None:
    """With a challenger, a second time, of an unknown advisor: never more than two and one more for trouble."""
    challenger(house)
    house.scoring.champions.get()
    house.scoring.champions.challenger()
    known, unknown = house.known()[0], house.unknown()
    for change, count in ((known, 2), (known, 1), (unknown, 1)):
        logged.entries.clear()
        _push(house, change)
        assert len(logged.entries) == count, logged.entries


def test_a_page_logs_as_many_events_however_many_leads_it_holds(house: House, logged: LogCapture) -> None:
    house.scoring.champions.get()
    counts = set()
    for leads in (house.changes[:1], house.changes[:400]):
        asked = [{"lead_id": c.lead_id, "crd": c.crd, "stage_entered_at": isoformat(c.stage_entered_at)} for c in leads]
        body = json.dumps({"run_id": "r", "page": len(leads), "as_of": "2025-11-01T00:00:00Z", "leads": asked}).encode()
        logged.entries.clear()
        _deliver(house, body, lambda body: score_page(read(PageMessage, body), house.scoring))
        counts.add(len(logged.entries))
    assert counts == {2}


def test_ids_of_one_delivery_do_not_stick_to_the_next(house: House, logged: LogCapture) -> None:
    _push(house, house.known()[0])
    logged.entries.clear()
    _deliver(house, b"not a message", lambda body: read(StageChangeMessage, body))
    (event,) = logged.entries
    assert event["event"] == "message_dead_lettered"
    assert "lead_id" not in event
