"""What a feature may see: the compiled query on small hand-made tables."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from shared.adapters.duckdb import DuckDBWarehouse
from shared.asks import answer, answer_one
from shared.asof.contract import Contract, load_contract
from shared.asof.labels import labels
from shared.errors import DataError, UnknownCrd, UnknownLead
from shared.lead import Ask
from training_job.dataset import check_columns

CONTRACT = """name: test
lead: {table: crm.leads, key: id, crd: crd, contacted_at: contacted, known_at: known, lag_days: 2, outcome: {event_at: won, window_days: 30}}
missing: ["n/a"]
sources:
  rep: {kind: vintage, table: vendor.reps, key: crd, on: crd, event_time: vintage, known_at: known, max_age_days: 105, required: true}
  jobs: {kind: history, table: vendor.jobs, key: crd, on: crd, event_time: start, known_at: filed, grain: [firm, start]}
  firm: {kind: vintage, table: vendor.firms, key: firm, on: rep.firm, event_time: month, known_at: known}
  colleagues: {kind: history, table: vendor.jobs, key: firm, on: rep.firm, event_time: start, known_at: filed, grain: [crd, start]}
features:
  - {name: aum, source: rep, column: aum, dtype: float, range: [0, 1000]}
  - {name: title, source: rep, column: title, dtype: category, levels: [Partner, Advisor]}
  - {name: jobs_begun, source: jobs, sql: "COUNT(firm)", dtype: float}
  - {name: months_here, source: jobs, sql: "DATE_DIFF(DATE(as_of), MAX(start), MONTH)", dtype: float}
  - {name: ended, source: jobs, sql: "COUNTIF(`end` IS NOT NULL)", dtype: float}
  - {name: firm_size, source: firm, column: size, dtype: float}
  - {name: firm_hires, source: colleagues, sql: "COUNT(crd)", dtype: float}
  - {name: jobs_per_size, source: features, sql: "SAFE_DIVIDE(jobs_begun, firm_size)", dtype: float}
  - {name: crowded, source: features, sql: "jobs_per_size > 1", dtype: bool}
"""


def _t(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    (tmp_path / "contract.yaml").write_text(CONTRACT)
    return load_contract(tmp_path / "contract.yaml")


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(tmp_path / "w" / "warehouse.duckdb")
    _load(warehouse, "vendor.reps", "crd firm aum title vintage known", [
        (1, 10, 5.0, "Partner", date(2025, 1, 5), _t("2025-01-20")),
        (1, 10, 7.0, "n/a", date(2025, 4, 6), _t("2025-04-20")),
        (2, None, 5000.0, "Advisor", date(2025, 1, 5), _t("2025-01-20")),
    ])  # fmt: skip
    _load(warehouse, "vendor.jobs", "crd firm start end filed", [
        (1, 9, date(2020, 1, 31), None, _t("2020-02-10")),
        (1, 10, date(2024, 2, 29), None, _t("2024-03-10")),
        (1, 9, date(2020, 1, 31), date(2024, 2, 29), _t("2024-03-11")),
        (1, 11, date(2025, 2, 1), None, _t("2025-03-01")),
        (3, 10, date(2024, 6, 1), None, _t("2024-06-05")),
    ])  # fmt: skip
    _load(
        warehouse,
        "vendor.firms",
        "firm size month known",
        [(10, 4.0, date(2025, 1, 1), _t("2025-02-10")), (10, 0.0, date(2025, 2, 1), _t("2025-03-15"))],
    )
    return warehouse


def _load(warehouse: DuckDBWarehouse, table: str, names: str, rows: Sequence[tuple[object, ...]]) -> None:
    columns = zip(*rows, strict=True)
    warehouse.load_arrow(table, pa.table({name: pa.array(list(column)) for name, column in zip(names.split(), columns, strict=True)}))


def _vector(warehouse: DuckDBWarehouse, contract: Contract, as_of: str, crd: int | None = 1) -> dict[str, object]:
    return dict(answer_one(warehouse, contract, Ask("a", crd, _t(as_of))))


def test_a_vintage_is_seen_from_the_moment_it_was_delivered(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    assert _vector(warehouse, contract, "2025-04-19")["aum"] == 5
    assert _vector(warehouse, contract, "2025-04-20")["aum"] == 7


def test_a_vintage_too_old_is_as_good_as_none(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    assert _vector(warehouse, contract, "2025-07-20")["aum"] == 7
    with pytest.raises(UnknownCrd, match="fresh row"):
        _vector(warehouse, contract, "2025-07-21")


def test_before_anything_was_delivered_the_advisor_is_unknown(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    for as_of, crd in (("2025-01-19", 1), ("2025-04-20", 77)):
        with pytest.raises(UnknownCrd):
            _vector(warehouse, contract, as_of, crd)
    with pytest.raises(UnknownCrd, match="has no CRD"):
        _vector(warehouse, contract, "2025-04-20", None)


def test_history_counts_what_was_filed_and_each_job_once_however_many_versions(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    before, after = _vector(warehouse, contract, "2025-02-28"), _vector(warehouse, contract, "2025-03-01")
    assert (before["jobs_begun"], after["jobs_begun"]) == (2, 3)
    assert (before["ended"], after["ended"]) == (1, 1)


def test_months_are_counted_by_the_calendar_over_a_leap_day(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    assert _vector(warehouse, contract, "2025-01-31")["months_here"] == 11
    assert _vector(warehouse, contract, "2025-02-28")["months_here"] == 12


def test_a_source_joins_on_what_an_earlier_one_found(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    vector = _vector(warehouse, contract, "2025-02-15")
    assert (vector["firm_size"], vector["firm_hires"]) == (4, 2)
    assert _vector(warehouse, contract, "2025-02-09")["firm_size"] is None


def test_nothing_known_is_missing_never_a_silent_zero(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    vector = _vector(warehouse, contract, "2025-02-15", crd=2)
    assert vector["firm_hires"] is None
    assert vector["jobs_begun"] == 0


def test_out_of_range_and_the_word_for_missing_are_missing(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    assert _vector(warehouse, contract, "2025-02-15", crd=2)["aum"] is None
    assert _vector(warehouse, contract, "2025-02-15")["title"] == "Partner"
    assert _vector(warehouse, contract, "2025-04-20")["title"] is None


def test_derived_features_build_on_each_other_and_division_by_zero_is_missing(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    vector = _vector(warehouse, contract, "2025-02-15")
    assert (vector["jobs_per_size"], vector["crowded"]) == (0.5, 0)
    vector = _vector(warehouse, contract, "2025-04-20")
    assert (vector["jobs_per_size"], vector["crowded"]) == (None, None)


def test_many_asks_are_answered_in_their_order_each_as_alone(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    days = ["2025-04-20", "2025-02-15", "2025-01-21"]
    asks = [Ask(f"lead {crd}", crd, _t(day)) for day in days for crd in (1, 2, 77)]
    together = answer(warehouse, contract, asks)
    for ask, vector in zip(asks, together, strict=True):
        (alone,) = answer(warehouse, contract, [ask])
        assert str(vector) == str(alone)


def test_a_required_event_source_without_the_lead_is_an_unknown_lead(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    (tmp_path / "event.yaml").write_text(
        "name: e\nlead: {table: crm.calls, key: id, contacted_at: at, outcome: {column: y, positive: 'yes'}}\n"
        "sources: {calls: {kind: event, known_at: at, required: true}}\n"
        "features: [{name: age, source: calls, column: age, dtype: float}]\n"
    )
    _load(warehouse, "crm.calls", "id at y age", [("a", date(2025, 1, 1), "no", 30)])
    event = load_contract(tmp_path / "event.yaml")
    assert answer_one(warehouse, event, Ask("a", None, _t("2025-01-01"))) == {"age": 30}
    with pytest.raises(UnknownLead):
        answer_one(warehouse, event, Ask("a", None, _t("2024-12-31")))
    with pytest.raises(UnknownLead):
        answer_one(warehouse, event, Ask("b", None, _t("2025-01-01")))


def _status(warehouse: DuckDBWarehouse, contract: Contract, known_by: str) -> dict[str, str]:
    return {str(row["lead_id"]): str(row["status"]) for row in warehouse.query(labels(contract), known_by=_t(known_by))}


def test_labels_read_only_what_was_known_and_wait_until_it_is_settled(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    at, day = _t("2025-01-10"), timedelta(days=1)
    extract, late_extract = _t("2025-02-20"), _t("2025-04-01")
    rows = [
        ("quick", 1, at, at, extract),
        ("on the last day", 2, at, at + 30 * day, extract),
        ("a second late", 3, at, at + 30 * day + timedelta(seconds=1), extract),
        ("never", 4, at, None, extract),
        ("before", 5, at, at - day, extract),
        ("fresh", 6, _t("2025-02-15"), None, extract),
        ("told later", 7, at, None, extract),
        ("told later", 7, at, at + 3 * day, late_extract),
    ]
    _load(warehouse, "crm.leads", "id crd contacted won known", rows)
    assert _status(warehouse, contract, "2025-02-20") == {
        "quick": "positive",
        "on the last day": "positive",
        "a second late": "negative",
        "never": "negative",
        "before": "mql_before_contact",
        "fresh": "immature",
        "told later": "negative",
    }
    assert _status(warehouse, contract, "2025-02-19") == {}
    assert _status(warehouse, contract, "2025-04-01")["told later"] == "positive"
    assert _status(warehouse, contract, "2025-03-19")["fresh"] == "negative"


def test_a_contract_that_names_an_absent_column_or_table_is_told_which(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    with pytest.raises(DataError, match=r"no table crm\.leads"):
        check_columns(warehouse, contract)
    _load(warehouse, "crm.leads", "id crd contacted won", [("a", 1, _t("2025-01-01"), None)])
    with pytest.raises(DataError, match=r"lead names column known, which crm\.leads does not have \(it has id, crd, contacted, won\)"):
        check_columns(warehouse, contract)
