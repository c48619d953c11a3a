"""What an optimiser makes of the gradients in R^d: a linear map of the stacked vectors, those that no network uses included.

    w_a ← w_a + Σ_c R_ac (−η ρ_c s ∇_{w_c} loss) + Σ_c L_ac w_c

with the vectors of the network first, then a velocity of each (momentum), then an average of each for every γ. Scalars (b, κ)
have rows of their own: those of the network, their velocities, their averages. One step is of length h = 2η/d in τ:

* weight decay: L_ww = −η ρ s λ/d;
* momentum β_m, fixed, on everything: v ← β_m v + (step of SGD), w ← w + v;
* heavy ball with friction g and gain k, on the vectors: v ← v + (gradient step) − h g v, w ← w + h k v + (decay);
* any R and A of one's own: L = h A;
* an average of rate γ: w̄ ← w̄ + min(1, h γ)(w − w̄).

Everything on the right is old, and what depends on τ is taken in the middle of the step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .problem import SgdProblem

#: A number, or a function of arrays of τ.
AlongTau = float | Callable[[np.ndarray], np.ndarray]


def along(value: AlongTau, tau: np.ndarray) -> np.ndarray:
    """A number or a function of τ, at every τ."""
    return np.array(np.broadcast_to(np.asarray(value(tau) if callable(value) else value, dtype=np.float64), tau.shape))


@dataclass(frozen=True)
class Entries:
    """Entries of a matrix along τ: (row, column) pairs (n, 2), and their values at every step (steps, n)."""

    places: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, table: Sequence[tuple[int, int, np.ndarray]], steps: int) -> Entries:
        """From (row, column, values at every step); entries that are zero throughout are left out."""
        kept = [entry for entry in table if np.any(entry[2])]
        places = np.array([entry[:2] for entry in kept], dtype=np.int64).reshape(-1, 2)
        values = np.array([entry[2] for entry in kept]).reshape(len(kept), steps).T
        return cls(places, np.ascontiguousarray(values))


class StackedOptimiser:
    """The map of one training, step by step.

    Parameters
    ----------
    problem : SgdProblem

    Attributes
    ----------
    plain : bool
        Whether it is SGD and nothing else: there are then no entries.
    rows, scalar_rows : int
        P, and rows of the scalars.
    velocity : slice or None
        Where the velocities stand among the vectors.
    averages, scalar_averages : tuple of slice, tuple of int
        Where each average stands.
    followed, followed_scalars : array of int
        Rows that order parameters are recorded of.
    """

    def __init__(self, problem: SgdProblem) -> None:
        self.problem, p = problem, problem.denoiser.vectors
        self.p = p
        moving = bool(problem.momentum) or problem.heavy_ball is not None
        self.velocity = slice(p, 2 * p) if moving else None
        first, scalar_first = p * (1 + moving), 1 + bool(problem.momentum)
        count = len(problem.averages)
        self.averages = tuple(slice(first + i * p, first + (i + 1) * p) for i in range(count))
        self.scalar_averages = tuple(range(scalar_first, scalar_first + count))
        self.rows, self.scalar_rows = first + count * p, scalar_first + count
        self.plain = not (moving or count or problem.linear_map is not None)
        # The overlaps of a fixed momentum's velocity vanish as d → ∞.
        self.followed = np.array([a for a in range(self.rows) if not (problem.momentum and p <= a < 2 * p)])
        self.followed_scalars = np.array([0, *self.scalar_averages])

    def start(self, weights: np.ndarray, scalars: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stacked vectors (P, d) and scalars at τ = 0: velocities are zero, averages are what they average."""
        vectors = np.zeros((self.rows, weights.shape[1]))
        rows = np.zeros((self.scalar_rows, len(scalars)))
        vectors[: self.p], rows[0] = weights, scalars
        for part, row in zip(self.averages, self.scalar_averages, strict=True):
            vectors[part], rows[row] = weights, scalars
        return vectors, rows

    @property
    def scalar_gradient(self) -> np.ndarray:
        """What every row of the scalars gets of their gradient."""
        out = np.zeros(self.scalar_rows)
        out[: 1 + bool(self.problem.momentum)] = 1.0
        return out

    def entries(self, first: int, steps: int) -> tuple[Entries, Entries, Entries]:
        """R and L of the vectors, and L of the scalars, at the steps first, first + 1, …."""
        if self.plain:
            none = Entries.of([], steps)
            return none, none, none
        problem, p, one = self.problem, self.p, np.ones(steps)
        h = 2 * problem.learning_rate / problem.dimension
        tau = h * (first + 0.5 + np.arange(steps))
        gradient: list[tuple[int, int, np.ndarray]] = []
        linear: list[tuple[int, int, np.ndarray]] = []
        scalars: list[tuple[int, int, np.ndarray]] = []
        if problem.linear_map is not None:
            for table, entries, scale in zip(problem.linear_map, (gradient, linear), (1.0, h), strict=True):
                entries += [(a, c, scale * along(table[a][c], tau)) for a in range(p) for c in range(p)]
        else:
            decay = -0.5 * h * problem.factors(first, steps) * problem.decays(first, steps)
            for a, rho in enumerate(problem.rates):
                v = p + a
                linear.append((a, a, rho * decay))
                if problem.heavy_ball is not None:
                    friction, gain = problem.heavy_ball
                    gradient.append((v, a, one))
                    linear += [(v, v, -h * friction * one), (a, v, h * gain * one)]
                    continue
                gradient.append((a, a, one))
                if problem.momentum:
                    gradient.append((v, a, one))
                    linear += [(a, v, problem.momentum * one), (v, v, (problem.momentum - 1) * one), (v, a, rho * decay)]
        if problem.momentum:
            scalars += [(0, 1, problem.momentum * one), (1, 1, (problem.momentum - 1) * one)]
        for gamma, part, row in zip(problem.averages, self.averages, self.scalar_averages, strict=True):
            share = np.minimum(1.0, h * along(gamma, tau))
            for a in range(p):
                linear += [(part.start + a, a, share), (part.start + a, part.start + a, -share)]
            scalars += [(row, 0, share), (row, row, -share)]
        return Entries.of(gradient, steps), Entries.of(linear, steps), Entries.of(scalars, steps)
