"""Fit-time statistics: found on training rows, kept in the contract, given to the same query in training and serving."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from structlog.testing import capture_logs

from ops.training import registry, train_and_register
from sandbox.world import events
from shared.adapters.duckdb import DuckDBWarehouse
from shared.asks import answer_one
from shared.asof.contract import Contract, load_contract
from shared.errors import ContractError, DataError, FanOut
from shared.lead import Ask
from shared.model.scorer import judge
from tests.conftest import Trained
from training_job.dataset import load_dataset
from training_job.statistics import fit_statistics

HEAD = """name: fitted
lead: {table: crm.leads, key: id, crd: crd, contacted_at: contacted, known_at: known, outcome: {event_at: won, window_days: 10}}
sources:
  rep: {kind: vintage, table: vendor.reps, key: crd, on: crd, event_time: vintage, known_at: known, max_age_days: 300}
"""
FEATURES = """features:
  - {name: aum, source: rep, column: aum, dtype: float}
  - {name: metro, source: rep, column: metro, dtype: text, helper: true}
  - {name: is_rich, source: features, sql: "aum > @aum_median", dtype: bool}
  - {name: excess, source: features, sql: "aum - @aum_median", dtype: float}
  - {name: far_above, source: features, sql: "excess > @excess_q75", dtype: bool}
  - {name: in_first_metro, source: features, sql: "metro = @metro_top[SAFE_OFFSET(0)]", dtype: bool}
  - {name: in_third_metro, source: features, sql: "metro = @metro_top[SAFE_OFFSET(2)]", dtype: bool}
"""
CONTRACT = (
    HEAD
    + """statistics:
  excess_q75: {of: excess, take: quantile, q: 0.75}
  aum_median: {of: aum, take: median}
  metro_top: {of: metro, take: top, n: 3}
"""
    + FEATURES
)
START = datetime(2025, 1, 1, tzinfo=UTC)
KNOWN_BY = START + timedelta(days=100)


def _load(tmp_path: Path, text: str) -> Contract:
    (tmp_path / "contract.yaml").write_text(text)
    return load_contract(tmp_path / "contract.yaml")


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    return _load(tmp_path, CONTRACT)


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    """Five mature leads of advisors 1-5, aum 10-50; advisor 6, the richest by far, is contacted too late to train on."""
    warehouse = DuckDBWarehouse(tmp_path / "w" / "warehouse.duckdb")
    crds, contacted = [1, 2, 3, 4, 5, 6], [START + timedelta(days=20)] * 5 + [START + timedelta(days=95)]
    warehouse.load_arrow(
        "crm.leads",
        pa.table(
            {
                "id": [f"lead{crd}" for crd in crds],
                "crd": crds,
                "contacted": contacted,
                "won": pa.array([None, None, START + timedelta(days=22), None, None, None], pa.timestamp("us", "UTC")),
                "known": [START + timedelta(days=99)] * 6,
            }
        ),
    )
    _reps(warehouse, crds)
    return warehouse


def _reps(warehouse: DuckDBWarehouse, crds: list[int], metro: tuple[str | None, ...] = ("b", "a", "b", "a", None, "c")) -> None:
    aum = [10.0 * crd if crd < 6 else 1e6 for crd in crds]
    rows = {"crd": crds, "aum": aum, "metro": [metro[crd - 1] for crd in crds]}
    clocks = {"vintage": [date(2025, 1, 1)] * len(crds), "known": [START + timedelta(days=9)] * len(crds)}
    warehouse.load_arrow("vendor.reps", pa.table({**rows, **clocks}))


def test_statistics_are_of_the_training_rows_alone_and_one_can_rest_on_another(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    fitted = fit_statistics(warehouse, contract, KNOWN_BY)
    assert fitted.fitted == {"aum_median": 30, "excess_q75": 10, "metro_top": ("a", "b")}
    assert fitted.hash != contract.hash


def test_serving_uses_what_training_fitted_by_the_same_query(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    fitted = fit_statistics(warehouse, contract, KNOWN_BY)
    vector = answer_one(warehouse, fitted, Ask("lead6", 6, KNOWN_BY))
    assert (vector["is_rich"], vector["far_above"], vector["in_first_metro"], vector["in_third_metro"]) == (1, 1, 0, None)
    assert answer_one(warehouse, fitted, Ask("lead1", 1, KNOWN_BY))["is_rich"] == 0


def test_an_artefact_that_was_not_fitted_cannot_score(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    with pytest.raises(ContractError, match=r"aum_median.* are not fitted"):
        answer_one(warehouse, contract, Ask("lead1", 1, KNOWN_BY))


def test_a_statistic_of_nothing_is_named(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    _reps(warehouse, [1, 2, 3, 4, 5], (None,) * 5)
    with pytest.raises(DataError, match="metro_top: metro is missing in every training row"):
        fit_statistics(warehouse, contract, KNOWN_BY)


def test_a_feature_that_is_always_missing_is_named_before_anything_is_trained(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    with pytest.raises(DataError, match="in_third_metro: missing in every one of 5 training rows"):
        load_dataset(warehouse, fit_statistics(warehouse, contract, KNOWN_BY), KNOWN_BY)


def test_a_join_that_multiplies_names_the_keys_in_training_and_in_serving(warehouse: DuckDBWarehouse, contract: Contract) -> None:
    _reps(warehouse, [1, 2, 2, 3, 4, 5, 5, 5])
    fitted = contract.with_fitted({"aum_median": 1.0, "excess_q75": 1.0, "metro_top": ("a", "b")})
    with pytest.raises(FanOut, match=r"vendor.reps\) holds 2 keys more than once: crd 5 .*\(3 rows\); crd 2 .*\(2 rows\)"):
        load_dataset(warehouse, fitted, KNOWN_BY)
    with pytest.raises(FanOut, match=r"holds 1 keys more than once: crd 2 "):
        answer_one(warehouse, fitted, Ask("lead2", 2, KNOWN_BY))
    assert answer_one(warehouse, fitted, Ask("lead1", 1, KNOWN_BY))["aum"] == 10


@pytest.mark.parametrize(
    ("statistic", "said"),
    [
        (
            "  m: {of: is_rich, take: median}\n  aum_median: {of: far, take: median}",
            "contract.yaml:7: statistics.aum_median.of: no feature 'far'",
        ),
        ("  aum_median: {of: is_rich, take: median}", "contract.yaml:6: statistics.aum_median.of: cyclic: aum_median is fitted on is_rich"),
        ("  aum_median: {of: excess, take: median}\n  excess_q75: {of: aum, take: quantile, q: 0.5}", "cyclic"),
        ("  aum_median: {of: metro, take: median}", "the median of a text is not defined"),
        ("  aum_median: {of: aum, take: quantile}", "a quantile has q, a top has n"),
        ("  aum_mean: {of: aum, take: median}", "contract.yaml:10: features[2].sql: feature is_rich: no statistic fills @aum_median"),
    ],
)
def test_a_statistic_that_cannot_be_is_refused_by_line(tmp_path: Path, statistic: str, said: str) -> None:
    with pytest.raises(ContractError) as fault:
        _load(tmp_path, HEAD + "statistics:\n" + statistic + "\n" + FEATURES)
    assert said in str(fault.value)


WAIVED = HEAD.replace(
    "known_at: known, max", "lag_days: 115, waiver: {by: Data lead, reason: vendor sends no clock, expires: 2025-06-30}, max"
) + ("features:\n  - {name: aum, source: rep, column: aum, dtype: float}\n")


def test_a_source_without_a_clock_lags_as_declared_while_its_waiver_lasts(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    (tmp_path / "waived.yaml").write_text(WAIVED)
    waived = load_contract(tmp_path / "waived.yaml", today=date(2025, 6, 30))
    assert answer_one(warehouse, waived, Ask("lead1", 1, START + timedelta(days=114)))["aum"] is None
    assert answer_one(warehouse, waived, Ask("lead1", 1, START + timedelta(days=115)))["aum"] == 10
    with pytest.raises(ContractError, match="source rep: the waiver of Data lead expired on 2025-06-30"):
        load_contract(tmp_path / "waived.yaml", today=date(2025, 7, 1))


def test_a_stale_source_is_as_good_as_none_and_is_said(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    fresh = _load(tmp_path, HEAD + "features:\n  - {name: aum, source: rep, column: aum, dtype: float}\n")
    with capture_logs() as logs:
        assert answer_one(warehouse, fresh, Ask("lead1", 1, START + timedelta(days=300)))["aum"] == 10
        assert not logs
        assert answer_one(warehouse, fresh, Ask("lead1", 1, START + timedelta(days=301)))["aum"] is None
    assert logs == [{"event": "sources_stale", "log_level": "warning", "rep": 1}]


def test_a_model_of_another_catalogue_carries_its_statistics_and_scores_with_them(trained: Trained, tmp_path: Path) -> None:
    groups = ["m5_base", "m5_metro", "m5_engineered", "contact_time"]
    world = replace(trained.copy(tmp_path / "world"), contract=trained.world.contract.with_groups(groups))
    artifact = registry(world.path).load(train_and_register(world, lambda _: None).trained.version)
    assert set(artifact.contract.fitted) == set(world.contract.statistics_of(world.contract.usable))
    assert len(artifact.contract.fitted["metro_top"]) == 25  # type: ignore[arg-type]
    with world.reading() as warehouse:
        known = [change for change in events(world, warehouse) if change.crd is not None and change.crd < 9_000_000][:3]
        vectors = [answer_one(warehouse, artifact.contract, Ask(each.lead_id, each.crd, each.stage_entered_at)) for each in known]
    assert all(0 < judged.probability < 1 and judged.reasons for judged in judge(artifact, vectors))
