import json
from datetime import timedelta

from functions.messages import BatchCommand, PageMessage, read
from functions.score_batch import PageReport, plan_batch, score_page
from functions.score_lead import score_lead
from tests.functional.conftest import House


def _pages(house: House) -> list[PageMessage]:
    return [read(PageMessage, body) for body in house.topic.bodies("score-page")]


def test_every_open_lead_without_a_score_is_in_exactly_one_page(house: House) -> None:
    as_of = house.changes[-1].stage_entered_at + timedelta(days=1)
    report = plan_batch(BatchCommand(as_of=as_of), house.scoring)
    pages = _pages(house)
    leads = [lead.lead_id for page in pages for lead in page.leads]
    assert report.to_score == len(leads) == len(set(leads)) > 500
    assert report.pages == len(pages) == -(-report.to_score // 500)
    assert {page.as_of for page in pages} == {as_of}


def test_a_page_scores_what_it_can_names_what_it_cannot_and_announces(house: House) -> None:
    as_of = house.changes[-1].stage_entered_at + timedelta(days=1)
    plan_batch(BatchCommand(as_of=as_of), house.scoring)
    page = _pages(house)[0]
    report = score_page(page, house.scoring)
    assert report.scored + report.not_scored == len(page.leads)
    assert report.not_scored > 0
    assert len(house.rows("scores.ledger")) == report.scored
    (announced,) = house.topic.bodies("lead-scored")
    assert len(json.loads(announced)["lead_ids"]) == report.scored
    assert house.topic.bodies("dead-letters") == []


def test_a_page_delivered_twice_changes_nothing(house: House) -> None:
    plan_batch(BatchCommand(as_of=house.changes[-1].stage_entered_at + timedelta(days=1)), house.scoring)
    page = _pages(house)[0]
    first = score_page(page, house.scoring)
    before = house.rows("scores.ledger")
    house.clock.step(timedelta(minutes=5))
    again = score_page(page, house.scoring)
    assert (again.scored, again.already_scored, again.not_scored) == (0, first.scored, first.not_scored)
    assert house.rows("scores.ledger") == before


def test_a_fresh_score_is_only_announced_a_stale_one_is_made_anew(house: House) -> None:
    first = house.known()[0]
    score_lead(first, house.scoring)
    _extract_knows(house, first.lead_id)
    soon, later = (first.stage_entered_at + timedelta(days=days) for days in (35, 75))
    plan_batch(BatchCommand(as_of=soon, stale_after_days=0), house.scoring)
    assert first.lead_id in json.loads(house.topic.bodies("lead-scored")[-1])["lead_ids"]
    assert first.lead_id not in [lead.lead_id for page in _pages(house) for lead in page.leads]
    house.topic.published.clear()
    plan_batch(BatchCommand(as_of=later), house.scoring)
    assert first.lead_id in [lead.lead_id for page in _pages(house) for lead in page.leads]


def test_a_page_of_unknown_advisors_announces_nothing(house: House) -> None:
    unknown = house.unknown()
    body = {
        "run_id": "r",
        "as_of": "2025-11-01T00:00:00Z",
        "leads": [{"lead_id": unknown.lead_id, "crd": unknown.crd, "stage_entered_at": "2025-09-02T13:00:00Z"}],
    }
    house.topic.published.clear()
    assert score_page(read(PageMessage, json.dumps(body).encode()), house.scoring) == PageReport(scored=0, already_scored=0, not_scored=1)
    assert house.topic.published == []


def _extract_knows(house: House, lead_id: str) -> None:
    """The lead is open: no extract says it became an MQL."""
    house.warehouse._connection.execute("UPDATE crm.lead_snapshots SET stage_entered_call_scheduled = NULL WHERE lead_id = ?", [lead_id])
