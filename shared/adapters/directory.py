"""Object storage and dead letters on a laptop: files in a directory."""

import base64
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import ObjectMissing, ObjectsUnavailable, PreconditionFailed
from shared.ports import Blob, DeadLetter


class DirectoryObjects:
    """Objects as files. A file's modification time is its generation: set before an atomic rename, always rising."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def read(self, name: str) -> Blob:
        path = self._root / name
        try:
            with path.open("rb") as file:
                return Blob(file.read(), os.fstat(file.fileno()).st_mtime_ns)
        except FileNotFoundError:
            self._still_there()
            raise ObjectMissing(f"There is no object {name}.") from None

    def write(self, name: str, data: bytes, *, if_generation: int | None = None) -> int:
        path = self._root / name
        with self._locked():
            present = path.stat().st_mtime_ns if path.exists() else 0
            if if_generation is not None and if_generation != present:
                raise PreconditionFailed(f"{name} is at generation {present}, not {if_generation}.", fix="Read it again, then decide.")
            generation = max(time.time_ns(), present + 1)
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._root, prefix=".writing-", delete=False) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.utime(file.name, ns=(generation, generation))
            Path(file.name).replace(path)
        return generation

    def names(self, prefix: str) -> list[str]:
        self._still_there()
        files = (path.relative_to(self._root).as_posix() for path in self._root.rglob("*") if path.is_file())
        return sorted(name for name in files if name.startswith(prefix) and not name.startswith("."))

    def _still_there(self) -> None:
        if not self._root.is_dir():
            raise ObjectsUnavailable(f"The object store {self._root} is gone.", fix="Start again: make demo or make serve.")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._still_there()
        with (self._root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class DirectoryDeadLetters:
    """Dead letters as the sandbox's bus files them: one JSON message a file."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def peek(self, limit: int) -> list[DeadLetter]:
        return [_letter(path) for path in self._files()[:limit]]

    def settle(self, handled: Callable[[DeadLetter], bool]) -> int:
        done = 0
        for path in self._files():
            if handled(_letter(path)):
                path.unlink(missing_ok=True)
                done += 1
        return done

    def _files(self) -> list[Path]:
        return sorted(self._root.glob("*.json")) if self._root.is_dir() else []


def _letter(path: Path) -> DeadLetter:
    stored = json.loads(path.read_text())
    attributes = stored["attributes"]
    return DeadLetter(
        message_id=str(stored["messageId"]),
        body=base64.b64decode(str(stored["data"])),
        attributes=attributes if isinstance(attributes, dict) else {},
        published_at=str(stored["publishTime"]),
    )
