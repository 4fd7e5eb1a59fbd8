"""What a verdict stands on: the sealed rows themselves, and what the run found beside them."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.errors import DataError
from shared.metrics.compare import require_both_classes
from shared.metrics.drift import Drift
from shared.metrics.intervals import Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sealed:
    """Every lead of the sealed period once, all arrays [rows].

    outcome is 0/1; period is what a lead shares its luck with; margin and probability are the candidate's; champion and rules
    are how these rank the same leads. Raises DataError on rows that cannot be judged, naming the array.
    """

    outcome: Floats
    period: NDArray[np.generic]
    margin: Floats
    probability: Floats
    champion: Floats | None = None
    rules: Floats | None = None
    segment: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        for name, values in self._arrays().items():
            if len(values) != len(self.outcome):
                raise DataError(
                    f"The sealed {name} has {len(values):,} rows, the outcome {len(self.outcome):,}.", fix="Judge all on the same rows."
                )
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise DataError(f"The sealed {name} holds NaN or infinite values.", fix="Find what scored these leads, and mend it.")
        if ((self.probability < 0) | (self.probability > 1)).any():
            raise DataError("A sealed probability lies outside [0, 1].", fix="Calibrate the candidate before it is judged.")
        require_both_classes(self.outcome)

    def __len__(self) -> int:
        return len(self.outcome)

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return {name: values for name in self.__slots__ if (values := getattr(self, name)) is not None}

    def as_json(self) -> dict[str, list[object]]:
        return {name: (values if values.dtype.kind in "fiu" else values.astype(str)).tolist() for name, values in self._arrays().items()}


@dataclass(frozen=True, slots=True)
class Parity:
    """Served vectors that were replayed, and how many features of them read differently."""

    vectors: int
    mismatches: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of a candidate. What is None was not looked at, and the policy says what that means.

    leaks: unanswered findings of the audit. folds: per rolling-origin period, figures by name such as auc_roc and auc_pr.
    train: the same figures on the training rows. drift: per column, training rows against sealed rows. extra: further figures
    a policy may hold to a bound, such as folds.ks. alpha: of the intervals; smaller where the period was opened before.
    """

    candidate: str
    sealed: Sealed
    champion: str | None = None
    leaks: tuple[str, ...] | None = None
    parity: Parity | None = None
    folds: tuple[Mapping[str, Estimate], ...] = ()
    train: Mapping[str, Estimate] = field(default_factory=dict)
    drift: Mapping[str, Drift] = field(default_factory=dict)
    extra: Mapping[str, Estimate] = field(default_factory=dict)
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if (self.champion is None) != (self.sealed.champion is None):
            raise DataError("The evidence names a champion without its scores, or scores without its name.", fix="Give both or neither.")

    def as_json(self) -> dict[str, object]:
        """Everything, rows included: what the sha256 is taken of."""
        return {
            "candidate": self.candidate,
            "champion": self.champion,
            "alpha": self.alpha,
            "sealed": self.sealed.as_json(),
            "leaks": None if self.leaks is None else list(self.leaks),
            "parity": None if self.parity is None else asdict(self.parity),
            "folds": [_plain(fold) for fold in self.folds],
            "train": _plain(self.train),
            "drift": {name: asdict(drift) for name, drift in sorted(self.drift.items())},
            "extra": _plain(self.extra),
        }

    def to_bytes(self) -> bytes:
        return json.dumps(self.as_json(), sort_keys=True, allow_nan=False).encode()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()


def plain_estimate(estimate: Estimate) -> dict[str, float | int | None]:
    """As JSON knows it: what is not a number is null."""
    return {name: value if math.isfinite(value) else None for name, value in asdict(estimate).items()}


def _plain(figures: Mapping[str, Estimate]) -> dict[str, dict[str, float | int | None]]:
    return {name: plain_estimate(figure) for name, figure in sorted(figures.items())}
