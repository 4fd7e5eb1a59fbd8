"""What a family learns from in one period: rows, outcomes, and the libraries' own binned copies, made once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from shared.matrix import Matrix
from training_job.policy import Params, TrainingPolicy


@dataclass(frozen=True)
class Lesson:
    """matrix [rows, columns], `names` of its columns; outcome [rows] in 0/1, counting `positive_weight` where it is 1."""

    matrix: Matrix
    outcome: Matrix
    names: tuple[str, ...]
    policy: TrainingPolicy
    contract: str = ""
    positive_weight: float = 1.0

    @cached_property
    def for_xgboost(self) -> Any:
        """Quantised once; every strategy and draw of the search learns from the same bins."""
        import xgboost  # noqa: PLC0415

        return xgboost.QuantileDMatrix(self.single, self.outcome, nthread=self.policy.threads)

    @cached_property
    def for_lightgbm(self) -> Any:
        import lightgbm  # noqa: PLC0415

        fixed = {"verbosity": -1, "feature_pre_filter": False, "num_threads": self.policy.threads, "seed": self.policy.seed}
        return lightgbm.Dataset(self.single.astype(np.float64), self.outcome, params=fixed, free_raw_data=False)

    @cached_property
    def single(self) -> Any:
        """float32, the precision that thresholds are compared in when the model serves."""
        return self.matrix.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a family is fitted: its parameters and, for boosting, how many rounds."""

    params: Params
    rounds: int = 0


@dataclass(frozen=True, slots=True)
class Watch:
    """Inner rows that boosting is stopped by; never those that are judged."""

    matrix: Matrix
    outcome: Matrix
    patience: int
