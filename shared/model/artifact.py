"""A model as files: readable, checked by sha256, and never a pickle."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from pydantic import Field, ValidationError

from shared.asof.contract import Contract
from shared.asof.vector import Column, Matrix, Schema
from shared.documents import Document
from shared.errors import CorruptArtifact, SchemaMismatch
from shared.model.arrays import from_bytes, to_bytes
from shared.model.blend import Blend
from shared.model.calibrate import Segment
from shared.model.linear import Linear
from shared.model.trees import Trees
from shared.policies import Band

MANIFEST = "artifact.json"
CONTRACT = "contract.json"
ARRAYS = {"trees": "trees.npz", "linear": "linear.npz", "blend": "blend.npz"}
KINDS: dict[str, type[Trees] | type[Linear] | type[Blend]] = {"trees": Trees, "linear": Linear, "blend": Blend}


class Predictor(Protocol):
    """A dataclass of arrays that is a model on a matrix [rows, matrix columns]: margins [rows], contributions like the matrix."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def expected(self) -> float: ...
    def margins(self, matrix: Matrix) -> Matrix: ...
    def contributions(self, matrix: Matrix) -> Matrix: ...


class FeatureSpec(Document):
    name: str
    dtype: str
    levels: tuple[str, ...]


class Figure(Document):
    """A measured number with its 95 % interval, the rows and the positives behind it."""

    value: float
    low: float
    high: float
    n: int
    positives: int


class Training(Document):
    """What the model was trained on: the instants of the first and last contact, and the labels known by then."""

    first_contact: datetime
    last_contact: datetime
    known_by: datetime
    rows: int
    positives: int


class Manifest(Document):
    """`artifact.json`: everything about a model but its arrays."""

    format: Literal[1] = 1
    kind: Literal["trees", "linear", "blend"]
    family: str
    contract_hash: str
    features: tuple[FeatureSpec, ...]
    calibration: tuple[tuple[float, ...], tuple[float, ...]]
    calibration_method: str
    segment: Segment | None = None
    reference: tuple[float, ...]
    bands: tuple[Band, ...]
    base_rate: Annotated[float, Field(gt=0, lt=1)]
    training: Training
    metrics: Mapping[str, Figure]
    code_version: str
    libraries: Mapping[str, str]
    files: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model that can score. `version` is `YYYYMMDD-<sha8 of the content>`."""

    version: str
    manifest: Manifest
    contract: Contract
    predictor: Predictor
    schema: Schema
    reference: Matrix


def pack(manifest: Manifest, contract: Contract, predictor: Predictor, extra: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of an artefact, `artifact.json` last. `extra` is what only people and training read."""
    files = {ARRAYS[manifest.kind]: to_bytes(predictor), CONTRACT: contract.model_dump_json(indent=1).encode(), **extra}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    complete = manifest.model_copy(update={"files": sums})
    return {**files, MANIFEST: complete.model_dump_json(indent=1).encode()}


def version_of(files: Mapping[str, bytes]) -> str:
    """Named after the day its labels were known and the content: the same training gives the same version."""
    known_by = json.loads(files[MANIFEST])["training"]["known_by"]
    return f"{known_by[:10].replace('-', '')}-{hashlib.sha256(files[MANIFEST]).hexdigest()[:8]}"


def unpack(files: Mapping[str, bytes]) -> Artifact:
    """Read an artefact back. CorruptArtifact names the file that is absent or whose bytes are not those recorded."""
    manifest = _manifest(files)
    for name, expected in manifest.files.items():
        if hashlib.sha256(files.get(name, b"")).hexdigest() != expected:
            state = "does not match its sha256" if name in files else "is absent"
            raise CorruptArtifact(f"{name} of the artefact {state}.", fix="Restore the artefact or roll back.")
    if not {CONTRACT, ARRAYS[manifest.kind]} <= manifest.files.keys():
        raise CorruptArtifact("The artefact records no contract or no arrays.", fix="Restore the artefact or roll back.")
    contract = Contract.model_validate_json(files[CONTRACT])
    schema = Schema(tuple(Column(f.name, f.dtype, f.levels) for f in manifest.features))
    _same_schema(manifest, contract, schema)
    arrays = files[ARRAYS[manifest.kind]]
    predictor = from_bytes(KINDS[manifest.kind], arrays)
    return Artifact(version_of(files), manifest, contract, predictor, schema, np.array(manifest.reference))


def _manifest(files: Mapping[str, bytes]) -> Manifest:
    try:
        return Manifest.model_validate_json(files[MANIFEST])
    except KeyError:
        raise CorruptArtifact("The artefact has no artifact.json.", fix="Restore the artefact or roll back.") from None
    except ValidationError as fault:
        raise CorruptArtifact(f"artifact.json cannot be read: {fault}", fix="Restore the artefact or roll back.") from fault


def _same_schema(manifest: Manifest, contract: Contract, schema: Schema) -> None:
    offered = Schema.of(contract).columns
    strange = [column.name for column in schema.columns if column not in offered]
    if manifest.contract_hash != contract.hash or strange:
        raise SchemaMismatch(
            f"The artefact was trained under contract {manifest.contract_hash}, but carries {contract.hash}"
            + (f", which does not offer {', '.join(strange)} as trained." if strange else "."),
            fix="Train again; an artefact and its contract are made together.",
        )
