"""A training run from the command line: rows, audit, folds, the sealed period, and everything people read of it."""

import csv
import json
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np

from ops import run_report
from ops.data import opened
from sandbox.world import World
from shared import policies
from shared.adapters.directory import DirectoryObjects
from shared.asof.contract import Contract
from shared.clock import isoformat
from shared.config import ROOT
from shared.errors import ConfigError
from shared.metrics.drift import psi
from shared.metrics.summary import figures, period_of
from shared.model import calibrate
from shared.model.artifact import Artifact, unpack
from shared.model.scorer import feature_contributions
from training_job.audit.findings import Report
from training_job.audit.run import audit, refuse_leaks
from training_job.dataset import Dataset, load_dataset
from training_job.gate.evidence import Evidence
from training_job.gate.evidence import Sealed as SealedRows
from training_job.gate.policy import gates
from training_job.gate.verdict import Verdict
from training_job.gate.verdict import judge as judge_evidence
from training_job.policy import training
from training_job.sealed import count_opening, sealed_start
from training_job.statistics import fit_statistics
from training_job.train import Recipe, Trained, train

Say = Callable[[str], None]

TOP = 5


@dataclass(frozen=True, slots=True)
class Options:
    """`sealed`: first and last day of the sealed period; without it the last part of the contacts. `groups`: feature groups."""

    data: Path
    contract: Path | None
    out: Path
    sealed: tuple[datetime, datetime] | None
    groups: tuple[str, ...]


def run(options: Options, say: Say) -> dict[str, object]:
    """Train, judge once on the sealed period, and write the run: model/, run.json, cv_folds.json, the card, the report, two CSVs.

    Raises LeakFound and DataError before anything is written.
    """
    started = time.monotonic()
    with opened(options.data, options.contract) as (world, known_by):
        trained, audited, start = _trained(options, world, known_by, say)
    say("gate")
    verdict = judge(trained, audited)
    summary = summarise(trained, audited, verdict, start)
    summary["seconds"] = round(time.monotonic() - started, 1)
    summary["peak_rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    say("writing the run")
    _write(options.out, trained, summary)
    return summary


def _trained(options: Options, world: World, known_by: datetime, say: Say) -> tuple[Trained, Report, datetime]:
    policy = training(ROOT / "policies")
    with world.reading() as warehouse:
        declared = world.contract.with_groups(options.groups) if options.groups else world.contract
        contract = fit_statistics(warehouse, declared, known_by)
        audited = audit(warehouse, contract, known_by, datetime.now(UTC).date(), lambda step: say(f"audit: {step}"))
        refuse_leaks(audited)
        dataset = load_dataset(warehouse, contract, known_by)
    dataset, start = _sealed(options, dataset, policy.sealed_share)
    what = sha256(f"{contract.hash} {dataset.lead_ids[-1]} {start}".encode()).hexdigest()[:16]
    openings = count_opening(
        DirectoryObjects(options.out.parent / ".sealed"), what, _run_id(options.out, contract), datetime.now(UTC), policy.max_openings
    )
    recipe = Recipe(contract, known_by, policy, policies.bands(ROOT / "policies"))
    return train(dataset, recipe, say, sealed_from=start, openings=openings), audited, start


def _sealed(options: Options, dataset: Dataset, share: float) -> tuple[Dataset, datetime]:
    """The rows up to the end of the sealed period, and where it starts."""
    if options.sealed is None:
        return dataset, sealed_start(dataset.contacted_at, share).astype("datetime64[us]").item().replace(tzinfo=UTC)
    start, end = options.sealed
    last = np.datetime64(end.replace(tzinfo=None)) + np.timedelta64(1, "D")
    kept = dataset.rows(np.flatnonzero(dataset.contacted_at < last))
    if not len(kept) or kept.contacted_at[-1] < np.datetime64(start.replace(tzinfo=None)):
        raise ConfigError(
            f"No mature lead was contacted from {start:%Y-%m-%d} to {end:%Y-%m-%d}.", fix="Give --sealed a period that the data cover."
        )
    return kept, start


def _run_id(out: Path, contract: Contract) -> str:
    return f"{out.name}-{contract.hash}"


def judge(trained: Trained, audited: Report) -> Verdict:
    """The sealed period against policies/gates.yaml, with the audit, the folds, the training rows and the drift beside it."""
    sealed = trained.sealed
    assert sealed is not None
    rows = trained.trained_on
    fitted = trained.fitted.predictor.margins(rows.matrix)
    train = figures(
        fitted, calibrate.probability(fitted, trained.calibration.knots), rows.outcome, period_of(rows.contacted_at), resamples=100
    )
    columns = zip(rows.schema.matrix_names, rows.matrix.T, sealed.rows.matrix.T, strict=True)
    evidence = Evidence(
        candidate=trained.version,
        sealed=SealedRows(sealed.rows.outcome, period_of(sealed.rows.contacted_at), sealed.margin, sealed.probability),
        leaks=tuple(f"{leak.feature}: {leak.rule}" for leak in audited.leaks),
        folds=trained.fold_metrics,
        train=train,
        drift={name: psi(before, after) for name, before, after in columns},
        alpha=sealed.alpha,
    )
    return judge_evidence(evidence, gates(ROOT / "policies"))


def summarise(trained: Trained, audited: Report, verdict: Verdict, start: datetime) -> dict[str, object]:
    """run.json: plain numbers by stable names; every figure with its interval, n and positives."""
    sealed = trained.sealed
    assert sealed is not None
    return {
        "version": trained.version,
        "contract": audited.contract,
        "contract_hash": audited.contract_hash,
        "sealed_from": isoformat(start),
        "sealed_openings": sealed.openings,
        "sealed": {name: asdict(estimate) for name, estimate in sealed.metrics.items()},
        "sealed_calibration": sealed.calibration_words,
        "rolling": {name: asdict(estimate) for name, estimate in trained.metrics.items()},
        "families": [
            {
                "name": each.name,
                "auc_pr": each.mean,
                "standard_error": each.standard_error,
                "auc_pr_by_period": list(each.auc_pr),
                "train_test_gap": float(np.mean(each.gap)),
            }
            for each in trained.tried
        ],
        "chosen": trained.family,
        "rows": trained.rows,
        "positives": trained.positives,
        "calibration": {"method": trained.calibration.method, "words": trained.calibration.words, "skill": dict(trained.calibration.skill)},
        "leaks": [asdict(finding) for finding in audited.findings if finding.severity == "leak"],
        "suspects": [f"{finding.feature}: {finding.sentence}" for finding in audited.findings if finding.severity == "suspect"],
        "removed_features": [
            {"feature": name, "why": why, "periods": trained.removed_in_folds.get(name, 0)} for name, why in trained.removed.items()
        ],
        "verdict": verdict.verdict,
        "needs_leads": verdict.needed_leads,
        "reasons": [verdict.words],
        "gate": verdict.as_json(),
        "importance": importance(trained),
    }


def importance(trained: Trained) -> list[dict[str, object]]:
    """Mean absolute contribution of each feature to the margin, on the sealed period; exact Shapley values of the model."""
    assert trained.sealed is not None
    artifact = unpack(trained.files)
    shares = np.abs(feature_contributions(artifact, trained.sealed.rows.matrix[:_ENOUGH])).mean(axis=0)
    order = np.argsort(-shares)
    return [{"feature": artifact.schema.names[i], "mean_abs_contribution": float(shares[i])} for i in order]


_ENOUGH = 5000


def _write(out: Path, trained: Trained, summary: Mapping[str, object]) -> None:
    model = out / "model"
    model.mkdir(parents=True, exist_ok=True)
    for name, content in trained.files.items():
        (model / name).write_bytes(content)
    folds = [{"train": f.train.tolist(), "judge": f.judge.tolist()} for f in trained.folds]
    (out / "cv_folds.json").write_text(json.dumps(folds))
    _table(out / "feature_importance.csv", summary["importance"])
    _drivers(out / "drivers.csv", unpack(trained.files), trained)
    (out / "model_card.md").write_text(run_report.card(summary))
    (out / "report.html").write_text(run_report.html(summary, trained))
    (out / "run.json").write_text(json.dumps(summary, indent=1))


def _table(path: Path, rows: object) -> None:
    assert isinstance(rows, list)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def _drivers(path: Path, artifact: Artifact, trained: Trained) -> None:
    """The five strongest contributions of each lead of the sealed period."""
    assert trained.sealed is not None
    rows = trained.sealed.rows.rows(np.arange(min(_ENOUGH, len(trained.sealed.rows))))
    shares = feature_contributions(artifact, rows.matrix)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["lead_id", "rank", "feature", "contribution"])
        for lead_id, share in zip(rows.lead_ids, shares, strict=True):
            for rank, index in enumerate(np.argsort(-np.abs(share), kind="stable")[:TOP], start=1):
                writer.writerow([lead_id, rank, artifact.schema.names[index], f"{share[index]:.6f}"])
