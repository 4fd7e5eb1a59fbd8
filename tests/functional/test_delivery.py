"""Acknowledge, retry or dead-letter: what Pub/Sub, Scheduler and Salesforce are answered."""

import base64
import json
from collections.abc import Callable

import pytest
from flask import Flask, request
from structlog.testing import capture_logs

from functions.delivery import Delivery
from functions.receive_stage_change import Ingress, receive_stage_change
from shared.errors import DataError, InvalidMessage, UnknownCrd, WarehouseUnavailable
from tests.fakes import FakeTopic, FakeVerifier

BODY = b'{"lead_id": "00Q5e0000026979EAA"}'
CHANGE = {
    "lead_id": "00Q5e0000026979EAA",
    "crd": 1001,
    "stage": "Contacted",
    "stage_entered_at": "2025-09-01T13:00:00Z",
    "event_id": "e1",
    "source": "flow",
}


def _push(
    topic: FakeTopic, handle: Callable[[object], object], *, body: bytes = BODY, attempt: int = 1, token: str = "good"
) -> tuple[str, int]:
    envelope = {"message": {"data": base64.b64encode(body).decode(), "messageId": "7"}, "deliveryAttempt": attempt}
    return _push_raw(topic, handle, json.dumps(envelope).encode(), token)


def _push_raw(topic: FakeTopic, handle: Callable[[object], object], raw: bytes, token: str = "good") -> tuple[str, int]:
    delivery = Delivery(FakeVerifier(), topic, max_attempts=5)
    with Flask("t").test_request_context("/", method="POST", data=raw, headers={"Authorization": f"Bearer {token}"}):
        text, status = delivery.push("score_lead", request, handle)
    return str(text), status


def _fails(fault: Exception) -> Callable[[object], object]:
    def handle(_: object) -> object:
        raise fault

    return handle


def test_what_was_handled_is_acknowledged_and_logged_with_its_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    assert _push(FakeTopic(), lambda _: "lead_scored") == ("lead_scored", 200)


@pytest.mark.parametrize("fault", [UnknownCrd("no such advisor", fix="load it"), InvalidMessage("odd"), DataError("no such column")])
def test_what_can_never_succeed_is_dead_lettered_with_its_reason_and_acknowledged(fault: Exception) -> None:
    topic = FakeTopic()
    assert _push(topic, _fails(fault))[1] == 200
    ((name, body, attributes),) = topic.published
    assert (name, body) == ("dead-letters", BODY)
    assert attributes["reason"] == fault.code  # type: ignore[attr-defined]
    assert attributes["explanation"] == str(fault)
    assert (attributes["function"], attributes["message_id"]) == ("score_lead", "7")


def test_what_may_pass_is_put_off_until_the_last_attempt_files_it() -> None:
    topic = FakeTopic()
    for attempt in (1, 4):
        assert _push(topic, _fails(WarehouseUnavailable("down")), attempt=attempt)[1] == 503
    assert topic.published == []
    assert _push(topic, _fails(WarehouseUnavailable("down")), attempt=5)[1] == 200
    assert topic.published[0][2]["reason"] == "warehouse_unavailable"


def test_nothing_is_acknowledged_that_could_not_be_filed() -> None:
    assert _push(FakeTopic(down=True), _fails(InvalidMessage("odd")))[1] == 503


def test_a_fault_of_our_own_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        _push(FakeTopic(), lambda _: 1 / 0)


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff\xfe", b'{"message": {"attributes": {"a": "b"}}}'])
def test_a_malformed_envelope_is_dead_lettered_and_never_has_an_empty_body(raw: bytes) -> None:
    topic = FakeTopic()
    assert _push_raw(topic, lambda _: "never", raw)[1] == 200
    ((_, body, attributes),) = topic.published
    assert body == (raw or b"(empty)")
    assert attributes["reason"] == "invalid_message"


def test_a_stranger_is_turned_away_before_anything_is_read() -> None:
    topic = FakeTopic()
    assert _push(topic, lambda _: "never", token="forged")[1] == 401
    assert topic.published == []


PROBE = json.dumps({"message": {"data": "cHJvYmU=", "messageId": "9", "attributes": {"probe": "canary-1"}}}).encode()


def _never(_: object) -> object:
    raise AssertionError("a probe is nobody's lead")


def test_the_releases_probe_is_logged_and_handled_by_nobody() -> None:
    delivery = Delivery(FakeVerifier(), FakeTopic(), 5)
    with capture_logs() as logged:
        for call in (delivery.push, delivery.scheduled):
            with Flask("t").test_request_context("/", method="POST", data=PROBE, headers={"Authorization": "Bearer good"}):
                assert call("any", request, _never) == ("revision_probed", 200)
    assert [(line["event"], line["message_id"]) for line in logged] == [("revision_probed", "9")] * 2


def test_a_strangers_probe_is_refused_as_anything_else_is() -> None:
    delivery = Delivery(FakeVerifier(), FakeTopic(), 5)
    for call in (delivery.push, delivery.scheduled):
        with Flask("t").test_request_context("/", method="POST", data=PROBE, headers={"Authorization": "Bearer forged"}):
            assert call("any", request, _never)[1] == 401


def _receive(topic: FakeTopic, body: object, secret: str = "s3cret") -> dict[str, int]:
    return receive_stage_change(f"Bearer {secret}", json.dumps(body).encode(), Ingress(topic, "s3cret", "Contacted"))


def test_ingress_publishes_what_enters_the_stage_and_counts_the_rest() -> None:
    topic = FakeTopic()
    assert _receive(topic, [CHANGE, {**CHANGE, "stage": "New"}]) == {"published": 1, "ignored": 1}
    assert [json.loads(body)["lead_id"] for body in topic.bodies("lead-contacted")] == [CHANGE["lead_id"]]


def test_ingress_refuses_a_wrong_or_unset_secret() -> None:
    for secret, expected in (("guess", "s3cret"), ("", ""), ("s3cret", "")):
        with pytest.raises(Exception, match="secret is absent or wrong"):
            receive_stage_change(f"Bearer {secret}", b"{}", Ingress(FakeTopic(), expected, "Contacted"))


def test_ingress_keeps_what_it_refuses() -> None:
    topic = FakeTopic()
    with pytest.raises(InvalidMessage, match="event_id"):
        _receive(topic, {k: v for k, v in CHANGE.items() if k != "event_id"})
    assert len(topic.bodies("dead-letters")) == 1


def test_scheduler_and_salesforce_are_answered_in_words() -> None:
    delivery = Delivery(FakeVerifier(), FakeTopic(), 5)
    with Flask("t").test_request_context("/", method="POST", data=b"", headers={"Authorization": "Bearer good"}):
        assert delivery.scheduled("score_batch", request, lambda body: {"read": body.decode()}) == ({"done": {"read": "{}"}}, 200)
        answer, status = delivery.call("receive_stage_change", request, _fails2(InvalidMessage("no lead_id", fix="send it")))
        assert (answer, status) == ({"error": "invalid_message", "reason": "no lead_id Fix: send it"}, 400)
        _, status = delivery.call("receive_stage_change", request, _fails2(WarehouseUnavailable("down")))
        assert status == 503


def _fails2(fault: Exception) -> Callable[[str, bytes], object]:
    def handle(_token: str, _body: bytes) -> object:
        raise fault

    return handle
