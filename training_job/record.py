"""run.json: everything a run found, as plain numbers under stable names."""

import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from shared.clock import isoformat
from training_job.audit.findings import Report
from training_job.calibration import Calibration
from training_job.candidates import Tried
from training_job.dataset import Dataset
from training_job.gate.verdict import Verdict
from training_job.trained import Asked, Sealed, Trained
from training_job.verdict import calibration_words, sealed_words


def of(trained: Trained, dataset: Dataset, audited: Report, asked: Asked, ruling: Verdict | None) -> dict[str, Any]:
    """What a run found. Leaks are those that a person has answered for; with any other nothing is trained."""
    return {
        "contract": asked.contract.name,
        "contract_hash": asked.contract.hash,
        "version": trained.version,
        "known_by": asked.known_by,
        "labels": dataset.statuses,
        "unmatched": dataset.unmatched,
        "rows": trained.rows,
        "positives": trained.positives,
        "features": trained.schema,
        "verdict": ruling.verdict if ruling else "hold",
        "reasons": _reasons(trained, ruling),
        "needed_leads": ruling.needed_leads if ruling else 0,
        "gate": ruling.as_json() if ruling else None,
        "chosen": trained.chosen.candidate.name,
        "families": [_family(each, trained) for each in trained.compared.tried],
        "left_out": trained.compared.left_out,
        "ensemble_weights": trained.compared.weights,
        "rolling": trained.rolling,
        "rolling_gap_days": trained.compared.gap_days,
        "sealed": _sealed(trained.sealed) if trained.sealed else None,
        "sealed_from": trained.sealed.opening.period.first if trained.sealed else None,
        "sealed_openings": trained.sealed.opening.number if trained.sealed else 0,
        "calibration": _calibration(trained.calibration),
        "leaks": [finding for finding in audited.findings if finding.severity == "leak"],
        "suspects": [finding for finding in audited.findings if finding.severity == "suspect"],
        "refused_features": asked.contract.refused_of_selected,
        "removed_features": [*trained.removed, *(each for period in trained.compared.periods for each in period.removed)],
        "selection": _selection(trained),
        "search": [asdict(trial) for period in trained.compared.periods for trial in period.trials],
        "seed": asked.policy.seed,
    }


def plain(value: Any) -> Any:
    """Dataclasses, dates and numpy numbers as JSON has them; what is not a number is null."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return isoformat(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _reasons(trained: Trained, ruling: Verdict | None) -> list[str]:
    if trained.sealed is None or ruling is None:
        return ["there is no sealed period, so nothing judged the finished model"]
    gap, wanted = trained.compared.gap_days, trained.gap_days
    short = (
        [f"the leads before the sealed period span too little for periods {wanted} days apart: they lie {gap} days apart"]
        if gap < wanted
        else []
    )
    checks = [check.words for check in ruling.checks if check.consequence == ruling.verdict]
    waits = [ruling.words.split(". ")[0]] if ruling.needed_leads else []
    prior = trained.calibration.prior
    broke = [prior.words] if prior and prior.broke else []
    return [*waits, *sealed_words(trained.sealed), *broke, *short, *checks]


def _selection(trained: Trained) -> dict[str, float]:
    """The share of periods in which the chosen candidate's screen kept each feature."""
    kept = [period.kept[trained.chosen.candidate.screen] for period in trained.compared.periods]
    return {name: float(np.mean([name in names for names in kept])) for name in trained.development.schema.names}


def _family(tried: Tried, trained: Trained) -> dict[str, Any]:
    seen = [period.seen[tried.candidate.name] for period in trained.compared.periods]
    return {
        "name": tried.candidate.name,
        "family": tried.candidate.family,
        "imbalance": tried.candidate.imbalance,
        "screen": tried.candidate.screen,
        "auc_pr": {"mean": tried.mean, "by_period": tried.auc_pr},
        "train_auc": tried.train_auc,
        "plans": [each.plan for each in seen],
        "seconds": round(sum(each.seconds for each in seen), 2),
        "chosen": tried is trained.chosen,
    }


def _sealed(sealed: Sealed) -> dict[str, Any]:
    opening = sealed.opening
    return {
        "period": str(opening.period),
        "opening": {"number": opening.number, "interval": 1 - opening.alpha, "record": opening.record},
        **sealed.metrics,
        "train_auc": sealed.train_auc,
        "mean_predicted": sealed.predicted,
        "actual_rate": sealed.actual,
        "calibration": calibration_words(sealed.predicted, sealed.actual),
    }


def _calibration(found: Calibration) -> dict[str, Any]:
    return {
        "method": found.method,
        "skill_on_later_periods": found.skill,
        "refused": found.refused,
        "segment": asdict(found.segment) if found.segment else None,
        "segment_gain": found.segment_skill,
        "prior_update": {**asdict(found.prior), "words": found.prior.words} if found.prior else None,
    }
