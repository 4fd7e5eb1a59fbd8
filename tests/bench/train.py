"""`make bench-train`: the comparison of families beside refitting from DataFrames, on the same rows and folds, one run.

The reference is the usual way: for every fold, strategy and family a DataFrame of its own, VIF by statsmodels column by
column, information value by pandas qcut per column, and a fresh fit. Both judge the same candidates on the same periods.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.outliers_influence import variance_inflation_factor

from shared.asof.vector import Column, Matrix, Schema
from shared.config import ROOT
from shared.metrics.ranking import Ranked, auc_pr
from training_job.candidates import Course
from training_job.compare import compare
from training_job.dataset import Dataset
from training_job.folds import rolling_origin
from training_job.policy import TrainingPolicy, training

FAMILIES = ("logistic", "xgboost", "lightgbm")
GAP_DAYS = 31
console = Console()


@dataclass(frozen=True, slots=True)
class Result:
    """AUC-PR, mean over periods, by candidate; wall seconds; the most memory the process held, MB, less what it began with."""

    auc_pr: dict[str, float]
    seconds: float
    peak_mb: float


def market(rows: int, columns: int, seed: int = 0) -> Dataset:
    """Weak signal in a few columns, copies with noise, zero-inflated counts, a tenth missing, 4 % positives."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, columns))
    copies = columns // 6
    matrix[:, -copies:] = matrix[:, :copies] + random.normal(0, 0.15, (rows, copies))
    counts = slice(columns // 3, columns // 2)
    matrix[:, counts] = np.where(random.uniform(size=matrix[:, counts].shape) < 0.8, 0.0, np.round(3 * np.abs(matrix[:, counts])))
    log_odds = -3.5 + 0.25 * matrix[:, :8].sum(axis=1) / np.sqrt(2) + 0.3 * (matrix[:, columns // 3] > 2)
    outcome = (random.uniform(size=rows) < 1 / (1 + np.exp(-log_odds))).astype(np.float64)
    matrix[random.uniform(size=matrix.shape) < 0.1] = np.nan
    contacted = np.datetime64("2023-01-01", "us") + np.sort(random.integers(0, 900 * 86_400, rows)).astype("timedelta64[s]")
    schema = Schema(tuple(Column(f"f{i}", "float", ()) for i in range(columns)))
    return Dataset([str(i) for i in range(rows)], contacted, matrix, outcome, schema, {}, 0)


def policy(workers: int) -> TrainingPolicy:
    own = training(ROOT / "policies")
    strict = {"families": FAMILIES, "screens": ("strict",), "workers": workers, "imbalance": ("none", "scale_pos_weight", "smote")}
    return own.model_copy(update={**strict, "search": own.search.model_copy(update={"candidates": 0})})


def ours(data: Dataset, how: TrainingPolicy) -> dict[str, float]:
    return {
        each.candidate.name.removesuffix(" + strict"): each.mean
        for each in compare(Course(data, "bench", GAP_DAYS, how), lambda _: None).tried
    }


def reference(data: Dataset, how: TrainingPolicy) -> dict[str, float]:
    scores: dict[str, list[float]] = {}
    for fold in rolling_origin(data.contacted_at, data.outcome, how.folds, GAP_DAYS):
        for strategy in how.imbalance:
            for family in FAMILIES:
                frame = pd.DataFrame(data.matrix, columns=list(data.schema.names))
                train, judge = frame.iloc[fold.train], frame.iloc[fold.judge]
                kept = _selected(train, data.outcome[fold.train], how)
                margins = _fitted(family, strategy, train[kept], data.outcome[fold.train], judge[kept], how)
                name = family if strategy == "none" else f"{family} + {strategy}"
                scores.setdefault(name, []).append(auc_pr(Ranked.of(margins, data.outcome[fold.judge])))
    return {name: float(np.mean(values)) for name, values in scores.items()}


def _selected(train: pd.DataFrame, outcome: Matrix, how: TrainingPolicy) -> list[str]:
    informative = [name for name in train if _information(train[name], outcome) >= how.filters.min_iv] or list(train)
    filled = train[informative].fillna(train[informative].mean())
    while filled.shape[1] > 1:
        design = filled.assign(constant=1.0).to_numpy()
        inflation = [variance_inflation_factor(design, index) for index in range(filled.shape[1])]
        worst = int(np.argmax(inflation))
        if inflation[worst] <= how.filters.max_vif:
            break
        filled = filled.drop(columns=filled.columns[worst])
    return [str(name) for name in filled.columns]


def _information(column: "pd.Series[float]", outcome: Matrix) -> float:
    bins = pd.qcut(column, 10, duplicates="drop").astype(str)
    table = pd.crosstab(bins, outcome) + 0.5
    shares = table / table.sum()
    return float(((shares[1.0] - shares[0.0]) * np.log(shares[1.0] / shares[0.0])).sum())


def _fitted(family: str, strategy: str, train: pd.DataFrame, outcome: Matrix, judge: pd.DataFrame, how: TrainingPolicy) -> Matrix:
    from imblearn.over_sampling import SMOTE  # noqa: PLC0415
    from lightgbm import LGBMClassifier  # noqa: PLC0415
    from xgboost import XGBClassifier  # noqa: PLC0415

    params: dict[str, Any] = {"random_state": how.seed, "n_jobs": how.workers}
    weight = (1 - outcome).sum() / outcome.sum() if strategy == "scale_pos_weight" else 1.0
    if strategy == "smote" or family == "logistic":
        judge, train = judge.fillna(train.median()), train.fillna(train.median())
    if strategy == "smote":
        train, outcome = SMOTE(sampling_strategy=how.smote_ratio, random_state=how.seed).fit_resample(train, outcome)
    if family == "logistic":
        classes = {0: 1.0, 1: float(weight)}
        model: Any = make_pipeline(StandardScaler(), LogisticRegression(C=how.logistic["C"], max_iter=500, class_weight=classes))
    elif family == "xgboost":
        model = XGBClassifier(**{**how.xgboost, **params}, n_estimators=how.xgboost_rounds, scale_pos_weight=weight)
    else:
        model = LGBMClassifier(**{**how.lightgbm, **params}, n_estimators=how.lightgbm_rounds, scale_pos_weight=weight, verbose=-1)
    return np.asarray(model.fit(train, outcome).predict_proba(judge)[:, 1])


Way = Callable[[Dataset, TrainingPolicy], dict[str, float]]


def _alone(way: Way, rows: int, columns: int, workers: int, send: Connection) -> None:
    data, before = market(rows, columns), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    found = way(data, policy(workers))
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    send.send(Result(found, time.perf_counter() - started, peak))


def measured(way: Way, rows: int, columns: int, workers: int) -> Result:
    """In a process of its own, so that neither's memory is counted as the other's."""
    here, there = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_alone, args=(way, rows, columns, workers, there))
    process.start()
    there.close()  # so that a process that dies is noticed
    result: Result = here.recv()
    process.join()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.train")
    parser.add_argument("--rows", type=int, default=45_000)
    parser.add_argument("--columns", type=int, default=124)
    parser.add_argument("--workers", type=int, default=1, help="threads either way may use")
    asked = parser.parse_args()
    with console.status("ours"):
        mine = measured(ours, asked.rows, asked.columns, asked.workers)
    with console.status("the reference way"):
        theirs = measured(reference, asked.rows, asked.columns, asked.workers)
    table = Table("", "reference", "ours", "ratio")
    table.add_row("seconds", f"{theirs.seconds:,.1f}", f"{mine.seconds:,.1f}", f"{theirs.seconds / mine.seconds:.1f} times faster")
    table.add_row("peak memory, MB", f"{theirs.peak_mb:,.0f}", f"{mine.peak_mb:,.0f}", f"{theirs.peak_mb / mine.peak_mb:.1f} times less")
    for name, value in theirs.auc_pr.items():
        table.add_row(f"AUC-PR {name}", f"{value:.4f}", f"{mine.auc_pr[name]:.4f}", f"{mine.auc_pr[name] - value:+.4f}")
    best = [max(result.auc_pr.values()) for result in (theirs, mine)]
    table.add_row("AUC-PR of the best", f"{best[0]:.4f}", f"{best[1]:.4f}", f"{best[1] - best[0]:+.4f}")
    console.print(
        f"{asked.rows:,} rows x {asked.columns}, 5 periods x 3 strategies x 3 families, {asked.workers} thread; information value by qcut"
    )
    console.print(table)


if __name__ == "__main__":
    main()
