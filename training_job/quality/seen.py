"""What the gates look at: rows as loaded, labels, features. A share comes with its interval, and what cannot be seen says why."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from shared.asof.contract import Contract
from shared.asof.labels import IMMATURE, MQL_BEFORE_CONTACT, NEGATIVE, POSITIVE, labels
from shared.asof.visible import instant, table_name
from shared.metrics.drift import psi
from shared.metrics.intervals import Estimate, wilson
from shared.ports import BulkWarehouse, Query
from training_job.dataset import Dataset
from training_job.quality.clocks import hour_jump, known_before_event, repeated_keys, told_ahead

RECENT_SHARE = 0.25
JOINS_MULTIPLY = "joins multiply"

Stage = Literal["load", "labels", "features", "audit"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a gate looks at: the value, its interval where it is a share, None where it cannot be taken and `about` says why."""

    stage: Stage
    gate: str
    about: str
    value: float | Estimate | None


def of_load(warehouse: BulkWarehouse, contract: Contract, known_by: datetime, dataset: Dataset | None) -> Iterator[Seen]:
    copies, source = max(repeated_keys(warehouse, contract), default=(0, "no source with a key"))
    yield Seen("load", "repeated_keys", source if copies else "none", float(copies))
    ahead = told_ahead(warehouse, contract, known_by)
    yield Seen("load", "told_ahead", "contacts and outcomes after their extract" if ahead else "leads come without extracts", ahead)
    early = max(known_before_event(warehouse, contract, known_by), default=None, key=lambda each: each[0].value)
    yield Seen("load", "known_before_event", f"source {early[1]}" if early else "no source with two clocks", early[0] if early else None)
    jump, months = hour_jump(dataset) if dataset else (None, JOINS_MULTIPLY)
    yield Seen("load", "hour_jump", months, jump)


def of_labels(warehouse: BulkWarehouse, contract: Contract, known_by: datetime) -> Iterator[Seen]:
    rows = list(warehouse.query(labels(contract), known_by=known_by))
    count = {status: sum(row["status"] == status for row in rows) for status in {str(row["status"]) for row in rows}}
    mature = sum(count.get(status, 0) for status in (POSITIVE, NEGATIVE))
    won = count.get(POSITIVE, 0) + count.get(MQL_BEFORE_CONTACT, 0)
    yield Seen(
        "labels",
        "one_label_each",
        "labels more or less than contacted leads",
        float(abs(len(rows) - _contacted(warehouse, contract, known_by))),
    )
    yield Seen("labels", "rows", "mature leads", float(mature))
    yield Seen("labels", "positive_rate", "of mature leads", wilson(count.get(POSITIVE, 0), mature) if mature else None)
    yield Seen("labels", "immature", "of contacted leads", wilson(count.get(IMMATURE, 0), len(rows)) if rows else None)
    before = wilson(count.get(MQL_BEFORE_CONTACT, 0), won) if won else None
    yield Seen("labels", "outcome_before_contact", "of outcomes", before)


def _contacted(warehouse: BulkWarehouse, contract: Contract, known_by: datetime) -> int:
    """Distinct leads with a contact on record by `known_by`, counted apart from the query that labels them."""
    lead = contract.lead
    text = f"SELECT COUNT(DISTINCT s.`{lead.key}`) AS n FROM {table_name(lead.table)} AS s WHERE s.`{lead.contacted_at}` IS NOT NULL"
    if lead.known_at is None:
        return int(str(warehouse.query(Query(f"quality_leads_{contract.name}", text)).values[0][0]))
    text += f" AND {instant(f's.`{lead.known_at}`')} <= @known_by"
    query = Query(f"quality_leads_{contract.name}", text, {"known_by": "TIMESTAMP"})
    return int(str(warehouse.query(query, known_by=known_by).values[0][0]))


def of_features(dataset: Dataset | None, critical: Collection[str]) -> Iterator[Seen]:
    if dataset is None:
        yield from (Seen("features", gate, JOINS_MULTIPLY, None) for gate in ("match", "completeness", "drift"))
        return
    asked = len(dataset) + dataset.unmatched
    yield Seen("features", "match", f"{dataset.unmatched:,} unmatched", wilson(len(dataset), asked) if asked else None)
    present = [(_present(dataset, name), name) for name in critical if name in dataset.schema.names]
    least = min(present, default=None, key=lambda each: each[0].value)
    about = f"least: {least[1]}" if least else "none of the contract's features is listed as critical"
    yield Seen("features", "completeness", about, least[0] if least else None)
    worst, feature = _drift(dataset)
    yield Seen("features", "drift", f"most: {feature}", worst)


def _present(dataset: Dataset, name: str) -> Estimate:
    column = dataset.matrix[:, dataset.schema.owner == dataset.schema.names.index(name)][:, 0]
    return wilson(int(np.isfinite(column).sum()), len(column))


def _drift(dataset: Dataset) -> tuple[float, str]:
    """The largest PSI of the last quarter of leads against those before that chance does not explain; 0 if there is none."""
    split = int(len(dataset) * (1 - RECENT_SHARE))
    columns = zip(dataset.schema.matrix_names, dataset.matrix.T, strict=True)
    drifts = ((psi(column[:split], column[split:]), name) for name, column in columns)
    return max(((drift.psi, name) for drift, name in drifts if drift.beyond_chance), default=(0.0, "none beyond chance"))
