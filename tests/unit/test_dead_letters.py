import base64
import json
from pathlib import Path

import pytest

from functions.delivery import bury
from ops.dead_letters import Filter, bodies, origin, reason, replay
from sandbox import keys
from sandbox.bus import Bus
from sandbox.subscriptions import Retry
from shared.adapters.directory import DirectoryDeadLetters
from shared.errors import CrmRefused, InvalidMessage, TopicUnavailable, UnknownCrd
from tests.fakes import FakeTopic

CHANGE = json.dumps(
    {"lead_id": "00Q5e0000026979EAA", "stage": "Contacted", "stage_entered_at": "2025-09-01T13:00:00Z", "event_id": "e", "source": "flow"}
).encode()
SCORED = b'{"lead_ids": ["00Q5e0000026979EAA"]}'


@pytest.fixture
def letters(tmp_path: Path) -> DirectoryDeadLetters:
    """Four letters as the bus files them: two to score, one to sync, one that can never be read."""
    bus = Bus([], Retry(1, 1, 1), tmp_path / "dead_letters", keys.private_key(tmp_path / "key.pem"))
    filed = FakeTopic()
    bury(filed, CHANGE, UnknownCrd("no row"), {"function": "score_lead", "message_id": "m1"})
    bury(filed, CHANGE, UnknownCrd("no row"), {"function": "score_lead", "message_id": "m2"})
    bury(filed, SCORED, CrmRefused("no"), {"function": "sync_scores", "run_id": "m3"})
    bury(filed, b"<xml/>", InvalidMessage("odd"), {"function": "score_lead", "message_id": "m4"})
    for topic, body, attributes in filed.published:
        bus.publish(topic, base64.b64encode(body).decode(), dict(attributes))
    return DirectoryDeadLetters(tmp_path / "dead_letters")


def test_a_replay_goes_back_to_where_each_came_from_and_removes_what_was_sent(letters: DirectoryDeadLetters) -> None:
    topic = FakeTopic()
    done = replay(letters, topic, Filter())
    assert done.sent == 3
    assert [json.loads(body) for body in topic.bodies("lead-contacted")] == 2 * [{**json.loads(CHANGE), "crd": None}]
    assert topic.bodies("lead-scored") == [SCORED]
    assert dict(done.kept) == {"The message is not JSON: Expecting value: line 1 column 1 (char 0).": 1}
    assert [origin(letter) for letter in letters.peek(10)] == ["m4"]
    assert replay(letters, topic, Filter()).sent == 0


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (Filter(reason="unknown_crd"), 2),
        (Filter(function="sync_scores"), 1),
        (Filter(message_id="m1"), 1),
        (Filter(reason="unknown_crd", message_id="m3"), 0),
    ],
)
def test_a_filter_chooses(letters: DirectoryDeadLetters, wanted: Filter, sent: int) -> None:
    assert replay(letters, FakeTopic(), wanted).sent == sent
    assert len(letters.peek(10)) == 4 - sent


def test_what_could_not_be_published_stays(letters: DirectoryDeadLetters) -> None:
    with pytest.raises(TopicUnavailable):
        replay(letters, FakeTopic(down=True), Filter())
    assert len(letters.peek(10)) == 4


def test_what_pubsub_gave_up_by_itself_and_what_ingress_refused_find_their_way_too(tmp_path: Path) -> None:
    bus = Bus([], Retry(1, 1, 1), tmp_path, keys.private_key(tmp_path / "key.pem"))
    bus.publish("dead-letters", base64.b64encode(CHANGE).decode(), {"CloudPubSubDeadLetterSourceSubscription": "score-lead"})
    bus.publish("dead-letters", base64.b64encode(CHANGE).decode(), {"function": "receive_stage_change", "reason": "invalid_message"})
    by_pubsub, by_ingress = DirectoryDeadLetters(tmp_path).peek(2)
    topic, (again,) = bodies(by_pubsub)
    assert (reason(by_pubsub), topic) == ("delivery_exhausted", "lead-contacted")
    assert json.loads(again) == {**json.loads(CHANGE), "crd": None}
    topic, (body,) = bodies(by_ingress)
    assert (topic, json.loads(body)["lead_id"]) == ("lead-contacted", "00Q5e0000026979EAA")
