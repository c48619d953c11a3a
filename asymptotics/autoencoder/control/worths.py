"""What a unit of the objective is worth in everything that the drift reads of a problem."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ..equations.coefficients import Coefficients

#: The coefficients that are numbers which the drift depends on smoothly.
SMOOTH = (
    "time_weights", "schedule", "pi", "c", "varsigma", "mass", "T", "t", "Lambda", "eta", "decay", "rho", "rho_b",
)  # fmt: skip


@dataclass
class Worths:
    """Derivatives of the objective by the entries of `Coefficients`, summed over the training; ``scale`` is by s(τ)."""

    time_weights: np.ndarray
    schedule: np.ndarray
    pi: np.ndarray
    c: np.ndarray
    varsigma: np.ndarray
    mass: np.ndarray
    T: np.ndarray
    t: np.ndarray
    Lambda: np.ndarray
    eta: np.ndarray
    decay: np.ndarray
    rho: np.ndarray
    rho_b: np.ndarray
    scale: np.ndarray

    @classmethod
    def zeros(cls, given: Coefficients) -> Worths:
        """Nothing yet."""
        shapes = {name: np.atleast_1d(np.asarray(getattr(given, name), dtype=np.float64)).shape for name in SMOOTH}
        return cls(**{name: np.zeros(shape) for name, shape in shapes.items()}, scale=np.zeros(1))

    def clear(self) -> None:
        """Back to nothing."""
        for f in fields(self):
            getattr(self, f.name)[...] = 0.0

    def of_change(self, rates: dict[str, np.ndarray]) -> float:
        """The objective's rate where the coefficients change at these rates."""
        return float(sum(np.vdot(getattr(self, name), np.atleast_1d(rate)) for name, rate in rates.items()))


def smooth_values(given: Coefficients) -> dict[str, np.ndarray]:
    """The entries of a problem's coefficients by name."""
    return {name: np.atleast_1d(np.asarray(getattr(given, name), dtype=np.float64)) for name in SMOOTH}
