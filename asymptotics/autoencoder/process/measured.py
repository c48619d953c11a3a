"""Order parameters that somebody else measured: means with standard errors, where the single runs are not there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.output.results import Result


@dataclass(frozen=True, eq=False)
class Means(Result):
    """Means over trainings in R^d and their standard errors; NaN where something was not measured.

    Parameters
    ----------
    tau : (times,)
    Q, Theta, b, parameters : (times, p, p), (times, p, K), (times,), (times, n)
    Q_sem, Theta_sem, b_sem, parameters_sem : arrays
        Standard errors of these.
    dimension : int
        d.
    runs : int
        Number of trainings; 0 where nobody says: the standard errors are then taken to be known.
    """

    COLUMNS = ("tau", "Q", "Q_sem", "Theta", "Theta_sem", "b", "b_sem", "parameters", "parameters_sem")

    tau: np.ndarray
    Q: np.ndarray
    Theta: np.ndarray
    b: np.ndarray
    parameters: np.ndarray
    Q_sem: np.ndarray
    Theta_sem: np.ndarray
    b_sem: np.ndarray
    parameters_sem: np.ndarray
    dimension: int
    runs: int = 0

    def mean(self, name: str) -> np.ndarray:
        """Means of a quantity at every time."""
        return np.asarray(getattr(self, name))

    def sem(self, name: str) -> np.ndarray:
        """Their standard errors."""
        return np.asarray(getattr(self, f"{name}_sem"))

    def measured(self, name: str) -> bool:
        """Whether there is anything of a quantity."""
        return bool(np.size(self.mean(name)) and not np.all(np.isnan(self.mean(name))))
