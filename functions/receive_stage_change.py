"""Salesforce says that leads changed stage. We answer only once the news is safely published."""

import hmac
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from functions import messages
from functions.delivery import bury
from functions.messages import StageChangeMessage
from functions.soap import Notification, read_outbound_message
from shared.errors import InvalidMessage, Unauthorized
from shared.lead import StageChange
from shared.log import log
from shared.ports import Topic

T = TypeVar("T")

LEAD_CONTACTED = "lead-contacted"
_ORIGIN = {"function": "receive_stage_change"}
_ID_STEM = 15
"""The first so many characters of a Salesforce id say it all; the rest is a checksum that some senders leave out."""


@dataclass(frozen=True, slots=True)
class OutboundSource:
    """Whose outbound messages we take, and which of their fields say who was contacted when."""

    organization_id: str = ""
    crd_field: str = ""
    contacted_at_field: str = ""


@dataclass(frozen=True, slots=True)
class Ingress:
    topic: Topic
    secret: str
    stage: str
    outbound: OutboundSource = OutboundSource()


def receive_stage_change(authorization: str, body: bytes, ingress: Ingress) -> dict[str, int]:
    """A callout by Flow or Apex. Publish each change into the stage that starts the clock; others are counted and left.

    Raises Unauthorized, InvalidMessage (also filed as a dead letter), TopicUnavailable (nothing was acknowledged:
    send again; scoring the same change twice changes nothing).
    """
    _authenticate(authorization, f"Bearer {ingress.secret}", ingress)
    changes = _or_bury(body, ingress, lambda: messages.read_notifications(body))
    return _publish(changes, ingress)


def receive_outbound_message(token: str, body: bytes, ingress: Ingress) -> dict[str, int]:
    """An outbound message, which cannot carry a header: `token` comes in its address, and the organisation must be ours.

    A notification that names no lead or no instant is filed as a dead letter; the others are published. Raises as above.
    """
    _authenticate(token, ingress.secret, ingress)
    message = _or_bury(body, ingress, lambda: read_outbound_message(body))
    ours = ingress.outbound.organization_id
    if not ours or message.organization_id[:_ID_STEM] != ours[:_ID_STEM]:
        raise Unauthorized(
            "The message is of another organisation.", fix="Set SALESFORCE_ORGANIZATION_ID to the id of the org that sends it."
        )
    changes = [change for each in message.notifications if (change := _change_or_bury(each, ingress))]
    return {**_publish(changes, ingress), "dead_lettered": len(message.notifications) - len(changes)}


def _publish(changes: Sequence[StageChange], ingress: Ingress) -> dict[str, int]:
    contacted = [change for change in changes if change.stage == ingress.stage]
    for change in contacted:
        ingress.topic.publish(LEAD_CONTACTED, messages.write(change), {"event_id": change.event_id, "source": change.source})
        log.info("stage_change_published", lead_id=change.lead_id, event_id=change.event_id)
    return {"published": len(contacted), "ignored": len(changes) - len(contacted)}


def _change_or_bury(notification: Notification, ingress: Ingress) -> StageChange | None:
    source, said = ingress.outbound, notification.fields
    crd = re.sub(r"\D", "", said.get(source.crd_field, ""))
    value = {
        "lead_id": said.get("Id", ""),
        "crd": int(crd) if crd else None,
        "stage": ingress.stage,
        "stage_entered_at": said.get(source.contacted_at_field, ""),
        "event_id": notification.id,
        "source": "outbound_message",
    }
    try:
        return messages.checked(StageChangeMessage, value).change()
    except InvalidMessage as fault:
        bury(ingress.topic, json.dumps(value).encode(), fault, _ORIGIN)
        return None


def _or_bury(body: bytes, ingress: Ingress, read: Callable[[], T]) -> T:
    try:
        return read()
    except InvalidMessage as fault:
        bury(ingress.topic, body, fault, _ORIGIN)
        raise


def _authenticate(given: str, expected: str, ingress: Ingress) -> None:
    if not ingress.secret or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Unauthorized("The ingress secret is absent or wrong.", fix="Send Authorization: Bearer <LEADSCORE_INGRESS_SECRET>.")
