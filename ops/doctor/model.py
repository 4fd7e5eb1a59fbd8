"""The models that serve: there, whole, and of the bytes recorded."""

from collections.abc import Iterator

from ops.doctor.check import Line, green, red
from ops.doctor.place import Place
from shared.errors import CorruptArtifact
from shared.model.pointer import Pointer
from shared.model.registry import Registry
from shared.score import Role

_BY = "--by YOU --reason WHY"


def champion(registry: Registry, place: Place) -> Iterator[Line]:
    pointer = registry.pointer("champion")
    if pointer is None:
        yield red("champion", "no model is promoted, so every lead is put off", _train(place))
    else:
        yield _read(registry, "champion", pointer.version, _back(pointer, place))


def challenger(registry: Registry, place: Place) -> Iterator[Line]:
    """Having none is fine."""
    pointer = registry.pointer("challenger")
    if pointer is not None:
        yield _read(registry, "challenger", pointer.version, place.remove("registry/challenger.json"))


def _train(place: Place) -> str:
    if place.cloud:
        return f"Train one (docs/deploy.md says how), then: {place.command(f'models promote VERSION {_BY}')}"
    return place.command("train --promote")


def _back(pointer: Pointer, place: Place) -> str:
    """To the champion before; without one, the files' former bytes in the cloud, and a first model anew on a laptop."""
    if pointer.previous:
        return place.command(f"models rollback {_BY}")
    if place.cloud:
        return f"gcloud storage ls -a gs://{place.settings.bucket}/models/{pointer.version}/; docs/operations.md#model-unreadable"
    return f"{place.remove(f'models/{pointer.version}', 'registry/champion.json')} && {_train(place)}"


def _read(registry: Registry, role: Role, version: str, mend: str) -> Line:
    try:
        manifest = registry.load(version).manifest
    except CorruptArtifact as fault:
        return red(role, f"{version} cannot be read: {fault.what.removesuffix('.')}", mend)
    known = f"{manifest.training.known_by:%Y-%m-%d}"
    return green(role, f"{version}, {manifest.family} of {len(manifest.features)} features, labels known by {known}; checksums agree")
