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
from typing import Any

import numpy as np

from ....common.input.checks import InputError, number

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


@dataclass(frozen=True, eq=False)
class Optimiser:
    """What moves the vectors and scalars of a training, and the averages that are kept of them; SGD by default.

    Parameters
    ----------
    momentum : float
        β_m, on everything; or
    heavy_ball : (float, float), optional
        friction and gain of order 1/d, on the vectors; or
    linear_map : (R, A), optional
        p × p lists of numbers and functions of τ, all that moves the vectors (the weight decay is then in A).
    averages : sequence of float or callable
        γ(τ) of every average.
    """

    momentum: float = 0.0
    heavy_ball: tuple[float, float] | None = None
    linear_map: Any = None
    averages: tuple[AlongTau, ...] = ()

    def __post_init__(self) -> None:
        number("momentum", self.momentum, at_least=0, below=1)
        if bool(self.momentum) + (self.heavy_ball is not None) + (self.linear_map is not None) > 1:
            raise InputError("momentum, heavy_ball, linear_map: at most one of the three can be given")
        for name, value in zip(("friction", "gain"), self.heavy_ball or (), strict=False):
            number(f"heavy_ball {name}", value, at_least=0)
        for gamma in self.averages:
            if not callable(gamma):
                number("averages", gamma, above=0)

    @property
    def plain(self) -> bool:
        """Whether it is SGD and nothing else."""
        return not (self.momentum or self.heavy_ball or self.averages) and self.linear_map is None


class Stack:
    """The rows that an optimiser moves: vectors and scalars of the network, their velocities, their averages.

    Parameters
    ----------
    optimiser : Optimiser
    p : int
        Vectors of the network.

    Attributes
    ----------
    plain : bool
        Whether there is nothing but the network, moved by SGD: there are then no entries.
    rows, scalar_rows : int
        P, and rows of the scalars.
    averages, scalar_averages : tuple of slice, tuple of int
        Where each average stands.
    followed, followed_scalars : array of int
        Rows that order parameters are recorded of.
    """

    def __init__(self, optimiser: Optimiser, p: int) -> None:
        self.optimiser, self.p, self.plain = optimiser, p, optimiser.plain
        fixed = bool(optimiser.momentum)
        first, scalar_first = p * (1 + (fixed or optimiser.heavy_ball is not None)), 1 + fixed
        count = len(optimiser.averages)
        self.averages = tuple(slice(first + i * p, first + (i + 1) * p) for i in range(count))
        self.scalar_averages = tuple(range(scalar_first, scalar_first + count))
        self.rows, self.scalar_rows = first + count * p, scalar_first + count
        # The overlaps of a fixed momentum's velocity vanish as d → ∞.
        self.followed = np.array([a for a in range(self.rows) if not (fixed and p <= a < 2 * p)])
        self.followed_scalars = np.array([0, *self.scalar_averages])

    def start(self, weights: np.ndarray, scalars: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stacked vectors (P, d) and scalars at τ = 0: velocities are zero, averages are what they average."""
        vectors = np.zeros((self.rows, weights.shape[1]))
        rows = np.zeros((self.scalar_rows, len(scalars)))
        vectors[: self.p], rows[0] = weights, scalars
        for part, row in zip(self.averages, self.scalar_averages, strict=True):
            vectors[part], rows[row] = weights, scalars
        return vectors, rows

    def place(self, average: int | None) -> tuple[slice, int]:
        """Where the network's vectors and scalars stand, or those of one of its averages."""
        if average is None:
            return slice(0, self.p), 0
        return self.averages[average], self.scalar_averages[average]

    @property
    def scalar_gradient(self) -> np.ndarray:
        """What every row of the scalars gets of their gradient."""
        out = np.zeros(self.scalar_rows)
        out[: 1 + bool(self.optimiser.momentum)] = 1.0
        return out

    def entries(
        self, tau: np.ndarray, h: float, rates: np.ndarray, decay: np.ndarray
    ) -> tuple[Entries, Entries, Entries]:
        """R and L of the vectors, and L of the scalars, at the steps whose middles are ``tau``.

        Parameters
        ----------
        tau, decay : (steps,)
            Middles of the steps, and s λ at each.
        h : float
            Length of a step.
        rates : (p,)
            ρ.
        """
        steps, given, p, one = len(tau), self.optimiser, self.p, np.ones(len(tau))
        gradient: list[tuple[int, int, np.ndarray]] = []
        linear: list[tuple[int, int, np.ndarray]] = []
        scalars: list[tuple[int, int, np.ndarray]] = []
        if given.linear_map is not None:
            for table, entries, scale in zip(given.linear_map, (gradient, linear), (1.0, h), strict=True):
                entries += [(a, c, scale * along(table[a][c], tau)) for a in range(p) for c in range(p)]
        elif not self.plain:
            for a, shrink in enumerate(np.outer(rates, -0.5 * h * decay)):
                v = p + a
                linear.append((a, a, shrink))
                if given.heavy_ball is not None:
                    friction, gain = given.heavy_ball
                    gradient.append((v, a, one))
                    linear += [(v, v, -h * friction * one), (a, v, h * gain * one)]
                    continue
                gradient.append((a, a, one))
                if given.momentum:
                    gradient.append((v, a, one))
                    linear += [(a, v, given.momentum * one), (v, v, (given.momentum - 1) * one), (v, a, shrink)]
        if given.momentum:
            scalars += [(0, 1, given.momentum * one), (1, 1, (given.momentum - 1) * one)]
        for gamma, part, row in zip(given.averages, self.averages, self.scalar_averages, strict=True):
            share = np.minimum(1.0, h * along(gamma, tau))
            for a in range(p):
                linear += [(part.start + a, a, share), (part.start + a, part.start + a, -share)]
            scalars += [(row, 0, share), (row, row, -share)]
        return Entries.of(gradient, steps), Entries.of(linear, steps), Entries.of(scalars, steps)
