import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from sandbox.extract import read_typed
from sandbox.market import make_market
from sandbox.world import events, held, make_file_world, open_world
from shared.asof.contract import Contract, load_contract
from shared.errors import ContractError, DataError
from shared.ingest.declared import intakes
from shared.ports import Query
from tests.conftest import CONTRACTS

CONTRACT = """name: calls
lead: {table: calls, key: id, contacted_at: at, outcome: {column: y, positive: "yes"}}
missing: ["unknown"]
sources: {calls: {kind: event, known_at: at}}
features:
  - {name: age, source: calls, column: age.years, dtype: float}
  - {name: job, source: calls, column: job, dtype: category, levels: [a, b]}
"""
GOOD = "id;at;age.years;job;y\n1;2025-01-01;30;a;no\n2;2025-01-02;unknown;b;yes\n3;2025-02-03;;unknown;no\n"


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    (tmp_path / "c.yaml").write_text(CONTRACT)
    return load_contract(tmp_path / "c.yaml")


def _file(tmp_path: Path, text: str) -> Path:
    (tmp_path / "data.csv").write_text(text)
    return tmp_path / "data.csv"


def test_rows_are_typed_by_the_contract_and_leads_get_salesforce_ids(tmp_path: Path, contract: Contract) -> None:
    table, keys = read_typed(contract, "crm.calls", _file(tmp_path, GOOD))
    assert table.column("age_years").to_pylist() == [30.0, None, None]
    assert table.column("at").to_pylist()[2] == datetime(2025, 2, 3, tzinfo=UTC)
    assert keys == [("00Q5e0000000000EAA", "1"), ("00Q5e0000000001EAA", "2"), ("00Q5e0000000002EAA", "3")]
    assert table.column("id").to_pylist() == [lead for lead, _ in keys]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("30", "thirty"), r"column age\.years should hold double values, but 1 do not \(line 2: 'thirty'\)"),
        (GOOD.replace("2025-02-03", "soon"), r"column at should hold timestamptz values, but 1 do not \(line 4: 'soon'\)"),
        (GOOD.replace("age.years", "years"), "no column age_years; it has id, at, years"),
        (GOOD.replace("\n3;", "\n1;"), r"the key id repeats: '1' on lines 2, 4"),
    ],
)
def test_what_does_not_fit_is_named_by_line(tmp_path: Path, contract: Contract, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_typed(contract, "crm.calls", _file(tmp_path, text))


def test_a_missing_file_or_contract_is_named_and_the_old_world_is_kept(tmp_path: Path, contract: Contract) -> None:
    world = tmp_path / "world"
    make_file_world(world, tmp_path / "c.yaml", _file(tmp_path, GOOD), None)
    with pytest.raises(DataError, match=r"no file .*absent\.csv"):
        make_file_world(world, tmp_path / "c.yaml", tmp_path / "absent.csv", None)
    with pytest.raises(ContractError, match=r"no file .*absent\.yaml"):
        make_file_world(world, tmp_path / "absent.yaml", tmp_path / "data.csv", None)
    assert open_world(world).contract == contract


def test_a_world_is_split_at_a_month_end_or_where_it_is_told(tmp_path: Path, contract: Contract) -> None:
    data = _file(tmp_path, GOOD)
    assert make_file_world(tmp_path / "w", tmp_path / "c.yaml", data, None).known_by == datetime(
        2025, 1, 31, 23, 59, 59, 999999, tzinfo=UTC
    )
    until = datetime(2025, 1, 1, tzinfo=UTC)
    assert make_file_world(tmp_path / "w", tmp_path / "c.yaml", data, until).known_by == datetime(
        2025, 1, 1, 23, 59, 59, 999999, tzinfo=UTC
    )


def test_one_month_of_contacts_cannot_be_split_by_itself(tmp_path: Path, contract: Contract) -> None:
    with pytest.raises(DataError, match="one month"):
        make_file_world(tmp_path / "w", tmp_path / "c.yaml", _file(tmp_path, GOOD.replace("2025-02-03", "2025-01-30")), None)


def test_parquet_and_json_lines_make_the_same_world_as_csv(tmp_path: Path, contract: Contract) -> None:
    rows = pyarrow.csv.read_csv(_file(tmp_path, GOOD), parse_options=pyarrow.csv.ParseOptions(delimiter=";"))
    pyarrow.parquet.write_table(rows, tmp_path / "data.parquet")
    (tmp_path / "data.ndjson").write_text("\n".join(json.dumps(row, default=str) for row in rows.to_pylist()))
    read = [read_typed(contract, "crm.calls", tmp_path / f"data.{kind}")[0].to_pylist() for kind in ("csv", "parquet", "ndjson")]
    assert read[0] == read[1] == read[2]


def test_a_directory_has_one_file_per_table(tmp_path: Path) -> None:
    market, folder = make_market(4, reps=1200, leads=1000, firms=40), tmp_path / "files"
    folder.mkdir()
    for name in intakes():
        pyarrow.parquet.write_table(market.tables[name], folder / f"{name}.parquet")
    advisor = CONTRACTS / "advisor.yaml"
    world = make_file_world(tmp_path / "w", advisor, folder, None)
    with world.reading() as warehouse:
        assert len(events(world, warehouse)) == sum(market.truth.contacted_at > np.datetime64(world.known_by.replace(tzinfo=None)))
        assert warehouse.query(Query("n", "SELECT COUNT(*) AS n FROM `vendor.rep_snapshots`")).values == [(8 * 1200,)]
    with pytest.raises(DataError, match=r"Contract advisor reads \d tables, and .* is one file"):
        make_file_world(tmp_path / "w", advisor, folder / "vendor.employment.parquet", None)
    (folder / "vendor.employment.parquet").unlink()
    with pytest.raises(DataError, match=r"has no file of vendor\.employment"):
        make_file_world(tmp_path / "w", advisor, folder, None)
    assert open_world(tmp_path / "w").contract == world.contract


def test_a_world_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    with held(tmp_path / "w"), pytest.raises(DataError, match="in use by another process"), held(tmp_path / "w"):
        pass


def test_no_world_yet_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="make demo"):
        open_world(tmp_path / "nowhere")
