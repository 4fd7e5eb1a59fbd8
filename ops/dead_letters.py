"""Dead letters: which there are, whether they would succeed now, and sending them once more."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from functions import messages
from functions.messages import PageMessage, ScoredMessage, StageChangeMessage
from functions.receive_stage_change import LEAD_CONTACTED
from sandbox.topology import topology
from shared.errors import InvalidMessage
from shared.ports import DeadLetter, DeadLetters, Topic

_KINDS: Mapping[str, type[StageChangeMessage | ScoredMessage | PageMessage]] = {
    "score_lead": StageChangeMessage,
    "sync_scores": ScoredMessage,
    "score_page": PageMessage,
}
_INGRESS = "receive_stage_change"


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty parts hold for every letter."""

    reason: str = ""
    function: str = ""
    message_id: str = ""

    def holds(self, letter: DeadLetter) -> bool:
        wanted = ((self.reason, reason(letter)), (self.function, function(letter)))
        return all(not part or part == found for part, found in wanted) and self.message_id in {"", origin(letter), letter.message_id}


@dataclass(slots=True)
class Replayed:
    """Letters sent once more, and those that stay, with the reason."""

    sent: int = 0
    kept: Counter[str] = field(default_factory=Counter)


def reason(letter: DeadLetter) -> str:
    return letter.attributes.get("reason", "delivery_exhausted")


def function(letter: DeadLetter) -> str:
    """The function that could not handle it; what Pub/Sub gave up by itself names the subscription."""
    return letter.attributes.get("function") or letter.attributes.get("CloudPubSubDeadLetterSourceSubscription", "").replace("-", "_")


def origin(letter: DeadLetter) -> str:
    """The id of the message that died, which is the same however often it died."""
    return letter.attributes.get("message_id") or letter.message_id


def explanation(letter: DeadLetter) -> str:
    deliveries = letter.attributes.get("CloudPubSubDeadLetterSourceDeliveryCount", "?")
    return letter.attributes.get("explanation", f"gave up after {deliveries} deliveries; see the function's log")


def bodies(letter: DeadLetter) -> tuple[str, list[bytes]]:
    """The topic a letter goes back to, and what is to be published there. InvalidMessage when it can still not be read."""
    name = function(letter)
    if name == _INGRESS:
        return LEAD_CONTACTED, [messages.write(change) for change in messages.read_notifications(letter.body)]
    if name not in _KINDS:
        raise InvalidMessage(f"no function {name!r} reads messages", fix="Look at it with ./leadscore dlq explain.")
    read = messages.read(_KINDS[name], letter.body)
    body = messages.write(read.change()) if isinstance(read, StageChangeMessage) else letter.body
    return topology().functions[name].topic, [body]


def replay(letters: DeadLetters, topic: Topic, wanted: Filter) -> Replayed:
    """Publish the chosen letters to where they came from and remove them.

    A letter that could not be read anyway stays. Sending one twice, or after its lead was scored in another way,
    changes nothing: every effect is idempotent.
    """
    done = Replayed()

    def send(letter: DeadLetter) -> bool:
        if not wanted.holds(letter):
            return False
        try:
            name, found = bodies(letter)
        except InvalidMessage as fault:
            done.kept[fault.what] += 1
            return False
        for body in found:
            topic.publish(name, body, {"replayed": origin(letter)})
        done.sent += 1
        return True

    letters.settle(send)
    return done
