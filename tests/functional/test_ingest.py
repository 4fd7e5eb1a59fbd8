"""Files into tables: typed, once, nothing lost, and what cannot be is refused by name."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from ops.cli import app
from ops.commands.ingest import _opened
from sandbox import keys
from sandbox.market import make_market
from shared.adapters.bigquery import BigQueryWarehouse
from shared.adapters.duckdb import DuckDBWarehouse
from shared.errors import DataError
from shared.ingest.declared import intakes
from shared.ingest.load import Report, load_file
from shared.ingest.typed import Delivery

REPS, LEADS = "vendor.rep_snapshots", "crm.lead_snapshots"
NOW = datetime(2026, 1, 20, tzinfo=UTC)
QUARTER = Delivery(datetime(2026, 1, 16, tzinfo=UTC), date(2026, 1, 4), NOW)
EXTRACT = Delivery(datetime(2026, 1, 16, tzinfo=UTC), None, NOW)
DIRTY = """RepCRD,RIAFirmCRD,Title,NumberClients_Individuals,TotalAssetsInMillions,IsPrimaryRIAFirm,AUMGrowthRate_1Year,Home_ZipCode
 1000001,100001.0,NULL,< 5,"$1,200.50",Yes,12.5%,2134.0
CRD# 1000002,100002,Senior Advisor,12,($3),Unknown,,60614
1000003,100001,Advisor,1.5,lots,No,-4,x
10A4,100001,Advisor,7,5,Maybe,1,1
,100001,Advisor,7,5,Yes,1,1
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckDBWarehouse]:
    warehouse = DuckDBWarehouse(tmp_path / "w" / "warehouse.duckdb")
    yield warehouse
    warehouse.close()


def _file(tmp_path: Path, text: str, name: str = "reps.csv") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def _load(warehouse: DuckDBWarehouse, path: Path, delivery: Delivery = QUARTER, table: str = REPS) -> Report:
    report = load_file(warehouse, table, path, delivery, lambda _: None)
    assert report.read == report.loaded + report.quarantined + report.already_there
    return report


def _rows(warehouse: DuckDBWarehouse, text: str) -> list[tuple[object, ...]]:
    return warehouse._connection.execute(text).fetchall()


def test_vendors_texts_become_values_and_what_does_not_fit_is_put_aside_by_row_and_column(
    warehouse: DuckDBWarehouse, tmp_path: Path
) -> None:
    report = _load(warehouse, _file(tmp_path, DIRTY))
    assert (report.read, report.loaded, report.quarantined, report.cells) == (5, 3, 2, 2)
    columns = "rep_crd, firm_crd, title, clients_individuals, total_assets_m, is_primary_ria_firm, aum_growth_1y, vintage"
    assert _rows(warehouse, f"SELECT {columns} FROM {REPS} ORDER BY rep_crd") == [
        (1000001, 100001, None, 2, 1200.5, True, 12.5, date(2026, 1, 4)),
        (1000002, 100002, "Senior Advisor", 12, -3.0, None, None, date(2026, 1, 4)),
        (1000003, 100001, "Advisor", None, None, False, -4.0, date(2026, 1, 4)),
    ]
    assert _rows(warehouse, f"SELECT row_number, column_name, value, reason FROM {REPS}_quarantine ORDER BY ALL") == [
        (4, "clients_individuals", "1.5", "not a whole number"),
        (4, "total_assets_m", "lots", "not a number"),
        (5, "rep_crd", "10A4", "not a CRD: digits only, with or without the word CRD before them"),
        (6, "rep_crd", "", "empty, and every row needs it"),
    ]
    assert report.reasons["clients_individuals", "not a whole number"] == 1


def test_the_same_rows_as_csv_parquet_and_json_are_the_same_rows(tmp_path: Path) -> None:
    table = pyarrow.csv.read_csv(
        _file(tmp_path, DIRTY),
        convert_options=pyarrow.csv.ConvertOptions(column_types={"RepCRD": pa.string(), "Home_ZipCode": pa.string()}),
    )
    pyarrow.parquet.write_table(table, tmp_path / "reps.parquet")
    _file(tmp_path, "\n".join(json.dumps(row) for row in table.to_pylist()), "reps.ndjson")
    _file(tmp_path, DIRTY.replace(",", ";").replace('"$1;200.50"', '"$1,200.50"'), "semicolons.csv")
    loaded = []
    for name in ("reps.csv", "reps.parquet", "reps.ndjson", "semicolons.csv"):
        warehouse = DuckDBWarehouse(tmp_path / name.replace(".", "_") / "warehouse.duckdb")
        _load(warehouse, tmp_path / name)
        loaded.append(_rows(warehouse, f"SELECT * FROM {REPS} ORDER BY rep_crd"))
        warehouse.close()
    assert loaded[0] == loaded[1] == loaded[2] == loaded[3]
    assert len(loaded[0]) == 3


def test_a_file_is_loaded_once_and_a_row_is_loaded_once(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    _load(warehouse, _file(tmp_path, DIRTY))
    again = _load(warehouse, _file(tmp_path, DIRTY, "renamed.csv"))
    assert again.before == NOW
    assert (again.loaded, again.already_there) == (0, 5)
    grown = _load(warehouse, _file(tmp_path, DIRTY + "1000009,100001,Advisor,7,5,Yes,1,1\n"), replace(QUARTER, now=NOW + timedelta(days=1)))
    assert (grown.read, grown.loaded, grown.quarantined, grown.already_there) == (6, 1, 2, 3)
    assert _rows(warehouse, f"SELECT COUNT(*), COUNT(DISTINCT rep_crd) FROM {REPS}") == [(4, 4)]
    assert _rows(warehouse, "SELECT COUNT(*) FROM monitoring.ingested_files") == [(2,)]


def test_a_load_that_died_half_way_is_finished_by_the_next(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    _load(warehouse, _file(tmp_path, DIRTY))
    _rows(warehouse, f"DELETE FROM {REPS} WHERE rep_crd = 1000002")
    _rows(warehouse, "DELETE FROM monitoring.ingested_files")
    report = _load(warehouse, _file(tmp_path, DIRTY))
    assert (report.loaded, report.already_there, report.quarantined) == (1, 2, 2)
    assert _rows(warehouse, f"SELECT COUNT(*) FROM {REPS}_quarantine") == [(4,)]


def test_a_snapshot_delivered_twice_with_other_content_is_refused_by_row(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    _load(warehouse, _file(tmp_path, DIRTY))
    with pytest.raises(DataError, match=r"1 rows are in vendor.rep_snapshots already with other content \(row 3; title\)"):
        _load(warehouse, _file(tmp_path, DIRTY.replace("Senior Advisor", "Partner")))
    assert _rows(warehouse, f"SELECT COUNT(*) FROM {REPS} WHERE title = 'Partner'") == [(0,)]
    later = replace(QUARTER, vintage=date(2026, 1, 5))
    assert _load(warehouse, tmp_path / "reps.csv", later).loaded == 3


TWICE = """RepCRD,RIAFirmCRD,IsPrimaryRIAFirm,TotalAssetsInMillions,Branch_State
1,10,No,900,NY
2,10,Yes,5,NY
1,11,Yes,800,NJ
1,12,Yes,700,CA
2,10,Yes,5,NY
"""


def test_duplicate_keys_are_resolved_by_the_declared_rule_and_each_says_which_row_was_kept(
    warehouse: DuckDBWarehouse, tmp_path: Path
) -> None:
    report = _load(warehouse, _file(tmp_path, TWICE))
    assert (report.read, report.loaded, report.quarantined) == (5, 2, 3)
    assert _rows(warehouse, f"SELECT rep_crd, firm_crd FROM {REPS} ORDER BY 1") == [(1, 11), (2, 10)]
    assert _rows(warehouse, f"SELECT row_number, reason FROM {REPS}_quarantine ORDER BY 1") == [
        (2, "same key as row 4, which is kept; this one is lower by is_primary_ria_firm, total_assets_m"),
        (5, "same key as row 4, which is kept; this one is lower by is_primary_ria_firm, total_assets_m"),
        (6, "same key as row 3, which is kept; this one is alike in every column"),
    ]


def test_duplicates_that_no_rule_decides_are_explained_with_the_leads_they_would_multiply(
    warehouse: DuckDBWarehouse, tmp_path: Path
) -> None:
    leads = "Id,FA_CRD__c,CreatedDate\n00Q5e0000000001EAA,1,2025-01-01T00:00:00Z\n00Q5e0000000002EAA,1,2025-01-01T00:00:00Z\n"
    _load(warehouse, _file(tmp_path, leads, "leads.csv"), EXTRACT, LEADS)
    with pytest.raises(DataError) as fault:
        _load(warehouse, _file(tmp_path, TWICE.replace("1,12,Yes,700", "1,12,Yes,800")))
    said = fault.value.what
    assert "1 keys of vendor.rep_snapshots come more than once, 2 rows too many (rep_crd 1, vintage 2026-01-04 in rows 4, 5, 2)" in said
    assert "They differ by firm_crd in 1, " in said
    assert "A join would multiply 2 leads" in said
    assert "does not decide between them" in said
    assert _rows(warehouse, f"SELECT COUNT(*) FROM {REPS}") == [(0,)]


def test_duplicates_without_a_rule_are_refused_even_if_alike(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    firms = "RIAFirmCRD,total_reps\n10,5\n11,7\n10,5\n"
    with pytest.raises(DataError, match=r"1 keys .*in rows 2, 4\)\. They differ by no column; 1 are alike in every column"):
        _load(warehouse, _file(tmp_path, firms), QUARTER, "vendor.firm_snapshots")


@pytest.mark.parametrize(
    ("text", "delivery", "table", "said"),
    [
        ("RepCRD,Title\n1,a\n", QUARTER, REPS, r"no column firm_crd for vendor.rep_snapshots; it has RepCRD, Title"),
        ("RepCRD,RIAFirmCRD\n1,2\n", Delivery(None, None, NOW), REPS, r"no column known_at, vintage .*Say --known-at for known_at and --vintage for vintage"),
        ("RepCRD,RIAFirmCRD,vintage\n1,2,2026-01-04\n", QUARTER, REPS, "says vintage itself"),
        ("RepCRD,RIAFirmCRD\n1,2\n", Delivery(NOW + timedelta(hours=1), date(2026, 1, 4), NOW), REPS, r"known_at lies in the future in 1 rows \(row 2\)"),
        ("RepCRD,RepCRD\n1,2\n", QUARTER, REPS, "names RepCRD more than once"),
        ("RepCRD,RIAFirmCRD\n", QUARTER, REPS, "has no rows"),
        ("RepCRD,RIAFirmCRD\n1,2,3\n", QUARTER, REPS, "cannot be read as csv"),
        ("RepCRD,RIAFirmCRD\n" + "".join(f"{n},name {n}\n" for n in range(30)), QUARTER, REPS, "30 of 30 values of RIAFirmCRD do not fit"),
        ("Id,FA_CRD__c,CreatedDate\na,1,2025-01-01T00:00:00Z\nb,2,2025-01-01 00:00:00\nc,3,2025-01-01T00:00:00+02:00\n", EXTRACT, LEADS,
         r"CreatedDate mixes time zones: row 2 UTC, row 3 no zone, row 4 \+02:00"),
        ("RepCRD\n1\n", QUARTER, "vendor.nowhere", r"not a table that files are loaded into.*vendor.rep_snapshots"),
        ("RepCRD\n1\n", QUARTER, "scores.ledger", "not a table that files are loaded into"),
    ],
)  # fmt: skip
def test_what_concerns_the_whole_file_is_refused(
    warehouse: DuckDBWarehouse, tmp_path: Path, text: str, delivery: Delivery, table: str, said: str
) -> None:
    with pytest.raises(DataError) as fault:
        _load(warehouse, _file(tmp_path, text), delivery, table)
    import re  # noqa: PLC0415

    assert re.search(said, str(fault.value))


def test_a_row_that_tells_of_a_time_after_its_own_delivery_is_put_aside(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    text = "Id,CreatedDate,Stage_Entered_Contacting__c\na,2025-01-01T00:00:00Z,2025-02-01T00:00:00Z\nb,2025-01-01T00:00:00Z,2026-01-17T00:00:00Z\n"
    report = _load(warehouse, _file(tmp_path, text), EXTRACT, LEADS)
    assert (report.loaded, report.quarantined) == (1, 1)
    assert _rows(warehouse, f"SELECT row_number, column_name, reason FROM {LEADS}_quarantine") == [
        (3, "stage_entered_contacting", "later than its own delivery")
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.xlsx", "x"), ("absent.csv", None), ("b.ndjson", '{"a": 1}\nnot json\n'), ("c.ndjson", "[1]\n"), ("d.parquet", "x")],
)
def test_a_file_that_is_not_one_is_named(warehouse: DuckDBWarehouse, tmp_path: Path, name: str, text: str | None) -> None:
    path = tmp_path / name if text is None else _file(tmp_path, text, name)
    with pytest.raises(DataError, match=name) as fault:
        _load(warehouse, path)
    assert fault.value.fix


def test_a_whole_market_written_as_files_is_read_back_as_it_was(tmp_path: Path) -> None:
    market = make_market(4, reps=300, leads=200, firms=20)
    warehouse = DuckDBWarehouse(tmp_path / "w" / "warehouse.duckdb")
    for name in intakes():
        pyarrow.csv.write_csv(market.tables[name], tmp_path / f"{name}.csv")
        report = _load(warehouse, tmp_path / f"{name}.csv", Delivery(None, None, datetime(2030, 1, 1, tzinfo=UTC)), name)
        assert (report.loaded, report.quarantined, report.cells) == (market.tables[name].num_rows, 0, 0), report.reasons
    columns = market.tables[REPS].column_names
    found = _rows(warehouse, f"SELECT {', '.join(columns)} FROM {REPS} ORDER BY rep_crd, vintage")
    assert found == [
        tuple(row.values()) for row in market.tables[REPS].sort_by([("rep_crd", "ascending"), ("vintage", "ascending")]).to_pylist()
    ]
    warehouse.close()


def test_a_new_quarter_is_one_command(tmp_path: Path) -> None:
    path = _file(tmp_path, DIRTY)
    command = ["ingest", REPS, str(path), "--known-at", "2026-01-16", "--world", str(tmp_path / "world")]
    done = CliRunner().invoke(app, [*command, "--vintage", "2026-01-04"])
    assert "5 rows read = 3 loaded + 2 quarantined + 0 already there; 2 values of loaded rows quarantined" in done.stdout
    assert "vendor.rep_snapshots now holds 1 files" in done.stdout
    again = CliRunner().invoke(app, [*command, "--vintage", "2026-01-04"])
    assert "the same bytes were loaded" in again.stdout
    for option, value in (("--vintage", "soon"), ("--known-at", "2026-01-16T25:00:00Z")):
        assert CliRunner().invoke(app, ["ingest", REPS, str(path), option, value]).exit_code == 1


def test_the_command_writes_to_the_project_s_warehouse_when_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = {
        "type": "service_account",
        "client_email": "a@example.com",
        "token_uri": "http://127.0.0.1:1",
        "project_id": "example-project",
    }
    (tmp_path / "key.json").write_text(json.dumps({**account, "private_key": keys.private_key(tmp_path / "key.pem")}))
    for name, value in {
        "LEADSCORE_BACKEND": "gcp",
        "LEADSCORE_PROJECT": "example-project",
        "LEADSCORE_BUCKET": "b",
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json"),
    }.items():
        monkeypatch.setenv(name, value)
    with _opened(tmp_path) as warehouse:
        assert isinstance(warehouse, BigQueryWarehouse)
