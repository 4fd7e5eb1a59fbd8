import base64
import json

import pytest

from functions.messages import BatchCommand, PageMessage, ScoredMessage, StageChangeMessage, read, read_notifications, unwrap, write
from shared.errors import InvalidMessage

GOOD = {
    "lead_id": "00Q5e0000026979",
    "crd": 1001,
    "stage": "Contacted",
    "stage_entered_at": "2025-09-01T13:00:00Z",
    "event_id": "e1",
    "source": "flow",
}


def _envelope(body: bytes, **outer: object) -> bytes:
    message = {"data": base64.b64encode(body).decode(), "messageId": "7", "attributes": {"event_id": "e1"}}
    return json.dumps({"message": message, "subscription": "projects/p/subscriptions/s", **outer}).encode()


def test_an_envelope_gives_body_id_attributes_and_attempt() -> None:
    envelope = unwrap(_envelope(b"{}", deliveryAttempt=3))
    assert (envelope.body, envelope.message_id, envelope.attributes, envelope.attempt) == (b"{}", "7", {"event_id": "e1"}, 3)
    assert unwrap(_envelope(b"{}")).attempt == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty"),
        (b"not json", "is not JSON"),
        (b"[1]", "a JSON list, not an object"),
        (b"{}", "no `message`"),
        (b'{"message": {"attributes": {"a": "b"}}}', "no data"),
        (b'{"message": {"data": "%%%"}}', "not base64"),
        (b'{"message": "' + b"x" * 1_000_001 + b'"}', "bytes"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"message": \xff}', "is not JSON"),
    ],
)
def test_what_is_no_envelope_is_refused_with_the_reason(body: bytes, said: str) -> None:
    with pytest.raises(InvalidMessage, match=said):
        unwrap(body)


def test_a_stage_change_is_read_and_written_back() -> None:
    change = read(StageChangeMessage, json.dumps(GOOD).encode()).change()
    assert change.lead_id == "00Q5e0000026979EAA"
    assert read(StageChangeMessage, write(change)).change() == change


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("lead_id", "007", "not a Salesforce Lead id"),
        ("crd", -1, "crd: Input should be greater than 0"),
        ("crd", "12a", "crd: .*valid integer"),
        ("stage", "", "stage: String should have at least 1"),
        ("stage_entered_at", "yesterday", "stage_entered_at: 'yesterday' is not an instant with a time zone"),
        ("stage_entered_at", "2025-09-01T13:00:00", "time zone"),
        ("colour", "red", "colour: Extra inputs are not permitted"),
    ],
)
def test_a_field_at_fault_is_named(key: str, value: object, said: str) -> None:
    with pytest.raises(InvalidMessage, match=said):
        read(StageChangeMessage, json.dumps({**GOOD, key: value}).encode())


def test_an_absent_field_is_named_and_the_fix_lists_them_all() -> None:
    with pytest.raises(InvalidMessage, match=r"event_id: Field required.*lead_id, crd, stage"):
        read(StageChangeMessage, json.dumps({k: v for k, v in GOOD.items() if k != "event_id"}).encode())


def test_up_to_a_hundred_notifications_come_at_once() -> None:
    assert len(read_notifications(json.dumps([GOOD] * 100).encode())) == 100
    assert len(read_notifications(json.dumps(GOOD).encode())) == 1
    for wrong in ([], [GOOD] * 101):
        with pytest.raises(InvalidMessage, match="notifications"):
            read_notifications(json.dumps(wrong).encode())


def test_the_other_messages_know_their_form() -> None:
    assert read(ScoredMessage, b'{"lead_ids": ["00Q5e0000026979EAA"]}').lead_ids == ("00Q5e0000026979EAA",)
    assert read(BatchCommand, b"{}").as_of is None
    page = json.dumps(
        {
            "run_id": "r",
            "page": 0,
            "as_of": GOOD["stage_entered_at"],
            "leads": [{k: GOOD[k] for k in ("lead_id", "crd", "stage_entered_at")}],
        }
    )
    (ask,) = read(PageMessage, page.encode()).asks()
    assert (ask.lead_id, ask.crd) == ("00Q5e0000026979EAA", 1001)
    with pytest.raises(InvalidMessage, match="lead_ids"):
        read(ScoredMessage, b'{"lead_ids": []}')
