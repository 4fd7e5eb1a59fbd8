"""A push bus that behaves like Pub/Sub: at least once, exponential backoff, dead letters, OIDC on every push.

Publishing is Pub/Sub's own REST call. On request it delivers duplicates and out of order. It keeps messages in memory;
dead letters go to files, where `./leadscore dlq` finds them.
"""

import argparse
import base64
import heapq
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import requests
from flask import Flask, Request, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox import keys
from sandbox.schemas import misfit
from sandbox.server import serve
from sandbox.subscriptions import DEAD_LETTER_TOPIC, Retry, Subscription, administration, wired
from sandbox.topology import topology

_ACKNOWLEDGED = frozenset({102, 200, 201, 202, 204})
_REORDER_SECONDS = 0.5


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    message: dict[str, object] = field(compare=False)
    attempt: int = field(compare=False, default=1)


class Bus:
    """All topics and subscriptions of one project."""

    def __init__(self, subscriptions: list[Subscription], retry: Retry, dead_letters: Path, signing_key: str, workers: int = 4) -> None:
        self.retry = retry
        self._dead_letters = dead_letters
        self._signing_key = signing_key
        self._numbers = itertools.count(1)
        self._queues = {s.name: _Queue(s) for s in subscriptions}
        self._lock = threading.Lock()
        self._token = ("", 0.0)
        self.counts: Counter[str] = Counter()
        self.duplicate_share = 0.0
        self.reorder = False
        self._random = random.Random(0)  # noqa: S311 - reproducible faults
        for queue in self._queues.values():
            for _ in range(workers):
                threading.Thread(target=self._work, args=(queue,), daemon=True).start()

    def publish(self, topic: str, data: str, attributes: dict[str, str]) -> str:
        """`data` is base64, as on the wire."""
        number = next(self._numbers)
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        message: dict[str, object] = {"data": data, "messageId": str(number), "message_id": str(number)}
        message |= {"publishTime": now, "publish_time": now, "attributes": attributes}
        self._count(f"published.{topic}")
        if topic == DEAD_LETTER_TOPIC:
            self._file(message)
        for queue in self._queues.values():
            if queue.subscription.topic == topic:
                for _ in range(self._copies()):
                    queue.put(_Due(time.monotonic() + self._lateness(), number, message))
        return str(number)

    def subscriptions(self) -> list[Subscription]:
        return [queue.subscription for queue in self._queues.values()]

    def replace(self, subscription: Subscription) -> None:
        """From its next delivery on, the subscription of this name is this one."""
        self._queues[subscription.name].subscription = subscription

    def outstanding(self) -> int:
        return sum(queue.outstanding for queue in self._queues.values())

    def _copies(self) -> int:
        with self._lock:
            return 2 if self._random.random() < self.duplicate_share else 1

    def _lateness(self) -> float:
        with self._lock:
            return self._random.uniform(0, _REORDER_SECONDS) if self.reorder else 0.0

    def _work(self, queue: "_Queue") -> None:
        session = requests.Session()
        while True:
            due = queue.take()
            again = None if self._push(session, queue.subscription, due) else self._after_failure(queue.subscription, due)
            queue.done(again)

    def _push(self, session: requests.Session, subscription: Subscription, due: _Due) -> bool:
        path = f"projects/example-project/subscriptions/{subscription.name}"
        envelope = {"message": due.message, "subscription": path, "deliveryAttempt": due.attempt}
        try:
            answer = session.post(
                subscription.url,
                json=envelope,
                headers={"Authorization": f"Bearer {self._fresh_token()}"},
                timeout=subscription.ack_deadline_seconds,
            )
        except requests.RequestException:
            return False
        self._count(f"answered.{subscription.name}.{answer.status_code}")
        return answer.status_code in _ACKNOWLEDGED

    def _after_failure(self, subscription: Subscription, due: _Due) -> _Due | None:
        if due.attempt < self.retry.max_attempts or not subscription.dead_letter_topic:
            return _Due(time.monotonic() + self.retry.delay(due.attempt), due.number, due.message, due.attempt + 1)
        attributes = due.message["attributes"]
        assert isinstance(attributes, dict)  # noqa: S101 - we made it
        said = {
            "CloudPubSubDeadLetterSourceDeliveryCount": str(due.attempt),
            "CloudPubSubDeadLetterSourceSubscription": subscription.name,
            "CloudPubSubDeadLetterSourceTopicPublishTime": str(due.message["publishTime"]),
        }
        self.publish(subscription.dead_letter_topic, str(due.message["data"]), {**attributes, **said})
        return None

    def _fresh_token(self) -> str:
        with self._lock:
            token, until = self._token
            if time.monotonic() > until:
                self._token = token, _ = keys.push_token(self._signing_key), time.monotonic() + 1800
            return token

    def _file(self, message: dict[str, object]) -> None:
        self._dead_letters.mkdir(parents=True, exist_ok=True)
        name = f"{message['publishTime']}-{message['messageId']}.json".replace(":", "")
        (self._dead_letters / name).write_text(json.dumps(message))

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1


class _Queue:
    """Messages of one subscription by due time; those in delivery count as outstanding."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.outstanding = 0
        self._heap: list[_Due] = []
        self._ready = threading.Condition()

    def put(self, due: _Due) -> None:
        with self._ready:
            heapq.heappush(self._heap, due)
            self.outstanding += 1
            self._ready.notify()

    def take(self) -> _Due:
        with self._ready:
            while not self._heap or self._heap[0].at > time.monotonic():
                self._ready.wait(self._heap[0].at - time.monotonic() if self._heap else None)
            return heapq.heappop(self._heap)

    def done(self, again: _Due | None) -> None:
        with self._ready:
            self.outstanding -= 1
            if again is not None:
                heapq.heappush(self._heap, again)
                self.outstanding += 1
                self._ready.notify()


def create_app(bus: Bus, signing_key: str, topics: Collection[str]) -> Flask:
    app = Flask("bus")

    @app.post("/v1/projects/<project>/topics/<topic>:publish")
    def publish(project: str, topic: str) -> ResponseReturnValue:
        if topic not in topics:
            return {"error": {"code": 404, "message": f"Resource not found (resource={topic}).", "status": "NOT_FOUND"}}, 404
        messages = _body(request).get("messages")
        if not isinstance(messages, list) or any(not message.get("data") for message in messages):
            return {"error": {"code": 400, "message": f"projects/{project}: each message needs data", "status": "INVALID_ARGUMENT"}}, 400
        if wrong := next((why for message in messages if (why := misfit(topic, base64.b64decode(message["data"])))), ""):
            return {"error": {"code": 400, "message": f"Request failed schema validation: {wrong}", "status": "INVALID_ARGUMENT"}}, 400
        return {"messageIds": [bus.publish(topic, message["data"], message.get("attributes", {})) for message in messages]}

    administration(app, bus, topics)

    @app.get("/certs")
    def certs() -> ResponseReturnValue:
        return jsonify(keys.key_set(signing_key))

    @app.get("/sandbox/stats")
    def stats() -> ResponseReturnValue:
        return {"outstanding": bus.outstanding(), "counts": dict(bus.counts)}

    @app.post("/sandbox/faults")
    def faults() -> ResponseReturnValue:
        wanted = _body(request)
        bus.duplicate_share = float(str(wanted.get("duplicate_share", bus.duplicate_share)))
        bus.reorder = bool(wanted.get("reorder", bus.reorder))
        return {"duplicate_share": bus.duplicate_share, "reorder": bus.reorder}

    return app


def _body(incoming: Request) -> dict[str, object]:
    parsed = incoming.get_json(silent=True)
    return parsed if isinstance(parsed, dict) else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--functions-url", required=True)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--min-backoff", type=float, default=0.2)
    parser.add_argument("--max-backoff", type=float, default=5.0)
    parser.add_argument("--max-attempts", type=int, default=5)
    options = parser.parse_args()
    retry = Retry(options.min_backoff, options.max_backoff, options.max_attempts)

    def make_app() -> Flask:
        signing_key = keys.private_key(options.world / "keys" / "bus.pem")
        bus = Bus(wired(options.functions_url), retry, options.world / "dead_letters", signing_key)
        return create_app(bus, signing_key, topology().topics)

    serve(make_app, options.port)


if __name__ == "__main__":
    main()
