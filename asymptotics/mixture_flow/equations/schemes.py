"""Explicit Runge–Kutta schemes and the grids they step on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...common.input.checks import InputError
from ...common.numerics.interpolants import Interpolant
from .order_parameters import schedule


class Tableau(NamedTuple):
    """Butcher tableau of an explicit scheme: stage matrix (s, s), weights (s,), abscissae (s,), order."""

    stages: np.ndarray
    weights: np.ndarray
    abscissae: np.ndarray
    order: int


TABLEAUX = {
    "euler": Tableau(np.zeros((1, 1)), np.array([1.0]), np.array([0.0]), 1),
    "midpoint": Tableau(np.array([[0.0, 0.0], [0.5, 0.0]]), np.array([0.0, 1.0]), np.array([0.0, 0.5]), 2),
    "heun": Tableau(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([0.5, 0.5]), np.array([0.0, 1.0]), 2),
    "rk4": Tableau(
        np.array([[0.0, 0, 0, 0], [0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 1.0, 0]]),
        np.array([1.0, 2.0, 2.0, 1.0]) / 6,
        np.array([0.0, 0.5, 0.5, 1.0]),
        4,
    ),
}


@dataclass(frozen=True)
class Grid:
    r"""Steps of the transport and the values of the interpolant at their stages.

    The state is Y = X/ρ with ρ = 1 (clock ``"time"``, parameter t) or ρ_t = √(α² + β²) (clock ``"angle"``, parameter
    φ = arctan(β/α), in which every interpolant becomes (cos φ, sin φ) because the optimal denoiser depends on t through
    β/α and ρ alone).

    Parameters
    ----------
    lengths : ndarray, shape (steps,)
        Step lengths of the parameter.
    alpha, beta, alpha_dot, beta_dot : ndarray, shape (steps, stages)
        Interpolant and its derivatives with respect to the parameter at the stages.
    times : ndarray, shape (T,)
        Times at which the state is wanted, as asked for.
    nodes : ndarray of int, shape (T,)
        Number of steps done when each of them is reached.
    radius : ndarray, shape (T,)
        ρ at these times.
    scheme, clock : str
    """

    lengths: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray
    alpha_dot: np.ndarray
    beta_dot: np.ndarray
    times: np.ndarray
    nodes: np.ndarray
    radius: np.ndarray
    scheme: str
    clock: str

    @property
    def tableau(self) -> Tableau:
        """The scheme's tableau."""
        return TABLEAUX[self.scheme]

    def increment(self, step: int, slope: Callable[[int, np.ndarray], np.ndarray], y: np.ndarray) -> np.ndarray:
        """What one step adds to the state ``y``, with ``slope(stage, y)``."""
        h, slopes = self.lengths[step], list[np.ndarray]()
        for j in range(len(self.tableau.weights)):
            inner = y + h * sum((self.tableau.stages[j, i] * slopes[i] for i in range(j)), np.zeros_like(y))
            slopes.append(slope(j, inner))
        return np.asarray(h * sum((w * s for w, s in zip(self.tableau.weights, slopes, strict=True)), np.zeros_like(y)))


def make_grid(interpolant: Interpolant, steps: int, scheme: str, clock: str, times: np.ndarray) -> Grid:
    """The grid of ``steps`` uniform steps from t = 0 to t = 1; wanted times in between become nodes too.

    Raises
    ------
    InputError
        If the scheme needs the interpolant's derivative where it is infinite (clock ``"time"``; use ``"angle"``).
    """
    times = np.asarray(times, dtype=np.float64)
    alpha, beta = schedule(interpolant, times)
    end, wanted = (1.0, times) if clock == "time" else (np.pi / 2, np.arctan2(beta, alpha))
    uniform = np.linspace(0.0, end, steps + 1)
    extra = np.unique(wanted)
    nearest = np.abs(extra[:, None] - uniform).min(axis=1)
    nodes = np.unique(np.concatenate([uniform, extra[nearest > 1e-12]]))
    reached = np.abs(wanted[:, None] - nodes).argmin(axis=1)
    lengths = np.diff(nodes)
    stage = nodes[:-1, None] + lengths[:, None] * TABLEAUX[scheme].abscissae
    if clock == "angle":
        return Grid(
            lengths, np.cos(stage), np.sin(stage), -np.sin(stage), np.cos(stage), times, reached,
            np.hypot(alpha, beta), scheme, clock,
        )  # fmt: skip
    stage = np.minimum(stage, 1.0)
    a, b = schedule(interpolant, stage)
    a_dot, b_dot = interpolant.alpha_dot(stage), interpolant.beta_dot(stage)
    bad = ~(np.isfinite(a_dot) & np.isfinite(b_dot))
    if np.any(bad):
        raise InputError(
            f"simulation.clock = 'time': the interpolant's derivative is infinite at t = {stage[bad][0]:g}, where the"
            f" scheme {scheme!r} needs it; use clock = 'angle'"
        )
    return Grid(lengths, a, b, a_dot, b_dot, times, reached, np.ones_like(times), scheme, clock)
