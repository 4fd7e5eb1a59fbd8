"""The other ways in: an outbound message, and being asked by us for what nobody told."""

from shared.clock import isoformat
from shared.lead import StageChange
from tests.e2e.conftest import Running


def _enter(up: Running, change: StageChange, via: str) -> dict[str, object]:
    event = {"lead_id": change.lead_id, "stage": change.stage, "stage_entered_at": isoformat(change.stage_entered_at)}
    return up.cloud.post(f"{up.cloud.salesforce}/sandbox/stage", {**event, "event_id": change.event_id, "via": via})


def test_an_outbound_message_is_acknowledged_and_becomes_a_score(up: Running) -> None:
    change = up.fresh.pop()
    assert "<Ack>true</Ack>" in str(_enter(up, change, "outbound_message")["ack"])
    up.settle()
    assert up.lead(change.lead_id)["Lead_Score__c"]


def test_what_nobody_told_is_caught_up_with_and_only_once(up: Running) -> None:
    missed, told = up.fresh.pop(), up.fresh.pop()
    _enter(up, missed, "nothing")
    _enter(up, told, "outbound_message")
    up.settle()
    as_of = {"as_of": isoformat(missed.stage_entered_at)}
    first = up.cloud.post(f"{up.cloud.functions}/catch_up", as_of)["done"]
    up.settle()
    assert first["published"] == 1  # type: ignore[index]
    assert up.lead(missed.lead_id)["Lead_Score__c"]
    again = up.cloud.post(f"{up.cloud.functions}/catch_up", as_of)["done"]
    assert again["published"] == 0  # type: ignore[index]
