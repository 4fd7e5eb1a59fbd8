"""The sync of everything: plan it, run it, take it back; leads that are no longer scored are emptied."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from functions.score_lead import score_lead
from functions.sync_all import Scope, sync_all
from functions.sync_scores import SyncReport, sync_scores
from ops.sync import plan, revert
from shared.errors import CrmUnavailable, DataError
from shared.ports import CrmLead, UpdateResult
from tests.functional.conftest import House, rescore

BAND = "Lead_Score_Bucket__c"


def _score(house: House, count: int) -> list[str]:
    """Score leads that no extract calls an MQL."""
    changes = house.known()[:count]
    for change in changes:
        score_lead(change, house.scoring)
    house.warehouse._connection.execute("UPDATE crm.lead_snapshots SET stage_entered_call_scheduled = NULL")
    return [change.lead_id for change in changes]


def _scope(house: House, as_of: datetime | None = None) -> Scope:
    contract = house.scoring.champions.get().contract
    return Scope(house.warehouse, contract, as_of or house.changes[0].stage_entered_at + timedelta(days=20), 90)


def test_a_plan_counts_and_writes_nothing_and_the_run_does_what_it_said(house: House) -> None:
    first, second, converted, gone = _score(house, 4)
    sync_scores([first], "event", house.syncing)
    house.crm.records[converted] = CrmLead(converted, 1, is_converted=True)
    del house.crm.records[gone]
    found = plan(_scope(house), house.syncing, examples=1)
    assert (found.changed, found.unchanged, found.cleared) == (1, 1, 0)
    assert dict(found.would_skip) == {"converted": 1}
    assert dict(found.would_fail) == {"deleted, or unknown to Salesforce": 1}
    assert len(found.examples) == 1
    assert len(house.crm.written) == 1
    assert sync_all(_scope(house), house.syncing) == SyncReport(written=1, unchanged=1, skipped=1, failed=1)
    assert house.crm.records[second].values[BAND]
    assert plan(_scope(house), house.syncing, 0).changed == 0


def test_a_text_longer_than_its_field_is_found_before_the_first_write(house: House) -> None:
    _score(house, 2)
    house.crm.fields["Lead_Action_Recommended__c"] = 3
    assert dict(plan(_scope(house), house.syncing, 0).would_fail) == {"Lead_Action_Recommended__c takes 3 characters": 2}


def test_leads_that_leave_the_scored_set_are_emptied_once_and_stay_so_until_scored_anew(house: House) -> None:
    won, old, fresh = _score(house, 3)
    sync_all(_scope(house), house.syncing)
    _contacted(house, old, days_ago=100)
    _won(house, won)
    house.clock.step(timedelta(days=1))
    later = SyncReport(written=0, unchanged=1, skipped=0, failed=0, cleared=2)
    assert sync_all(_scope(house), house.syncing) == later
    assert set(house.crm.records[won].values.values()) == set(house.crm.records[old].values.values()) == {None}
    assert house.crm.records[fresh].values[BAND]
    assert sync_all(_scope(house), house.syncing).unchanged == 3
    assert sync_scores([won], "a late redelivery", house.syncing).unchanged == 1
    rescore(house, won)
    assert sync_scores([won], "scored anew", house.syncing).written == 1


def test_a_lead_no_extract_knows_yet_is_not_emptied(house: House) -> None:
    _score(house, 1)
    sync_all(_scope(house), house.syncing)
    house.warehouse._connection.execute("DELETE FROM crm.lead_snapshots")
    assert sync_all(_scope(house), house.syncing).cleared == 0


def test_a_revert_puts_back_what_stood_there_and_leaves_what_was_written_since(house: House) -> None:
    one, two = _score(house, 2)
    house.crm.records[one] = CrmLead(one, 1, is_converted=False, values={BAND: "by hand"})
    sync_scores([one, two], "bad", house.syncing)
    rescore(house, two, band="Another")
    sync_scores([two], "later", house.syncing)
    done = revert("bad", house.syncing)
    assert (done.report.reverted, dict(done.written_since)) == (1, {"later": 1})
    assert house.crm.records[one].values[BAND] == "by hand"
    assert house.crm.records[two].values[BAND] == "Another"
    assert dict(revert("bad", house.syncing).written_since) == {"revert-bad": 1, "later": 1}
    assert sync_all(_scope(house), house.syncing).written == 0
    rescore(house, one, band="Warmer")
    assert sync_all(_scope(house), house.syncing).written == 1


def test_a_run_that_wrote_nothing_cannot_be_reverted(house: House) -> None:
    with pytest.raises(DataError, match="No run nothing"):
        revert("nothing", house.syncing)


def test_what_salesforce_puts_off_does_not_keep_the_rest(house: House) -> None:
    locked, _ = _score(house, 2)
    house.crm.answers = {locked: [UpdateResult(locked, "UNABLE_TO_LOCK_ROW", "busy", retryable=True)]}
    with pytest.raises(CrmUnavailable, match="put off 1"):
        sync_all(_scope(house), house.syncing)
    house.clock.step(timedelta(minutes=1))
    assert sync_all(_scope(house), house.syncing) == SyncReport(written=1, unchanged=1, skipped=0, failed=0)


def _contacted(house: House, lead: str, days_ago: int) -> None:
    at = _scope(house).as_of - timedelta(days=days_ago)
    house.warehouse._connection.execute("UPDATE scores.ledger SET stage_entered_at = ? WHERE lead_id = ?", [at, lead])


def _won(house: House, lead: str) -> None:
    """An extract taken in time says that the lead became an MQL after its contact."""
    won = _scope(house).as_of - timedelta(hours=1)
    house.warehouse._connection.execute(
        "UPDATE crm.lead_snapshots SET stage_entered_call_scheduled = ?, known_at = known_at - INTERVAL 200 DAY,"
        " stage_entered_contacting = COALESCE(stage_entered_contacting, created_at) WHERE lead_id = ?",
        [won, lead],
    )


def test_on_request_salesforce_itself_is_looked_at_so_what_others_wrote_is_mended(house: House) -> None:
    edited, kept, _ = _score(house, 3)
    sync_all(_scope(house), house.syncing)
    house.clock.step(timedelta(minutes=1))
    told = dict(house.crm.records[edited].values)
    house.crm.records[edited] = replace(house.crm.records[edited], values={**told, BAND: "by hand"})
    verifying = replace(_scope(house), verify=True)
    assert plan(_scope(house), house.syncing, 0).changed == 0
    assert plan(verifying, house.syncing, 0).changed == 1
    assert sync_all(verifying, house.syncing) == SyncReport(written=1, unchanged=2, skipped=0, failed=0)
    assert house.crm.records[edited].values == told
    assert house.crm.records[kept].values[BAND]
