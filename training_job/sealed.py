"""The sealed period: opened by a candidate, recorded where nothing is ever overwritten, and dearer each time it is opened again."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from shared.clock import isoformat
from shared.errors import PreconditionFailed, Refused
from shared.ports import Objects
from training_job.folds import Period

ALPHA = 0.05


class SealBroken(Refused):
    """The policy lets a sealed period be opened so many times, and it has been."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The `number`-th candidate that was judged on this period; its intervals are at 1 - alpha (Bonferroni: 0.05 / number)."""

    period: Period
    number: int
    alpha: float
    record: str


class Seal:
    """`registry/sealed/<leads and period>/<candidate>.json`: one record per candidate, and a retry of the same one is no new opening."""

    def __init__(self, objects: Objects, *, most: int = 5) -> None:
        self._objects = objects
        self._most = most

    def open(self, leads: str, period: Period, candidate: str, at: datetime) -> Opening:
        """Record that `candidate` is about to see the period of these `leads`. SealBroken beyond `most`."""
        key = hashlib.sha256(f"{leads} {period}".encode()).hexdigest()[:16]
        record = f"registry/sealed/{key}/{candidate}.json"
        others = [name for name in self._objects.names(f"registry/sealed/{key}/") if name != record]
        if len(others) >= self._most:
            raise SealBroken(
                f"The sealed period {period} has been opened {len(others)} times; another look would be tuning on it.",
                fix="Seal a later period with --sealed, or raise sealed.max_openings in policies/training.yaml and say why.",
            )
        number = self._number(record, len(others) + 1)
        said = {"leads": leads, "period": str(period), "candidate": candidate, "number": number, "opened_at": isoformat(at)}
        try:
            self._objects.write(record, json.dumps(said, indent=1).encode(), if_generation=0)
        except PreconditionFailed:
            number = self._number(record, number)
        return Opening(period, number, ALPHA / number, record)

    def _number(self, record: str, otherwise: int) -> int:
        """The number a candidate was given when it first opened the period."""
        if record not in self._objects.names(record):
            return otherwise
        return int(json.loads(self._objects.read(record).data)["number"])
