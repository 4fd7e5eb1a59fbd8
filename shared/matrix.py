"""The one type all numbers of a model travel in. A module of its own, so that the scorer needs numpy and nothing else."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float64]
