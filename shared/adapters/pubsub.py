"""Topics: Google's client on the cloud, and the same REST call against the sandbox's bus on a laptop."""

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING

import requests

from shared.errors import TopicUnavailable
from shared.ports import DeadLetter

if TYPE_CHECKING:
    from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

_TIMEOUT_SECONDS = 20


class PubSubTopic:
    """Publishes and waits until Pub/Sub has stored the message."""

    def __init__(self, publisher: "PublisherClient", project: str) -> None:
        self._publisher = publisher
        self._project = project

    def publish(self, topic: str, body: bytes, attributes: Mapping[str, str]) -> str:
        from google.api_core import exceptions as google  # noqa: PLC0415 - only where Google's client is in use

        try:
            future = self._publisher.publish(self._publisher.topic_path(self._project, topic), body, **attributes)
            return str(future.result(timeout=_TIMEOUT_SECONDS))
        except (google.GoogleAPIError, TimeoutError) as fault:
            raise TopicUnavailable(f"Pub/Sub topic {topic}: {fault}", fix="Check the topic and the publisher role on it.") from fault


class PubSubDeadLetters:
    """Looks at the dead-letter subscription without taking anything from it."""

    def __init__(self, subscriber: "SubscriberClient", project: str, subscription: str) -> None:
        self._subscriber = subscriber
        self._path = subscriber.subscription_path(project, subscription)

    def peek(self, limit: int) -> list[DeadLetter]:
        response = self._subscriber.pull(subscription=self._path, max_messages=limit, timeout=_TIMEOUT_SECONDS)
        received = list(response.received_messages)
        if received:
            ack_ids = [each.ack_id for each in received]
            self._subscriber.modify_ack_deadline(subscription=self._path, ack_ids=ack_ids, ack_deadline_seconds=0)
        return [
            DeadLetter(m.message_id, bytes(m.data), dict(m.attributes), m.publish_time.isoformat())
            for m in (each.message for each in received)
        ]


class RestTopic:
    """Pub/Sub's REST publish call without its client: what the sandbox's bus answers to."""

    def __init__(self, base_url: str, project: str) -> None:
        self._url = f"{base_url}/v1/projects/{project}/topics"
        self._session = requests.Session()
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))

    def publish(self, topic: str, body: bytes, attributes: Mapping[str, str]) -> str:
        message = {"data": base64.b64encode(body).decode(), "attributes": dict(attributes)}
        try:
            answer = self._session.post(f"{self._url}/{topic}:publish", json={"messages": [message]}, timeout=_TIMEOUT_SECONDS)
            answer.raise_for_status()
        except requests.RequestException as fault:
            raise TopicUnavailable(f"The bus did not take a message for {topic}: {fault}", fix="Is make serve still up?") from fault
        return str(answer.json()["messageIds"][0])
