import json
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from functions.messages import BatchCommand, PageMessage, read
from functions.score_batch import PageReport, plan_batch, score_page
from functions.score_lead import score_lead
from shared.adapters.directory import DirectoryObjects
from shared.errors import TopicUnavailable
from shared.model.registry import Registry
from shared.ports import Query, Rows
from shared.score import LedgerRow
from tests.fakes import FakeTopic
from tests.functional.conftest import House, challenger


def _night(house: House) -> datetime:
    return house.changes[-1].stage_entered_at + timedelta(days=1)


def _pages(house: House) -> list[PageMessage]:
    return [read(PageMessage, body) for body in house.topic.bodies("score-page")]


def test_every_open_lead_without_a_score_is_in_exactly_one_page(house: House) -> None:
    as_of = _night(house)
    report = plan_batch(BatchCommand(as_of=as_of), house.scoring)
    pages = _pages(house)
    leads = [lead.lead_id for page in pages for lead in page.leads]
    assert report.to_score == len(leads) == len(set(leads)) > 500
    assert report.pages == len(pages) == -(-report.to_score // 500)
    assert {page.as_of for page in pages} == {as_of}


def test_a_page_scores_what_it_can_and_names_what_it_cannot(house: House) -> None:
    plan_batch(BatchCommand(as_of=_night(house)), house.scoring)
    page = _pages(house)[0]
    report = score_page(page, house.scoring)
    assert report.scored + report.not_scored == len(page.leads)
    assert report.not_scored > 0
    assert len(house.rows("scores.ledger")) == report.scored
    ((run_id, number, _, _, scored, not_scored, reasons, _),) = house.rows("monitoring.batch_pages")
    assert (run_id, number, scored, not_scored) == (page.run_id, page.page, report.scored, report.not_scored)
    assert sum(map(len, json.loads(str(reasons)).values())) == report.not_scored
    assert house.topic.bodies("dead-letters") == []


def test_the_last_page_whichever_it_is_ends_the_run_with_one_sync_of_every_open_lead_and_one_drift_row(house: House) -> None:
    run = plan_batch(BatchCommand(as_of=_night(house)), house.scoring)
    first, *rest = _pages(house)
    for page in reversed(rest):
        score_page(page, house.scoring)
    assert house.topic.bodies("lead-scored") == []
    score_page(first, house.scoring)
    announced = [lead for body in house.topic.bodies("lead-scored") for lead in json.loads(body)["lead_ids"]]
    assert len(announced) == len(set(announced)) == run.open
    assert len(house.topic.bodies("lead-scored")) == -(-run.open // house.scoring.policy.sync_page_size)
    ((run_id, _, version, n, psi, critical, beyond, mean),) = house.rows("monitoring.score_drift")
    assert (run_id, version, n) == (run.run_id, run.model_version, len(house.rows("scores.ledger")))
    assert beyond == (float(str(psi)) > float(str(critical)))
    assert 0 < float(str(mean)) < 0.5


def test_a_run_whose_pages_are_done_before_the_plan_is_written_down_ends_all_the_same(house: House) -> None:
    topic, pages = house.topic, 0

    class Eager(FakeTopic):
        """Delivers a page the moment it is published."""

        def publish(self, topic: str, body: bytes, attributes: Mapping[str, str]) -> str:
            nonlocal pages
            if topic == "score-page":
                pages += 1
                score_page(read(PageMessage, body), scoring)
            return house.topic.publish(topic, body, attributes)

    scoring = replace(house.scoring, topic=Eager())
    run = plan_batch(BatchCommand(as_of=_night(house)), scoring)
    assert pages == run.pages >= 2
    assert sum(len(json.loads(body)["lead_ids"]) for body in topic.bodies("lead-scored")) == run.open


def test_a_plan_that_died_half_way_is_taken_up_by_the_next(house: House) -> None:
    class Dying(FakeTopic):
        def publish(self, topic: str, body: bytes, attributes: Mapping[str, str]) -> str:
            if len(self.published) == 1:
                raise TopicUnavailable("gone")
            return super().publish(topic, body, attributes)

    dying = Dying()
    command = BatchCommand(as_of=_night(house), stale_after_days=0)
    with pytest.raises(TopicUnavailable):
        plan_batch(command, replace(house.scoring, topic=dying))
    score_page(read(PageMessage, dying.bodies("score-page")[0]), house.scoring)
    house.clock.step(timedelta(minutes=1))
    run = plan_batch(command, house.scoring)
    for page in _pages(house):
        score_page(page, house.scoring)
    leads = [row[0] for row in house.rows("scores.ledger")]
    assert len(leads) == len(set(leads))
    assert sum(len(json.loads(body)["lead_ids"]) for body in house.topic.bodies("lead-scored")) == run.open


def test_planning_takes_memory_by_the_page_and_not_by_the_lead(house: House) -> None:
    def peak(leads: int) -> int:
        scoring = replace(house.scoring, warehouse=_Endless(leads), topic=_Forgetful())
        tracemalloc.start()
        run = plan_batch(BatchCommand(as_of=_night(house)), scoring)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (run.open, run.pages) == (leads, leads // 500)
        return most

    house.scoring.champions.get()
    peak(1000)
    assert peak(40_000) < 1.5 * peak(4000)


@dataclass
class _Endless:
    """As many open leads as one likes, made page by page."""

    leads: int

    def pages(self, query: Query, size: int, **params: object) -> Iterator[Rows]:
        columns, entered = ("lead_id", "crd", "contacted_at", "last_as_of"), datetime(2025, 10, 1, tzinfo=UTC)
        for start in range(0, self.leads, size):
            yield Rows(columns, [(f"00Q{number:015d}", number, entered, None) for number in range(start, start + size)])

    def query(self, query: Query, **params: object) -> Rows:
        raise NotImplementedError

    def append(self, table: str, rows: Sequence[object]) -> int:
        raise NotImplementedError


class _Forgetful:
    def publish(self, topic: str, body: bytes, attributes: Mapping[str, str]) -> str:
        return "1"


def test_only_the_champion_scores_at_night(house: House) -> None:
    challenger(house)
    plan_batch(BatchCommand(as_of=_night(house)), house.scoring)
    score_page(_pages(house)[0], house.scoring)
    assert {row[5] for row in house.rows("scores.ledger")} == {"champion"}


def test_what_only_a_challenger_scored_is_scored_at_night(house: House) -> None:
    """A challenger that is promoted has scores of its own in the ledger; none of them was ever shown."""
    version = challenger(house)
    change = house.known()[0]
    score_lead(change, house.scoring)
    _extract_knows(house, change.lead_id)
    Registry(DirectoryObjects(house.world.objects)).point("champion", version, by="tests", reason="better", at=house.clock.now())
    house.clock.step(timedelta(minutes=1))
    plan_batch(BatchCommand(as_of=change.stage_entered_at + timedelta(days=35), stale_after_days=0), house.scoring)
    assert change.lead_id in [lead.lead_id for page in _pages(house) for lead in page.leads]


def test_after_a_rollback_leads_that_show_the_other_model_s_score_are_scored_anew(house: House) -> None:
    """The model at hand has scored them before, so the ledger holds its score; Salesforce shows the other's."""
    change = house.known()[0]
    score_lead(change, house.scoring)
    _extract_knows(house, change.lead_id)
    (row,) = [LedgerRow(*row) for row in house.rows("scores.ledger")]  # type: ignore[arg-type]
    later = replace(row, model_version="rolled-back", as_of=row.as_of + timedelta(days=30), scored_at=row.scored_at + timedelta(days=30))
    house.scoring.ledger.record([later], [])
    plan_batch(BatchCommand(as_of=change.stage_entered_at + timedelta(days=35), stale_after_days=0), house.scoring)
    assert change.lead_id in [lead.lead_id for page in _pages(house) for lead in page.leads]


def test_a_page_delivered_twice_changes_nothing(house: House) -> None:
    plan_batch(BatchCommand(as_of=_night(house)), house.scoring)
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
    house.topic.published.clear()
    soon, later = (first.stage_entered_at + timedelta(days=days) for days in (35, 75))
    plan_batch(BatchCommand(as_of=soon, stale_after_days=0), house.scoring)
    pages = _pages(house)
    assert first.lead_id not in [lead.lead_id for page in pages for lead in page.leads]
    for page in pages:
        score_page(page, house.scoring)
    assert first.lead_id in json.loads(house.topic.bodies("lead-scored")[-1])["lead_ids"]
    house.topic.published.clear()
    plan_batch(BatchCommand(as_of=later), house.scoring)
    assert first.lead_id in [lead.lead_id for page in _pages(house) for lead in page.leads]


def test_a_page_of_unknown_advisors_scores_nobody(house: House) -> None:
    unknown = house.unknown()
    body = {
        "run_id": "r",
        "page": 0,
        "as_of": "2025-11-01T00:00:00Z",
        "leads": [{"lead_id": unknown.lead_id, "crd": unknown.crd, "stage_entered_at": "2025-09-02T13:00:00Z"}],
    }
    house.topic.published.clear()
    assert score_page(read(PageMessage, json.dumps(body).encode()), house.scoring) == PageReport(scored=0, already_scored=0, not_scored=1)
    assert house.topic.published == []


def _extract_knows(house: House, lead_id: str) -> None:
    """The lead is open: no extract says it became an MQL."""
    house.warehouse._connection.execute("UPDATE crm.lead_snapshots SET stage_entered_call_scheduled = NULL WHERE lead_id = ?", [lead_id])
