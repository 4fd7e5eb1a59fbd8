"""Features a model is better off without, found on training rows only, each named with the rule and the evidence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataError
from shared.matrix import Matrix
from shared.metrics.drift import psi
from shared.metrics.screening import information_value
from training_job.dataset import Dataset
from training_job.filters import CLOCK_SHARE, clocks
from training_job.policy import FilterPolicy

_RIDGE = 1e-9


@dataclass(frozen=True, slots=True)
class Removed:
    """A feature left out: `value` is what was measured, `bound` what it may be; `where` is the period, or `model`."""

    feature: str
    rule: str
    value: float
    bound: float
    sentence: str
    where: str = "model"


def screen(dataset: Dataset, policy: FilterPolicy, where: str = "model") -> tuple[Removed, ...]:
    """What to leave out of a model trained on these rows. DataError when nothing is left to learn from.

    The rules run one after another, each over what the ones before it left. Where every feature says too little, the
    one that says most stays: a model of it will lose to the base rate in the open.
    """
    removed: list[Removed] = []
    for rule in (_empty_or_constant, _repeated, _clocks, _drifting):
        removed += rule(dataset, policy)
        dataset = _left(dataset, removed, where)
    information = {name: information_value(value_of(dataset, name), dataset.outcome) for name in dataset.schema.names}
    weak = [name for name in information if information[name] < policy.min_iv]
    if len(weak) == len(information):
        weak.remove(max(information, key=lambda name: information[name]))
    removed += [
        Removed(name, "iv", information[name], policy.min_iv, f"says too little of the outcome (information value {information[name]:.3f})")
        for name in weak
    ]
    removed += _inflated(dataset.without(set(weak)), policy, information) if np.isfinite(policy.max_vif) else []
    return tuple(Removed(r.feature, r.rule, r.value, r.bound, r.sentence, where) for r in removed)


def value_of(dataset: Dataset, name: str) -> Matrix:
    """A feature as one column [rows]: its number, or the place of its level; missing is NaN."""
    columns = dataset.matrix[:, dataset.schema.owner == dataset.schema.names.index(name)]
    if columns.shape[1] == 1:
        return columns[:, 0]
    return np.where(np.isnan(columns[:, 0]), np.nan, columns.argmax(axis=1))


def _left(dataset: Dataset, removed: Sequence[Removed], where: str) -> Dataset:
    gone = {each.feature for each in removed} & set(dataset.schema.names)
    if len(gone) == len(dataset.schema.columns):
        raise DataError(
            f"No feature is left to train {where} on: " + "; ".join(f"{each.feature} {each.sentence}" for each in removed) + ".",
            fix="Declare features that vary and are known at contact, or loosen a bound in policies/training.yaml.",
        )
    return dataset.without(gone)


def _empty_or_constant(dataset: Dataset, policy: FilterPolicy) -> Iterator[Removed]:
    for name in dataset.schema.names:
        value = value_of(dataset, name)
        missing = float(np.isnan(value).mean())
        if missing > policy.max_missing:
            yield Removed(name, "missing", missing, policy.max_missing, f"is missing in {missing:.1%} of the rows")
        elif not missing and value.min() == value.max():
            yield Removed(name, "constant", 1, 2, f"is {value[0]:g} in every row")


def _repeated(dataset: Dataset, policy: FilterPolicy) -> Iterator[Removed]:  # noqa: ARG001 - a rule like the others
    seen: dict[bytes, str] = {}
    for name in dataset.schema.names:
        column = value_of(dataset, name)
        twin = seen.setdefault(np.ascontiguousarray(column + 0.0).tobytes(), name)
        if twin != name:
            yield Removed(name, "duplicate", 1, 0, f"is {twin} over again, row by row")


def _clocks(dataset: Dataset, policy: FilterPolicy) -> Iterator[Removed]:  # noqa: ARG001 - a rule like the others
    for name, share in clocks(dataset).items():
        yield Removed(name, "clock", share, CLOCK_SHARE, f"is a clock: the week tells {share:.0%} of it")


def _drifting(dataset: Dataset, policy: FilterPolicy) -> Iterator[Removed]:
    half = len(dataset) // 2
    for name in dataset.schema.names:
        value = value_of(dataset, name)
        drift = psi(value[:half], value[half:])
        if drift.psi > policy.max_psi and drift.beyond_chance:
            yield Removed(name, "drift", drift.psi, policy.max_psi, f"changed within the training rows (PSI {drift.psi:.2f})")


def _inflated(dataset: Dataset, policy: FilterPolicy, information: dict[str, float]) -> list[Removed]:
    """Of the features that repeat each other the one that says least goes, until none repeats the others too much."""
    design, owner = _design(dataset)
    names, found = list(dataset.schema.names), list[Removed]()
    present = [index for index in range(len(names)) if (owner == index).any()]
    while len(present) > 1:
        mine = np.isin(owner, present)
        inflation = variance_inflation(design[:, mine], np.searchsorted(present, owner[mine]))
        over = [
            (information[names[index]], index, inflation[place]) for place, index in enumerate(present) if inflation[place] > policy.max_vif
        ]
        if not over:
            break
        _, index, value = min(over)
        present.remove(index)
        said = f"repeats other features (variance inflation {value:.3g})"
        found.append(Removed(names[index], "vif", float(min(value, 1e9)), policy.max_vif, said))
    return found


def variance_inflation(design: Matrix, owner: NDArray[np.intp]) -> Matrix:
    """Generalised variance inflation per feature (Fox and Monette 1992), to the power 1 / columns; one column: the usual VIF.

    design [rows, columns] has no constant column; `owner` [columns] numbers the feature of each column. With R the
    correlations and P its inverse, det(R) = det(R without j) / det(P_jj), so the ratio of determinants is det(R_jj) det(P_jj).
    """
    correlations = np.corrcoef(design, rowvar=False).reshape(design.shape[1], design.shape[1])
    inverse = np.linalg.inv(correlations + _RIDGE * np.eye(len(correlations)))
    found = np.empty(int(owner.max()) + 1)
    for feature in range(len(found)):
        mine = np.ix_(owner == feature, owner == feature)
        found[feature] = abs(np.linalg.det(correlations[mine]) * np.linalg.det(inverse[mine])) ** (
            1 / max(int((owner == feature).sum()), 1)
        )
    return found


def _design(dataset: Dataset) -> tuple[Matrix, NDArray[np.intp]]:
    """Columns that vary, missing at the mean; of a category all levels but one, since they add up to one."""
    owner = dataset.schema.owner
    first = np.concatenate([[True], owner[1:] != owner[:-1]])
    wide = np.bincount(owner)[owner] > 1
    matrix = dataset.matrix[:, ~(first & wide)]
    owner = owner[~(first & wide)]
    filled = np.where(np.isnan(matrix), np.nanmean(matrix, axis=0), matrix)
    varies = filled.std(axis=0) > 0
    return filled[:, varies], owner[varies]
