"""./leadscore contract: the generated files are current, faults are found by line, differences are judged."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.commands.contract import app, json_schema
from ops.contracts.check import checked
from ops.contracts.diff import changes
from ops.contracts.health import gaps, health
from ops.contracts.markdown import features_markdown
from shared.asof.contract import Contract, load_contract
from shared.config import ROOT
from shared.errors import ContractError
from shared.model.artifact import Artifact
from shared.model.scorer import say
from tests.conftest import CONTRACTS, Trained
from tests.sql.test_cases import run_case

ADVISOR = CONTRACTS / "advisor.yaml"


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[str, str], Path]:
    def edit(old: str, new: str) -> Path:
        text = ADVISOR.read_text()
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        (tmp_path / "advisor.yaml").write_text(text.replace(old, new))
        return tmp_path / "advisor.yaml"

    return edit


def test_docs_and_schema_are_as_the_contract_says() -> None:
    assert (ROOT / "docs" / "features.md").read_text() == features_markdown(load_contract(ADVISOR)), (
        "./leadscore contract show --markdown > docs/features.md"
    )
    assert (CONTRACTS / "contract.schema.json").read_text() == json_schema(), (
        "./leadscore contract show --schema > contracts/contract.schema.json"
    )


def test_every_catalogue_has_the_features_it_was_asked_for() -> None:
    contract = load_contract(ADVISOR)
    shown = [f for f in contract.features if not f.helper and f.name not in contract.refused]
    assert {group: sum(group in f.all_groups for f in shown) for group in contract.groups} == {
        "v2": 14, "m5_base": 31, "m5_metro": 5, "m5_engineered": 31, "contact_time": 2, "v41": 22, "v42": 9,
        "v7_dynamics": 8, "v7_career": 4, "v7_market": 4, "v7_business": 6,
    }  # fmt: skip
    assert all(f.sentence and (f.dtype != "bool" or f.otherwise) for f in shown)
    assert all(f.unit for f in shown if f.dtype == "float")


@pytest.mark.parametrize("name", ["advisor.yaml", "bank_marketing.yaml"])
def test_the_contracts_that_ship_are_sound(name: str) -> None:
    assert checked(CONTRACTS / name).usable


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("column: total_assets_m,\n", "column: total_asets_m,\n", r"features\[\d+\].column: vendor.rep_snapshots has no column total_asets_m; it has rep_crd"),
        ("MIN(start_date), MONTH", "MIN(began), MONTH", r"features\[\d+\].sql: unknown column began; there are "),
        ("firm_arrivals_12mo - firm_departures_12mo", "firm_arrivals_12mo -", r"features\[\d+\].sql: 'firm_arrivals_12mo -' is not GoogleSQL"),
        ("source: rep, dtype: bool, group: m5_base, kind: mutable, column: is_primary", "source: rep, dtype: float, group: m5_base, kind: mutable, column: is_primary", "a float cannot hold is_primary_ria_firm, which is BOOL"),
        ("event_time: month, known_at: known_at,\n               max", "event_time: months, known_at: known_at,\n               max", r"sources.firm_month.event_time: vendor.firm_months has no column months"),
        ("crd: fa_crd", "crd: fa_crds", r"lead.crd: crm.lead_snapshots has no column fa_crds"),
        ("s.month = DATE", "s.moon = DATE", r"sources.firm_jan2024.where: unknown column moon"),
        ("default_groups: [v2]", "default_groups: [v3]", r"default_groups\[0\]: no feature is of group 'v3'; there are "),
        ("unit: miles,", "unit: furlongs,", r"features\[\d+\].unit: Input should be "),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_its_line(edited: Callable[[str, str], Path], old: str, new: str, said: str) -> None:
    path = edited(old, new)
    line = 1 + path.read_text()[: path.read_text().index(new)].count("\n")
    with pytest.raises(ContractError, match=said) as fault:
        checked(path)
    named = int(re.search(r"advisor\.yaml:(\d+): ", fault.value.what).group(1))  # type: ignore[union-attr]
    assert abs(named - line) <= 1


def test_a_difference_that_breaks_models_is_told_from_one_that_does_not(edited: Callable[[str, str], Path]) -> None:
    old = load_contract(ADVISOR)
    reworded = changes(old, load_contract(edited("{value:.0f} moves in three years", "moved {value:.0f} times")))
    assert [(change.what.partition(":")[0], change.breaks) for change in reworded] == [("feature pit_moves_3yr", False)]
    shorter = changes(old, load_contract(edited("range: [0, 840]", "range: [0, 600]")))
    assert [(change.what, change.breaks) for change in shorter] == [
        ("feature industry_tenure_months: range: [0.0, 840.0] became [0.0, 600.0]", True)
    ]
    window = changes(old, load_contract(edited("window_days: 30", "window_days: 43")))
    assert [change.breaks for change in window] == [True]
    other = changes(old, load_contract(edited("{value:.0f} miles to work", "{value:.1f} miles")))
    assert [change.breaks for change in other] == [False]
    assert CliRunner().invoke(app, ["diff", str(ADVISOR), str(edited("range: [0, 840]", "range: [0, 600]"))]).exit_code == 3
    assert changes(old, old) == []


def test_files_that_overlap_or_are_missing_are_named() -> None:
    day = timedelta(days=1)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    dates = [start + n * day for n in (0, 91, 182, 200, 364)]
    assert list(gaps(dates)) == [
        "two files within one period: 2024-07-01 and 2024-07-19 (18 days apart, usually 91)",
        "no file between 2024-07-19 and 2024-12-30 (164 days, usually 91)",
    ]
    assert list(gaps(dates[:1])) == []


def test_the_health_of_a_world_says_how_fresh_each_source_is(trained: Trained) -> None:
    with trained.world.reading() as warehouse:
        states = {state.source: state for state in health(warehouse, trained.world.contract)}
    assert (states["rep"].files, f"{states['rep'].latest:%Y-%m-%d}") == (8, "2025-10-05")
    assert not states["rep"].stale(trained.world.matured_by)
    assert states["rep"].stale(trained.world.matured_by + timedelta(days=100))
    said = CliRunner().invoke(app, ["check", "--world", str(trained.world.path)]).stdout
    assert "No join multiplies" in said


NEW = """  - {name: clients_per_move, source: features, dtype: float, group: v2, unit: ratio,
     sql: "SAFE_DIVIDE(firm_rep_count_at_contact, pit_moves_3yr)",
     sentence: "{value:.0f} colleagues a move",
     note: "made in a test"}
"""
CASE = {
    "tables": {
        "vendor.employment": {"rows": [
            {"rep_crd": 1, "firm_crd": 9, "start_date": "2020-01-01", "recorded_at": "2020-01-02"},
            {"rep_crd": 1, "firm_crd": 10, "prior_firm_crd": 9, "start_date": "2023-01-01", "recorded_at": "2023-01-02"},
        ]},
        "vendor.firm_snapshots": {"rows": [{"firm_crd": 10, "number_of_reps": 12, "vintage": "2024-01-07", "known_at": "2024-01-19"}]},
    },
    "asks": [{"crd": 1, "as_of": "2024-02-01"}],
}  # fmt: skip


def test_four_lines_and_a_case_make_a_feature_everywhere(edited: Callable[[str, str], Path], tmp_path: Path, trained: Trained) -> None:
    anchor = "  # m5, base: 31 columns"
    contract = checked(edited(anchor, NEW + anchor))
    (row,) = run_case(tmp_path, contract, CASE, ["clients_per_move"])
    assert row["clients_per_move"] == 12
    assert "| clients_per_move | float, ratio |" in features_markdown(contract)
    assert contract.usable[-1].name == "clients_per_move"
    assert say(contract.usable[-1], 12.0) == "12 colleagues a move"
    assert [change.what for change in changes(load_contract(ADVISOR), contract)] == ["feature clients_per_move is new"]
    assert "clients_per_move" in _trained_on(contract, trained).schema.names


def _trained_on(contract: Contract, trained: Trained) -> Artifact:
    from dataclasses import replace  # noqa: PLC0415

    from ops.training import registry, train_and_register  # noqa: PLC0415

    world = replace(trained.copy(trained.world.path.parent / "with_a_feature"), contract=contract)
    return registry(world.path).load(train_and_register(world, lambda _: None).trained.version)


def test_the_schema_for_editors_knows_every_key() -> None:
    keys = json.loads(json_schema())["$defs"]["Feature"]["properties"]
    assert {"name", "sql", "unit", "range", "sentence", "why"} <= keys.keys()
