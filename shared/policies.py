"""Policies as versioned data: what the business may change without touching code."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from shared.documents import Document, broken_rule, load

Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class Band(Document):
    """`top` is the share of the reference, best first, that this band and all above it hold."""

    name: str
    top: Share
    action: str


class Bands(Document):
    bands: Annotated[tuple[Band, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _cover_everyone(self) -> "Bands":
        tops = [band.top for band in self.bands]
        if tops != sorted(set(tops)) or tops[-1] != 1:
            raise broken_rule("bands go from the best down: `top` rises from band to band and the last is 1")
        return self


class SalesforceFields(Document):
    """Which Salesforce field each part of a score is written to."""

    score: str
    probability: str
    percentile: str
    band: str
    action: str
    reasons: str
    model_version: str
    scored_at: str


class SalesforcePolicy(Document):
    crd_field: str
    fields: SalesforceFields
    collection_size: Annotated[int, Field(gt=0, le=200)]
    bulk_threshold: Positive


class ScoringPolicy(Document):
    """`stage` starts the clock; leads stay open `open_days`, and a score is stale after `stale_after_days`."""

    stage: str
    open_days: Positive
    stale_after_days: Positive
    page_size: Annotated[int, Field(gt=0, le=1000)]
    sync_page_size: Annotated[int, Field(gt=0, le=10_000)]
    future_tolerance_minutes: Positive


def bands(folder: Path) -> Bands:
    return load(folder / "bands.yaml", Bands)


def salesforce(folder: Path) -> SalesforcePolicy:
    return load(folder / "salesforce.yaml", SalesforcePolicy)


def scoring(folder: Path) -> ScoringPolicy:
    return load(folder / "scoring.yaml", ScoringPolicy)
