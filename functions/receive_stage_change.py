"""Salesforce says that leads changed stage. We answer only once the news is safely published."""

import hmac
from dataclasses import dataclass

from functions import messages
from functions.delivery import bury
from shared.errors import InvalidMessage, Unauthorized
from shared.log import log
from shared.ports import Topic

LEAD_CONTACTED = "lead-contacted"


@dataclass(frozen=True, slots=True)
class Ingress:
    topic: Topic
    secret: str
    stage: str


def receive_stage_change(authorization: str, body: bytes, ingress: Ingress) -> dict[str, int]:
    """Publish each change into the stage that starts the clock; others are counted and left.

    Raises Unauthorized, InvalidMessage (also filed as a dead letter), TopicUnavailable (nothing was acknowledged:
    send again; scoring the same change twice changes nothing).
    """
    _authenticate(authorization, ingress.secret)
    try:
        changes = messages.read_notifications(body)
    except InvalidMessage as fault:
        bury(ingress.topic, body, fault, {"function": "receive_stage_change"})
        raise
    contacted = [change for change in changes if change.stage == ingress.stage]
    for change in contacted:
        ingress.topic.publish(LEAD_CONTACTED, messages.write(change), {"event_id": change.event_id, "source": change.source})
        log.info("stage_change_published", lead_id=change.lead_id, event_id=change.event_id)
    return {"published": len(contacted), "ignored": len(changes) - len(contacted)}


def _authenticate(authorization: str, secret: str) -> None:
    expected = f"Bearer {secret}".encode()
    if not secret or not hmac.compare_digest(authorization.encode(), expected):
        raise Unauthorized("The ingress secret is absent or wrong.", fix="Send Authorization: Bearer <LEADSCORE_INGRESS_SECRET>.")
