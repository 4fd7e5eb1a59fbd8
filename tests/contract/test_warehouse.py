"""One suite for every warehouse: the same GoogleSQL gives the same answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from shared.adapters.bigquery import BigQueryWarehouse
from shared.adapters.duckdb import DuckDBWarehouse
from shared.asks import answer
from shared.asof.contract import load_contract
from shared.asof.labels import OpenLead, labels, open_leads
from shared.errors import DataError, WarehouseUnavailable
from shared.ingest.load import load_file
from shared.ingest.typed import Delivery
from shared.lead import Ask
from shared.ledger import Ledger, Receipt
from shared.ports import BulkWarehouse, Query
from shared.score import FeatureLogRow, LedgerRow
from shared.tables import all_tables
from tests.conftest import CONTRACTS
from tests.contract.conftest import PROJECT

NOON = datetime(2025, 9, 1, 12, 0, 0, 123456, tzinfo=UTC)
Rows = Sequence[Mapping[str, object]]


@dataclass
class Built:
    """A warehouse with every declared table, and a way to put rows into one."""

    warehouse: BulkWarehouse
    load: Callable[[str, Rows], None]


@pytest.fixture(scope="module")
def on_duckdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    warehouse = DuckDBWarehouse(tmp_path_factory.mktemp("duckdb") / "warehouse.duckdb")
    yield Built(warehouse, lambda table, rows: warehouse.load_arrow(table, _arrow(table, rows)))
    warehouse.close()


@pytest.fixture(scope="module")
def on_bigquery(bigquery_url: str, credentials: AnonymousCredentials) -> Iterator[Built]:
    client = bigquery.Client(PROJECT, credentials=credentials, client_options={"api_endpoint": bigquery_url})
    for table in all_tables():
        dataset, _, name = table.name.partition(".")
        client.create_dataset(f"test_{dataset}", exists_ok=True)
        fields = [bigquery.SchemaField(column, kind) for column, kind in table.columns.items()]
        client.create_table(bigquery.Table(f"{PROJECT}.test_{dataset}.{name}", schema=fields))

    def load(table: str, rows: Rows) -> None:
        assert client.insert_rows(client.get_table(f"{PROJECT}.test_{table}"), rows) == []

    yield Built(BigQueryWarehouse(client, "test_"), load)
    client.close()  # type: ignore[no-untyped-call]


@pytest.fixture(params=["on_duckdb", "on_bigquery"], scope="module")
def built(request: pytest.FixtureRequest) -> Built:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def _arrow(table: str, rows: Rows) -> pa.Table:
    declared = next(each for each in all_tables() if each.name == table)
    return pa.table({column: pa.array([row.get(column) for row in rows]) for column in declared.columns})


def _score(lead: str, **changes: object) -> LedgerRow:
    row = LedgerRow(
        lead,
        NOON,
        "v1",
        NOON,
        NOON,
        "champion",
        "event",
        "e",
        -3.25,
        0.1 + 0.2,
        50.0,
        500,
        "Warm",
        "Call",
        '[{"text": "ünïcode \'quoted\'"}]',
        "h",
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def test_what_is_appended_is_read_back_to_the_last_bit(built: Built) -> None:
    assert built.warehouse.append("scores.ledger", [_score("bits")]) == 1
    query = Query("one", "SELECT * FROM `scores.ledger` WHERE lead_id = @lead_id", {"lead_id": "STRING"})
    assert built.warehouse.query(query, lead_id="bits").into(LedgerRow) == [_score("bits")]


def test_an_answer_comes_in_parts_of_the_size_asked_for(built: Built) -> None:
    query = Query("numbers", "SELECT n FROM UNNEST(GENERATE_ARRAY(1, @last)) AS n ORDER BY n", {"last": "INT64"})
    parts = list(built.warehouse.pages(query, 4, last=10))
    assert [row for part in parts for row in part.values] == [(n,) for n in range(1, 11)]
    assert [len(part) for part in parts] == [4, 4, 2]
    assert list(built.warehouse.pages(query, 4, last=0)) == []


def test_the_same_key_is_appended_once(built: Built) -> None:
    rows = [_score("twice"), _score("twice", as_of=NOON + timedelta(days=1))]
    assert built.warehouse.append("scores.ledger", rows) == 2
    assert built.warehouse.append("scores.ledger", [replace(row, band="Other") for row in rows]) == 0
    assert built.warehouse.append("scores.ledger", []) == 0
    ledger = Ledger(built.warehouse)
    assert ledger.has("twice", NOON, "v1")
    assert not ledger.has("twice", NOON, "v2")
    assert not ledger.has("twice", NOON + timedelta(microseconds=1), "v1")


def test_whole_columns_are_added_by_name(built: Built) -> None:
    month = {"firm_crd": pa.array([901, 902]), "known_at": pa.array([NOON, NOON], pa.timestamp("us", "UTC"))}
    rows = pa.table({"total_aum_m": pa.array([0.1, None], pa.float64()), "month": pa.array([date(2025, 7, 1), date(2025, 8, 1)]), **month})
    built.warehouse.insert("vendor.firm_months", rows)
    text = "SELECT firm_crd, month, total_aum_m, known_at FROM `vendor.firm_months` WHERE firm_crd > 900 ORDER BY firm_crd"
    assert built.warehouse.query(Query("added", text)).values == [(901, date(2025, 7, 1), 0.1, NOON), (902, date(2025, 8, 1), None, NOON)]


def test_a_file_is_ingested_once_everywhere(built: Built, tmp_path: Path) -> None:
    (tmp_path / "firms.csv").write_text("RIAFirmCRD,total_reps\n903,< 5\n904,many\n905.0,7\n")
    delivery = Delivery(NOON, date(2025, 8, 31), NOON)
    first, second = (
        load_file(built.warehouse, "vendor.firm_snapshots", tmp_path / "firms.csv", delivery, lambda _: None) for _ in range(2)
    )
    assert (first.loaded, first.quarantined, second.loaded, second.before) == (2, 1, 0, NOON)
    text = "SELECT firm_crd, number_of_reps FROM `vendor.firm_snapshots` WHERE firm_crd > 900 ORDER BY firm_crd"
    assert built.warehouse.query(Query("ingested", text)).values == [(903, 2), (905, 7)]


def test_standing_is_the_latest_champion_score_beside_the_last_receipt(built: Built) -> None:
    ledger = Ledger(built.warehouse)
    later = NOON + timedelta(days=2)
    vector = FeatureLogRow("stand", NOON, "v1", NOON, "{}", "h")
    rows = [
        _score("stand"),
        _score("stand", as_of=later, band="Hot"),
        _score("stand", as_of=later + timedelta(days=1), role="challenger", model_version="v2"),
    ]
    assert ledger.record([*rows, _score("alone")], [vector]) == 4
    receipt = Receipt("stand", "r1", NOON, "written", "v1", NOON, '{"a": 1}', None)
    failed = replace(receipt, run_id="r3", attempted_at=later, status="failed", written="{}", error_code="X", error_message="why")
    ledger.file([receipt, replace(receipt, run_id="r2", attempted_at=NOON + timedelta(hours=1), written='{"a": 2}'), failed])
    stood = {standing.lead_id: standing for standing in ledger.standing(["stand", "alone", "nobody"])}
    assert set(stood) == {"stand", "alone"}
    assert (stood["stand"].band, stood["stand"].as_of, stood["stand"].last_sent) == ("Hot", later, '{"a": 2}')
    assert (stood["alone"].last_status, stood["alone"].last_sent) == (None, None)


def test_columns_and_the_lack_of_a_table_are_told(built: Built) -> None:
    assert list(built.warehouse.columns("scores.feature_log")) == [
        "lead_id",
        "stage_entered_at",
        "model_version",
        "as_of",
        "features",
        "feature_hash",
    ]
    with pytest.raises(DataError, match=r"no table vendor\.nothing"):
        built.warehouse.columns("vendor.nothing")
    with pytest.raises((DataError, WarehouseUnavailable), match="nothing"):
        built.warehouse.query(Query("absent", "SELECT x FROM `vendor.nothing`", {}))


def test_the_advisor_contract_gives_the_same_vectors_and_labels_everywhere(built: Built) -> None:
    contract = load_contract(CONTRACTS / "advisor.yaml")
    _load_a_small_market(built)
    asks = [Ask("a", 1, datetime(2025, 2, 28, 15, tzinfo=UTC)), Ask("b", 2, datetime(2025, 2, 28, 15, tzinfo=UTC)), Ask("c", 3, NOON)]
    first, second, stranger = answer(built.warehouse, contract, asks)
    assert first == {
        "current_firm_tenure_months": 12.0,
        "industry_tenure_months": 61.0,
        "num_prior_firms": 1.0,
        "pit_moves_3yr": 1.0,
        "firm_rep_count_at_contact": 40.0,
        "firm_aum_pit": 110.0,
        "aum_growth_since_jan2024_pct": pytest.approx(10.0),
        "firm_net_change_12mo": 1.0,
        "pit_mobility_tier_highly_mobile": 0.0,
        "pit_mobility_tier_mobile": 0.0,
        "pit_mobility_tier_stable": 0.0,
        "pit_restlessness_ratio": pytest.approx(12 / 49),
        "flight_risk_score": -1.0,
        "is_fresh_start": 0.0,
    }
    assert isinstance(second, dict)
    assert (second["pit_restlessness_ratio"], second["firm_aum_pit"], second["num_prior_firms"]) == (None, 110.0, 0.0)
    assert isinstance(stranger, Exception)
    table = built.warehouse.arrow(labels(contract), known_by=datetime(2025, 4, 15, tzinfo=UTC)).to_pylist()
    assert {row["lead_id"]: row["status"] for row in table} == {"a": "positive", "b": "negative", "c": "immature"}
    opened = built.warehouse.query(
        open_leads(contract), known_by=datetime(2025, 4, 15, tzinfo=UTC), since=datetime(2025, 1, 1, tzinfo=UTC), model_version="v1"
    )
    assert [lead.lead_id for lead in opened.into(OpenLead)] == ["b", "c"]


def _load_a_small_market(built: Built) -> None:
    delivered = datetime(2025, 1, 20, tzinfo=UTC)
    built.load(
        "vendor.rep_snapshots", [{"rep_crd": crd, "firm_crd": 10, "vintage": date(2025, 1, 5), "known_at": delivered} for crd in (1, 2)]
    )
    built.load("vendor.firm_snapshots", [{"firm_crd": 10, "number_of_reps": 40, "vintage": date(2025, 1, 5), "known_at": delivered}])
    months = [(date(2024, 1, 1), 100.0), (date(2024, 12, 1), 110.0)]
    built.load(
        "vendor.firm_months",
        [{"firm_crd": 10, "month": month, "total_aum_m": aum, "known_at": datetime(2025, 2, 15, tzinfo=UTC)} for month, aum in months],
    )
    jobs = [
        (1, 9, None, date(2020, 1, 31), None, datetime(2020, 2, 20, tzinfo=UTC)),
        (1, 10, 9, date(2024, 2, 29), None, datetime(2024, 3, 20, tzinfo=UTC)),
        (1, 9, None, date(2020, 1, 31), date(2024, 2, 29), datetime(2024, 3, 21, tzinfo=UTC)),
        (2, 10, None, date(2018, 6, 1), None, datetime(2018, 6, 20, tzinfo=UTC)),
    ]
    names = ("rep_crd", "firm_crd", "prior_firm_crd", "start_date", "end_date", "recorded_at")
    built.load("vendor.employment", [dict(zip(names, job, strict=True)) for job in jobs])
    contacts = [
        ("a", datetime(2025, 2, 28, 15, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC)),
        ("b", datetime(2025, 3, 1, tzinfo=UTC), None),
        ("c", datetime(2025, 4, 1, tzinfo=UTC), None),
    ]
    built.load(
        "crm.lead_snapshots",
        [
            {
                "lead_id": lead,
                "fa_crd": 1,
                "created_at": NOON - timedelta(days=400),
                "stage_entered_contacting": contacted,
                "stage_entered_call_scheduled": won,
                "known_at": datetime(2025, 4, 10, tzinfo=UTC),
            }
            for lead, contacted, won in contacts
        ],
    )


def test_a_warehouse_that_is_down_is_unavailable(credentials: AnonymousCredentials, tmp_path: Path) -> None:
    (tmp_path / "warehouse.duckdb").write_bytes(b"this is not a database" * 1000)
    with pytest.raises(WarehouseUnavailable):
        DuckDBWarehouse(tmp_path / "warehouse.duckdb")
