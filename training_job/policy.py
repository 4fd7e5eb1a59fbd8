"""How models are trained: versioned data in policies/training.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared.documents import Document, load


class TrainingPolicy(Document):
    """`folds` rolling-origin periods; a training set must have `min_rows` and `min_positives`."""

    folds: Annotated[int, Field(ge=2)]
    min_rows: Annotated[int, Field(gt=0)]
    min_positives: Annotated[int, Field(gt=0)]
    seed: int
    threads: Annotated[int, Field(gt=0)]
    logistic: Mapping[str, int | float]
    xgboost: Mapping[str, int | float]
    xgboost_rounds: Annotated[int, Field(gt=0)]


def training(folder: Path) -> TrainingPolicy:
    return load(folder / "training.yaml", TrainingPolicy)
