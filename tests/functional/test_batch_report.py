"""The report of a night, from the command line."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from functions.messages import BatchCommand, PageMessage, read
from functions.score_batch import plan_batch, score_page
from ops.commands import batch
from shared.errors import Refused
from shared.log import delivery
from tests.functional.conftest import House


def _night(house: House, pages: int | None = None) -> str:
    run = plan_batch(BatchCommand(as_of=house.changes[-1].stage_entered_at + timedelta(days=1)), house.scoring)
    for body in house.topic.bodies("score-page")[:pages]:
        with delivery():
            score_page(read(PageMessage, body), house.scoring)
    house.warehouse.close()
    return run.run_id


def test_the_page_says_what_was_done_and_what_was_not(house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = _night(house)
    batch.report(None, house.world.path, tmp_path / "batch.html")
    page, said = (tmp_path / "batch.html").read_text(), capsys.readouterr().out
    assert run_id in page
    assert "unknown_crd" in page
    assert re.search(r"Scores have (not )?moved \(PSI \d\.\d+, by chance up to \d\.\d+, n=\d", page)
    assert page.count('class="bar"') == 10
    assert "open" in said


def test_a_run_with_pages_missing_says_so(house: House, tmp_path: Path) -> None:
    run_id = _night(house, pages=1)
    batch.report(run_id, house.world.path, tmp_path / "batch.html")
    assert "not over: 2 pages are missing" in (tmp_path / "batch.html").read_text()


def test_before_the_first_night_and_for_an_unknown_run_the_fix_is_told(house: House, tmp_path: Path) -> None:
    house.warehouse.close()
    with pytest.raises(Refused, match="No nightly batch"):
        batch.report(None, house.world.path, tmp_path / "batch.html")
    _night(house, pages=0)
    with pytest.raises(Refused, match="no run nonsense"):
        batch.report("nonsense", house.world.path, tmp_path / "batch.html")


def test_the_drift_row_is_one_a_run_however_often_the_last_page_comes(house: House) -> None:
    plan_batch(BatchCommand(as_of=house.changes[-1].stage_entered_at + timedelta(days=1)), house.scoring)
    bodies = house.topic.bodies("score-page")
    for body in [*bodies, bodies[-1], bodies[-1]]:
        score_page(read(PageMessage, body), house.scoring)
    assert len(house.rows("monitoring.score_drift")) == 1
    assert {json.loads(body)["run_id"] for body in bodies} == {house.rows("monitoring.score_drift")[0][0]}
