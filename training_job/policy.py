"""How models are trained: versioned data in policies/training.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from shared.documents import Document, load


class Filters(Document):
    """Bounds on training rows: share missing, variance inflation, information value, drift between the halves."""

    max_missing: Annotated[float, Field(gt=0, le=1)]
    max_vif: Annotated[float, Field(gt=1)]
    min_iv: Annotated[float, Field(ge=0)]
    max_psi: Annotated[float, Field(gt=0)]


class Search(Document):
    """How many parameter sets to try, and for how many seconds at most."""

    trials: Annotated[int, Field(ge=0)]
    seconds: Annotated[float, Field(gt=0)]


class TrainingPolicy(Document):
    """`folds` rolling-origin periods; a training set must have `min_rows` and `min_positives`."""

    folds: Annotated[int, Field(ge=2)]
    min_rows: Annotated[int, Field(gt=0)]
    min_positives: Annotated[int, Field(gt=0)]
    seed: int
    threads: Annotated[int, Field(gt=0)]
    sealed_share: Annotated[float, Field(gt=0, lt=0.5)]
    max_openings: Annotated[int, Field(gt=0)]
    filters: Filters
    imbalance: tuple[Literal["none", "scale_pos_weight", "smote"], ...]
    isotonic_min_positives: Annotated[int, Field(gt=0)]
    search: Search
    logistic: Mapping[str, int | float]
    xgboost: Mapping[str, int | float]
    xgboost_rounds: Annotated[int, Field(gt=0)]


def training(folder: Path) -> TrainingPolicy:
    return load(folder / "training.yaml", TrainingPolicy)
