"""Whatever the clocks, an ask sees what a person would find by reading every row."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.duckdb import DuckDBWarehouse
from shared.asks import answer
from shared.asof.compile import ASK, SERVED_ASKS, vectors_sql
from shared.asof.contract import Contract
from shared.lead import Ask
from shared.ports import Query

START, DAY = datetime(2025, 1, 1, tzinfo=UTC), timedelta(days=1)
INSTANT = pa.timestamp("us", "UTC")
SOURCE = {"table": "vendor.facts", "key": "crd", "on": "crd", "event_time": "happened", "known_at": "known"}
CONTRACT = Contract.model_validate(
    {
        "name": "any",
        "lead": {"table": "crm.leads", "key": "id", "crd": "crd", "contacted_at": "at", "outcome": {"event_at": "won", "window_days": 9}},
        "sources": {
            "latest": {"kind": "vintage", **SOURCE, "max_age_days": 12},
            "late": {"kind": "vintage", **SOURCE, "lag_days": 3},
            "all": {"kind": "history", **SOURCE, "grain": ["job"]},
        },
        "features": [
            {"name": "fact", "source": "latest", "column": "value", "dtype": "float"},
            {"name": "late_fact", "source": "late", "column": "value", "dtype": "float"},
            {"name": "total", "source": "all", "sql": "SUM(value)", "dtype": "float"},
            {"name": "jobs", "source": "all", "sql": "COUNT(job)", "dtype": "float"},
        ],
    }
)

DAYS = st.integers(0, 30)
# (crd, job, happened, known): no two rows share all clocks of one advisor, as the grain declares
FACTS = st.lists(
    st.tuples(st.integers(1, 2), st.integers(1, 2), DAYS, DAYS),
    max_size=10,
    unique_by=(lambda r: (r[0], r[2], r[3]), lambda r: (r[0], r[1], r[3])),
)


@settings(max_examples=60, deadline=None)
@given(FACTS, st.lists(st.tuples(st.integers(1, 3), DAYS), min_size=1, max_size=5, unique=True))
def test_an_ask_sees_the_latest_row_known_and_nothing_else(facts: list[tuple[int, int, int, int]], asked: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        warehouse = _warehouse(Path(folder), facts)
        asks = [Ask(f"lead{n}", crd, START + day * DAY) for n, (crd, day) in enumerate(asked)]
        found = [dict(vector) for vector in answer(warehouse, CONTRACT, asks) if not isinstance(vector, Exception)]
        warehouse.close()
    assert found == [_by_hand(facts, crd, day) for crd, day in asked]


@settings(max_examples=40, deadline=None)
@given(FACTS, st.integers(1, 2), DAYS, DAYS)
def test_hindsight_sees_what_was_known_later_of_what_had_happened(
    facts: list[tuple[int, int, int, int]], crd: int, day: int, more: int
) -> None:
    by = START + (day + more) * DAY
    with tempfile.TemporaryDirectory() as folder:
        warehouse = _warehouse(Path(folder), facts)
        query = Query("hindsight", vectors_sql(CONTRACT, SERVED_ASKS, "@by"), {"asks": ASK, "by": "TIMESTAMP"})
        (row,) = warehouse.query(query, asks=[{"lead_id": "a", "crd": crd, "as_of": START + day * DAY}], by=by)
        warehouse.close()
    seen = [
        (happened, known, value)
        for value, (c, _, happened, known) in enumerate(facts)
        if c == crd and happened <= day and known <= day + more
    ]
    latest = max(seen, default=None)
    assert row["fact"] == (latest[2] if latest and latest[0] >= day - 12 else None)


def _by_hand(facts: list[tuple[int, int, int, int]], crd: int, day: int) -> dict[str, float | None]:
    mine = [(happened, known, job, float(value)) for value, (c, job, happened, known) in enumerate(facts) if c == crd and happened <= day]
    seen = [fact for fact in mine if fact[1] <= day]
    lagging = [fact for fact in mine if fact[1] + 3 <= day]
    jobs = {job: max((known, value) for _, known, j, value in seen if j == job)[1] for job in {fact[2] for fact in seen}}
    latest, late = max(seen, default=None), max(lagging, default=None)
    return {
        "fact": latest[3] if latest and latest[0] >= day - 12 else None,
        "late_fact": late[3] if late else None,
        "total": sum(jobs.values()) if jobs else None,
        "jobs": float(len(jobs)),
    }


def _warehouse(folder: Path, facts: list[tuple[int, int, int, int]]) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(folder / "warehouse.duckdb")
    columns = {
        "crd": pa.array([fact[0] for fact in facts], pa.int64()),
        "job": pa.array([fact[1] for fact in facts], pa.int64()),
        "happened": pa.array([START + fact[2] * DAY for fact in facts], INSTANT),
        "known": pa.array([START + fact[3] * DAY for fact in facts], INSTANT),
        "value": pa.array([float(value) for value in range(len(facts))], pa.float64()),
    }
    warehouse.load_arrow("vendor.facts", pa.table(columns))
    return warehouse
