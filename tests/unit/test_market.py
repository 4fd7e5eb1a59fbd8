import numpy as np
import pytest

from sandbox.market import Market, make_market
from shared.metrics.ranking import Ranked, auc_roc


@pytest.fixture(scope="module")
def market() -> Market:
    return make_market(5, reps=12_000, leads=10_000)


def test_the_same_seed_makes_the_same_market_and_another_seed_another() -> None:
    def small(seed: int) -> Market:
        return make_market(seed, reps=900, leads=700, firms=40)

    first, again, other = small(1), small(1), small(2)
    assert all(first.tables[name].equals(again.tables[name]) for name in first.tables)
    assert first.people.equals(again.people)
    assert not first.tables["crm.lead_snapshots"].equals(other.tables["crm.lead_snapshots"])


def test_its_signal_and_base_rate_are_those_of_such_markets(market: Market) -> None:
    truth = market.truth
    assert truth.probability.mean() == pytest.approx(0.032, abs=1e-6)
    assert 0.025 < truth.converted.mean() < 0.04
    assert auc_roc(Ranked.of(truth.probability, truth.converted.astype(float))) == pytest.approx(0.62, abs=0.035)


def test_vendor_files_are_the_eight_there_were_and_come_late(market: Market) -> None:
    reps = market.tables["vendor.rep_snapshots"]
    assert [str(day) for day in sorted(set(reps.column("vintage").to_pylist()))] == [
        "2024-01-07", "2024-03-31", "2024-07-07", "2024-10-06", "2025-01-05", "2025-04-06", "2025-07-06", "2025-10-05",
    ]  # fmt: skip
    late = np.array(reps.column("known_at").to_numpy(), "datetime64[D]") - np.array(reps.column("vintage").to_numpy(), "datetime64[D]")
    assert late.min() > np.timedelta64(0)


def test_no_extract_knows_what_had_not_happened_yet(market: Market) -> None:
    table = market.tables["crm.lead_snapshots"].to_pandas()
    for column in ("stage_entered_contacting", "stage_entered_call_scheduled"):
        happened = table[table[column].notna()]
        assert (happened[column] < happened["known_at"]).all()


def test_an_end_date_is_only_on_the_later_version_of_a_job(market: Market) -> None:
    jobs = market.tables["vendor.employment"].to_pandas().sort_values("recorded_at")
    versions = jobs.groupby(["rep_crd", "firm_crd", "start_date"])
    assert versions["end_date"].first().notna().sum() == versions["end_date"].last().notna().sum() > 0
    assert jobs.groupby(["rep_crd", "firm_crd", "start_date"]).head(1)["end_date"].isna().all()


def test_mql_lags_are_mostly_days_some_late_and_some_before_the_contact(market: Market) -> None:
    table = market.tables["crm.lead_snapshots"].to_pandas().sort_values("known_at").groupby("lead_id").last()
    won = table[table["stage_entered_call_scheduled"].notna()]
    days = (won["stage_entered_call_scheduled"] - won["stage_entered_contacting"]).dt.total_seconds() / 86400
    assert 0.05 < (days < 0).mean() < 0.18
    assert 0.5 < days[days >= 0].median() < 6
    assert 0.04 < (days > 30).mean() < 0.2


def test_one_crd_in_twenty_is_not_in_the_vendor_s_files(market: Market) -> None:
    known = set(market.tables["vendor.rep_snapshots"].column("rep_crd").to_pylist())
    crds = set(market.tables["crm.lead_snapshots"].column("fa_crd").to_pylist())
    assert 0.03 < len(crds - known) / len(crds) < 0.07
