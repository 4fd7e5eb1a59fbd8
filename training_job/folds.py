"""Rolling origin, and a last period that is sealed: each period is judged by a model that saw only what was settled before it."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from shared.errors import ConfigError, DataError

Indices = NDArray[np.intp]
Moments = NDArray[np.datetime64]
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class Fold:
    """Row indices: train on `train`, judge on `judge`; the gap between them is at least the label window."""

    train: Indices
    judge: Indices


@dataclass(frozen=True, slots=True)
class Period:
    """Days of contact, both included, UTC."""

    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"

    @classmethod
    def parse(cls, text: str) -> "Period":
        """`2009-04-01..2009-12-31`; DataError for anything else."""
        try:
            first, last = (date.fromisoformat(day) for day in text.split(".."))
        except ValueError:
            raise DataError(f"The period is {text!r}.", fix="Write it as FROM..TO, such as 2009-04-01..2009-12-31.") from None
        if first > last:
            raise DataError(f"The period {text} ends before it begins.", fix="Write it as FROM..TO, the earlier day first.")
        return cls(first, last)


def rolling_origin(
    contacted_at: Moments,
    outcome: NDArray[np.float64],
    folds: int,
    gap_days: int,
    entity: NDArray[np.float64] | None = None,
) -> list[Fold]:
    """Equal parts in order of contact; the first only trains. Parts without both classes on a side are left out.

    `contacted_at` [rows] is sorted. A person who is judged is not trained on: rows of the same `entity` are taken from `train`.
    """
    parts = np.array_split(np.arange(len(contacted_at)), folds + 1)
    found = []
    for judge in parts[1:]:
        train = without_twins(settled_before(contacted_at, contacted_at[judge[0]], gap_days), judge, entity)
        if all(len(side) and 0 < outcome[side].mean() < 1 for side in (train, judge)):
            found.append(Fold(train, judge))
    return found


def last_period(contacted_at: Moments, share: float) -> Period:
    """The days that hold the last `share` of the rows, from the first moment of a day on."""
    days = contacted_at.astype("datetime64[D]")
    first = days[min(int(len(days) * (1 - share)), len(days) - 1)]
    return Period((first + (DAY if first == days[0] else 0 * DAY)).item(), days[-1].item())


def seal(
    contacted_at: Moments,
    outcome: NDArray[np.float64],
    period: Period,
    gap_days: int,
    entity: NDArray[np.float64] | None = None,
) -> Fold:
    """What may be trained on, and the sealed rows. ConfigError when there are none, DataError when one outcome is absent."""
    start, end = np.datetime64(period.first), np.datetime64(period.last) + DAY
    sealed = np.flatnonzero((contacted_at >= start) & (contacted_at < end))
    if not len(sealed):
        raise ConfigError(
            f"No mature lead was contacted from {period.first} to {period.last}.", fix="Give --sealed a period that the data cover."
        )
    positives = int(outcome[sealed].sum())
    if not 0 < positives < len(sealed):
        raise DataError(
            f"The sealed period {period} has {len(sealed):,} mature leads and {positives} positives; a judgement needs both outcomes.",
            fix=f"The leads run from {contacted_at[0].astype('datetime64[D]')} to {contacted_at[-1].astype('datetime64[D]')}; "
            "give --sealed a period among them.",
        )
    return Fold(without_twins(settled_before(contacted_at, contacted_at.dtype.type(start), gap_days), sealed, entity), sealed)


def settled_before(contacted_at: Moments, moment: np.datetime64, gap_days: int) -> Indices:
    """Rows whose outcome was known when `moment` came."""
    return np.flatnonzero(contacted_at < moment - max(gap_days, 1) * DAY)


def without_twins(train: Indices, judge: Indices, entity: NDArray[np.float64] | None) -> Indices:
    """The training rows of persons who are not among those judged; a person nobody can tell apart is nobody's twin."""
    if entity is None:
        return train
    known = entity[judge]
    return train[~np.isin(entity[train], known[np.isfinite(known)])]
