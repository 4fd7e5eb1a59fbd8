"""A model as files: readable, checked by sha256, and never a pickle."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from pydantic import Field

from shared.asof.contract import Contract, Feature
from shared.asof.vector import Column, Matrix, Schema
from shared.documents import Document
from shared.errors import CorruptArtifact
from shared.model.arrays import MAX_BYTES, from_bytes, reading, require, to_bytes
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
    def fits(self, columns: int) -> bool:
        """Whether it reads no matrix column beyond these."""
        ...

    def margins(self, matrix: Matrix) -> Matrix: ...
    def contributions(self, matrix: Matrix) -> Matrix: ...
    def explained(self, matrix: Matrix) -> tuple[Matrix, Matrix]:
        """Both at once, the margins to the last bit those of `margins`."""
        ...


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

    format: Literal[2] = 2
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
    """A model that can score. `version` is `YYYYMMDD-<sha8 of the content>`; `features` are the schema's, in its order."""

    version: str
    manifest: Manifest
    contract: Contract
    predictor: Predictor
    schema: Schema
    features: tuple[Feature, ...]
    knots: tuple[Matrix, Matrix]
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


def needed(manifest: Manifest) -> tuple[str, str]:
    """The files that scoring reads besides the manifest; the others are for people and training."""
    return CONTRACT, ARRAYS[manifest.kind]


def unpack(files: Mapping[str, bytes]) -> Artifact:
    """Read an artefact back from its manifest, the files `needed`, and any others.

    CorruptArtifact names the file that is absent, too large, not of the bytes recorded, or not to be made sense of.
    """
    manifest = read_manifest(files.get(MANIFEST, b""))
    for name in {*needed(manifest), *files} - {MANIFEST}:
        _check_sum(name, files.get(name), manifest.files.get(name))
    with reading(CONTRACT):
        contract = Contract.model_validate_json(files[CONTRACT])
        _same_contract(manifest, contract)
        schema = Schema(tuple(Column(f.name, f.dtype, f.levels) for f in manifest.features))
        by_name = {feature.name: feature for feature in contract.usable}
        features = tuple(by_name[name] for name in schema.names)
    predictor = from_bytes(KINDS[manifest.kind], files[ARRAYS[manifest.kind]])
    with reading(MANIFEST):
        require({"the arrays and the features are equally many": predictor.fits(len(schema.matrix_names))})
        x, y = map(np.array, manifest.calibration)
        return Artifact(version_of(files), manifest, contract, predictor, schema, features, (x, y), np.array(manifest.reference))


def read_manifest(data: bytes) -> Manifest:
    """CorruptArtifact when these are not the bytes of an artifact.json."""
    with reading(MANIFEST):
        require({"it is there": bool(data), f"it has at most {MAX_BYTES:,} bytes": len(data) <= MAX_BYTES})
        manifest = Manifest.model_validate_json(data)
        x, y, reference = (np.array(values) for values in (*manifest.calibration, manifest.reference))
        rising = all((np.diff(values) >= 0).all() for values in (x, reference))
        require(
            {
                "margins of the calibration and of the reference rise": rising,
                "calibration is probabilities at margins": len(x) == len(y) > 1 and ((y >= 0) & (y <= 1)).all(),
                "the reference is finite": len(reference) > 0 and np.isfinite(reference).all(),
                "there are features and bands": bool(manifest.features and manifest.bands),
                "segments are cut by a number of the model, an offset each": _segments_fit(manifest),
            }
        )
    return manifest


def _segments_fit(manifest: Manifest) -> bool:
    segment, numbers = manifest.segment, {feature.name for feature in manifest.features if not feature.levels}
    return segment is None or (segment.feature in numbers and len(segment.offsets) == len(segment.cuts) + 1)


def _check_sum(name: str, data: bytes | None, recorded: str | None) -> None:
    if data is None:
        state = "is absent"
    elif recorded is None:
        state = "is not in its manifest"
    elif len(data) > MAX_BYTES:
        state = f"has more than {MAX_BYTES:,} bytes"
    elif hashlib.sha256(data).hexdigest() != recorded:
        state = "does not match its sha256"
    else:
        return
    raise CorruptArtifact(f"{name} of the artefact {state}.", fix="Restore the artefact or roll back.")


def _same_contract(manifest: Manifest, contract: Contract) -> None:
    offered = set(Schema.of(contract).columns)
    strange = [f.name for f in manifest.features if Column(f.name, f.dtype, f.levels) not in offered]
    if manifest.contract_hash != contract.hash or strange:
        raise CorruptArtifact(
            f"The artefact was trained under contract {manifest.contract_hash}, but carries {contract.hash}"
            + (f", which does not offer {', '.join(strange)} as trained." if strange else "."),
            fix="Train again; an artefact and its contract are made together.",
        )
