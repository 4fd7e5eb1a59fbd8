"""`./leadscore explain` on a house that has scored and synced."""

from dataclasses import replace
from datetime import timedelta

import pytest

from functions.score_lead import score_lead
from functions.sync_scores import sync_scores
from ops.explain import Story, tell
from shared.adapters.directory import DirectoryObjects
from shared.errors import UnknownLead
from shared.model.registry import Registry
from tests.functional.conftest import House, rescore


def _story(house: House, lead: str) -> Story:
    return tell(lead, house.scoring, Registry(DirectoryObjects(house.world.objects)))


def test_the_story_holds_the_score_its_rows_its_model_and_the_answer(house: House) -> None:
    change = house.known()[0]
    score_lead(change, house.scoring)
    sync_scores([change.lead_id], "message-7", house.syncing)
    story = _story(house, change.lead_id)
    assert story.scores[0].row.event_id == change.event_id
    assert (story.rescored.same, story.asked_again.same) == (True, True)
    assert [(receipt.run_id, receipt.status) for receipt in story.receipts] == [("message-7", "written")]
    rows = {seen.source: seen for seen in story.rows}
    assert rows["rep"].rows == 1
    assert rows["career"].rows >= 1
    for seen in story.rows:
        assert seen.known_to is None or seen.known_to <= change.stage_entered_at
        assert seen.event_to is None or seen.event_to <= change.stage_entered_at


def test_rows_that_became_known_later_are_not_among_those_seen(house: House) -> None:
    change = house.known()[0]
    score_lead(change, house.scoring)
    before = {seen.source: seen for seen in _story(house, change.lead_id).rows}
    house.warehouse._connection.execute(
        "INSERT INTO vendor.employment SELECT * REPLACE (? AS recorded_at) FROM vendor.employment WHERE rep_crd = ?",
        [change.stage_entered_at + timedelta(days=1), change.crd],
    )
    assert {seen.source: seen for seen in _story(house, change.lead_id).rows}["career"] == before["career"]


def test_a_ledger_row_that_does_not_come_out_again_is_told(house: House) -> None:
    change = house.known()[0]
    score_lead(change, house.scoring)
    house.warehouse._connection.execute("UPDATE scores.ledger SET probability = 0.5")
    story = _story(house, change.lead_id)
    assert not story.rescored.same
    assert "probability was 0.5, is 0.0" in story.rescored.why
    house.warehouse._connection.execute("UPDATE scores.feature_log SET features = '{}'")
    assert "hash" in _story(house, change.lead_id).rescored.why


def test_history_that_was_rewritten_since_is_told(house: House) -> None:
    change = house.known()[0]
    score_lead(change, house.scoring)
    house.warehouse._connection.execute(
        "UPDATE vendor.employment SET start_date = start_date - INTERVAL 400 DAY, recorded_at = recorded_at - INTERVAL 400 DAY WHERE rep_crd = ?",
        [change.crd],
    )
    story = _story(house, change.lead_id)
    assert story.rescored.same
    assert "current_firm_tenure_months was" in story.asked_again.why


def test_the_latest_score_of_the_champion_is_told_first(house: House) -> None:
    change = house.known()[0]
    score_lead(change, house.scoring)
    rescore(house, change.lead_id, band="Another")
    story = _story(house, change.lead_id)
    assert [score.row.band == "Another" for score in story.scores] == [True, False]
    assert story.rescored == replace(story.rescored, same=False)


def test_a_lead_that_was_never_scored_is_told_so(house: House) -> None:
    with pytest.raises(UnknownLead, match="has no score"):
        _story(house, house.known()[0].lead_id)
