"""The training frame: every mature lead asked about at the instant of its contact, by the query that serving uses."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from shared.asof.cardinality import assert_single
from shared.asof.compile import fitted_params, found_columns, statistic_params, table_name, used_sources, vectors_sql
from shared.asof.contract import Contract
from shared.asof.labels import POSITIVE, labels, mature_asks_sql
from shared.asof.vector import Matrix, Schema
from shared.errors import DataError
from shared.ports import BulkWarehouse, Query
from training_job.policy import TrainingPolicy


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows in order of contact. matrix [rows, matrix columns]; outcome [rows] in 0/1; contacted_at UTC.

    `persons` is each lead's CRD where the contract has one. `statuses` counts every contacted lead by what its label
    came to; `unmatched` those no required source knew.
    """

    lead_ids: list[str]
    contacted_at: NDArray[np.datetime64]
    matrix: Matrix
    outcome: NDArray[np.float64]
    schema: Schema
    statuses: Mapping[str, int]
    unmatched: int
    persons: tuple[int | None, ...] = ()

    def __len__(self) -> int:
        return len(self.outcome)

    def rows(self, which: NDArray[np.intp]) -> "Dataset":
        """Some of the rows."""
        return replace(
            self,
            lead_ids=[self.lead_ids[i] for i in which],
            contacted_at=self.contacted_at[which],
            matrix=self.matrix[which],
            outcome=self.outcome[which],
            persons=tuple(self.persons[i] for i in which) if self.persons else (),
        )

    def split(self, start: datetime, gap_days: int) -> "tuple[Dataset, Dataset]":
        """Rows settled `gap_days` before `start`, of persons not seen after it, and the rows contacted from `start` on."""
        at, gap = np.datetime64(start.replace(tzinfo=None)), np.timedelta64(gap_days, "D")
        later = np.flatnonzero(self.contacted_at >= at)
        people = {self.persons[i] for i in later} - {None} if self.persons else set()
        earlier = np.flatnonzero(self.contacted_at < at - gap)
        if people:
            earlier = np.array([i for i in earlier.tolist() if self.persons[i] not in people], np.intp)
        return self.rows(earlier), self.rows(later)

    def without(self, names: Collection[str]) -> "Dataset":
        """The same rows without these features."""
        columns = self.schema.columns
        kept = np.array([column.name not in names for column in columns])
        schema = Schema(tuple(column for column, keep in zip(columns, kept, strict=True) if keep))
        return replace(self, matrix=self.matrix[:, kept[self.schema.owner]], schema=schema)


def load_dataset(warehouse: BulkWarehouse, contract: Contract, known_by: datetime) -> Dataset:
    """Labels and vectors as known by `known_by`. DataError when the contract names what the tables do not have."""
    check_columns(warehouse, contract)
    assert_single(warehouse, contract)
    labelled = warehouse.arrow(labels(contract), known_by=known_by).to_pandas()
    vectors = warehouse.arrow(_mature_vectors(contract), known_by=known_by, **fitted_params(contract))
    found = vectors.select(["lead_id", *found_columns(contract)]).to_pandas()
    matched = found[found_columns(contract)].all(axis=1).to_numpy(dtype=bool)
    schema = Schema.of(contract)
    kept = vectors.filter(matched)
    rows = kept.select(["lead_id"]).to_pandas().merge(labelled, on="lead_id", validate="one_to_one")
    order = np.lexsort((rows["lead_id"], rows["contacted_at"]))
    _refuse_empty(kept, schema)
    return Dataset(
        lead_ids=rows["lead_id"].iloc[order].tolist(),
        contacted_at=instants(rows["contacted_at"])[order],
        matrix=encoded(kept, schema)[order],
        outcome=(rows["status"] == POSITIVE).to_numpy(np.float64)[order],
        schema=schema,
        statuses=dict(Counter(labelled["status"])),
        unmatched=int((~matched).sum()),
        persons=tuple(None if pd.isna(crd) else int(crd) for crd in rows["crd"].iloc[order]),
    )


def encoded(vectors: pa.Table, schema: Schema) -> Matrix:
    """The rows of a vector query as the matrix a model reads, in their order."""
    return schema.encode({column.name: _values(vectors, column.name, bool(column.levels)) for column in schema.columns})


def _refuse_empty(vectors: pa.Table, schema: Schema) -> None:
    empty = [name for name in schema.names if len(vectors) and vectors.column(name).null_count == len(vectors)]
    if empty:
        raise DataError(
            f"{', '.join(empty)}: missing in every one of {len(vectors):,} training rows.",
            fix="Load the source, mend the column in the contract, or train on groups that do without it.",
        )


def require_enough(dataset: Dataset, policy: TrainingPolicy) -> None:
    """DataError unless there are rows and positives enough to learn from."""
    positives = int(dataset.outcome.sum())
    if len(dataset) < policy.min_rows or positives < policy.min_positives:
        raise DataError(
            f"{len(dataset):,} mature leads with {positives} positives are too few to train on "
            f"(labels: {dict(dataset.statuses)}, unmatched: {dataset.unmatched}).",
            fix=f"Wait for {policy.min_rows:,} leads and {policy.min_positives} positives (policies/training.yaml).",
        )
    if positives == len(dataset):
        raise DataError("Every mature lead is a positive.", fix="Check lead.outcome in the contract.")


def check_columns(warehouse: BulkWarehouse, contract: Contract) -> None:
    """DataError naming every column the contract uses and its table does not have."""
    lead, faults = contract.lead, []
    wanted = [
        (lead.table, c, "lead") for c in (lead.key, lead.crd, lead.contacted_at, lead.known_at, lead.outcome.column, lead.outcome.event_at)
    ]
    if entries := lead.entries:
        wanted += [(entries.table, c, "lead.entries") for c in (entries.key, entries.stage, entries.entered_at, entries.known_at)]
    for name, source in used_sources(contract, contract.computed).items():
        clocks = (source.key or lead.key, source.known_at, source.event_time, *source.grain)
        wanted += [(source.table or lead.table, column, f"source {name}") for column in clocks]
        features = [f for f in contract.computed if f.source == name]
        wanted += [(source.table or lead.table, f.column, f"feature {f.name}") for f in features]
    for table, column, user in wanted:
        columns = warehouse.columns(table_name(table).strip("`"))
        if column is not None and column not in columns:
            faults.append(f"{user} names column {column}, which {table} does not have (it has {', '.join(columns)})")
    if faults:
        raise DataError("; ".join(faults) + ".", fix="Correct the contract, or load the table with that column.")


def _mature_vectors(contract: Contract) -> Query:
    return Query(
        f"train_{contract.name}", vectors_sql(contract, mature_asks_sql(contract)), {"known_by": "TIMESTAMP", **statistic_params(contract)}
    )


def _values(vectors, name: str, category: bool):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202, FBT001
    column = vectors.column(name)
    return column.to_pylist() if category else column.cast("float64").to_numpy()


def instants(column: "pd.Series[pd.Timestamp]") -> NDArray[np.datetime64]:
    """UTC instants as numpy has them."""
    return column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
