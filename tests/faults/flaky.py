"""Adapters that fail on purpose, before the work or after it, and clocks that go wrong."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from shared.errors import ObjectsUnavailable, WarehouseUnavailable
from shared.ports import Blob, Clock, Objects, Query, Rows, Warehouse

T = TypeVar("T")


class Chance:
    """Draws faults and counts those that struck."""

    def __init__(self, seed: int) -> None:
        self.struck = 0
        self._random = random.Random(seed)  # noqa: S311 - reproducible faults
        self._lock = threading.Lock()

    def __call__(self, share: float) -> bool:
        with self._lock:
            struck = share > 0 and self._random.random() < share
            self.struck += struck
            return struck


class FlakyWarehouse:
    """`error_share` fails before the work is done, `timeout_share` after it: the caller cannot tell which."""

    def __init__(self, warehouse: Warehouse, chance: Chance) -> None:
        self._warehouse = warehouse
        self._chance = chance
        self.error_share = 0.0
        self.timeout_share = 0.0

    def query(self, query: Query, **params: object) -> Rows:
        return self._flaky(lambda: self._warehouse.query(query, **params))

    def pages(self, query: Query, size: int, **params: object) -> Iterator[Rows]:
        return self._flaky(lambda: self._warehouse.pages(query, size, **params))

    def append(self, table: str, rows: Sequence[object]) -> int:
        return self._flaky(lambda: self._warehouse.append(table, rows))

    def _flaky(self, work: Callable[[], T]) -> T:
        if self._chance(self.error_share):
            raise WarehouseUnavailable("The warehouse did not answer (a fault on purpose).")
        done = work()
        if self._chance(self.timeout_share):
            raise WarehouseUnavailable("The answer of the warehouse came too late (a fault on purpose).")
        return done


class FlakyObjects:
    """`corrupt_share` of the artefact files read have a bit flipped; `error_share` of the calls get no answer."""

    def __init__(self, objects: Objects, chance: Chance) -> None:
        self._objects = objects
        self._chance = chance
        self.error_share = 0.0
        self.corrupt_share = 0.0

    def read(self, name: str) -> Blob:
        if self._chance(self.error_share):
            raise ObjectsUnavailable("The object store did not answer (a fault on purpose).")
        blob = self._objects.read(name)
        if name.startswith("models/") and self._chance(self.corrupt_share):
            return Blob(bytes([blob.data[0] ^ 1]) + blob.data[1:], blob.generation)
        return blob

    def write(self, name: str, data: bytes, *, if_generation: int | None = None) -> int:
        return self._objects.write(name, data, if_generation=if_generation)

    def names(self, prefix: str) -> list[str]:
        return self._objects.names(prefix)


class SkewedClock:
    """Another machine's clock: ahead of or behind the true one by a constant."""

    def __init__(self, clock: Clock, skew: timedelta) -> None:
        self._clock = clock
        self.skew = skew

    def now(self) -> datetime:
        return self._clock.now() + self.skew
