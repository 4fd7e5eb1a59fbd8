"""Outbound messages: read whole, refused safely, acknowledged only when all is kept."""

import json

import pytest
from flask import Flask, request

from functions.delivery import Delivery
from functions.receive_stage_change import Ingress, OutboundSource, receive_outbound_message
from functions.soap import read_outbound_message
from sandbox.outbound import ORGANIZATION, outbound_message
from shared.errors import InvalidMessage, Unauthorized
from tests.fakes import FakeTopic, FakeVerifier

LEAD: dict[str, object] = {
    "Id": "00Q5e0000026979EAA",
    "FA_CRD__c": "CRD 1001 & more",
    "Stage_Entered_Contacting__c": "2025-09-01T13:00:00.000Z",
    "Status": "Contacting",
}
SOURCE = OutboundSource(ORGANIZATION, "FA_CRD__c", "Stage_Entered_Contacting__c")


def _ingress(topic: FakeTopic, source: OutboundSource = SOURCE) -> Ingress:
    return Ingress(topic, "s3cret", "Contacted", source)


def _receive(body: bytes, topic: FakeTopic, token: str = "s3cret", source: OutboundSource = SOURCE) -> dict[str, int]:
    return receive_outbound_message(token, body, _ingress(topic, source))


def test_each_notification_is_published_as_a_stage_change() -> None:
    topic = FakeTopic()
    done = _receive(outbound_message(ORGANIZATION, [("04l1", LEAD), ("04l2", {**LEAD, "FA_CRD__c": None})]), topic)
    assert done == {"published": 2, "ignored": 0, "dead_lettered": 0}
    first, second = (json.loads(body) for body in topic.bodies("lead-contacted"))
    assert first == {
        "lead_id": LEAD["Id"],
        "crd": {"long": 1001},
        "stage": "Contacted",
        "stage_entered_at": "2025-09-01T13:00:00Z",
        "event_id": "04l1",
        "source": "outbound_message",
    }
    assert second["crd"] is None


def test_a_notification_at_fault_is_kept_and_does_not_hold_up_the_others() -> None:
    topic = FakeTopic()
    done = _receive(outbound_message(ORGANIZATION, [("04l1", {**LEAD, "Id": "007"}), ("04l2", LEAD)]), topic)
    assert done == {"published": 1, "ignored": 0, "dead_lettered": 1}
    assert b"007" in topic.bodies("dead-letters")[0]


def test_a_hundred_notifications_are_taken_and_one_more_is_refused() -> None:
    assert len(read_outbound_message(outbound_message(ORGANIZATION, [("n", LEAD)] * 100)).notifications) == 100
    for wrong in (0, 101):
        with pytest.raises(InvalidMessage, match=f"holds {wrong} notifications"):
            read_outbound_message(outbound_message(ORGANIZATION, [("n", LEAD)] * wrong))


BOMB = b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 1000 + b'"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'
UNREADABLE = {
    "an entity bomb": (BOMB, "declares a document type"),
    "a bomb in UTF-16": (BOMB.decode().encode("utf-16"), "not UTF-8"),
    "an external entity": (b'<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "declares a document type"),
    "too much": (b"<a>" + b"x" * 1_000_001 + b"</a>", "bytes"),
    "no XML": (b"{}", "not XML"),
    "an unknown entity": (b"<a>&nbsp;</a>", "not XML"),
    "nothing": (b"", "not XML"),
    "a NUL": (b"<a>\x00</a>", "not XML"),
    "another envelope": (b"<a/>", "no notifications"),
    "Latin-1": ('<?xml version="1.0" encoding="iso-8859-1"?><a>é</a>'.encode("latin-1"), "not UTF-8"),
    "very deep": (b"<a>" * 100_000 + b"</a>" * 100_000, "no notifications"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_refused_with_the_reason_and_kept(name: str) -> None:
    body, said = UNREADABLE[name]
    topic = FakeTopic()
    with pytest.raises(InvalidMessage, match=said):
        _receive(body, topic)
    assert len(topic.bodies("dead-letters")) == 1
    assert topic.bodies("lead-contacted") == []


@pytest.mark.parametrize(
    ("token", "source"),
    [("guess", SOURCE), ("", SOURCE), ("s3cret", OutboundSource("00D000000000002AAA")), ("s3cret", OutboundSource())],
)
def test_a_stranger_and_another_organisation_are_turned_away_and_nothing_is_kept(token: str, source: OutboundSource) -> None:
    topic = FakeTopic()
    with pytest.raises(Unauthorized):
        _receive(outbound_message(ORGANIZATION, [("n", LEAD)]), topic, token, source)
    assert topic.published == []


def test_the_short_form_of_the_organisation_s_id_is_the_same_organisation() -> None:
    assert _receive(outbound_message(ORGANIZATION[:15], [("n", LEAD)]), FakeTopic())["published"] == 1


@pytest.mark.parametrize(
    ("path", "down", "status", "ack"),
    [
        ("/s3cret", False, 200, "true"),
        ("/receive_stage_change/s3cret/", False, 200, "true"),
        ("/guess", False, 401, "false"),
        ("/s3cret", True, 503, "false"),
    ],
)
def test_salesforce_is_acknowledged_only_once_all_is_published(path: str, down: bool, status: int, ack: str) -> None:
    delivery, topic = Delivery(FakeVerifier(), FakeTopic(), 5), FakeTopic(down=down)
    body = outbound_message(ORGANIZATION, [("n", LEAD)])
    with Flask("t").test_request_context(path, method="POST", data=body):
        answer, code, headers = delivery.outbound(
            "receive_stage_change", request, lambda token, raw: receive_outbound_message(token, raw, _ingress(topic))
        )
    assert (code, headers["Content-Type"]) == (status, "text/xml; charset=utf-8")
    assert f"<Ack>{ack}</Ack>" in answer
