import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from functions.score_lead import score_lead
from shared.adapters.directory import DirectoryObjects
from shared.asks import answer_one
from shared.errors import InvalidMessage, NoChampion, TopicUnavailable, UnknownCrd, UnknownLead, WarehouseUnavailable
from shared.lead import Ask
from shared.model.registry import Registry
from shared.score import canonical, digest
from tests.functional.conftest import House, challenger


def test_a_contacted_lead_is_scored_written_down_and_announced(house: House) -> None:
    change = house.known()[0]
    assert score_lead(change, house.scoring) == "lead_scored"
    ((lead_id, entered, version, as_of, scored_at, role, origin, event_id, *_, feature_hash),) = house.rows("scores.ledger")
    assert (lead_id, entered, as_of) == (change.lead_id, change.stage_entered_at, change.stage_entered_at)
    assert version == house.scoring.champions.get().version
    assert (role, origin, event_id, scored_at) == ("champion", "event", change.event_id, house.clock.now())
    assert house.topic.bodies("lead-scored") == [json.dumps({"lead_ids": [change.lead_id]}).encode()]
    ((*_, features, logged_hash),) = house.rows("scores.feature_log")
    assert digest(str(features)) == logged_hash == feature_hash


def test_the_served_vector_is_what_training_would_ask_for(house: House) -> None:
    change = house.known()[1]
    score_lead(change, house.scoring)
    ((*_, features, _),) = house.rows("scores.feature_log")
    asked = answer_one(house.warehouse, house.world.contract, Ask(change.lead_id, change.crd, change.stage_entered_at))
    assert features == canonical(asked)


def test_a_second_delivery_scores_nothing_but_announces_again(house: House) -> None:
    change = house.known()[0]
    outcomes = [score_lead(change, house.scoring) for _ in range(3)]
    assert outcomes == ["lead_scored", "lead_already_scored", "lead_already_scored"]
    assert len(house.rows("scores.ledger")) == len(house.rows("scores.feature_log")) == 1
    assert len(house.topic.bodies("lead-scored")) == 3


def test_a_crash_between_writing_and_announcing_is_healed_by_the_redelivery(house: House) -> None:
    change = house.known()[0]
    house.topic.down = True
    with pytest.raises(TopicUnavailable):
        score_lead(change, house.scoring)
    house.topic.down = False
    assert score_lead(change, house.scoring) == "lead_already_scored"
    assert len(house.rows("scores.ledger")) == 1
    assert len(house.topic.bodies("lead-scored")) == 1


def test_a_later_entry_of_the_same_lead_is_a_score_of_its_own(house: House) -> None:
    change = house.known()[0]
    score_lead(change, house.scoring)
    again = replace(change, stage_entered_at=change.stage_entered_at + timedelta(days=3))
    assert score_lead(again, house.scoring) == "lead_scored"
    assert len(house.rows("scores.ledger")) == 2


def test_another_stage_is_left_alone(house: House) -> None:
    assert score_lead(replace(house.known()[0], stage="Nurture"), house.scoring) == "stage_ignored"
    assert house.rows("scores.ledger") == []


def test_a_stage_entry_in_the_future_is_a_clock_fault(house: House) -> None:
    late = house.clock.now() + timedelta(minutes=6)
    with pytest.raises(InvalidMessage, match="lies in the future"):
        score_lead(replace(house.known()[0], stage_entered_at=late), house.scoring)


def test_a_crd_not_sent_is_looked_up_in_salesforce(house: House) -> None:
    change = house.known()[0]
    assert score_lead(replace(change, crd=None), house.scoring) == "lead_scored"
    with pytest.raises(UnknownLead, match="Salesforce has no Lead"):
        score_lead(replace(change, crd=None, lead_id="00Q5e0009999999EAA"), house.scoring)


def test_an_advisor_the_vendor_does_not_know_is_refused_by_name(house: House) -> None:
    change = house.unknown()
    with pytest.raises(UnknownCrd, match=change.lead_id):
        score_lead(change, house.scoring)
    assert house.rows("scores.ledger") == []


def test_without_a_model_the_message_waits(house: House) -> None:
    (house.world.objects / "registry" / "champion.json").unlink()
    with pytest.raises(NoChampion, match="leadscore train"):
        score_lead(house.known()[0], house.scoring)


def test_a_warehouse_that_was_removed_is_said_so(house: House) -> None:
    house.scoring.champions.get()
    Path(house.world.path / "warehouse.duckdb").unlink()
    with pytest.raises(WarehouseUnavailable, match="is gone"):
        score_lead(house.known()[0], house.scoring)


def test_the_challenger_s_opinion_goes_to_the_ledger_and_nowhere_else(house: House) -> None:
    version = challenger(house)
    change = house.known()[0]
    assert score_lead(change, house.scoring) == "lead_scored"
    roles = {row[5]: row for row in house.rows("scores.ledger")}
    assert roles["challenger"][2] == version
    assert roles["challenger"][8] == roles["champion"][8]  # the same trees give the same margin
    assert {row[2] for row in house.rows("scores.feature_log")} == {version, roles["champion"][2]}
    assert len(house.topic.bodies("lead-scored")) == 1
    (standing,) = house.scoring.ledger.standing([change.lead_id])
    assert standing.model_version == roles["champion"][2]


def test_a_challenger_that_cannot_be_read_is_no_trouble_of_the_lead_s(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    version = challenger(house)
    (house.world.objects / "models" / version / "contract.json").write_bytes(b"{}")
    assert score_lead(house.known()[0], house.scoring) == "lead_scored"
    assert [row[5] for row in house.rows("scores.ledger")] == ["champion"]


@pytest.mark.parametrize("fault", [UnknownCrd("no"), ZeroDivisionError(), MemoryError()])
def test_a_challenger_that_fails_in_any_way_leaves_the_champion_s_score(
    house: House, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail() -> None:
        raise fault

    monkeypatch.setattr(house.scoring.champions, "challenger", fail)
    assert score_lead(house.known()[0], house.scoring) == "lead_scored"
    assert len(house.rows("scores.ledger")) == 1


def test_a_challenger_made_champion_scores_the_entry_it_had_only_shadowed(house: House) -> None:
    version = challenger(house)
    change = house.known()[0]
    score_lead(change, house.scoring)
    Registry(DirectoryObjects(house.world.objects)).point("champion", version, by="tests", reason="better", at=house.clock.now())
    house.clock.step(timedelta(minutes=1))
    assert score_lead(change, house.scoring) == "lead_scored"
    (standing,) = house.scoring.ledger.standing([change.lead_id])
    assert standing.model_version == version
