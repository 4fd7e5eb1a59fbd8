"""What must hold for any input, not only for those we thought of."""

import base64
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from flask import Flask, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.delivery import Delivery
from functions.messages import StageChangeMessage, read
from functions.score_lead import score_lead
from shared.adapters.duckdb import DuckDBWarehouse
from shared.asks import answer
from shared.asof.contract import Contract
from shared.asof.labels import labels
from shared.errors import CorruptArtifact, InvalidMessage, LeadscoreError
from shared.lead import Ask, lead_id
from shared.metrics.intervals import wilson
from shared.metrics.ranking import Ranked, auc_pr, auc_roc
from shared.model.artifact import MANIFEST, pack, unpack
from shared.score import Reason, reasons_json, reasons_text
from tests.conftest import Trained
from tests.fakes import FakeTopic, FakeVerifier
from tests.functional.conftest import House

SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
DAY = timedelta(days=1)
START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = st.integers(0, 60)

LATE_CONTRACT = Contract.model_validate(
    {
        "name": "any",
        "lead": {
            "table": "crm.leads", "key": "id", "crd": "crd", "contacted_at": "contacted", "known_at": "known",
            "outcome": {"event_at": "won", "window_days": 10}, "lag_days": 2,
        },
        "sources": {"facts": {"kind": "vintage", "table": "vendor.facts", "key": "crd", "on": "crd", "event_time": "happened", "known_at": "known"}},
        "features": [{"name": "fact", "source": "facts", "column": "value", "dtype": "float"}],
    }
)  # fmt: skip


@given(st.from_regex(r"00Q[A-Za-z0-9]{12}", fullmatch=True))
def test_completing_a_lead_id_twice_is_completing_it_once(stem: str) -> None:
    assert lead_id(lead_id(stem)) == lead_id(stem)
    assert lead_id(stem).startswith(stem)


@given(st.lists(st.text(min_size=1, max_size=400), max_size=8), st.integers(20, 255))
def test_reasons_fit_any_field(texts: list[str], limit: int) -> None:
    reasons = tuple(Reason("f", 1.0 if i % 2 else -1.0, text) for i, text in enumerate(texts))
    assert len(reasons_text(reasons_json(reasons), limit)) <= limit


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60))
def test_ranking_does_not_depend_on_the_order_of_rows(rows: list[tuple[int, bool]]) -> None:
    scores, outcome = (np.array([row[i] for row in rows], float) for i in (0, 1))
    forward, backward = Ranked.of(scores, outcome), Ranked.of(scores[::-1], outcome[::-1])
    np.testing.assert_allclose([auc_roc(forward), auc_pr(forward)], [auc_roc(backward), auc_pr(backward)])


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_a_rate_lies_in_its_interval_and_the_interval_in_0_to_1(positives: int, n: int) -> None:
    rate = wilson(min(positives, n), n)
    assert 0 <= rate.low <= rate.value <= rate.high <= 1


@SLOW
@given(st.data())
def test_an_artefact_survives_the_round_trip_and_no_flipped_byte_goes_unnoticed(trained: Trained, data: st.DataObject) -> None:
    artifact = trained.artifact()
    files = pack(artifact.manifest, artifact.contract, artifact.predictor, {})
    again = unpack(files)
    width = len(artifact.schema.matrix_names)
    matrix = np.array(data.draw(st.lists(st.lists(st.floats(width=32), min_size=width, max_size=width), min_size=1, max_size=3)))
    np.testing.assert_array_equal(artifact.predictor.margins(matrix), again.predictor.margins(matrix))
    name = data.draw(st.sampled_from(sorted(set(files) - {MANIFEST})))
    at = data.draw(st.integers(0, len(files[name]) - 1))
    broken = files[name][:at] + bytes([files[name][at] ^ 1]) + files[name][at + 1 :]
    with pytest.raises(CorruptArtifact):
        unpack({**files, name: broken})


@SLOW
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_however_often_and_in_whatever_order_events_come_each_is_scored_once(house: House, order: list[int]) -> None:
    changes = house.known()[:5]
    for index in order:
        score_lead(changes[index], house.scoring)
    scored = [row[0] for row in house.rows("scores.ledger")]
    assert len(scored) == len(set(scored))
    assert {changes[index].lead_id for index in order} <= set(scored)


@SLOW
@given(
    st.lists(st.tuples(st.integers(0, 3), DAYS, st.none() | DAYS, DAYS), min_size=1, max_size=10),
    DAYS,
    st.sampled_from(["latest", "first"]),
)
def test_every_known_lead_has_one_label_and_it_is_not_from_the_future(
    extracts: list[tuple[int, int, int | None, int]], known_day: int, rule: str
) -> None:
    """However leads are worked anew: one row a lead, a positive or negative only where its window is over, no outcome ahead of its extract."""
    contract = Contract.model_validate({**LATE_CONTRACT.model_dump(), "lead": {**LATE_CONTRACT.lead.model_dump(), "reopened": rule}})
    known_by = START + known_day * DAY
    rows = [
        (f"lead{n}", 1, START + c * DAY, START + w * DAY if w is not None else None, START + k * DAY)
        for n, c, w, k in {(extract[0], extract[3]): extract for extract in extracts}.values()
    ]
    with tempfile.TemporaryDirectory() as folder:
        found = _labelled(Path(folder), contract, rows, known_by)
    known = [row for row in rows if row[4] <= known_by]
    assert sorted(row["lead_id"] for row in found) == sorted({row[0] for row in known})
    for row in found:
        told = [each for each in known if each[0] == row["lead_id"]]
        assert row["contacted_at"] in {each[2] for each in told}
        assert row["outcome_at"] in {each[3] for each in told}
        if row["status"] in {"positive", "negative"}:
            assert row["contacted_at"] + 12 * DAY <= known_by
        if row["status"] == "positive":
            assert row["contacted_at"] <= row["outcome_at"] <= row["contacted_at"] + 10 * DAY


@SLOW
@given(
    st.lists(st.tuples(DAYS, st.none() | DAYS, DAYS), min_size=1, max_size=8),
    st.lists(st.tuples(DAYS, DAYS, st.floats(-5, 5)), max_size=12, unique_by=lambda fact: fact[:2]),
    DAYS,
)
def test_labels_and_features_are_never_from_the_future(
    leads: list[tuple[int, int | None, int]], facts: list[tuple[int, int, float]], known_day: int
) -> None:
    """Taking away every row first known later than an instant changes nothing that is asked about that instant."""
    known_by = START + known_day * DAY
    all_leads = [
        (f"lead{n}", 1, START + c * DAY, START + w * DAY if w is not None else None, START + k * DAY) for n, (c, w, k) in enumerate(leads)
    ]
    all_facts = [(1, START + happened * DAY, START + known * DAY, value + n * 100) for n, (happened, known, value) in enumerate(facts)]
    with tempfile.TemporaryDirectory() as folder:
        everything = _asked(Path(folder) / "all", all_leads, all_facts, known_by)
        then_known = _asked(
            Path(folder) / "then", [r for r in all_leads if r[4] <= known_by], [r for r in all_facts if r[2] <= known_by], known_by
        )
    assert everything == then_known


def _asked(path: Path, leads: list[tuple[Any, ...]], facts: list[tuple[Any, ...]], known_by: datetime) -> tuple[object, object]:
    warehouse = _holding(path, leads, facts)
    found = sorted(warehouse.query(labels(LATE_CONTRACT), known_by=known_by).values, key=str)
    vectors = answer(warehouse, LATE_CONTRACT, [Ask("lead", 1, known_by)])
    warehouse.close()
    return found, vectors


def _labelled(path: Path, contract: Contract, leads: list[tuple[Any, ...]], known_by: datetime) -> list[dict[str, Any]]:
    warehouse = _holding(path, leads, [])
    found = list(warehouse.query(labels(contract), known_by=known_by))
    warehouse.close()
    return found


def _holding(path: Path, leads: list[tuple[Any, ...]], facts: list[tuple[Any, ...]]) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(path / "warehouse.duckdb")
    instant = pa.timestamp("us", "UTC")
    types = {
        "id": pa.string(),
        "crd": pa.int64(),
        "contacted": instant,
        "won": instant,
        "known": instant,
        "happened": instant,
        "value": pa.float64(),
    }
    for table, names, rows in (("crm.leads", "id crd contacted won known", leads), ("vendor.facts", "crd happened known value", facts)):
        columns = {name: pa.array([row[i] for row in rows], types[name]) for i, name in enumerate(names.split())}
        warehouse.load_arrow(table, pa.table(columns))
    return warehouse


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["message", "data", "lead_id", "messageId", "attributes"]), inner)
    ),
    max_leaves=12,
)
BODIES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode())
ENVELOPES = BODIES | BODIES.map(lambda body: json.dumps({"message": {"data": base64.b64encode(body).decode()}}).encode())


@settings(max_examples=300, deadline=None)
@given(ENVELOPES)
def test_no_envelope_whatever_it_holds_crashes_a_function_or_gets_lost(raw: bytes) -> None:
    topic, handled = FakeTopic(), []
    delivery = Delivery(FakeVerifier(), topic, max_attempts=5)
    with Flask("t").test_request_context("/", method="POST", data=raw, headers={"Authorization": "Bearer good"}):
        _, status = delivery.push("score_lead", request, lambda envelope: handled.append(read(StageChangeMessage, envelope.body)))
    assert status == 200
    assert len(handled) + len(topic.bodies("dead-letters")) == 1


@given(st.binary(max_size=300))
def test_no_bytes_are_read_as_a_message_by_accident(body: bytes) -> None:
    with pytest.raises(InvalidMessage) as fault:
        read(StageChangeMessage, body)
    assert isinstance(fault.value, LeadscoreError)
    assert fault.value.fix
