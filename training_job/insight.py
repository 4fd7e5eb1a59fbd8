"""What people read of a run beside its figures: drivers, cohorts, beliefs, the learning curve, and past months replayed."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from shared.config import ROOT
from shared.errors import LeadscoreError
from shared.model.registry import Registry
from training_job import backtest, cohorts, explain, learning, promised
from training_job.candidates import Course, Say
from training_job.dataset import Dataset
from training_job.folder import Folder
from training_job.trained import Asked, Trained


@dataclass(frozen=True, slots=True)
class Insight:
    """As run.json has it, and the table of drivers."""

    said: Mapping[str, Any]
    importance: Sequence[explain.Importance]
    drivers: Sequence[Mapping[str, str | float]]


def look(trained: Trained, dataset: Dataset, asked: Asked, keys: Mapping[str, str], say: Say) -> Insight:
    """Everything from the run's own rows; the sealed ones are only described, never chosen by."""
    gap = asked.contract.lead.outcome.window_days + asked.contract.lead.lag_days
    development = trained.development.without(set(trained.development.schema.names) - set(trained.schema))
    quiet = asked.policy.model_copy(update={"search": asked.policy.search.model_copy(update={"candidates": 0})})
    course = Course(development, asked.contract.name, gap, quiet)
    say("what drives it")
    found, steadiness = explain.importance(trained)
    steps, words = learning.curve(course, trained.compared, trained.chosen, say)
    replayed = backtest.replay(course, trained.chosen.candidate, trained.compared, asked.policy.backtest_months, say)
    policy = cohorts.beliefs(ROOT / "policies")
    judged = dataset.take(trained.sealed.rows.judge) if trained.sealed else dataset.take(np.arange(0))
    strongest = [each.feature for each in found]
    groups = (
        cohorts.cohorts(judged, trained.sealed.probability, cohorts.cuts_of(asked.contract, policy, judged, strongest))
        if trained.sealed
        else []
    )
    said = {
        "importance": [{**asdict(each), "mean_abs_contribution": each.importance} for each in found],
        "importance_stability": steadiness,
        "cohorts": groups,
        "hypotheses": cohorts.judge(asked.contract, policy, dataset),
        "learning_curve": {"steps": steps, "words": words},
        "backtest": replayed,
        "overfitting": overfitting(trained),
        "random_split": promised.promise(dataset, trained.sealed.rows, asked.policy.seed, asked.policy.threads) if trained.sealed else None,
    }
    return Insight(said, found, explain.drivers(trained, asked.contract, judged, keys) if trained.sealed else [])


def overfitting(trained: Trained) -> dict[str, Any]:
    """How much better the model ranks what it learned from, per period, and how much periods differ."""
    rows, seen = trained.development, [period.seen[trained.family] for period in trained.compared.periods]
    judged = [learning.rank_auc(each.margins, rows.outcome[p.fold.judge]) for each, p in zip(seen, trained.compared.periods, strict=True)]
    gaps = [each.train_auc - auc for each, auc in zip(seen, judged, strict=True)]
    scores = trained.chosen.auc_pr
    return {
        "train_auc": [each.train_auc for each in seen],
        "judged_auc": judged,
        "mean_gap": float(np.mean(gaps)),
        "auc_pr_variation": float(np.std(scores, ddof=1) / np.mean(scores)) if len(scores) > 1 else 0.0,
    }


def write(folder: Folder, seen: Insight) -> None:
    """feature_importance.csv and drivers.csv."""
    columns = ["feature", "importance", "share", "spread", "direction", "kept"]
    folder.put("feature_importance.csv", _csv(columns, [asdict(each) for each in seen.importance]))
    folder.put("drivers.csv", _csv(["id", "rank", "feature", "contribution", "reason"], seen.drivers))


def since(registry: Registry, found: Sequence[explain.Importance], rows: Dataset) -> dict[str, Any] | None:
    """How the ranking of features moved since the champion; None where there is none to read."""
    try:
        pointer = registry.pointer("champion")
        compared = explain.against(found, registry.load(pointer.version), rows) if pointer else None
    except LeadscoreError:
        return None
    return asdict(compared) if compared else None


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
