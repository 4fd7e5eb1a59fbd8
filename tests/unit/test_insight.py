"""What people read of a run: drivers that add up, groups and beliefs judged with multiple testing, past months replayed."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from shared import policies
from shared.asof.contract import Contract
from shared.asof.vector import Column, Schema
from shared.config import ROOT
from shared.model.artifact import unpack
from training_job import backtest, cohorts, explain, learning, promised
from training_job.candidates import Course
from training_job.cohorts import BeliefPolicy, CohortCut, beliefs
from training_job.dataset import Dataset
from training_job.folds import Fold
from training_job.insight import look
from training_job.policy import TrainingPolicy, training
from training_job.train import train
from training_job.trained import Asked, Trained

NAMES = ("strong", "weak", "noise", "kind")
CONTRACT = Contract.model_validate(
    {
        "name": "calls",
        "lead": {"table": "calls", "key": "id", "contacted_at": "day", "outcome": {"column": "y", "positive": "1"}},
        "sources": {"calls": {"kind": "event", "known_at": "day"}},
        "features": [
            *(
                {"name": name, "source": "calls", "column": name, "dtype": "float", "sentence": f"{name} {{value:.1f}}"}
                for name in NAMES[:3]
            ),
            {"name": "kind", "source": "calls", "column": "kind", "dtype": "category", "levels": ["a", "b", "c"]},
            {
                "name": "late",
                "source": "calls",
                "column": "late",
                "dtype": "float",
                "known": "after_contact",
                "why": "only known afterwards",
            },
        ],
    }
)


def calls(rows: int = 8000, seed: int = 0) -> Dataset:
    random = np.random.default_rng(seed)
    strong, weak, noise = random.normal(size=(3, rows))
    kind = random.integers(0, 3, rows)
    strong[random.uniform(size=rows) < 0.05] = np.nan
    won = random.uniform(size=rows) < 1 / (1 + np.exp(2.2 - np.nan_to_num(strong) - 0.3 * weak - 0.4 * (kind == 2)))
    matrix = np.column_stack([strong, weak, noise, *((kind == level).astype(float) for level in range(3))])
    schema = Schema((*(Column(name, "float", ()) for name in NAMES[:3]), Column("kind", "category", ("a", "b", "c"))))
    contacted = np.datetime64("2023-01-01", "us") + (np.arange(rows) * 86_400_000_000 // 12).astype("timedelta64[us]")
    return Dataset([f"lead{i}" for i in range(rows)], contacted, matrix, won.astype(float), schema, {}, 0)


def brief() -> TrainingPolicy:
    return training(ROOT / "policies").brief()


@pytest.fixture(scope="module")
def trained() -> Trained:
    asked = Asked(CONTRACT, datetime(2026, 1, 1, tzinfo=UTC), brief(), policies.bands(ROOT / "policies"))
    return train(calls(), asked, lambda _: None)


def test_importance_is_of_the_model_and_steady_where_the_signal_is(trained: Trained) -> None:
    found, steadiness = explain.importance(trained)
    assert found[0].feature == "strong"
    assert found[0].direction > 0.9
    assert sum(item.share for item in found) == pytest.approx(1)
    assert {item.feature for item in found} == set(NAMES)
    assert steadiness > 0.5
    by_name = {item.feature: item for item in found}
    assert np.isnan(by_name["kind"].direction)


def test_drivers_are_the_lead_s_own_exact_contributions_in_words(trained: Trained) -> None:
    rows = calls(300, seed=5)
    table = explain.drivers(trained, CONTRACT, rows, {"lead7": "own name"})
    shares = explain.shares_of(trained.predictor, rows)
    margins = trained.predictor.margins(rows.matrix)
    np.testing.assert_allclose(sum(shares.values()) + trained.predictor.expected, margins, atol=1e-6)
    best = {rows.lead_ids[row] for row in np.argsort(-margins, kind="stable")[:30]}
    assert {str(line["id"]) for line in table} == {"own name" if lead == "lead7" else lead for lead in best}
    for line in table:
        place = rows.lead_ids.index("lead7" if line["id"] == "own name" else str(line["id"]))
        assert line["contribution"] == pytest.approx(shares[str(line["feature"])][place], abs=1e-6)


def test_what_rose_and_fell_since_an_earlier_model_is_said(trained: Trained) -> None:
    found, _ = explain.importance(trained)
    same = explain.against(found, unpack(trained.files), calls(500, seed=6))
    assert same is not None
    assert same.rank_correlation > 0.9
    turned = [explain.Importance(item.feature, 1 / item.importance, 0, 0, 0, 1) for item in found]
    moved = explain.against(turned, unpack(trained.files), calls(500, seed=6))
    assert moved is not None
    assert moved.rank_correlation < -0.9
    assert any("strong fell from 1" in words for words in moved.words)


def test_a_group_that_differs_is_found_and_noise_is_not() -> None:
    rows = calls()
    cuts = [CohortCut(name=name, feature=name, cuts=(-0.5, 0.5)) for name in ("strong", "noise")]
    found = cohorts.cohorts(rows, np.full(len(rows), rows.outcome.mean()), cuts)
    differs = {(each.cut, each.group) for each in found if each.differs}
    assert {("strong", "under -0.5"), ("strong", "0.5 and more")} <= differs
    assert not any(cut == "noise" for cut, _ in differs)
    assert sum(each.rate.n for each in found if each.cut == "strong") == len(rows)
    assert ("strong", "not known") in {(each.cut, each.group) for each in found}


def test_a_category_is_grouped_by_its_levels_and_a_yes_or_no_by_its_answers() -> None:
    rows = calls()
    answer = replace(rows, matrix=(rows.matrix[:, :1] > 0).astype(float), schema=Schema((Column("answer", "bool", ()),)))
    kinds = cohorts.cohorts(rows, rows.outcome, [CohortCut(name="kind", feature="kind")])
    assert [each.group for each in kinds] == ["a", "b", "c"]
    assert [each.differs for each in kinds][2]
    answers = cohorts.cohorts(answer, answer.outcome, [CohortCut(name="answer", feature="answer")])
    assert [each.group for each in answers] == ["no", "yes"]
    assert answers[0].rate.high < answers[1].rate.low


def test_among_many_groups_of_noise_chance_is_not_mistaken_for_difference() -> None:
    mistaken = 0
    for seed in range(20):
        rows = calls(2000, seed)
        cuts = [CohortCut(name="noise", feature="noise", cuts=tuple(np.linspace(-1.5, 1.5, 15)))]
        mistaken += any(each.differs for each in cohorts.cohorts(rows, rows.outcome, cuts))
    assert mistaken <= 4


def _belief(name: str, feature: str, direction: str) -> dict[str, object]:
    return {"name": name, "claim": f"{name} is so", "direction": direction, "all": [{"feature": feature, "at_least": 0.5}]}


def test_beliefs_are_supported_not_supported_or_not_knowable() -> None:
    said = [
        _belief("right", "strong", "more"),
        _belief("wrong way", "strong", "less"),
        _belief("noise", "noise", "more"),
        _belief("late", "late", "more"),
        _belief("absent", "nothing", "more"),
    ]
    policy = BeliefPolicy.model_validate({"hypotheses": {"calls": said}, "cohorts": {}})
    found = {belief.name: belief for belief in cohorts.judge(CONTRACT, policy, calls())}
    assert found["right"].ruling == "supported"
    assert found["right"].odds_ratio is not None
    assert found["right"].odds_ratio.low > 1.5
    assert found["wrong way"].ruling == found["noise"].ruling == "not supported"
    assert found["late"].ruling == "not knowable at contact"
    assert "only known afterwards" in found["late"].why
    assert "not asked for" in found["absent"].why


def test_a_moving_base_rate_does_not_decide_a_belief() -> None:
    rows = calls()
    late = np.arange(len(rows)) > len(rows) / 2
    random = np.random.default_rng(3)
    rows.matrix[:, 2] = np.where(late, 1.0, np.where(random.uniform(size=len(rows)) < 0.1, 1.0, 0.0))
    rows.matrix[late & (random.uniform(size=len(rows)) < 0.1), 2] = 0.0
    rows.outcome[:] = random.uniform(size=len(rows)) < np.where(late, 0.2, 0.05)
    policy = BeliefPolicy.model_validate({"hypotheses": {"calls": [_belief("calendar", "noise", "more")]}, "cohorts": {}})
    (belief,) = cohorts.judge(CONTRACT, policy, rows)
    assert belief.ruling == "not supported"


def test_the_shipped_beliefs_name_features_of_the_contract() -> None:
    from shared.asof.contract import load_contract  # noqa: PLC0415

    known = {feature.name for feature in load_contract(ROOT / "contracts" / "advisor.yaml").features}
    policy = beliefs(ROOT / "policies")
    assert {c.feature for each in policy.hypotheses["advisor"] for c in each.all} <= known
    assert {cut.feature for cut in policy.cohorts["advisor"]} <= known


def test_past_months_are_replayed_by_models_that_end_before_them(trained: Trained) -> None:
    rows = calls()
    course = Course(rows, "calls", 1, brief())
    replayed = backtest.replay(course, trained.chosen.candidate, trained.compared, 4, lambda _: None)
    months = rows.contacted_at.astype("datetime64[M]")
    assert [month.month for month in replayed.months] == [str(month) for month in np.unique(months)[-4:]]
    for month in replayed.months:
        assert month.trained_on < (months < np.datetime64(month.month)).sum()
        assert month.n == (months == np.datetime64(month.month)).sum()
        assert 0.6 * month.positives < month.expected < 1.6 * month.positives
        assert month.auc_roc.value > 0.6
    rates = [cut.per_100_dials.value for cut in replayed.cuts]
    assert rates == sorted(rates, reverse=True)
    assert replayed.cuts[-1].found.value > 0.6
    assert replayed.cuts[0].dials_saved_per_100 == 95


def test_the_learning_curve_says_no_more_than_its_intervals_bear(trained: Trained) -> None:
    policy = brief().model_copy(update={"learning_curve": (0.25, 0.5, 1.0)})
    steps, words = learning.curve(Course(calls(), "calls", 1, policy), trained.compared, trained.chosen, lambda _: None)
    assert [step.rows for step in steps] == sorted(step.rows for step in steps)
    assert "less than these leads can tell apart" in words
    assert learning.words([]) == "too few leads for a learning curve"


def test_a_random_split_promises_what_only_the_clock_knew() -> None:
    steady = calls()
    days = (steady.contacted_at - steady.contacted_at[0]).astype("timedelta64[D]").astype(float)
    random = np.random.default_rng(3)
    rate = random.permutation(np.linspace(0.02, 0.6, 700))[days.astype(int) // 7]
    schema = Schema((Column("rate_of_interest", "float", ()),))
    outcome = (random.uniform(size=len(days)) < rate).astype(float)
    clock = replace(steady, matrix=days[:, None], outcome=outcome, schema=schema)
    split = Fold(np.arange(6000), np.arange(6000, 8000))
    promised_of = {name: promised.promise(rows, split, 0, 1) for name, rows in (("clock", clock), ("steady", steady))}
    assert promised_of["clock"].random["auc_roc"].low > promised_of["clock"].later["auc_roc"].high
    assert promised_of["clock"].words.endswith("the difference is time, which no random split can see")
    assert promised_of["steady"].words.endswith("cannot be told apart")


def test_everything_together_from_one_run(trained: Trained) -> None:
    asked = Asked(CONTRACT, datetime(2026, 1, 1, tzinfo=UTC), brief(), policies.bands(ROOT / "policies"))
    seen = look(trained, calls(), asked, {}, lambda _: None)
    assert seen.said["overfitting"]["mean_gap"] < 0.1
    assert seen.said["importance"][0]["feature"] == "strong"
    assert seen.drivers == []
