"""The job: audit, frame, candidates, calibration, seal, verdict, and everything a person reads of it; the last file written is run.json."""

import json
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from datetime import time as clock_time
from typing import Any

import numpy as np

from shared.asof.contract import Contract
from shared.asof.labels import NEGATIVE, POSITIVE, labels
from shared.errors import DataError
from shared.model.registry import Registry
from shared.policies import Bands
from shared.ports import BulkWarehouse, Objects
from training_job import record, report
from training_job.audit.findings import Report
from training_job.audit.run import audit, refuse_leaks
from training_job.candidates import Say
from training_job.checkpoint import keeping
from training_job.dataset import Dataset, check_columns, instants, load_dataset
from training_job.folder import Folder
from training_job.folds import Period, last_period
from training_job.gate.evidence import Evidence
from training_job.gate.policy import GatePolicy
from training_job.gate.verdict import Verdict, judge
from training_job.insight import look, since, write
from training_job.policy import TrainingPolicy
from training_job.sealed import Seal
from training_job.statistics import fit_statistics
from training_job.tables import folds_json, leads_csv
from training_job.train import train
from training_job.trained import Asked, Trained
from training_job.verdict import Champion, champion_of, evidence_of

RUN = "run.json"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be trained. `sealed` None: the last share of the leads, as the policy says. `keys` are the leads' own names.

    `name` is the run's: the same run that makes the same model again looks at its sealed period once.
    """

    contract: Contract
    known_by: datetime
    policy: TrainingPolicy
    bands: Bands
    gates: GatePolicy
    today: date
    sealed: Period | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    name: str = "run"


@dataclass(frozen=True, slots=True)
class Run:
    """What came of an order; `said` is run.json."""

    trained: Trained
    dataset: Dataset
    audited: Report
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Judged:
    """A finished model with everything that was held against it."""

    trained: Trained
    dataset: Dataset
    audited: Report
    asked: Asked
    champion: Champion
    evidence: Evidence | None
    ruling: Verdict | None


def run(warehouse: BulkWarehouse, objects: Objects, folder: Folder, order: Order, say: Say) -> Run:
    """Train, judge and store. The artefact goes to the registry of `objects`, what people read to `folder`; no pointer is moved.

    Raises LeakFound before anything is fitted or written.
    """
    started = time.monotonic()
    judged = _judged(warehouse, objects, folder, order, say)
    registry = Registry(objects)
    registry.save(judged.trained.files)
    if judged.ruling:
        registry.record_verdict(judged.trained.version, judged.ruling.to_bytes(), at=datetime.now(UTC))
    say("writing the run")
    said = _tables(judged, registry, folder, order, say)
    told = record.plain({**said, "seconds": round(time.monotonic() - started, 1), "peak_rss_mb": peak_rss_mb()})
    folder.put("model_card.md", report.card(told))
    folder.put("report.html", report.html(told, judged.trained, judged.dataset))
    told["files"] = dict(folder.sums)
    folder.put(RUN, json.dumps(told, indent=1, allow_nan=False))
    return Run(judged.trained, judged.dataset, judged.audited, told)


def _judged(warehouse: BulkWarehouse, objects: Objects, folder: Folder, order: Order, say: Say) -> _Judged:
    check_columns(warehouse, order.contract)
    period = order.sealed or sealed_period(warehouse, order)
    learnt_by = min(datetime.combine(period.first, clock_time(), UTC), order.known_by)  # neither audit nor statistics see the sealed rows
    audited = audit(warehouse, order.contract, learnt_by, order.today, lambda step: say(f"audit: {step}"))
    refuse_leaks(audited)
    say("asking what was known at each contact")
    contract = fit_statistics(warehouse, order.contract, learnt_by)
    dataset = load_dataset(warehouse, contract, order.known_by)
    seal = Seal(objects, most=order.policy.sealed.max_openings)
    asked = Asked(contract, order.known_by, order.policy, order.bands, period, seal, order.name)
    trained = train(dataset, asked, say, keeping(folder, dataset, order.policy))
    champion = champion_of(Registry(objects), warehouse, trained, dataset, order.known_by)
    evidence = evidence_of(trained, dataset, audited, champion)
    ruling = judge(evidence, order.gates) if evidence else None
    if ruling and champion.in_the_way and ruling.verdict == "ship":
        ruling = replace(ruling, verdict="hold", words=f"hold: {champion.absent}")
    return _Judged(trained, dataset, audited, asked, champion, evidence, ruling)


def _tables(judged: _Judged, registry: Registry, folder: Folder, order: Order, say: Say) -> dict[str, Any]:
    """Write the model and every table; what is left to say is run.json."""
    trained, dataset = judged.trained, judged.dataset
    for name, data in trained.files.items():
        folder.put(f"model/{name}", data)
    seen = look(trained, dataset, judged.asked, order.keys, say)
    write(folder, seen)
    folder.put("cv_folds.json", folds_json(trained, dataset))
    folder.put("rows.csv", leads_csv(dataset, order.keys))
    if judged.evidence and judged.ruling:
        folder.put("evidence.json", judged.evidence.to_bytes())
        folder.put("verdict.json", judged.ruling.to_bytes())
    return {
        **record.of(trained, dataset, judged.audited, judged.asked, judged.ruling),
        **seen.said,
        "compared_with_champion": since(registry, seen.importance, trained.development),
        "champion": judged.champion.version or judged.champion.absent,
    }


def sealed_period(warehouse: BulkWarehouse, order: Order) -> Period:
    """The last share of the mature leads, where the order names no period."""
    found = warehouse.arrow(labels(order.contract), known_by=order.known_by).to_pandas()
    mature = found[found["status"].isin([POSITIVE, NEGATIVE])]
    if mature.empty:
        fix = f"Wait {order.contract.lead.outcome.window_days + order.contract.lead.lag_days} days after the first contacts."
        raise DataError(f"No lead of {order.contract.name} is mature by {order.known_by:%Y-%m-%d}.", fix=fix)
    return last_period(np.sort(instants(mature["contacted_at"])), order.policy.sealed.share)


def peak_rss_mb() -> float:
    """The most memory this process has held, in MB (Linux counts KB)."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
