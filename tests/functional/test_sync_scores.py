import json

import pytest

from functions.score_lead import score_lead
from functions.sync_scores import SyncReport, sync_scores
from shared.errors import ConfigError, CrmUnavailable
from shared.ports import UpdateResult
from tests.functional.conftest import House, rescore


def _scored(house: House, count: int = 3) -> list[str]:
    changes = house.known()[:count]
    for change in changes:
        score_lead(change, house.scoring)
    return [change.lead_id for change in changes]


def test_scores_reach_salesforce_once_in_the_fields_the_policy_names(house: House) -> None:
    leads = _scored(house)
    assert sync_scores(leads, "run", house.syncing) == SyncReport(written=3, unchanged=0, skipped=0, failed=0)
    assert sync_scores(leads, "again", house.syncing) == SyncReport(written=0, unchanged=3, skipped=0, failed=0)
    assert len(house.crm.written) == 3
    values = house.crm.written[0].values
    assert set(values) == set(house.syncing.policy.fields.model_dump().values())
    assert len(str(values["Lead_Score_Narrative__c"])) <= 255
    assert str(values["Lead_Score_Timestamp__c"]).endswith("Z")


def test_a_receipt_keeps_what_was_written_and_what_stood_there_before(house: House) -> None:
    (lead,) = _scored(house, 1)
    sync_scores([lead], "first", house.syncing)
    rescore(house, lead, band="Another")
    assert sync_scores([lead], "second", house.syncing).written == 1
    receipts = {row[1]: row for row in house.rows("scores.sync_receipts")}
    assert set(json.loads(str(receipts["first"][7])).values()) == {None}
    assert json.loads(str(receipts["second"][7])) == json.loads(str(receipts["first"][6]))
    assert json.loads(str(receipts["second"][6]))["Lead_Score_Bucket__c"] == "Another"


def test_a_fresh_score_that_says_the_same_is_no_change(house: House) -> None:
    (lead,) = _scored(house, 1)
    sync_scores([lead], "first", house.syncing)
    rescore(house, lead)
    assert sync_scores([lead], "second", house.syncing) == SyncReport(written=0, unchanged=1, skipped=0, failed=0)


def test_an_older_stage_entry_arriving_late_does_not_overwrite_the_newer(house: House) -> None:
    (lead,) = _scored(house, 1)
    sync_scores([lead], "first", house.syncing)
    rescore(house, lead, days=-5, band="Cold")
    assert sync_scores([lead], "late", house.syncing).unchanged == 1


def test_converted_and_deleted_leads_are_skipped_with_a_receipt_and_not_tried_again(house: House) -> None:
    converted, deleted, fine = _scored(house)
    house.crm.answers = {
        converted: [UpdateResult(converted, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")],
        deleted: [UpdateResult(deleted, "ENTITY_IS_DELETED", "entity is deleted")],
    }
    leads = [converted, deleted, fine]
    assert sync_scores(leads, "run", house.syncing) == SyncReport(written=1, unchanged=0, skipped=2, failed=0)
    assert sync_scores(leads, "again", house.syncing) == SyncReport(written=0, unchanged=3, skipped=0, failed=0)
    assert house.topic.bodies("dead-letters") == []
    statuses = {row[0]: (row[3], row[8]) for row in house.rows("scores.sync_receipts")}
    assert statuses[converted] == ("skipped", "CANNOT_UPDATE_CONVERTED_LEAD")


def test_a_lead_salesforce_does_not_know_is_dead_lettered_alone(house: House) -> None:
    gone, fine = _scored(house, 2)
    del house.crm.records[gone]
    assert sync_scores([gone, fine], "run", house.syncing) == SyncReport(written=1, unchanged=0, skipped=0, failed=1)
    ((_, body, attributes),) = [p for p in house.topic.published if p[0] == "dead-letters"]
    assert json.loads(body) == {"lead_ids": [gone]}
    assert attributes["reason"] == "unknown_lead"
    assert gone in attributes["explanation"]


def test_a_locked_record_is_tried_again_later_and_the_others_are_kept(house: House) -> None:
    locked, fine = _scored(house, 2)
    house.crm.answers = {locked: [UpdateResult(locked, "UNABLE_TO_LOCK_ROW", "busy", retryable=True)]}
    with pytest.raises(CrmUnavailable, match="put off 1 records: UNABLE_TO_LOCK_ROW"):
        sync_scores([locked, fine], "run", house.syncing)
    assert [update.lead_id for update in house.crm.written] == [fine]
    assert sync_scores([locked, fine], "again", house.syncing) == SyncReport(written=1, unchanged=1, skipped=0, failed=0)


def test_a_field_salesforce_does_not_have_is_named_before_the_first_write(house: House) -> None:
    leads = _scored(house, 1)
    del house.crm.fields["Lead_Score_Bucket__c"]
    with pytest.raises(ConfigError, match="Lead_Score_Bucket__c"):
        sync_scores(leads, "run", house.syncing)
    assert house.crm.written == []


def test_what_a_dead_attempt_has_written_is_not_written_again(house: House) -> None:
    (lead,) = _scored(house, 1)
    sync_scores([lead], "first", house.syncing)
    house.warehouse._connection.execute("DELETE FROM scores.sync_receipts")
    assert sync_scores([lead], "again", house.syncing).written == 1
    assert len(house.crm.written) == 1
    (receipt,) = house.rows("scores.sync_receipts")
    assert set(json.loads(str(receipt[7])).values()) == {None}


def test_receipts_of_the_pages_before_a_breakdown_are_kept(house: House) -> None:
    leads = _scored(house, 3)
    house.crm.page = 1
    house.crm.down_after = 2
    with pytest.raises(CrmUnavailable):
        sync_scores(leads, "first", house.syncing)
    assert len(house.rows("scores.sync_receipts")) == 2
    house.crm.down_after = None
    assert sync_scores(leads, "again", house.syncing) == SyncReport(written=1, unchanged=2, skipped=0, failed=0)
    assert len(house.crm.written) == 3


def test_a_move_within_the_policy_s_epsilon_is_not_written_but_adds_up(house: House) -> None:
    (lead,) = _scored(house, 1)
    sync_scores([lead], "first", house.syncing)
    rescore(house, lead, probability=0.0003)
    assert sync_scores([lead], "second", house.syncing).unchanged == 1
    rescore(house, lead, days=2, probability=0.0003)
    assert sync_scores([lead], "third", house.syncing).written == 1


def test_reasons_fit_the_field_salesforce_has(house: House) -> None:
    (lead,) = _scored(house, 1)
    house.crm.fields["Lead_Score_Narrative__c"] = 40
    sync_scores([lead], "run", house.syncing)
    text = str(house.crm.written[0].values["Lead_Score_Narrative__c"])
    assert 0 < len(text) <= 40


def test_a_lead_without_a_score_is_nothing_to_sync(house: House) -> None:
    assert sync_scores([house.known()[0].lead_id], "run", house.syncing) == SyncReport(0, 0, 0, 0)
