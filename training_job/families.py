"""The families of models, each fitted with the library that is best at it and turned into plain arrays for serving."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xgboost
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from shared.matrix import Matrix
from shared.model.blend import Model
from shared.model.linear import Linear
from shared.model.trees import Node, Trees, build
from training_job import lightgbm_trees, rules
from training_job.lesson import Lesson, Plan, Watch
from training_job.policy import FamilyName, TrainingPolicy


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model ready to serve; `files` is what the library itself wrote, kept beside it; `rounds` of boosting, where there were any."""

    predictor: Model
    files: Mapping[str, bytes]
    rounds: int = 0


_TELLING = 3.0

Fit = Callable[[Lesson, Plan, Watch | None], Fitted]


@dataclass(frozen=True, slots=True)
class Family:
    """`complexity` orders the families: the simplest that is as good as the best wins. `searched`: it has parameters to draw."""

    name: FamilyName
    kind: Literal["trees", "linear", "blend"]
    complexity: int
    fit: Fit
    searched: bool = False


def fit_base_rate(lesson: Lesson, plan: Plan, watch: Watch | None) -> Fitted:  # noqa: ARG001 - a family like the others
    """The constant every model has to beat."""
    rate = float(lesson.outcome.mean())
    zeros = np.zeros(lesson.matrix.shape[1])
    return Fitted(Linear(np.array(np.log(rate / (1 - rate))), zeros, zeros, zeros + 1, zeros, zeros, zeros, zeros), {})


def fit_rules(lesson: Lesson, plan: Plan, watch: Watch | None) -> Fitted:  # noqa: ARG001 - a family like the others
    """The contract's rules, or where it has none the single split that says most."""
    known = rules.usable(rules.rules_for(lesson.contract), lesson.names)
    if known:
        return Fitted(rules.tree_of(known, lesson), {})
    params = {"max_depth": 1, "eta": 1.0, "objective": "binary:logistic", "nthread": lesson.policy.threads, "seed": lesson.policy.seed}
    return Fitted(trees_of(xgboost.train(params, lesson.for_xgboost, 1)), {})


def fit_logistic(lesson: Lesson, plan: Plan, watch: Watch | None) -> Fitted:  # noqa: ARG001 - a family like the others
    """Logistic regression on standardised columns, missing values at the mean, with an indicator where missing tells something.

    An indicator for every column doubles the columns, most of them noise.
    """
    matrix = lesson.matrix
    missing = np.isnan(matrix)
    known = np.where(missing.all(axis=0), 0.0, matrix)
    mean, scale = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    rate = missing.mean(axis=0)
    telling = _telling(missing, lesson.outcome)
    design = np.hstack([np.where(missing, 0.0, (matrix - mean) / scale), (missing - rate)[:, telling]])
    model = LogisticRegression(C=plan.params["C"], max_iter=int(plan.params["max_iter"]), random_state=lesson.policy.seed)
    model.fit(design, lesson.outcome, sample_weight=np.where(lesson.outcome == 1, lesson.positive_weight, 1.0))
    weight, missing_weight = model.coef_[0][: matrix.shape[1]], np.zeros(matrix.shape[1])
    missing_weight[telling] = model.coef_[0][matrix.shape[1] :]
    low, high = np.nanmin(known, axis=0), np.nanmax(known, axis=0)
    return Fitted(Linear(np.array(model.intercept_[0]), weight, mean, scale, low, high, missing_weight, rate), {})


def _telling(missing: NDArray[np.bool_], outcome: Matrix) -> NDArray[np.bool_]:
    """Columns [columns] whose missing rows have another rate of positives than the known ones, beyond 3 standard errors."""
    gone, rows, rate = missing.sum(axis=0), len(outcome), outcome.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = outcome @ missing / gone - outcome @ ~missing / (rows - gone)
        z = gap / np.sqrt(rate * (1 - rate) * (1 / gone + 1 / (rows - gone)))
    return np.asarray(np.abs(np.nan_to_num(z, nan=0.0)) > _TELLING)


def fit_xgboost(lesson: Lesson, plan: Plan, watch: Watch | None = None) -> Fitted:
    """Gradient boosted trees, stopped by the inner rows of `watch` where there are any."""
    fixed = {"objective": "binary:logistic", "tree_method": "hist", "nthread": lesson.policy.threads, "seed": lesson.policy.seed}
    params = {**plan.params, **fixed, "scale_pos_weight": lesson.positive_weight}
    stop: dict[str, Any] = {}
    if watch:
        inner = xgboost.QuantileDMatrix(
            watch.matrix.astype(np.float32), watch.outcome, ref=lesson.for_xgboost, nthread=lesson.policy.threads
        )
        stop = {"evals": [(inner, "inner")], "early_stopping_rounds": watch.patience, "verbose_eval": False}
    booster = xgboost.train(params, lesson.for_xgboost, plan.rounds, **stop)
    booster = booster[: booster.best_iteration + 1] if watch else booster
    return Fitted(trees_of(booster), {"model.ubj": bytes(booster.save_raw("ubj"))}, booster.num_boosted_rounds())


def fit_lightgbm(lesson: Lesson, plan: Plan, watch: Watch | None) -> Fitted:
    return Fitted(*lightgbm_trees.fit(lesson, plan, watch))


def trees_of(booster: xgboost.Booster) -> Trees:
    """The booster's trees as arrays. XGBoost keeps the leaf's value in split_conditions and base_score as a text."""
    learner = json.loads(booster.save_raw("json"))["learner"]
    base = float(str(learner["learner_model_param"]["base_score"]).strip("[]"))
    trees = learner["gradient_booster"]["model"]["trees"]
    return build([_nodes(tree) for tree in trees], float(np.log(base / (1 - base))))


def _nodes(tree: dict[str, Any]) -> list[Node]:
    columns = ("split_indices", "split_conditions", "default_left", "left_children", "right_children", "sum_hessian")
    return [
        Node(
            feature=feature if left >= 0 else 0,
            threshold=split if left >= 0 else 0.0,
            default_right=not default_left,
            left=left,
            right=right,
            value=0.0 if left >= 0 else split,
            cover=cover,
        )
        for feature, split, default_left, left, right, cover in zip(*(tree[c] for c in columns), strict=True)
    ]


def plan_of(name: FamilyName, policy: TrainingPolicy) -> Plan:
    """The parameters the policy states for a family."""
    stated = {
        "logistic": Plan(policy.logistic),
        "xgboost": Plan(policy.xgboost, policy.xgboost_rounds),
        "lightgbm": Plan(policy.lightgbm, policy.lightgbm_rounds),
    }
    return stated.get(name, Plan({}))


FAMILIES = (
    Family("base_rate", "linear", 0, fit_base_rate),
    Family("rules", "trees", 1, fit_rules),
    Family("logistic", "linear", 2, fit_logistic, searched=True),
    Family("xgboost", "trees", 3, fit_xgboost, searched=True),
    Family("lightgbm", "trees", 4, fit_lightgbm, searched=True),
)
