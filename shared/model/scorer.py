"""A model's judgement of vectors: margin, probability, percentile, band, and the reasons in words."""

from collections.abc import Mapping, Sequence

import numpy as np

from shared.asof.contract import Feature
from shared.asof.vector import Matrix, as_table
from shared.model import calibrate
from shared.model.artifact import Artifact
from shared.policies import Band
from shared.score import Judgement, Reason, Value, points

TOP_REASONS = 5


def judge(artifact: Artifact, vectors: Sequence[Mapping[str, Value]]) -> list[Judgement]:
    """One judgement per vector, in order. Raises SchemaMismatch and UnknownCategory."""
    if not vectors:
        return []
    matrix = artifact.schema.encode(as_table(vectors))
    margins = artifact.predictor.margins(matrix)
    probabilities = calibrated(artifact, matrix, margins)
    percentiles = calibrate.percentile(margins, artifact.reference)
    shares = feature_contributions(artifact, matrix)
    by_name = {feature.name: feature for feature in artifact.contract.usable}
    features = [by_name[name] for name in artifact.schema.names]
    judgements = []
    for margin, probability, percentile, share, vector in zip(
        margins.tolist(), probabilities.tolist(), percentiles.tolist(), shares, vectors, strict=True
    ):
        band = band_at(artifact.manifest.bands, percentile)
        judgements.append(
            Judgement(
                margin=margin,
                probability=probability,
                percentile=percentile,
                score=points(margin, artifact.manifest.base_rate),
                band=band.name,
                action=band.action,
                reasons=_reasons(features, share, vector),
            )
        )
    return judgements


def calibrated(artifact: Artifact, matrix: Matrix, margins: Matrix) -> Matrix:
    """Calibrated probability [rows], by segment where the model has segments."""
    segment = artifact.manifest.segment
    offset = segment.offset(matrix[:, artifact.schema.matrix_names.index(segment.feature)]) if segment else 0.0
    return calibrate.probability(margins, artifact.manifest.calibration, offset)


def feature_contributions(artifact: Artifact, matrix: Matrix) -> Matrix:
    """Contributions [rows, features]: those of a category's columns add up to the category's."""
    shares = artifact.predictor.contributions(matrix)
    starts = np.searchsorted(artifact.schema.owner, np.arange(len(artifact.schema.columns)))
    return np.asarray(np.add.reduceat(shares, starts, axis=1))


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
