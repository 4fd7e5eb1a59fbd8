"""Every family as plain arrays, held against the library that fitted it."""

import lightgbm
import numpy as np
import pytest

from shared.asof.vector import Matrix
from shared.config import ROOT
from shared.errors import CorruptArtifact
from shared.model.arrays import from_bytes, to_bytes
from shared.model.blend import Blend, blend, shifted
from training_job import lightgbm_trees
from training_job.families import FAMILIES, fit_base_rate, fit_logistic, fit_rules, fit_xgboost
from training_job.imbalance import at_natural_odds, prepare
from training_job.lesson import Lesson, Plan, Watch
from training_job.policy import training
from training_job.rules import Condition, Rule, tree_of

POLICY = training(ROOT / "policies")
NAMES = tuple(f"f{i}" for i in range(6))


def rows(n: int = 4000, seed: int = 1, missing: float = 0.1) -> tuple[Matrix, Matrix]:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(n, 6))
    matrix[:, 2] = np.where(random.uniform(size=n) < 0.6, 0.0, np.round(matrix[:, 2] * 5))
    matrix[random.uniform(size=matrix.shape) < missing] = np.nan
    matrix[:, 5] = random.integers(0, 3, n)  # never missing
    log_odds = -2 + np.nan_to_num(matrix[:, 0]) + 0.5 * np.nan_to_num(matrix[:, 2]) / 5
    return matrix, (random.uniform(size=n) < 1 / (1 + np.exp(-log_odds))).astype(float)


def lesson(matrix: Matrix, outcome: Matrix) -> Lesson:
    return Lesson(matrix, outcome, NAMES, POLICY)


def odd_rows() -> Matrix:
    """Rows a model may never have seen: missing everywhere, infinite, and exactly at thresholds."""
    matrix = rows(400, seed=9)[0]
    matrix[0], matrix[1], matrix[2], matrix[3] = np.nan, np.inf, -np.inf, 0.0
    matrix[4, 5] = np.nan
    return matrix.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize(("seed", "missing"), [(1, 0.1), (2, 0.0), (3, 0.5)])
def test_lightgbm_served_by_arrays_is_lightgbm(seed: int, missing: float) -> None:
    matrix, outcome = rows(seed=seed, missing=missing)
    data = lightgbm.Dataset(matrix.astype(np.float32).astype(np.float64), outcome, params={"verbosity": -1})
    booster = lightgbm.train({"objective": "binary", "num_leaves": 15, "verbosity": -1, "num_threads": 1}, data, 60)
    trees = lightgbm_trees.trees_of(booster)
    judged = odd_rows()
    judged = np.vstack([judged, trees.threshold[:200, None].repeat(6, axis=1).astype(np.float64)])
    judged[~np.isfinite(judged).all(axis=1) & (np.arange(len(judged)) > 5)] = 0.5
    assert np.abs(trees.margins(judged) - booster.predict(judged, raw_score=True)).max() < 1e-5
    expected = booster.predict(judged, pred_contrib=True)
    assert isinstance(expected, np.ndarray)
    assert np.abs(trees.contributions(judged) - expected[:, :-1]).max() < 2e-5
    assert trees.expected == pytest.approx(expected[0, -1], abs=1e-5)


def test_a_blend_adds_up_in_margins_and_in_reasons() -> None:
    matrix, outcome = rows()
    learnt = lesson(matrix, outcome)
    logistic = fit_logistic(learnt, Plan(POLICY.logistic), None).predictor
    xgboost = fit_xgboost(learnt, Plan(POLICY.xgboost, 30)).predictor
    gbm, _, _ = lightgbm_trees.fit(learnt, Plan(POLICY.lightgbm, 30), None)
    parts = [(0.25, logistic), (0.5, xgboost), (0.25, gbm)]
    together = blend(parts, 6)  # type: ignore[arg-type]
    judged = odd_rows()[3:]
    expected = sum(weight * part.margins(judged) for weight, part in parts)
    np.testing.assert_allclose(together.margins(judged), expected, atol=1e-9)
    np.testing.assert_allclose(together.contributions(judged).sum(axis=1) + together.expected, together.margins(judged), atol=1e-6)
    again = from_bytes(Blend, to_bytes(together))
    np.testing.assert_array_equal(again.margins(judged), together.margins(judged))
    np.testing.assert_allclose(shifted(together, 0.7).margins(judged), together.margins(judged) + 0.7)


def test_a_blend_that_lacks_an_array_is_corrupt() -> None:
    trees = fit_xgboost(lesson(*rows()), Plan(POLICY.xgboost, 3)).predictor
    with pytest.raises(CorruptArtifact, match="blend"):
        from_bytes(Blend, to_bytes(trees))


@pytest.mark.parametrize("strategy", ["scale_pos_weight", "smote"])
@pytest.mark.parametrize("family", [family for family in FAMILIES if family.searched], ids=lambda family: family.name)
def test_weighting_and_resampling_do_not_move_the_mean_prediction(family: object, strategy: str) -> None:
    matrix, outcome = rows(8000)
    rare = (outcome == 0) | (np.arange(len(outcome)) % 5 == 0)
    learnt = lesson(matrix[rare], outcome[rare])
    taught = prepare(learnt, strategy)  # type: ignore[arg-type]
    plan = {"logistic": Plan(POLICY.logistic), "xgboost": Plan(POLICY.xgboost, 100), "lightgbm": Plan(POLICY.lightgbm, 100)}
    fitted = family.fit(taught, plan[family.name], None)  # type: ignore[attr-defined]
    margins = at_natural_odds(fitted.predictor, taught, learnt.outcome).margins(learnt.matrix)
    assert np.mean(1 / (1 + np.exp(-margins))) == pytest.approx(learnt.outcome.mean(), rel=0.35)
    assert np.isfinite(margins).all()


def test_smote_keeps_the_real_rows_as_they_are() -> None:
    matrix, outcome = rows(3000)
    few = (outcome == 0) | (np.arange(3000) % 8 == 0)
    taught = prepare(lesson(matrix[few], outcome[few]), "smote")
    np.testing.assert_array_equal(taught.matrix[: few.sum()], matrix[few])
    made = taught.matrix[few.sum() :]
    assert len(made)
    real = matrix[few][outcome[few] == 1]
    np.testing.assert_allclose(np.isnan(made).mean(axis=0), np.isnan(real).mean(axis=0), atol=0.06)
    assert taught.outcome.sum() / (1 - taught.outcome).sum() == pytest.approx(POLICY.smote_ratio, abs=0.01)


def test_boosting_is_stopped_by_the_inner_rows() -> None:
    matrix, outcome = rows(2000)
    watch = Watch(*rows(2000, seed=5), 5)
    for fit in (fit_xgboost, FAMILIES[-1].fit):
        wild = Plan({**POLICY.xgboost, "eta": 0.5, "max_depth": 6, "min_child_weight": 0, "learning_rate": 0.5, "verbosity": 0}, 500)
        fitted = fit(lesson(matrix, outcome), wild, watch)
        assert 0 < fitted.rounds < 500


def test_first_match_wins_in_the_tree_as_in_the_list() -> None:
    matrix, outcome = rows()
    rules = [
        Rule(name="a", all=(Condition(feature="f0", at_least=0.5, below=1.5), Condition(feature="f2", below=1))),
        Rule(name="b", all=(Condition(feature="f0", at_least=0), Condition(feature="f1", at_least=-0.2))),
        Rule(name="c", all=(Condition(feature="f2", at_least=2),)),
    ]
    trees = tree_of(rules, lesson(matrix, outcome))
    judged = np.vstack([matrix, odd_rows()]).astype(np.float32).astype(np.float64)
    value_of = dict(zip(NAMES, judged.T, strict=True))
    tier = np.select([rule.met(value_of) for rule in rules], [0, 1, 2], 3)
    margins = trees.margins(judged)
    assert len(np.unique(margins)) == 4
    for each in range(4):
        assert len(np.unique(margins[tier == each])) == 1
    np.testing.assert_allclose(trees.contributions(judged).sum(axis=1) + trees.expected, margins, atol=1e-6)


def test_without_rules_the_one_split_that_says_most_stands_for_them() -> None:
    matrix, outcome = rows()
    margins = fit_rules(lesson(matrix, outcome), Plan({}), None).predictor.margins(matrix)
    assert len(np.unique(margins)) == 2
    constant = fit_base_rate(lesson(matrix, outcome), Plan({}), None).predictor
    assert constant.margins(matrix) == pytest.approx(np.log(outcome.mean() / (1 - outcome.mean())))
    assert not constant.contributions(matrix).any()
