"""Subscriptions of the bus and their administration, in the shapes of Pub/Sub's REST API: list, read, change."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Protocol

from flask import Flask, request
from flask.typing import ResponseReturnValue

from sandbox import keys
from sandbox.topology import TIMEOUT_SECONDS, topology

DEAD_LETTER_TOPIC = "dead-letters"
DEAD_LETTER_SUBSCRIPTION = "dead-letters-dlq"
_MARGIN_SECONDS, _LONGEST_SECONDS = 30, 600
"""As infra/subscriptions.tf reckons the deadline from the function's timeout."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A push subscription of `topic` to `url`. Without a dead-letter topic it delivers for ever."""

    name: str
    topic: str
    url: str
    ack_deadline_seconds: int = 60
    dead_letter_topic: str = DEAD_LETTER_TOPIC


@dataclass(frozen=True, slots=True)
class Retry:
    """Delays in seconds between attempts, and how many there are before the dead letter."""

    min_backoff: float
    max_backoff: float
    max_attempts: int

    def delay(self, attempt: int) -> float:
        return float(min(self.max_backoff, self.min_backoff * 2 ** (attempt - 1)))


class Administered(Protocol):
    @property
    def retry(self) -> Retry: ...
    def subscriptions(self) -> list[Subscription]: ...
    def replace(self, subscription: Subscription) -> None: ...


def wired(functions_url: str) -> list[Subscription]:
    """The subscriptions `infra/functions.yaml` declares, pushing to the functions at `functions_url`."""
    return [
        Subscription(
            name.replace("_", "-"), function.topic, f"{functions_url}/{name}", min(_LONGEST_SECONDS, function.timeout + _MARGIN_SECONDS)
        )
        for name, function in topology().functions.items()
        if function.trigger == "topic"
    ]


def administration(app: Flask, bus: Administered, topics: Collection[str]) -> None:
    """Routes of `projects.topics.list` and `projects.subscriptions.list | get | patch`."""

    @app.get("/v1/projects/<project>/topics")
    def list_topics(project: str) -> ResponseReturnValue:
        return {"topics": [{"name": f"projects/{project}/topics/{topic}"} for topic in topics]}

    @app.get("/v1/projects/<project>/subscriptions")
    def list_subscriptions(project: str) -> ResponseReturnValue:
        filed = {**_common(project, DEAD_LETTER_SUBSCRIPTION, DEAD_LETTER_TOPIC, TIMEOUT_SECONDS), "pushConfig": {}}
        return {"subscriptions": [*(_resource(project, each, bus.retry) for each in bus.subscriptions()), filed]}

    @app.patch("/v1/projects/<project>/subscriptions/<name>")
    def patch(project: str, name: str) -> ResponseReturnValue:
        found = next((each for each in bus.subscriptions() if each.name == name), None)
        if found is None:
            return {"error": {"code": 404, "message": f"Resource not found (resource={name}).", "status": "NOT_FOUND"}}, 404
        wanted = request.get_json()
        changed = _changed(found, wanted["subscription"], wanted["updateMask"].split(","))
        bus.replace(changed)
        return _resource(project, changed, bus.retry)


def _changed(subscription: Subscription, wanted: dict[str, Any], mask: list[str]) -> Subscription:
    """What the mask names is taken from `wanted`, and is gone where that does not hold it."""
    if "ackDeadlineSeconds" in mask:
        subscription = replace(subscription, ack_deadline_seconds=int(wanted["ackDeadlineSeconds"]))
    if "deadLetterPolicy" in mask:
        topic = str(wanted.get("deadLetterPolicy", {}).get("deadLetterTopic", ""))
        subscription = replace(subscription, dead_letter_topic=topic.rpartition("/")[2])
    if "pushConfig" in mask:
        subscription = replace(subscription, url=str(wanted.get("pushConfig", {}).get("pushEndpoint", "")))
    return subscription


def _resource(project: str, subscription: Subscription, retry: Retry) -> dict[str, Any]:
    token = {"serviceAccountEmail": keys.PUSH_ACCOUNT, "audience": keys.AUDIENCE}
    found: dict[str, Any] = {
        **_common(project, subscription.name, subscription.topic, subscription.ack_deadline_seconds),
        "pushConfig": {"pushEndpoint": subscription.url, "oidcToken": token},
        "retryPolicy": {"minimumBackoff": f"{retry.min_backoff:g}s", "maximumBackoff": f"{retry.max_backoff:g}s"},
    }
    if subscription.dead_letter_topic:
        topic = f"projects/{project}/topics/{subscription.dead_letter_topic}"
        found["deadLetterPolicy"] = {"deadLetterTopic": topic, "maxDeliveryAttempts": retry.max_attempts}
    return found


def _common(project: str, name: str, topic: str, deadline: int) -> dict[str, Any]:
    """An empty expiration policy says that it never expires; without one Pub/Sub removes it after 31 idle days."""
    return {
        "name": f"projects/{project}/subscriptions/{name}",
        "topic": f"projects/{project}/topics/{topic}",
        "ackDeadlineSeconds": deadline,
        "expirationPolicy": {},
        "state": "ACTIVE",
    }
