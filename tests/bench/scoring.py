"""The scorer beside XGBoost itself, fed the usual way: a DataFrame."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xgboost

from tests.bench.timing import Line, compare
from training_job.families import trees_of

ROWS, COLUMNS, TREES, DEPTH = 20_000, 124, 200, 4
BATCH = 200_000


def lines() -> Iterator[Line]:
    random = np.random.default_rng(0)
    matrix = random.normal(size=(ROWS, COLUMNS))
    matrix[random.uniform(size=matrix.shape) < 0.1] = np.nan
    outcome = (random.uniform(size=ROWS) < 1 / (1 + np.exp(3 - np.nan_to_num(matrix[:, :8]).sum(axis=1)))).astype(float)
    params = {"objective": "binary:logistic", "max_depth": DEPTH, "nthread": 1}
    booster = xgboost.train(params, xgboost.DMatrix(matrix, outcome), TREES)
    trees = trees_of(booster)
    names = [f"f{i}" for i in range(COLUMNS)]

    def ours(turn: int) -> object:
        row = matrix[turn : turn + 1]
        trees.margins(row)
        return np.argsort(-np.abs(trees.contributions(row)[0]))[:5]

    def library(turn: int) -> object:
        data = xgboost.DMatrix(pd.DataFrame(matrix[turn : turn + 1], columns=names), nthread=1)
        booster.predict(data)
        return np.argsort(-np.abs(booster.predict(data, pred_contribs=True)[0, :-1]))[:5]

    booster.feature_names = names
    yield compare("one lead, warm: margin and exact top 5 reasons", ("DataFrame, XGBoost predict + pred_contribs", library), ours, 200)
    many = np.tile(matrix[:, :22], (BATCH // ROWS, 1))
    slim = xgboost.train(params, xgboost.DMatrix(matrix[:, :22], outcome), TREES)
    slim_trees = trees_of(slim)
    yield compare(
        f"batch of {BATCH:,} x 22: margins",
        ("DataFrame, XGBoost predict", lambda _: slim.predict(xgboost.DMatrix(pd.DataFrame(many), nthread=1), validate_features=False)),
        lambda _: slim_trees.margins(many),
        3,
    )
