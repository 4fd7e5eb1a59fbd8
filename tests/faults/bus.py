"""A push bus in one process with its own time: at least once, any order, backoff, dead letters; nothing waits for real."""

import base64
import heapq
import itertools
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sandbox.schemas import misfit
from sandbox.topology import topology
from shared.clock import SteppedClock
from shared.errors import TopicUnavailable
from shared.ports import DeadLetter

DEAD_LETTERS = "dead-letters"
MAX_ATTEMPTS = 5
Deliver = Callable[[str, bytes], int]
"""Function and push request to HTTP status; 0 when nobody answered."""


@dataclass(order=True)
class _Due:
    at: datetime
    lot: float
    function: str = field(compare=False)
    message: dict[str, object] = field(compare=False)
    attempt: int = field(compare=False, default=1)


class VirtualBus:
    """`copies`: each message is delivered so many times. `down`: nothing can be published."""

    def __init__(self, clock: SteppedClock, seed: int) -> None:
        self.clock = clock
        self.copies = (1, 1)
        self.reorder = False
        self.down = False
        self.letters: list[DeadLetter] = []
        self.struck = 0
        self.published = Counter[str]()
        self._random = random.Random(seed)  # noqa: S311 - reproducible faults
        self._ids = itertools.count(1)
        self._heap: list[_Due] = []
        self._in_flight = 0
        self._changed = threading.Condition()
        self._subscribed = {f.topic: name for name, f in topology().functions.items() if f.trigger == "topic"}

    def publish(self, topic: str, body: bytes, attributes: Mapping[str, str]) -> str:
        if self.down:
            self.struck += 1
            raise TopicUnavailable(f"{topic} is down.")
        wrong = misfit(topic, body)
        assert not wrong, f"{topic}: {wrong}"
        with self._changed:
            self.published[topic] += 1
            id_ = str(next(self._ids))
            if topic == DEAD_LETTERS:
                self.letters.append(DeadLetter(id_, body, dict(attributes), self.clock.now().isoformat()))
                return id_
            copies = self._random.randint(*self.copies)
            self.struck += copies - 1
            message: dict[str, object] = {"data": base64.b64encode(body).decode(), "messageId": id_, "attributes": dict(attributes)}
            for _ in range(copies):
                heapq.heappush(self._heap, _Due(self._when(), self._random.random(), self._subscribed[topic], message))
            self._changed.notify_all()
            return id_

    def run(self, deliver: Deliver, *, until: datetime | None = None) -> None:
        """Deliver until nothing is left, stepping the clock over waits; `until`: or until then."""
        while (due := self._take(until)) is not None:
            self._done(due, self._answer(deliver, due))

    def run_at_once(self, delivers: list[Deliver]) -> None:
        """As `run`, each way of delivering in a thread of its own."""
        threads = [threading.Thread(target=self.run, args=(deliver,)) for deliver in delivers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def settle(self, handled: Callable[[DeadLetter], bool]) -> int:
        before = list(self.letters)
        done = [letter for letter in before if handled(letter)]
        self.letters = [letter for letter in self.letters if letter not in done]
        return len(done)

    def peek(self, limit: int) -> list[DeadLetter]:
        return self.letters[:limit]

    def _when(self) -> datetime:
        late = timedelta(seconds=self._random.uniform(0, 30)) if self.reorder else timedelta(0)
        return self.clock.now() + late

    def _take(self, until: datetime | None) -> _Due | None:
        with self._changed:
            while True:
                if self._heap and self._heap[0].at <= self.clock.now():
                    self._in_flight += 1
                    return heapq.heappop(self._heap)
                if not self._in_flight:
                    if not self._heap or (until is not None and self._heap[0].at > until):
                        return None
                    self.clock.step(self._heap[0].at - self.clock.now())
                else:
                    self._changed.wait(0.05)

    def _answer(self, deliver: Deliver, due: _Due) -> int:
        envelope = {"message": due.message, "subscription": f"projects/p/subscriptions/{due.function}", "deliveryAttempt": due.attempt}
        return deliver(due.function, json.dumps(envelope).encode())

    def _done(self, due: _Due, status: int) -> None:
        with self._changed:
            self._in_flight -= 1
            if status not in {200, 204}:
                self._again(due)
            self._changed.notify_all()

    def _again(self, due: _Due) -> None:
        if due.attempt >= MAX_ATTEMPTS:
            said = {"CloudPubSubDeadLetterSourceSubscription": due.function.replace("_", "-"), "message_id": str(due.message["messageId"])}
            body = base64.b64decode(str(due.message["data"]))
            self.letters.append(DeadLetter(str(next(self._ids)), body, said, self.clock.now().isoformat()))
            return
        wait = timedelta(seconds=min(600, 10 * 2 ** (due.attempt - 1)))
        heapq.heappush(self._heap, _Due(self.clock.now() + wait, self._random.random(), due.function, due.message, due.attempt + 1))
