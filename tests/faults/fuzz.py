"""Bad input by the thousand: nothing crashes, nothing that can never succeed is asked for again, everything is accounted for."""

import base64
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from flask import Flask, request

from functions import main
from functions.messages import write
from sandbox.outbound import ORGANIZATION, SOAP_HEADERS, outbound_message
from shared.clock import isoformat
from tests.faults.rig import SECRET, TRUSTED, Rig

Mangle = Callable[[random.Random, bytes], bytes]
_flask = Flask("functions")
_ANSWERS = {200: "acknowledged", 400: "refused and kept", 401: "of another organisation"}
_ODD: tuple[object, ...] = (
    None,
    "",
    0,
    -1,
    2**70,
    1e400,
    True,
    [],
    {},
    [[]],
    "\x00",
    "\ud800",
    "00Q",
    "x" * 5000,
    "1' OR '1'='1",
    {"long": None},
)
BOMB = b'<!DOCTYPE z [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the inputs, by outcome; `missing` is how many of them nothing accounts for."""

    sent: int
    outcomes: Counter[str]
    missing: int


def envelopes(rig: Rig, count: int, seed: int = 0) -> Account:
    """Push requests to `score_lead`, most of them damaged. sent = scored + already + ignored + dead-lettered."""
    chance, outcomes = random.Random(seed), Counter[str]()  # noqa: S311 - reproducible
    letters = len(rig.bus.letters)
    for number in range(count):
        body = _envelope(chance, write(rig.changes[number % len(rig.changes)]))
        with _flask.test_request_context("/", method="POST", data=body, headers=TRUSTED):
            answer = _flask.make_response(main.score_lead(request))
        assert answer.status_code == 200, f"{answer.status} {answer.get_data()!r} for {body[:300]!r}"
        outcomes[answer.get_data(as_text=True).partition(":")[0]] += 1
    assert outcomes["dead-lettered"] == len(rig.bus.letters) - letters
    known = ("lead_scored", "lead_already_scored", "stage_ignored", "dead-lettered")
    return Account(count, outcomes, count - sum(outcomes[name] for name in known))


def soap_bodies(rig: Rig, count: int, seed: int = 0) -> Account:
    """Outbound messages, most of them damaged: acknowledged with each notification published or kept, or refused and kept."""
    chance, outcomes = random.Random(seed), Counter[str]()  # noqa: S311 - reproducible
    missing = 0
    for _ in range(count):
        body = _soap(chance, rig)
        published, letters = rig.bus.published["lead-contacted"], len(rig.bus.letters)
        with _flask.test_request_context(f"/{SECRET}", method="POST", data=body, headers=SOAP_HEADERS):
            answer = _flask.make_response(main.receive_stage_change(request))
        new, kept = rig.bus.published["lead-contacted"] - published, len(rig.bus.letters) - letters
        outcomes[_ANSWERS[answer.status_code]] += 1
        outcomes["published"] += new
        outcomes["dead-lettered"] += kept
        acknowledged = "<Ack>true</Ack>" in answer.get_data(as_text=True)
        missing += acknowledged != (answer.status_code == 200) or not _accounted(answer.status_code, new, kept)
    return Account(count, outcomes, missing)


def _accounted(status: int, published: int, kept: int) -> bool:
    """Taken: every notification is published or kept. Refused: kept whole. Of a stranger: neither."""
    return {200: published + kept > 0, 400: (published, kept) == (0, 1), 401: (published, kept) == (0, 0)}[status]


def _envelope(chance: random.Random, body: bytes) -> bytes:
    message: dict[str, object] = {"data": base64.b64encode(_json(chance, body)).decode(), "messageId": "m", "attributes": {}}
    outer: dict[str, object] = {"message": message, "subscription": "s"}
    damage = chance.randrange(10)
    if damage == 0:
        message[chance.choice(list(message))] = chance.choice(_ODD)
    elif damage == 1:
        outer[chance.choice(["message", "deliveryAttempt", "subscription"])] = chance.choice(_ODD)
    raw = json.dumps(outer).encode()
    return chance.choice(_BYTES)(chance, raw) if damage in {2, 3} else raw


def _json(chance: random.Random, body: bytes) -> bytes:
    value = json.loads(body)
    damage = chance.randrange(8)
    if damage == 0:
        value[chance.choice(list(value))] = chance.choice(_ODD)
    elif damage == 1:
        del value[chance.choice(list(value))]
    elif damage == 2:
        value["stage_entered_at"] = chance.choice(["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2025-02-30T00:00:00Z", "now"])
    elif damage == 3:
        value["lead_id"] = "00Q5e" + "".join(chance.choices("0123456789", k=10))
    raw = json.dumps(value).encode()
    return chance.choice(_BYTES)(chance, raw) if damage == 4 else raw


def _soap(chance: random.Random, rig: Rig) -> bytes:
    changes = chance.choices(rig.changes, k=chance.choice([1, 1, 3, 100, 101]))
    later = timedelta(seconds=chance.randrange(1000))
    records: list[dict[str, object]] = [
        {"Id": c.lead_id, "FA_CRD__c": c.crd, "Stage_Entered_Contacting__c": isoformat(c.stage_entered_at + later)} for c in changes
    ]
    if chance.random() < 0.3:
        chance.choice(records)[chance.choice(["Id", "Stage_Entered_Contacting__c", "FA_CRD__c"])] = str(chance.choice(_ODD[:10]))
    organization = ORGANIZATION if chance.random() < 0.95 else "00D000000000009AAA"
    raw = outbound_message(organization, [(f"04l{n}", record) for n, record in enumerate(records)])
    return chance.choice(_XML)(chance, raw) if chance.random() < 0.7 else raw


def _cut(chance: random.Random, raw: bytes) -> bytes:
    return raw[: chance.randrange(len(raw))]


def _flip(chance: random.Random, raw: bytes) -> bytes:
    at = chance.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :]


def _noise(chance: random.Random, raw: bytes) -> bytes:
    return chance.randbytes(chance.randrange(200))


def _swell(chance: random.Random, raw: bytes) -> bytes:
    return raw + b" " * 1_000_001


def _deep(chance: random.Random, raw: bytes) -> bytes:
    return chance.choice([b"[", b'{"a":', b"<a>"]) * 50_000


def _recode(chance: random.Random, raw: bytes) -> bytes:
    return raw.decode("utf-8", "replace").encode(chance.choice(["utf-16", "utf-32", "utf-7", "cp037"]))


def _bomb(chance: random.Random, raw: bytes) -> bytes:
    head, _, rest = raw.partition(b"?>")
    return head + b"?>" + BOMB + rest.replace(b"00Q", b"&c;", 1)


def _declare(chance: random.Random, raw: bytes) -> bytes:
    return raw.replace(b'encoding="UTF-8"', b'encoding="' + chance.choice([b"UTF-16", b"iso-8859-1", b"nonsense", b"utf-7"]) + b'"')


def _drop(chance: random.Random, raw: bytes) -> bytes:
    name = chance.choice([b"notifications", b"Notification", b"sObject", b"sf:Id", b"OrganizationId", b"soapenv:Body"])
    return raw.replace(name, b"other")


_BYTES: tuple[Mangle, ...] = (_cut, _flip, _noise, _swell, _deep, _recode)
_XML: tuple[Mangle, ...] = (*_BYTES, _bomb, _declare, _drop)
