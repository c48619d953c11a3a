"""Order parameters that somebody else measured: means with standard errors, where the single runs are not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.output.results import Result


@dataclass(frozen=True)
class Means(Result):
    """Means over trainings in R^d and their standard errors.

    Parameters
    ----------
    tau : (times,)
    values, sems : dict of arrays
        Q (times, p, p), Theta (times, p, K), b (times,), parameters (times, n), those that were measured.
    dimension : int
        d.
    runs : int
        Number of trainings; 0 where nobody says: the standard errors are then taken to be known.
    """

    tau: np.ndarray
    values: dict[str, Any]
    sems: dict[str, Any]
    dimension: int
    runs: int = 0
