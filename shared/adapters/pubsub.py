"""Topics: Google's client on the cloud, and the same REST call against the sandbox's bus on a laptop."""

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import requests

from shared.errors import TopicUnavailable
from shared.ports import DeadLetter

if TYPE_CHECKING:
    from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

_TIMEOUT_SECONDS = 20
_PULL_SECONDS = 5
_PULLED_AT_ONCE = 100


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
    """The dead-letter subscription, pulled."""

    def __init__(self, subscriber: "SubscriberClient", project: str, subscription: str) -> None:
        self._subscriber = subscriber
        self._path = subscriber.subscription_path(project, subscription)

    def peek(self, limit: int) -> list[DeadLetter]:
        received = self._pull(limit)
        self._put_back([ack_id for ack_id, _ in received])
        return [letter for _, letter in received]

    def settle(self, handled: Callable[[DeadLetter], bool]) -> int:
        """Letters that stay are held until all were shown; one whose hold ran out meanwhile is not shown again."""
        kept: dict[str, str] = {}
        done = 0
        try:
            while fresh := [(ack_id, letter) for ack_id, letter in self._pull(_PULLED_AT_ONCE) if letter.message_id not in kept]:
                for ack_id, letter in fresh:
                    kept[letter.message_id] = ack_id
                    if handled(letter):
                        self._subscriber.acknowledge(subscription=self._path, ack_ids=[ack_id], timeout=_TIMEOUT_SECONDS)
                        done += 1
        finally:
            self._put_back(list(kept.values()))
        return done

    def _pull(self, limit: int) -> list[tuple[str, DeadLetter]]:
        from google.api_core import exceptions as google  # noqa: PLC0415 - only where Google's client is in use

        try:
            response = self._subscriber.pull(subscription=self._path, max_messages=limit, timeout=_PULL_SECONDS)
        except google.DeadlineExceeded:
            return []
        received = ((each.ack_id, each.message) for each in response.received_messages)
        return [(ack_id, DeadLetter(m.message_id, bytes(m.data), dict(m.attributes), m.publish_time.isoformat())) for ack_id, m in received]

    def _put_back(self, ack_ids: list[str]) -> None:
        if ack_ids:
            self._subscriber.modify_ack_deadline(subscription=self._path, ack_ids=ack_ids, ack_deadline_seconds=0)


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
