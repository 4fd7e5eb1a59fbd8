"""The families of models, each fitted with the library that is best at it and turned into plain arrays for serving."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xgboost
from sklearn.linear_model import LogisticRegression

from shared.model.artifact import Predictor
from shared.model.linear import Linear
from shared.model.trees import Node, build
from training_job.imbalance import Rows
from training_job.policy import TrainingPolicy


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model ready to serve; `files` is what the library itself wrote, kept beside it."""

    predictor: Predictor
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Family:
    """`complexity` orders the families: the simplest that is as good as the best wins."""

    name: str
    kind: Literal["trees", "linear"]
    complexity: int
    fit: Callable[[Rows, TrainingPolicy], Fitted]


def fit_logistic(rows: Rows, policy: TrainingPolicy) -> Fitted:
    """Logistic regression on standardised columns, missing values at the mean with an indicator beside them."""
    matrix = rows.matrix
    missing = np.isnan(matrix)
    known = np.where(missing.all(axis=0), 0.0, matrix)
    mean, scale = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    rate = missing.mean(axis=0)
    design = np.hstack([np.where(missing, 0.0, (matrix - mean) / scale), missing - rate])
    model = LogisticRegression(C=policy.logistic["C"], max_iter=int(policy.logistic["max_iter"]), random_state=policy.seed)
    model.fit(design, rows.outcome, sample_weight=rows.weight)
    weight, missing_weight = np.split(model.coef_[0], 2)
    low, high = np.nanmin(known, axis=0), np.nanmax(known, axis=0)
    return Fitted(Linear(np.array(model.intercept_[0]), weight, mean, scale, low, high, missing_weight, rate), {})


def fit_xgboost(rows: Rows, policy: TrainingPolicy) -> Fitted:
    """Gradient boosted trees at the natural prior."""
    params = {**policy.xgboost, "objective": "binary:logistic", "tree_method": "hist", "seed": policy.seed, "nthread": policy.threads}
    data = xgboost.QuantileDMatrix(rows.matrix.astype(np.float32), rows.outcome, weight=rows.weight, nthread=policy.threads)
    booster = xgboost.train(params, data, policy.xgboost_rounds)
    return Fitted(trees_of(booster), {"model.ubj": bytes(booster.save_raw("ubj"))})


def trees_of(booster: xgboost.Booster) -> Predictor:
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


def fit_base_rate(rows: Rows, policy: TrainingPolicy) -> Fitted:  # noqa: ARG001 - as the others
    """The same for everybody: what any model must beat."""
    columns = rows.matrix.shape[1]
    rate = np.average(rows.outcome, weights=rows.weight)
    nothing, one = np.zeros(columns), np.ones(columns)
    return Fitted(Linear(np.array(np.log(rate / (1 - rate))), nothing, nothing, one, nothing, nothing, nothing, nothing), {})


FAMILIES = (
    Family("base_rate", "linear", 0, fit_base_rate),
    Family("logistic", "linear", 1, fit_logistic),
    Family("xgboost", "trees", 2, fit_xgboost),
)
