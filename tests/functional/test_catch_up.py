"""What the event path missed is found in Salesforce, however long the outage was."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from functions.catch_up import WATERMARK, catch_up
from functions.messages import StageChangeMessage, read
from functions.score_lead import score_lead
from shared.adapters.directory import DirectoryObjects
from shared.errors import TopicUnavailable
from shared.lead import StageChange
from shared.ports import CrmContact
from tests.functional.conftest import House


def _contact(house: House, change: StageChange, modified_at: datetime | None = None) -> None:
    at = modified_at or house.clock.now()
    house.crm.entered.append(CrmContact(change.lead_id, change.crd, change.stage_entered_at, at))


def _as_of(house: House) -> datetime:
    return house.changes[0].stage_entered_at + timedelta(days=30)


def _published(house: House) -> list[StageChange]:
    return [read(StageChangeMessage, body).change() for body in house.topic.bodies("lead-contacted")]


def test_only_what_has_no_score_is_published_and_it_can_be_scored(house: House) -> None:
    scored, missed = house.known()[:2]
    score_lead(scored, house.scoring)
    for change in (scored, missed):
        _contact(house, change)
    report = catch_up(_as_of(house), house.catching_up())
    assert (report.found, report.published) == (2, 1)
    (change,) = _published(house)
    assert (change.lead_id, change.crd, change.stage_entered_at, change.source) == (
        missed.lead_id,
        missed.crd,
        missed.stage_entered_at,
        "catch_up",
    )
    assert score_lead(change, house.scoring) == "lead_scored"
    assert catch_up(_as_of(house), house.catching_up()).published == 0


def test_the_watermark_moves_only_after_all_is_published(house: House) -> None:
    _contact(house, house.known()[0])
    house.topic.down = True
    with pytest.raises(TopicUnavailable):
        catch_up(_as_of(house), house.catching_up())
    assert DirectoryObjects(house.world.objects).names("catch_up/") == []
    house.topic.down = False
    assert catch_up(_as_of(house), house.catching_up()).published == 1
    moved = json.loads(DirectoryObjects(house.world.objects).read(WATERMARK).data)
    assert moved == {"modified_at": house.clock.now().isoformat().replace("+00:00", "Z")}


def test_windows_overlap_for_what_is_committed_late(house: House) -> None:
    early, late = house.known()[:2]
    _contact(house, early)
    catch_up(_as_of(house), house.catching_up())
    _contact(house, late, modified_at=house.clock.now() - timedelta(minutes=9))
    assert catch_up(_as_of(house), house.catching_up()).published == 2  # the first is not scored yet: telling it twice does no harm


def test_an_outage_of_weeks_is_one_long_window(house: House) -> None:
    changes = house.known()[:30]
    _contact(house, changes[0])
    catch_up(_as_of(house), house.catching_up())
    for change in changes[1:]:
        house.clock.step(timedelta(days=1))
        _contact(house, change)
    assert catch_up(_as_of(house), house.catching_up()).found == 30
    assert {change.lead_id for change in _published(house)} == {change.lead_id for change in changes}


def test_stage_entries_too_old_to_matter_are_left(house: House) -> None:
    _contact(house, house.known()[0])
    assert catch_up(_as_of(house) + timedelta(days=90), house.catching_up()).found == 0


def test_two_at_once_both_publish_and_one_moves_the_watermark(house: House) -> None:
    _contact(house, house.known()[0])
    objects = DirectoryObjects(house.world.objects)

    class Racing(DirectoryObjects):
        def write(self, name: str, data: bytes, *, if_generation: int | None = None) -> int:
            objects.write(name, b'{"modified_at": "2026-01-01T00:00:00Z"}')
            return super().write(name, data, if_generation=if_generation)

    assert catch_up(_as_of(house), replace(house.catching_up(), objects=Racing(house.world.objects))).published == 1
    assert b"2026-01-01" in objects.read(WATERMARK).data
