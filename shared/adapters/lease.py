"""One DuckDB file for several processes, one at a time: taken for work, let go when idle."""

import random
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import duckdb

from shared.errors import WarehouseUnavailable

_WAIT_SECONDS = 30
_PAUSE_SECONDS = (0.005, 0.05)


def connect(path: Path, threads: int) -> duckdb.DuckDBPyConnection:
    """A connection to the file, once no other process has it; WarehouseUnavailable after half a minute."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return duckdb.connect(str(path), config={"threads": threads})
        except duckdb.Error as fault:
            held = isinstance(fault, duckdb.IOException) and "Could not set lock" in str(fault)
            if not held or time.monotonic() > deadline:
                raise WarehouseUnavailable(
                    f"DuckDB: {fault}", fix="See whether another process holds the world; then try again."
                ) from fault
        time.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 - so that those who wait do not march in step


class Lease:
    """The connection that the threads of a process share. `idle_seconds` of None keeps it, 0 closes it after each use."""

    def __init__(self, open_: Callable[[], duckdb.DuckDBPyConnection], idle_seconds: float | None) -> None:
        self._open = open_
        self._idle = idle_seconds
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._users = 0
        self._used_at = 0.0
        self.take()
        self.give_back()
        if idle_seconds:
            stop = threading.Event()
            watch = threading.Thread(target=_let_go, args=(weakref.ref(self), idle_seconds, stop), daemon=True)
            watch.start()
            weakref.finalize(self, _end, stop, watch)

    def take(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._connection is None:
                self._connection = self._open()
            self._users += 1
            return self._connection

    def give_back(self) -> None:
        with self._lock:
            self._users -= 1
            self._used_at = time.monotonic()
            if self._idle == 0:
                self._close_unused()

    def close(self) -> None:
        with self._lock:
            self._close_unused()

    def close_idle(self, seconds: float) -> None:
        """Let the file go if nobody has used it for so long."""
        with self._lock:
            if time.monotonic() - self._used_at >= seconds:
                self._close_unused()

    def _close_unused(self) -> None:
        if self._connection is not None and self._users == 0:
            self._connection.close()
            self._connection = None


def _let_go(lease: "weakref.ref[Lease]", idle: float, stop: threading.Event) -> None:
    while not stop.wait(idle / 2):
        if (found := lease()) is None:
            return
        found.close_idle(idle)
        del found


def _end(stop: threading.Event, watch: threading.Thread) -> None:
    """When the lease is gone or the process ends: a thread still asleep then would keep DuckDB from being taken down."""
    stop.set()
    if watch is not threading.current_thread():
        watch.join()
