"""What a random split would have promised: the model as it comes out of the box, judged by rows drawn at random and by later rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost

from shared.metrics.intervals import Estimate
from shared.metrics.summary import headline, period_of
from training_job.dataset import Dataset
from training_job.folds import Fold

ROUNDS = 100
SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Promise:
    """AUC-ROC, AUC-PR and lift@10 of an untuned XGBoost on every feature: by random rows of all periods, and by the later ones."""

    random: dict[str, Estimate]
    later: dict[str, Estimate]
    words: str


def promise(dataset: Dataset, split: Fold, seed: int, threads: int) -> Promise:
    """`split` holds the rows settled before a period and those of the period; the random judge is a fifth of all rows."""
    mixed = np.random.default_rng(seed).permutation(len(dataset))
    cut = int(SHARE * len(dataset))
    random = _judged(dataset, Fold(np.sort(mixed[cut:]), np.sort(mixed[:cut])), seed, threads)
    later = _judged(dataset, split, seed, threads)
    return Promise(random, later, _words(random, later))


def _judged(dataset: Dataset, fold: Fold, seed: int, threads: int) -> dict[str, Estimate]:
    train, judge = dataset.take(fold.train), dataset.take(fold.judge)
    params: dict[str, Any] = {"objective": "binary:logistic", "nthread": threads, "seed": seed}
    booster = xgboost.train(params, xgboost.DMatrix(train.matrix, train.outcome), ROUNDS)
    probability = booster.predict(xgboost.DMatrix(judge.matrix)).astype(np.float64)
    found = headline(probability, probability, judge.outcome, period_of(judge.contacted_at))
    return {name: found[name] for name in ("auc_roc", "auc_pr", "lift_at_10")}


def _words(random: dict[str, Estimate], later: dict[str, Estimate]) -> str:
    said = [f"AUC-ROC {each['auc_roc'].value:.3f} and lift@10 {each['lift_at_10'].value:.1f}" for each in (random, later)]
    clear = random["auc_roc"].low > later["auc_roc"].high
    ending = "the difference is time, which no random split can see" if clear else "here the two cannot be told apart"
    by_chance = f"an untuned XGBoost judged by a random fifth of the same leads would promise {said[0]}"
    return f"{by_chance}; judged by later leads it gives {said[1]}: {ending}"
