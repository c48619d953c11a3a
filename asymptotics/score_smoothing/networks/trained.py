"""What a trained score network is, on the line and in the plane."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import ArrayLike

from ...common.output.results import Result


class TrainedNetwork(Result):
    """A network g(x) = t f(x) that was trained at one noise variance t, and the δ_t that it ended up with in every gap."""

    t: float
    effective_delta: np.ndarray

    @property
    def effective_kappa(self) -> float:
        """Mean δ over the gaps divided by √t."""
        return float(np.mean(self.effective_delta) / np.sqrt(self.t))

    @abstractmethod
    def posterior_mean(self, x: ArrayLike, t: float | None = None) -> np.ndarray:
        """x + g(x), shape of ``x`` (the network knows its own t only)."""

    def __call__(self, x: ArrayLike, t: float | None = None) -> np.ndarray:
        """The learned score g(x)/t."""
        x = np.asarray(x, dtype=np.float64)
        return np.asarray((self.posterior_mean(x) - x) / self.t)
