"""Advisors who are not leads get a score from the same query; leads do not, and nobody is seen before they were known."""

import csv
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ops.prospects import Scored, score_prospects, write_csv
from shared.asks import answer_one
from shared.asof.contract import load_contract
from shared.asof.prospects import prospects
from shared.errors import ContractError
from shared.lead import Ask
from shared.score import canonical, digest
from tests.conftest import CONTRACTS
from tests.functional.conftest import House


def _score(house: House, as_of: datetime) -> Scored:
    return score_prospects(house.warehouse, house.scoring.champions.get(), as_of, house.clock.now(), lambda _: None)


def test_every_advisor_the_vendor_lists_who_is_no_lead_is_scored_once(house: House, tmp_path: Path) -> None:
    as_of = house.world.known_by
    done = _score(house, as_of)
    (listed,) = house.warehouse._connection.execute(
        "SELECT COUNT(DISTINCT rep_crd) FROM vendor.rep_snapshots WHERE known_at <= ? AND vintage >= ? AND rep_crd NOT IN"
        " (SELECT fa_crd FROM crm.lead_snapshots WHERE fa_crd IS NOT NULL AND known_at <= ?)",
        [as_of, as_of - timedelta(days=200), as_of],
    ).fetchall()[0]
    assert done.new + sum(done.refused.values()) == listed > 1000
    assert _score(house, as_of) == Scored(0, done.new, done.refused)
    assert write_csv(house.warehouse, house.scoring.champions.get(), as_of, tmp_path / "out" / "p.csv") == done.new
    with (tmp_path / "out" / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["rank"]) for row in rows] == list(range(1, done.new + 1))
    assert [int(row["score"]) for row in rows] == sorted((int(row["score"]) for row in rows), reverse=True)
    assert rows[0]["reasons"]


def test_a_prospect_is_asked_the_question_a_lead_is(house: House) -> None:
    as_of = house.world.known_by
    _score(house, as_of)
    crd, logged = house.warehouse._connection.execute("SELECT crd, feature_hash FROM scores.prospects LIMIT 1").fetchall()[0]
    vector = answer_one(house.warehouse, house.scoring.champions.get().contract, Ask("anything", crd, as_of))
    assert digest(canonical(vector)) == logged


def test_nobody_is_a_prospect_before_the_vendor_told_of_them(house: House) -> None:
    (first,) = house.warehouse._connection.execute("SELECT MIN(known_at) FROM vendor.rep_snapshots").fetchall()[0]
    assert _score(house, first - timedelta(seconds=1)) == Scored(0, 0, Counter())


def test_a_contract_without_a_roster_is_told_so() -> None:
    with pytest.raises(ContractError, match="no required source that is asked by crd"):
        prospects(load_contract(CONTRACTS / "bank_marketing.yaml"))
