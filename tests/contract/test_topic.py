"""One suite for every topic: what is published is pushed, whole, to whoever subscribes."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from flask import Flask, request
from google.auth.credentials import AnonymousCredentials
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from werkzeug.serving import make_server

from functions.messages import unwrap
from sandbox import keys
from sandbox.bus import Bus, create_app
from sandbox.subscriptions import Retry, Subscription
from shared.adapters.directory import DirectoryDeadLetters
from shared.adapters.pubsub import PubSubDeadLetters, PubSubTopic, RestTopic
from shared.errors import TopicUnavailable
from shared.ports import DeadLetter, DeadLetters, Topic
from tests.contract.conftest import PROJECT

RETRY = Retry(min_backoff=0.05, max_backoff=0.2, max_attempts=3)


@dataclass
class Receiver:
    """A push endpoint: remembers requests and answers with the statuses it is given, then 200."""

    url: str
    received: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def wait_for(self, count: int, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"{len(self.received)} of {count} arrived"
            time.sleep(0.02)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    app = Flask("receiver")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/push")

    @app.post("/push")
    def push() -> tuple[str, int]:
        receiver.received.append(request.get_json())
        receiver.headers.append(request.headers.get("Authorization", ""))
        return "", receiver.statuses.pop(0) if receiver.statuses else 200

    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield receiver
    server.shutdown()
    thread.join()


class Wiring(Protocol):
    """A topic `news` pushed to the receiver, with dead letters after three failed deliveries."""

    topic: Topic
    dead_letters: DeadLetters


@dataclass
class BusWiring:
    topic: Topic
    dead_letters: DeadLetters
    bus: Bus


@pytest.fixture
def on_the_bus(receiver: Receiver, tmp_path: Path) -> Iterator[BusWiring]:
    key = keys.private_key(tmp_path / "bus.pem")
    bus = Bus([Subscription("news-sub", "news", receiver.url)], RETRY, tmp_path / "dead", key)
    server = make_server("127.0.0.1", 0, create_app(bus, key, ["news", "dead-letters"]), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    topic = RestTopic(f"http://127.0.0.1:{server.server_port}", PROJECT)
    yield BusWiring(topic, DirectoryDeadLetters(tmp_path / "dead"), bus)
    topic._session.close()
    server.shutdown()
    thread.join()


@dataclass
class EmulatorWiring:
    topic: Topic
    dead_letters: DeadLetters


@pytest.fixture
def on_the_emulator(
    receiver: Receiver, pubsub_host: str, credentials: AnonymousCredentials, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EmulatorWiring]:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub_host)
    publisher, subscriber = PublisherClient(), SubscriberClient()
    news, dead = (publisher.topic_path(PROJECT, name) for name in ("news", "dead-letters"))
    news_sub, dead_sub = (subscriber.subscription_path(PROJECT, name) for name in ("news-sub", "dead-sub"))
    publisher.create_topic(name=news)
    publisher.create_topic(name=dead)
    subscriber.create_subscription(name=dead_sub, topic=dead)
    policy = {"dead_letter_topic": dead, "max_delivery_attempts": 5}
    backoff = {"minimum_backoff": {"seconds": 0, "nanos": 50_000_000}, "maximum_backoff": {"seconds": 1}}
    subscriber.create_subscription(
        request={
            "name": news_sub,
            "topic": news,
            "push_config": {"push_endpoint": receiver.url},
            "dead_letter_policy": policy,
            "retry_policy": backoff,
        }
    )
    yield EmulatorWiring(PubSubTopic(publisher, PROJECT), PubSubDeadLetters(subscriber, PROJECT, "dead-sub"))
    for subscription in (news_sub, dead_sub):
        subscriber.delete_subscription(subscription=subscription)
    for topic in (news, dead):
        publisher.delete_topic(topic=topic)
    subscriber.close()
    publisher.stop()
    publisher.transport.close()


@pytest.fixture(params=["on_the_bus", "on_the_emulator"])
def wiring(request: pytest.FixtureRequest) -> Wiring:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def test_a_message_is_pushed_whole_in_the_envelope_our_functions_read(wiring: Wiring, receiver: Receiver) -> None:
    message_id = wiring.topic.publish("news", b'{"a": 1}', {"event_id": "e"})
    receiver.wait_for(1)
    envelope = unwrap(json.dumps(receiver.received[0]).encode())
    assert (envelope.body, envelope.attributes, envelope.message_id) == (b'{"a": 1}', {"event_id": "e"}, message_id)


def test_a_refused_delivery_comes_again(wiring: Wiring, receiver: Receiver) -> None:
    receiver.statuses = [503, 500]
    wiring.topic.publish("news", b"x", {})
    receiver.wait_for(3)
    assert len({delivery["message"]["messageId"] for delivery in receiver.received}) == 1


def test_what_is_refused_for_good_ends_as_a_dead_letter_that_peeking_leaves_there(wiring: Wiring, receiver: Receiver) -> None:
    receiver.statuses = [503] * 20
    wiring.topic.publish("news", b"poison", {"event_id": "e"})
    deadline = time.monotonic() + 30
    while not (letters := wiring.dead_letters.peek(10)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (letter,) = letters
    assert letter.body == b"poison"
    assert letter.attributes["event_id"] == "e"
    assert int(letter.attributes["CloudPubSubDeadLetterSourceDeliveryCount"]) >= 3
    time.sleep(0.2)
    assert [again.body for again in wiring.dead_letters.peek(10)] == [b"poison"]


def test_letters_that_were_handled_go_and_the_others_stay(wiring: Wiring) -> None:
    for body in (b"one", b"two", b"three"):
        wiring.topic.publish("dead-letters", body, {})
    deadline = time.monotonic() + 30
    while len(wiring.dead_letters.peek(10)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    shown: list[bytes] = []

    def handled(letter: DeadLetter) -> bool:
        shown.append(letter.body)
        return letter.body != b"two"

    assert wiring.dead_letters.settle(handled) == 2
    assert sorted(shown) == [b"one", b"three", b"two"]
    time.sleep(0.2)
    assert [letter.body for letter in wiring.dead_letters.peek(10)] == [b"two"]


def test_a_topic_that_does_not_exist_is_an_error_at_once(wiring: Wiring) -> None:
    with pytest.raises(TopicUnavailable, match="nowhere"):
        wiring.topic.publish("nowhere", b"x", {})


def test_the_bus_signs_its_pushes_and_counts_attempts(on_the_bus: BusWiring, receiver: Receiver) -> None:
    receiver.statuses = [503]
    on_the_bus.topic.publish("news", b"x", {})
    receiver.wait_for(2)
    assert [delivery["deliveryAttempt"] for delivery in receiver.received] == [1, 2]
    assert all(header.startswith("Bearer ey") for header in receiver.headers)


def test_on_request_the_bus_repeats_and_reorders(on_the_bus: BusWiring, receiver: Receiver) -> None:
    on_the_bus.bus.duplicate_share, on_the_bus.bus.reorder = 1.0, True
    for number in range(10):
        on_the_bus.topic.publish("news", str(number).encode(), {})
    receiver.wait_for(20)
    order = [int(base64.b64decode(delivery["message"]["data"])) for delivery in receiver.received]
    assert sorted(order) == sorted([*range(10), *range(10)])
    assert order != sorted(order)


def test_a_bus_that_is_down_is_an_error_at_once() -> None:
    with pytest.raises(TopicUnavailable, match="still up"):
        RestTopic("http://127.0.0.1:9", PROJECT).publish("news", b"x", {})
