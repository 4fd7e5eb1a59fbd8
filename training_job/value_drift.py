"""What became of each feature's value between the contact and today, and whether that tells who converted."""

from dataclasses import dataclass

import numpy as np

from shared.asof.contract import Contract
from shared.matrix import Matrix
from shared.metrics.drift import psi
from shared.metrics.intervals import Estimate, wilson
from training_job.audit.power import power
from training_job.dataset import Dataset


@dataclass(frozen=True, slots=True)
class ValueDrift:
    """changed: share of leads whose value today is not the one at contact. filled: missing then, known today.

    psi: of today's values against those at contact. power_then, power_now: the AUC of the feature alone, within months;
    a value that tells more today than it did then has learnt of the outcome.
    """

    feature: str
    kind: str
    changed: Estimate
    filled: Estimate
    psi: float
    power_then: float
    power_now: float

    @property
    def learnt(self) -> float:
        return self.power_now - self.power_then


def value_drift(rows: Dataset, today: Matrix, contract: Contract) -> tuple[ValueDrift, ...]:
    """One per feature over all mature leads, those that learnt most of the outcome first."""
    kinds = {feature.name: feature.kind for feature in contract.usable}
    month = np.unique(rows.contacted_at.astype("datetime64[M]"), return_inverse=True)[1]
    half = np.unique(rows.contacted_at.astype("datetime64[W]"), return_inverse=True)[1] % 2
    found = []
    for index, name in enumerate(rows.schema.names):
        then, now = (_coded(matrix[:, rows.schema.owner == index]) for matrix in (rows.matrix, today))
        same = (np.isnan(then) & np.isnan(now)) | (then == now)
        filled = np.isnan(then) & ~np.isnan(now)
        was, is_now = (power(values, rows.outcome, month, half).auc for values in (then, now))
        changed, came = (wilson(int(mask.sum()), len(rows)) for mask in (~same, filled))
        found.append(ValueDrift(name, kinds[name], changed, came, psi(then, now).psi, was, is_now))
    return tuple(sorted(found, key=lambda each: -each.learnt))


def _coded(columns: Matrix) -> Matrix:
    """One column a feature: a category spread over its levels becomes the place of its level; missing stays NaN."""
    if columns.shape[1] == 1:
        return columns[:, 0]
    return np.where(np.isnan(columns[:, 0]), np.nan, columns.argmax(axis=1))
