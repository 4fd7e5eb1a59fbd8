"""Each journey over real HTTP: Salesforce, the bus and the functions as processes of their own."""

import base64
import csv
import itertools
import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
import requests

from functions.messages import write
from sandbox import keys
from sandbox.cloud import wait_until_idle
from shared.clock import isoformat
from shared.config import ROOT
from shared.lead import StageChange, lead_id
from tests.e2e.conftest import Running


def _envelope(body: bytes) -> bytes:
    return json.dumps({"message": {"data": base64.b64encode(body).decode(), "messageId": "by-hand"}, "subscription": "s"}).encode()


def _owner(up: Running, lead: str) -> object:
    return up.lead(lead)["OwnerId"]


def test_a_stage_change_in_salesforce_becomes_a_score_in_its_fields(up: Running) -> None:
    change = up.fresh.pop()
    owner = _owner(up, change.lead_id)
    assert up.contact(change) == {"done": {"published": 1, "ignored": 0}}
    lead = up.lead(change.lead_id)
    assert 0 < float(str(lead["Lead_Score_Probability__c"])) < 1
    assert lead["Lead_Score_Bucket__c"] in {"Very Hot", "Hot", "Warm", "Cool", "Cold"}
    assert str(lead["Lead_Score_Narrative__c"])[:2] in {"+ ", "- "}
    assert lead["OwnerId"] == owner


def test_an_envelope_pushed_by_hand_changes_the_record_and_a_second_time_nothing(up: Running) -> None:
    change = up.fresh.pop()
    body = _envelope(write(change))
    assert up.push("score_lead", body).text == "lead_scored"
    first = up.lead(change.lead_id)
    assert first["Lead_Score__c"]
    writes = up.cloud.get(f"{up.cloud.salesforce}/sandbox/stats")["writes"]
    assert up.push("score_lead", body).text == "lead_already_scored"
    assert up.lead(change.lead_id) == first
    assert up.cloud.get(f"{up.cloud.salesforce}/sandbox/stats")["writes"] == writes


def test_a_message_delivered_twice_at_once_is_one_score(up: Running) -> None:
    up.cloud.post(f"{up.cloud.bus}/sandbox/faults", {"duplicate_share": 1.0})
    changes = [up.fresh.pop() for _ in range(10)]
    for change in changes:
        up.contact(change)
    up.cloud.post(f"{up.cloud.bus}/sandbox/faults", {"duplicate_share": 0.0})
    log = [json.loads(line) for line in (up.cloud.logs / "functions.log").read_text().splitlines() if line.startswith("{")]
    recorded = [event["lead_id"] for event in log if event["message"] == "score_recorded"]
    assert all(recorded.count(change.lead_id) == 1 for change in changes)


def test_the_nightly_batch_scores_the_rest_in_pages_and_a_second_one_finds_nothing_to_do(up: Running) -> None:
    as_of = {"as_of": isoformat(up.world.matured_by.replace(year=2025, month=10, day=2))}
    first = up.push("score_batch", json.dumps(as_of).encode()).json()["done"]
    assert first["to_score"] > 500
    assert first["pages"] >= 2
    second = up.push("score_batch", json.dumps({**as_of, "stale_after_days": 0}).encode()).json()["done"]
    assert second["open"] == first["open"]
    assert second["to_score"] < 0.1 * first["to_score"]


def test_strangers_are_turned_away_at_every_door(up: Running, tmp_path: object) -> None:
    forged = keys.push_token(keys.private_key(up.world.path.parent / "forger.pem"))
    for function in ("score_lead", "sync_scores", "score_page", "score_batch"):
        for token in (forged, "nonsense"):
            assert up.push(function, b"{}", token).status_code == 401
    assert requests.post(f"{up.cloud.functions}/receive_stage_change", data=b"{}", timeout=10).status_code == 401


BAD_BODIES = {
    "an empty body": b"",
    "not JSON": b"<xml/>",
    "no such message": _envelope(b"{}"),
    "a lead id that is none": _envelope(
        b'{"lead_id": "007", "stage": "Contacted", "stage_entered_at": "2025-09-01T00:00:00Z", "event_id": "e", "source": "s"}'
    ),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_what_can_never_succeed_is_acknowledged_and_found_among_the_dead_letters(up: Running, name: str) -> None:
    before = _dead_letters(up).count("invalid_message")
    answer = up.push("score_lead", BAD_BODIES[name])
    assert answer.status_code == 200
    assert answer.text.startswith("dead-lettered: ")
    assert _dead_letters(up).count("invalid_message") == before + 1


def test_an_unknown_advisor_and_an_unknown_lead_are_told_apart(up: Running) -> None:
    known = up.fresh.pop()
    assert "no fresh row" in up.push("score_lead", _envelope(write(replace(known, crd=9_999_999)))).text
    stranger = lead_id("00Q5e8888888888")
    assert "Salesforce has no Lead" in up.push("score_lead", _envelope(write(replace(known, lead_id=stranger, crd=None)))).text
    up.push("score_lead", _envelope(write(replace(known, lead_id=stranger))))
    assert "Salesforce refused lead 00Q5e8888888888" in _dead_letters(up)


def test_a_lead_converted_meanwhile_is_skipped_and_not_dead_lettered(up: Running) -> None:
    change = up.fresh.pop()
    requests.post(f"{up.cloud.salesforce}/sandbox/convert/{change.lead_id}", timeout=10)
    before = _dead_letters(up)
    assert up.push("score_lead", _envelope(write(change))).text == "lead_scored"
    assert up.lead(change.lead_id).get("Lead_Score__c") is None
    assert _dead_letters(up) == before


def test_an_event_older_than_what_is_shown_does_not_overwrite_it(up: Running) -> None:
    newer = up.fresh.pop()
    older: StageChange = replace(newer, stage_entered_at=newer.stage_entered_at.replace(month=9, day=1), event_id="older")
    up.push("score_lead", _envelope(write(newer)))
    shown = up.lead(newer.lead_id)
    assert up.push("score_lead", _envelope(write(older))).text == "lead_scored"
    assert up.lead(newer.lead_id)["Lead_Score_Timestamp__c"] == shown["Lead_Score_Timestamp__c"]


def test_salesforce_in_trouble_for_a_while_loses_nothing(up: Running) -> None:
    changes = [up.fresh.pop() for _ in range(5)]
    up.cloud.post(f"{up.cloud.salesforce}/sandbox/faults", {"unavailable_calls": 3, "expire_sessions": True})
    for change in changes:
        up.contact(change)
    wait_until_idle(up.cloud)
    assert all(up.lead(change.lead_id)["Lead_Score__c"] for change in changes)


def test_the_functions_log_of_all_this_names_nobody_and_grows_by_the_message(up: Running) -> None:
    """Runs last: what the tests above made the functions log, bad input included."""
    lines = (up.cloud.logs / "functions.log").read_text().splitlines()
    with (up.world.path / "salesforce_leads.csv").open(newline="") as file:
        people = list(csv.DictReader(file))
    private = {value for person in people for name, value in person.items() if name not in {"Id", "OwnerId", "Company"} and len(value) > 4}
    private |= {f"{person['FirstName']} {person['LastName']}" for person in people}
    words = {word for line in lines for word in re.findall(r"[\w.@'+-]+", line)}
    pairs = {f"{first} {second}" for line in lines for first, second in itertools.pairwise(re.findall(r"[\w'-]+", line))}
    assert len(private) > 1000
    assert not private & (words | pairs)
    counts = up.cloud.get(f"{up.cloud.bus}/sandbox/stats")["counts"]
    assert isinstance(counts, dict)
    delivered = sum(n for name, n in counts.items() if name.startswith("answered."))
    by_hand = 60
    assert len([line for line in lines if line.startswith("{")]) <= 4 * (delivered + by_hand)


def _dead_letters(up: Running) -> str:
    """What `./leadscore dlq list` shows."""
    command = [sys.executable, "-m", "ops", "dlq", "list", "--world", str(up.world.path), "--limit", "1000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT), "COLUMNS": "400"})
    return done.stdout
