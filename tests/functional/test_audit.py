"""The leak auditor on worlds whose leaks are known, and on real data."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from sandbox.pathologies import PATHOLOGIES, make_pathological_world
from sandbox.world import World, make_file_world
from shared.adapters.duckdb import DuckDBWarehouse
from shared.asof.contract import Contract, LeakWaiver, load_contract
from shared.asof.labels import LEFT_TRUNCATED, labels
from shared.errors import ConfigError, ContractError, DataError, LeakFound
from tests.conftest import BANK_CALLS, CONTRACTS, SHARED_DATA, needs_bank_calls
from training_job.audit.findings import Report
from training_job.audit.run import audit, refuse_leaks

TODAY = date(2026, 1, 1)
OLIST = SHARED_DATA / "olist_funnel"


def audited(world: World, contract: Contract | None = None, known_by: datetime | None = None) -> Report:
    with world.reading() as warehouse:
        return audit(warehouse, contract or world.contract, known_by or world.known_by, TODAY, lambda _: None)


def found(report: Report, severity: str) -> set[tuple[str, str]]:
    return {(finding.feature, finding.rule) for finding in report.findings if finding.severity == severity}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_pathological_world(tmp_path_factory.mktemp("p") / "world", CONTRACTS / "advisor.yaml", 11, 24_000, list(PATHOLOGIES))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_pathological_world(tmp_path_factory.mktemp("c") / "world", CONTRACTS / "advisor.yaml", 11, 24_000, [])


@pytest.fixture(scope="module")
def of_planted(planted: World) -> Report:
    return audited(planted)


@pytest.mark.parametrize("name", PATHOLOGIES)
def test_what_was_planted_is_named(of_planted: Report, name: str) -> None:
    pathology = PATHOLOGIES[name]
    named = {rule for feature, rule in found(of_planted, "leak") | found(of_planted, "suspect") if feature == pathology.subject}
    assert named & set(pathology.rules)


def test_the_clean_twin_has_the_same_leads_and_no_leak(planted: World, clean: World, of_planted: Report) -> None:
    report = audited(clean)
    assert found(report, "leak") == set()
    assert (report.rows, report.positives) == (of_planted.rows, of_planted.positives)


def test_training_stops_before_it_begins_and_names_every_leak(of_planted: Report) -> None:
    with pytest.raises(LeakFound) as stopped:
        refuse_leaks(of_planted)
    assert "engagement_score (strength)" in str(stopped.value)
    assert "personal_aum_m (presence)" in str(stopped.value)


def test_a_waived_finding_stays_in_the_report_and_stops_nothing(planted: World) -> None:
    before = audited(planted)
    waivers = tuple(
        LeakWaiver(feature=leak.feature, rule=leak.rule, by="A. Analyst", reason="known since March", expires=TODAY)
        for leak in before.leaks
    )
    report = audited(planted, planted.contract.model_copy(update={"waivers": waivers}))
    refuse_leaks(report)
    assert found(report, "leak") == found(before, "leak")
    assert all(
        "waived by A. Analyst until 2026-01-01: known since March" in finding.waived
        for finding in report.findings
        if finding.severity == "leak"
    )


def test_a_waiver_that_has_run_out_is_an_error(clean: World) -> None:
    over = LeakWaiver(feature="has_email", rule="batch", by="A. Analyst", reason="known since March", expires=date(2025, 12, 31))
    with pytest.raises(ContractError, match=r"rule batch on has_email: the waiver of A. Analyst expired on 2025-12-31"):
        audited(clean, clean.contract.model_copy(update={"waivers": (over,)}))


def test_an_unknown_pathology_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no pathology typo"):
        make_pathological_world(tmp_path, CONTRACTS / "advisor.yaml", 1, 3000, ["typo"])


HEAD = "name: t\nlead: {table: crm.t, key: id, crd: person, contacted_at: at, outcome: {event_at: won, window_days: 30}}\n"
SOURCE = "sources: {t: {kind: event, known_at: at}}\nfeatures:\n  - {name: x, source: t, column: x, dtype: float}\n"


@pytest.fixture
def table(tmp_path: Path) -> Iterator[tuple[DuckDBWarehouse, Path]]:
    """900 leads of 300 persons, a fifth won a day later; x is noise."""
    at = pd.date_range("2025-01-01", periods=900, freq="6h", tz="UTC")
    won = pd.Series(at + pd.Timedelta(days=1)).where(pd.Series(range(900)) % 5 == 0)
    ids, person = [f"l{i}" for i in range(900)], [i % 300 for i in range(900)]
    noise = [(i * 7919) % 101 / 10 for i in range(900)]
    frame = pd.DataFrame({"id": ids, "person": person, "at": at, "won": won, "x": noise, "called_back": won, "row": range(900)})
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    warehouse.load_arrow("crm.t", pa.Table.from_pandas(frame, preserve_index=False))
    yield warehouse, tmp_path
    warehouse.close()


def of_table(table: tuple[DuckDBWarehouse, Path], feature: str) -> Report:
    warehouse, folder = table
    (folder / "c.yaml").write_text(HEAD + SOURCE + f"  - {{name: f, source: t, dtype: float, {feature}}}\n")
    return audit(warehouse, load_contract(folder / "c.yaml"), datetime(2026, 1, 1, tzinfo=UTC), TODAY, lambda _: None)


@pytest.mark.parametrize(
    ("feature", "rule", "severity"),
    [
        ('sql: "DATE_DIFF(DATE(won), DATE(s.at), DAY)"', "lineage", "leak"),
        ('sql: "DATE_DIFF(DATE(called_back), DATE(s.at), DAY)"', "lineage", "leak"),
        ('sql: "DATE_DIFF(CURRENT_DATE(), DATE(s.at), DAY)"', "machine_clock", "leak"),
        ("column: row", "identifier", "suspect"),
        ('sql: "IF(won IS NULL, 0, 1)"', "strength", "leak"),
    ],
)
def test_what_is_made_from_the_answer_the_clock_or_an_id_is_named(
    table: tuple[DuckDBWarehouse, Path], feature: str, rule: str, severity: str
) -> None:
    assert ("f", rule) in found(of_table(table, feature), severity)


def test_persons_behind_several_leads_are_noticed(table: tuple[DuckDBWarehouse, Path]) -> None:
    assert ("leads", "twins") in found(of_table(table, "column: x"), "suspect")


def test_too_few_positives_to_say_anything_is_an_error(table: tuple[DuckDBWarehouse, Path]) -> None:
    warehouse, folder = table
    (folder / "c.yaml").write_text(HEAD.replace("window_days: 30", "window_days: 0") + SOURCE)
    with pytest.raises(DataError, match="0 positives are too few to audit"):
        audit(warehouse, load_contract(folder / "c.yaml"), datetime(2026, 1, 1, tzinfo=UTC), TODAY, lambda _: None)


@needs_bank_calls
def test_on_real_calls_the_duration_nobody_declared_late_is_found(tmp_path: Path) -> None:
    text = (CONTRACTS / "bank_marketing.yaml").read_text()
    naive = tmp_path / "naive.yaml"
    naive.write_text(text.replace("known: after_contact,", ""))
    world = make_file_world(tmp_path / "world", naive, BANK_CALLS, None)
    report = audited(world)
    assert found(report, "leak") == {("duration", "strength")}
    notes = found(report, "note")
    assert ("campaign", "counts_itself") in notes
    assert {("euribor3m", "clock"), ("nr_employed", "clock"), ("emp_var_rate", "clock")} <= notes
    assert found(audited(world, load_contract(CONTRACTS / "bank_marketing.yaml")), "leak") == set()


@pytest.fixture
def olist(tmp_path: Path) -> World:
    """Leads and deals joined, with a deal's columns offered as features."""
    if not OLIST.exists():
        pytest.skip(f"the Olist funnel is not at {OLIST}")
    leads = pd.read_csv(OLIST / "olist_marketing_qualified_leads_dataset.csv")
    deals = pd.read_csv(OLIST / "olist_closed_deals_dataset.csv")
    joined = leads.merge(deals, on="mql_id", how="left", validate="one_to_one")
    joined.to_csv(tmp_path / "olist.csv", index=False)
    origins = ", ".join(sorted(leads["origin"].dropna().unique()))
    (tmp_path / "olist.yaml").write_text(
        "name: olist\n"
        "lead: {table: olist, key: mql_id, contacted_at: first_contact_date, outcome: {event_at: won_date, window_days: 90}}\n"
        "sources: {leads: {kind: event, known_at: first_contact_date}}\n"
        "features:\n"
        f"  - {{name: origin, source: leads, column: origin, dtype: category, levels: [{origins}]}}\n"
        "  - {name: monthly_revenue, source: leads, column: declared_monthly_revenue, dtype: float}\n"
        "  - {name: catalog_size, source: leads, column: declared_product_catalog_size, dtype: float}\n"
        "  - {name: is_reseller, source: leads, dtype: bool, sql: \"business_type = 'reseller'\"}\n"
    )
    return make_file_world(tmp_path / "world", tmp_path / "olist.yaml", tmp_path / "olist.csv", None)


def test_on_the_olist_funnel_deal_columns_are_presence_leaks(olist: World) -> None:
    report = audited(olist, known_by=olist.matured_by)
    assert {("monthly_revenue", "presence"), ("catalog_size", "presence"), ("is_reseller", "presence")} <= found(report, "leak")
    assert not {feature for feature, _ in found(report, "leak")} & {"origin"}


def test_on_the_olist_funnel_contacts_before_recording_began_are_not_failures(olist: World) -> None:
    with olist.reading() as warehouse:
        rows = list(warehouse.query(labels(olist.contract), known_by=olist.matured_by))
    truncated = [str(row["contacted_at"])[:10] for row in rows if row["status"] == LEFT_TRUNCATED]
    kept = [str(row["contacted_at"])[:10] for row in rows if row["status"] != LEFT_TRUNCATED]
    assert len(truncated) > 1300
    assert max(truncated) <= "2017-12-05"
    assert min(kept) >= "2017-12-05"
