"""Models on object storage: immutable versions, and pointers that only one promoter at a time can move."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared.clock import isoformat
from shared.errors import CorruptArtifact, LeadscoreError, NoChampion, ObjectMissing, PreconditionFailed
from shared.log import log
from shared.model.artifact import MANIFEST, Artifact, unpack, version_of
from shared.ports import Clock, Objects

Role = Literal["champion", "challenger"]


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which version plays a role, who said so and why."""

    version: str
    moved_at: str
    moved_by: str
    reason: str
    generation: int = 0


class Registry:
    """`models/<version>/...` never changes; `registry/<role>.json` points; `registry/history/...` only grows."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def save(self, files: Mapping[str, bytes]) -> str:
        """Store an artefact, its manifest last, so that a listed version is a whole one. Saving twice is fine."""
        version = version_of(files)
        for name in sorted(files, key=lambda file: file == MANIFEST):
            try:
                self._objects.write(f"models/{version}/{name}", files[name], if_generation=0)
            except PreconditionFailed:
                if self._objects.read(f"models/{version}/{name}").data != files[name]:
                    raise
        return version

    def load(self, version: str) -> Artifact:
        prefix = f"models/{version}/"
        files = {name.removeprefix(prefix): self._objects.read(name).data for name in self._objects.names(prefix)}
        artifact = unpack(files)
        if artifact.version != version:
            raise CorruptArtifact(f"models/{version} holds {artifact.version}.", fix="Restore the artefact or roll back.")
        return artifact

    def versions(self) -> list[str]:
        names = self._objects.names("models/")
        return sorted(name.split("/")[1] for name in names if name.endswith(f"/{MANIFEST}"))

    def pointer(self, role: Role) -> Pointer | None:
        try:
            blob = self._objects.read(f"registry/{role}.json")
        except ObjectMissing:
            return None
        return Pointer(**json.loads(blob.data), generation=blob.generation)

    def point(self, role: Role, version: str, *, by: str, reason: str, at: datetime) -> Pointer:
        """Give `role` to `version`. PreconditionFailed when somebody else moved the pointer meanwhile."""
        if version not in self.versions():
            raise ObjectMissing(f"The registry has no version {version}.", fix="List them with ./leadscore models list.")
        before = self.pointer(role)
        said = {"version": version, "moved_at": isoformat(at), "moved_by": by, "reason": reason}
        data = json.dumps(said, indent=1).encode()
        generation = self._objects.write(f"registry/{role}.json", data, if_generation=before.generation if before else 0)
        line = json.dumps({**said, "role": role, "from": before.version if before else None}).encode()
        self._objects.write(f"registry/history/{isoformat(at)}-{role}-{generation}.json", line)
        return Pointer(**said, generation=generation)

    def history(self) -> list[dict[str, str | None]]:
        return [json.loads(self._objects.read(name).data) for name in sorted(self._objects.names("registry/history/"))]


class ChampionCache:
    """The champion of this process. A new pointer is noticed within `ttl`; a bad new model leaves the last good one."""

    def __init__(self, registry: Registry, clock: Clock, ttl: timedelta) -> None:
        self._registry = registry
        self._clock = clock
        self._ttl = ttl
        self._generation = 0
        self._artifact: Artifact | None = None
        self._look_again: datetime | None = None

    def get(self) -> Artifact:
        """Raises NoChampion when there is none, CorruptArtifact when it cannot be read and nothing older is at hand."""
        now = self._clock.now()
        if self._artifact is None or self._look_again is None or now >= self._look_again:
            self._refresh()
            self._look_again = now + self._ttl
        assert self._artifact is not None  # noqa: S101 - _refresh sets it or raises
        return self._artifact

    def _refresh(self) -> None:
        try:
            pointer = self._registry.pointer("champion")
            if pointer is None:
                raise NoChampion("No champion is registered.", fix="Train one: ./leadscore train, then ./leadscore models promote.")
            if pointer.generation != self._generation:
                self._artifact = self._registry.load(pointer.version)
                self._generation = pointer.generation
                log.info("champion_loaded", model_version=pointer.version)
        except LeadscoreError as fault:
            if self._artifact is None:
                raise
            log.error("champion_refresh_failed", error=fault.code, reason=str(fault), serving=self._artifact.version)
