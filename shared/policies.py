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


class SameWithin(Document):
    """How far a number may move before Salesforce is told; band, reasons and model are told whenever they differ."""

    score: Annotated[float, Field(ge=0)]
    probability: Annotated[float, Field(ge=0)]
    percentile: Annotated[float, Field(ge=0)]


class CatchUp(Document):
    """Windows of SystemModstamp overlap by so much; the first one reaches so far back."""

    overlap_minutes: Positive
    first_days: Positive


class SalesforcePolicy(Document):
    crd_field: str
    contacted_at_field: str
    fields: SalesforceFields
    same_within: SameWithin
    collection_size: Annotated[int, Field(gt=0, le=200)]
    bulk_threshold: Positive
    quota_share: Share
    quota_believed_seconds: Positive
    timeout_seconds: Annotated[float, Field(gt=0)]
    bulk_timeout_seconds: Annotated[float, Field(gt=0)]
    catch_up: CatchUp


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
