"""Models on object storage: immutable versions, and pointers that only one promoter at a time can move."""

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import get_args

from shared.clock import isoformat, parse_instant
from shared.errors import CorruptArtifact, LeadscoreError, NoChampion, ObjectMissing, PreconditionFailed
from shared.log import log
from shared.model.arrays import reading
from shared.model.artifact import MANIFEST, Artifact, needed, read_manifest, unpack, version_of
from shared.model.pointer import Pointer, Step
from shared.model.ruling import Ruling
from shared.ports import Clock, Objects
from shared.score import Role


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
        """What scoring needs of a version, checked. Raises CorruptArtifact."""
        artifact = unpack(self._files(version))
        if artifact.version != version:
            raise CorruptArtifact(f"models/{version} holds {artifact.version}.", fix="Restore the artefact or roll back.")
        return artifact

    def _files(self, version: str) -> dict[str, bytes]:
        manifest = self._read(version, MANIFEST)
        return {MANIFEST: manifest, **{name: self._read(version, name) for name in needed(read_manifest(manifest))}}

    def _read(self, version: str, name: str) -> bytes:
        try:
            return self._objects.read(f"models/{version}/{name}").data
        except ObjectMissing:
            raise CorruptArtifact(f"{name} of models/{version} is absent.", fix="Restore the artefact or roll back.") from None

    def versions(self) -> list[str]:
        names = self._objects.names("models/")
        return sorted(name.split("/")[1] for name in names if name.endswith(f"/{MANIFEST}"))

    def pointer(self, role: Role) -> Pointer | None:
        try:
            blob = self._objects.read(f"registry/{role}.json")
        except ObjectMissing:
            return None
        with reading(f"the pointer to the {role}"):
            return Pointer(**json.loads(blob.data), generation=blob.generation)

    def point(self, role: Role, version: str, *, by: str, reason: str, at: datetime) -> Pointer:
        """Give `role` to `version`. PreconditionFailed when somebody else moved the pointer meanwhile."""
        return self.move(role, Pointer(version, isoformat(at), by, reason), self.pointer(role))

    def move(self, role: Role, to: Pointer, seen: Pointer | None) -> Pointer:
        """Replace the pointer that was `seen`. PreconditionFailed names who moved it meanwhile."""
        if to.version not in self.versions():
            raise ObjectMissing(f"The registry has no version {to.version}.", fix="List them with ./leadscore models list.")
        to = replace(to, previous=seen.version if seen else None)
        try:
            generation = self._objects.write(f"registry/{role}.json", to.to_bytes(), if_generation=seen.generation if seen else 0)
        except PreconditionFailed as fault:
            raise self._outrun(role, to, fault) from fault
        step = Step(role, replace(to, generation=generation))
        self._objects.write(step.name, step.to_bytes())
        return step.pointer

    def history(self) -> list[Step]:
        """Every move, oldest first. A pointer whose line was not written, because its mover was killed, tells its own."""
        steps = {name: Step.read(name, self._objects.read(name).data) for name in self._objects.names("registry/history/")}
        for role in get_args(Role):
            now = self.pointer(role)
            if now is not None:
                step = Step(role, now)
                steps.setdefault(step.name, step)
        return sorted(steps.values(), key=lambda step: step.order)

    def record_verdict(self, version: str, verdict: bytes, *, at: datetime) -> None:
        """Keep what the gate said of a version at an instant; it never changes, a later judgement is another one."""
        name = f"{_verdicts(version)}{isoformat(at)}.json"
        try:
            self._objects.write(name, verdict, if_generation=0)
        except PreconditionFailed:
            if self._objects.read(name).data != verdict:
                raise

    def verdict(self, version: str) -> Ruling | None:
        """The latest verdict on a version."""
        folder = _verdicts(version)
        names = self._objects.names(folder)
        latest = max(names, key=lambda name: parse_instant(name[len(folder) :].removesuffix(".json")), default=None)
        return Ruling.model_validate_json(self._objects.read(latest).data) if latest else None

    def _outrun(self, role: Role, to: Pointer, fault: PreconditionFailed) -> PreconditionFailed:
        now = self.pointer(role)
        who = f"{now.moved_by} made {now.version} the {role} at {now.moved_at} ({now.reason})" if now else fault.what
        return PreconditionFailed(
            f"{to.version} did not become the {role}: meanwhile {who}.", fix="Look at ./leadscore models history, then decide again."
        )


def _verdicts(version: str) -> str:
    return f"registry/verdicts/{version}/"


class ChampionCache:
    """The models of this process. A moved pointer is noticed within `ttl`; what cannot be read leaves the last good champion."""

    def __init__(self, registry: Registry, clock: Clock, ttl: timedelta) -> None:
        self._champion = _Role("champion", registry, clock, ttl)
        self._challenger = _Role("challenger", registry, clock, ttl)

    def get(self) -> Artifact:
        """Raises NoChampion when there is none, CorruptArtifact when it cannot be read and nothing older is at hand."""
        artifact = self._champion.artifact()
        if artifact is not None:
            return artifact
        fix = "Train one: ./leadscore train, then ./leadscore models promote."
        raise self._champion.fault or NoChampion("No champion is registered.", fix=fix)

    def challenger(self) -> Artifact | None:
        """The model to score beside the champion, to the ledger only, if there is one that can be read."""
        artifact = self._challenger.artifact()
        return artifact if artifact and artifact.version != self.get().version else None


class _Role:
    """What a pointer points at, looked at once a `ttl` and loaded again only when its generation has moved."""

    def __init__(self, role: Role, registry: Registry, clock: Clock, ttl: timedelta) -> None:
        self._role: Role = role
        self._registry = registry
        self._clock = clock
        self._ttl = ttl
        self._looking = threading.Lock()
        self._generation = 0
        self._artifact: Artifact | None = None
        self._look_again: datetime | None = None
        self.fault: LeadscoreError | None = None

    def artifact(self) -> Artifact | None:
        """One thread looks; the others go on with what there is, and wait only for the first look."""
        if self._is_due() and self._looking.acquire(blocking=self._look_again is None):
            try:
                if self._is_due():
                    self._look()
                    self._look_again = self._clock.now() + self._ttl
            finally:
                self._looking.release()
        return self._artifact

    def _is_due(self) -> bool:
        return self._look_again is None or self._clock.now() >= self._look_again

    def _look(self) -> None:
        """A challenger whose pointer is gone is gone; a champion stays until another one is named."""
        version, self.fault = None, None
        try:
            pointer = self._registry.pointer(self._role)
            version, generation = (pointer.version, pointer.generation) if pointer else (None, 0)
            if version and generation != self._generation:
                self._artifact, self._generation = self._registry.load(version), generation
                log.info(f"{self._role}_loaded", model_version=version)
            elif version is None and self._role == "challenger":
                self._artifact, self._generation = None, 0
        except LeadscoreError as fault:
            self.fault = fault
            serving = self._artifact.version if self._artifact else None
            log.error(f"{self._role}_refused", refused=version, error=fault.code, reason=str(fault), serving=serving)
