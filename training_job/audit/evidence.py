"""What the auditor looks at: the mature leads, and each feature as known at the contact, earlier, and with hindsight."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shared.asof.compile import AT_THE_ASK, fitted_params, statistic_params, vectors_sql
from shared.asof.contract import Contract
from shared.asof.labels import NEGATIVE, POSITIVE, labels, labels_sql
from shared.errors import DataError
from shared.ports import BulkWarehouse, Query
from training_job.dataset import check_columns, instants
from training_job.statistics import fit_statistics

Floats = NDArray[np.float64]
Values = Mapping[str, Floats]

EARLIER_DAYS = 30
_MIN_POSITIVES = 20


@dataclass(frozen=True)
class Evidence:
    """Mature leads in order of contact, `rows` of them; a category is coded by its level's place, missing is NaN.

    outcome: 1 for a positive. ever: 1 if the outcome came at all, after the window too.
    then: each feature as known at the contact, the value a model is trained on. hindsight: about the same instant,
    from all that is known by `known_by`. today: asked about `known_by` itself. earlier: asked a month before contact.
    """

    warehouse: BulkWarehouse
    contract: Contract
    known_by: datetime
    lead_ids: tuple[str, ...]
    crd: Floats
    contacted_at: NDArray[np.datetime64]
    outcome: Floats
    ever: Floats
    then: Values
    hindsight: Values
    today: Values
    earlier: Values

    @property
    def rows(self) -> int:
        return len(self.outcome)

    @cached_property
    def month(self) -> NDArray[np.intp]:
        """The calendar month of each contact, numbered."""
        return np.unique(self.contacted_at.astype("datetime64[M]"), return_inverse=True)[1]

    @cached_property
    def week(self) -> NDArray[np.intp]:
        return np.unique(self.contacted_at.astype("datetime64[W]"), return_inverse=True)[1]

    @cached_property
    def age_days(self) -> Floats:
        """How long ago each lead was contacted, seen from `known_by`."""
        return (np.datetime64(self.known_by.replace(tzinfo=None)) - self.contacted_at) / np.timedelta64(1, "D")


def gather(warehouse: BulkWarehouse, contract: Contract, known_by: datetime, say: Callable[[str], None]) -> Evidence:
    """Ask four times about the same leads. DataError when a column is absent or there are too few positives to say anything."""
    check_columns(warehouse, contract)
    say("labels")
    leads = warehouse.arrow(labels(contract), known_by=known_by).to_pandas()
    leads = leads[leads["status"].isin([POSITIVE, NEGATIVE])].sort_values(["contacted_at", "lead_id"])
    positives = int((leads["status"] == POSITIVE).sum())
    if not _MIN_POSITIVES <= positives < len(leads):
        raise DataError(
            f"{len(leads):,} mature leads with {positives} positives are too few to audit.",
            fix=f"The audit needs {_MIN_POSITIVES} positives and some negatives; check the outcome and its window in the contract.",
        )
    say("statistics")
    contract = fit_statistics(warehouse, contract, known_by)
    views = {
        "then": ("contacted_at", AT_THE_ASK),
        "hindsight": ("contacted_at", "@known_by"),
        "today": ("@known_by", AT_THE_ASK),
        "earlier": (f"TIMESTAMP_SUB(contacted_at, INTERVAL {EARLIER_DAYS} DAY)", AT_THE_ASK),
    }
    values = {}
    for name, (as_of, known) in views.items():
        say(f"features, {name}")
        values[name] = _ask(warehouse, contract, known_by, as_of, known).loc[leads["lead_id"]]
    return Evidence(
        warehouse=warehouse,
        contract=contract,
        known_by=known_by,
        lead_ids=tuple(leads["lead_id"]),
        crd=leads["crd"].to_numpy(np.float64, na_value=np.nan),
        contacted_at=instants(leads["contacted_at"]),
        outcome=(leads["status"] == POSITIVE).to_numpy(np.float64),
        ever=leads["outcome_at"].notna().to_numpy(np.float64),
        **{name: _coded(contract, frame) for name, frame in values.items()},
    )


def _ask(warehouse: BulkWarehouse, contract: Contract, known_by: datetime, as_of: str, known: str) -> pd.DataFrame:
    asks = f"SELECT lead_id, crd, {as_of} AS as_of FROM (\n{labels_sql(contract)})\nWHERE status IN ('{POSITIVE}', '{NEGATIVE}')"
    query = Query(f"audit_{contract.name}", vectors_sql(contract, asks, known), {"known_by": "TIMESTAMP", **statistic_params(contract)})
    frame: pd.DataFrame = warehouse.arrow(query, known_by=known_by, **fitted_params(contract)).to_pandas()
    return frame.drop_duplicates("lead_id").set_index("lead_id")  # a join that multiplies is a finding of its own


def _coded(contract: Contract, frame: pd.DataFrame) -> dict[str, Floats]:
    coded = {}
    for feature in contract.usable:
        column = frame[feature.name]
        if feature.dtype == "category":
            place = {level: float(index) for index, level in enumerate(feature.levels)}
            column = column.map(place)
        coded[feature.name] = column.to_numpy(np.float64, na_value=np.nan)
    return coded
