"""How models are trained: versioned data in policies/training.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from shared.documents import Document, load

Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(gt=0)]
Params = Mapping[str, int | float]
Choices = Mapping[str, tuple[int | float, ...]]
FamilyName = Literal["base_rate", "rules", "logistic", "xgboost", "lightgbm", "ensemble"]
Imbalance = Literal["none", "scale_pos_weight", "smote"]
Screen = Literal["strict", "light"]


class FilterPolicy(Document):
    """Bounds beyond which a feature is left out, on training rows only."""

    min_iv: float = 0.02
    max_vif: float = 10
    max_missing: Share = 0.98
    max_psi: float = 1.0
    min_kept: Share = 0.5

    def of(self, screen: Screen) -> "FilterPolicy":
        """Light: without the rules that judge how much a feature says, only those on whether it can be learned from."""
        forgiving = {"min_iv": 0.0, "max_vif": float("inf"), "max_psi": float("inf")}
        return self if screen == "strict" else self.model_copy(update=forgiving)


class SearchPolicy(Document):
    """Random search inside the training rows of a period; `candidates` 0 keeps the parameters as they are."""

    candidates: Annotated[int, Field(ge=0)] = 0
    seconds: float = 120
    inner_share: Share = 0.25
    patience: Count = 30
    logistic: Choices = Field(default_factory=dict)
    xgboost: Choices = Field(default_factory=dict)
    lightgbm: Choices = Field(default_factory=dict)


class SegmentPolicy(Document):
    """Leads by the value of a feature, cut at `cuts`."""

    feature: str
    cuts: Annotated[tuple[float, ...], Field(min_length=1)]
    prior_positives: float = 50


class CalibrationPolicy(Document):
    isotonic_min_positives: Count = 500
    recent_days: Count = 90
    prior_min_positives: Count = 100
    prior_max_factor: Annotated[float, Field(gt=1)] = 2
    segments: Mapping[str, SegmentPolicy] = Field(default_factory=dict)


class SealedPolicy(Document):
    share: Share = 0.2
    max_openings: Count = 5


class TrainingPolicy(Document):
    """`folds` rolling-origin periods; a training set must have `min_rows` and `min_positives`."""

    folds: Annotated[int, Field(ge=2)]
    min_rows: Count
    min_positives: Count
    seed: int
    threads: Count
    workers: Count = 1
    families: Annotated[tuple[FamilyName, ...], Field(min_length=1)] = ("logistic", "xgboost")
    imbalance: Annotated[tuple[Imbalance, ...], Field(min_length=1)] = ("none",)
    screens: Annotated[tuple[Screen, ...], Field(min_length=1)] = ("light",)
    min_gain: Annotated[float, Field(ge=0)] = 0.01
    smote_ratio: Share = 0.25
    logistic: Params
    xgboost: Params
    xgboost_rounds: Count
    lightgbm: Params = Field(default_factory=dict)
    lightgbm_rounds: Count = 200
    filters: FilterPolicy = FilterPolicy()
    search: SearchPolicy = SearchPolicy()
    calibration: CalibrationPolicy = CalibrationPolicy()
    sealed: SealedPolicy = SealedPolicy()
    learning_curve: tuple[Share, ...] = ()
    backtest_months: Annotated[int, Field(ge=0)] = 0

    def brief(self) -> "TrainingPolicy":
        """The quick form, for a demonstration: two families at the natural prior, no search."""
        no_search = self.search.model_copy(update={"candidates": 0})
        few = {"families": ("logistic", "xgboost"), "imbalance": ("none",), "screens": ("light",)}
        return self.model_copy(update={**few, "search": no_search})


def training(folder: Path) -> TrainingPolicy:
    return load(folder / "training.yaml", TrainingPolicy)
