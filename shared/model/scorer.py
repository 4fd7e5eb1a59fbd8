"""A model's judgement of vectors: margin, probability, percentile, band, and the reasons in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shared.asof.contract import Feature
from shared.matrix import Matrix
from shared.model import calibrate
from shared.model.artifact import Artifact
from shared.policies import Band
from shared.score import Judgement, Reason, Value, points

TOP_REASONS = 5


def judge(artifact: Artifact, vectors: Sequence[Mapping[str, Value]]) -> list[Judgement]:
    """One judgement per vector, in order. Raises SchemaMismatch and UnknownCategory."""
    if not vectors:
        return []
    matrix = artifact.schema.encode_rows(vectors)
    margin, shares = artifact.predictor.explained(matrix)
    said = _estimates(artifact, matrix, margin)
    numbers = (column.tolist() for column in (said.margin, said.probability, said.percentile))
    return [_judgement(artifact, *each) for each in zip(*numbers, _by_feature(artifact, shares), vectors, strict=True)]


@dataclass(frozen=True, slots=True)
class Estimates:
    """What ranks, what is shown, and where it lies in the reference (0-100), each [rows]."""

    margin: Matrix
    probability: Matrix
    percentile: Matrix


def estimate(artifact: Artifact, matrix: Matrix) -> Estimates:
    """For very many rows, of whom few will be shown: no reasons."""
    return _estimates(artifact, matrix, artifact.predictor.margins(matrix))


def _by_feature(artifact: Artifact, shares: Matrix) -> Matrix:
    return np.asarray(np.add.reduceat(shares, artifact.schema.starts, axis=1))


def _estimates(artifact: Artifact, matrix: Matrix, margin: Matrix) -> Estimates:
    """Probabilities by segment, where the model has segments."""
    segment = artifact.manifest.segment
    offset = segment.offset(matrix[:, artifact.schema.matrix_names.index(segment.feature)]) if segment else 0.0
    return Estimates(margin, calibrate.probability(margin, artifact.knots, offset), calibrate.percentile(margin, artifact.reference))


def _judgement(
    artifact: Artifact, margin: float, probability: float, percentile: float, share: Matrix, vector: Mapping[str, Value]
) -> Judgement:
    band = band_at(artifact.manifest.bands, percentile)
    return Judgement(
        margin=margin,
        probability=probability,
        percentile=percentile,
        score=points(margin, artifact.manifest.base_rate),
        band=band.name,
        action=band.action,
        reasons=_reasons(artifact.features, share, vector),
    )


def band_at(bands: Sequence[Band], percentile: float) -> Band:
    """The first band, best first, that reaches down to this percentile of the reference."""
    return next((band for band in bands if percentile >= 100 - 100 * band.top), bands[-1])


def _reasons(features: Sequence[Feature], share: Matrix, vector: Mapping[str, Value]) -> tuple[Reason, ...]:
    strongest = np.argsort(-np.abs(share), kind="stable")[:TOP_REASONS]
    return tuple(Reason(features[i].name, float(share[i]), say(features[i], vector[features[i].name])) for i in strongest if share[i])


def say(feature: Feature, value: Value) -> str:
    """The contract's sentence with the lead's own value."""
    label = feature.name.replace("_", " ")
    if value is None:
        return f"{label} not known"
    if feature.dtype == "bool":
        return (feature.sentence or label) if value else (feature.otherwise or f"not: {feature.sentence or label}")
    if feature.sentence:
        return feature.sentence.format(value=value)
    return f"{label} {value:g}" if isinstance(value, float) else f"{label} {value}"
