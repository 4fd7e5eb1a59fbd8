"""From bytes on the wire to typed messages, or InvalidMessage saying what is wrong and how to mend it."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.clock import isoformat, parse_instant, utc
from shared.documents import broken_rule
from shared.errors import InvalidMessage
from shared.lead import Ask, StageChange, lead_id

MAX_BODY_BYTES = 1_000_000
MAX_NOTIFICATIONS = 100
MAX_SYNC_LEADS = 10_000

M = TypeVar("M", bound="_Message")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One push delivery. Only what every form of Pub/Sub push carries is read, plus the attempt where it is given."""

    message_id: str
    body: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    attempt: int = 1


def _instant(value: object) -> datetime:
    try:
        return utc(value) if isinstance(value, datetime) else parse_instant(str(value))
    except ValueError as fault:
        raise broken_rule(f"{value!r} is not an instant with a time zone, such as 2025-01-31T12:00:00Z") from fault


def _union(value: object) -> object:
    """Avro's JSON encoding, which the topic's schema asks for, writes a nullable number as {"long": 1001}."""
    return value["long"] if isinstance(value, dict) and value.keys() == {"long"} else value


LeadId = Annotated[str, AfterValidator(lead_id)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Crd = Annotated[int, Field(gt=0, lt=10**10)]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageChangeMessage(_Message):
    """Its form on the topic is `infra/schemas/stage_change.avsc`."""

    lead_id: LeadId
    crd: Annotated[Crd | None, BeforeValidator(_union)] = None
    stage: Annotated[str, Field(min_length=1, max_length=80)]
    stage_entered_at: Instant
    event_id: Annotated[str, Field(min_length=1, max_length=200)]
    source: Annotated[str, Field(min_length=1, max_length=80)]

    def change(self) -> StageChange:
        return StageChange(self.lead_id, self.crd, self.stage, self.stage_entered_at, self.event_id, self.source)


class ScoredMessage(_Message):
    """These leads have a new score in the ledger."""

    lead_ids: Annotated[tuple[LeadId, ...], Field(min_length=1, max_length=MAX_SYNC_LEADS)]


class AskedLead(_Message):
    lead_id: LeadId
    crd: Crd | None = None
    stage_entered_at: Instant


class PageMessage(_Message):
    """One page of a batch run."""

    run_id: Annotated[str, Field(min_length=1, max_length=200)]
    page: Annotated[int, Field(ge=0)]
    as_of: Instant
    leads: Annotated[tuple[AskedLead, ...], Field(min_length=1, max_length=1000)]

    def asks(self) -> list[Ask]:
        return [Ask(lead.lead_id, lead.crd, self.as_of) for lead in self.leads]


class BatchCommand(_Message):
    """What Scheduler asks of the nightly batch. `as_of` defaults to now, staleness to the policy; 0 turns it off."""

    as_of: Instant | None = None
    stale_after_days: Annotated[int, Field(ge=0)] | None = None


class AsOfCommand(_Message):
    """What Scheduler asks of `sync_all` and `catch_up`. `as_of` defaults to now and says which leads are still open."""

    as_of: Instant | None = None


def unwrap(request_body: bytes) -> Envelope:
    """The message inside a Pub/Sub push request."""
    outer = _json(request_body, "The push request")
    message = outer.get("message")
    if not isinstance(message, dict):
        raise InvalidMessage("The push request has no `message`.", fix='Send {"message": {"data": <base64>, "messageId": ...}}.')
    if not message.get("data"):
        raise InvalidMessage("The message has no data.", fix="Publish a non-empty JSON body; attributes alone are not read.")
    try:
        body = base64.b64decode(str(message["data"]), validate=True)
    except ValueError as fault:
        raise InvalidMessage(f"message.data is not base64: {fault}.", fix="Encode the JSON body in standard base64.") from fault
    attributes = message.get("attributes")
    attempt = outer.get("deliveryAttempt")
    return Envelope(
        message_id=str(message.get("messageId", "")),
        body=body,
        attributes=attributes if isinstance(attributes, dict) else {},
        attempt=attempt if isinstance(attempt, int) else 1,
    )


def read(kind: type[M], body: bytes) -> M:
    """A message of this kind; every field at fault is named."""
    return checked(kind, _json(body, "The message"))


def read_notifications(body: bytes) -> list[StageChange]:
    """One stage change, or a list of up to 100 of them, as Salesforce calls us with."""
    parsed = _parse(body, "The request")
    items = parsed if isinstance(parsed, list) else [parsed]
    if not 1 <= len(items) <= MAX_NOTIFICATIONS:
        raise InvalidMessage(f"The request holds {len(items)} notifications.", fix=f"Send 1 to {MAX_NOTIFICATIONS} at a time.")
    return [checked(StageChangeMessage, item).change() for item in items]


def write(change: StageChange) -> bytes:
    """As the topic's schema wants it."""
    return json.dumps(
        {
            "lead_id": change.lead_id,
            "crd": None if change.crd is None else {"long": change.crd},
            "stage": change.stage,
            "stage_entered_at": isoformat(change.stage_entered_at),
            "event_id": change.event_id,
            "source": change.source,
        }
    ).encode()


def checked(kind: type[M], value: object) -> M:
    try:
        return kind.model_validate(value)
    except ValidationError as fault:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the body'}: {e['msg']}" for e in fault.errors())
    raise InvalidMessage(f"The message is not usable: {problems}.", fix=f"Send a JSON object with {', '.join(kind.model_fields)}.")


def _json(body: bytes, what: str) -> dict[str, object]:
    parsed = _parse(body, what)
    if not isinstance(parsed, dict):
        raise InvalidMessage(f"{what} is a JSON {type(parsed).__name__}, not an object.", fix="Send a JSON object.")
    return parsed


def _parse(body: bytes, what: str) -> object:
    if not body:
        raise InvalidMessage(f"{what} is empty.", fix="Send a JSON body.")
    if len(body) > MAX_BODY_BYTES:
        raise InvalidMessage(f"{what} has {len(body):,} bytes.", fix=f"Send at most {MAX_BODY_BYTES:,}.")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise InvalidMessage(f"{what} is not JSON: {fault}.", fix="Send UTF-8 JSON.") from fault
