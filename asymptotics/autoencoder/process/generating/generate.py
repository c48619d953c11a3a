"""The generative SDE in R^d, point by point, by the explicit Euler-Maruyama scheme that a sampler runs (`.carried`).

X_0 ~ N(0, I_d). A point stays in the processor's cache through all its steps, and has its own random numbers (the counter's
step is the number of the point, the stream the number of the time step), so that the answer depends on no block and no thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import InputError, array, choice, integer
from ....common.numerics.laws.normals import philox_key
from ....common.output.results import Result
from ...kernels.written.network import Forward
from ...model.streams import LABEL
from ..training.draws import choose
from . import carried


def prepare(denoiser: Forward, dtype: str = "float64") -> None:
    """Compile (or load) the kernels now, so that worker processes started later find them."""
    carried.sample(dtype)
    _ = denoiser.module  # loaded on first use


@dataclass(frozen=True, eq=False)
class GeneratedPoints(Result):
    """What is kept of points generated in R^d.

    Attributes
    ----------
    projections : (n, K)
        u_k·X on the given directions.
    fields : (n, p)
        Local fields Z = W X/√d.
    squared_norms : (n,)
        X·X.
    points : (n, d) or (0, d)
        The points themselves, if they were asked for.
    first : int
        Number of the first point.
    """

    projections: np.ndarray
    fields: np.ndarray
    squared_norms: np.ndarray
    points: np.ndarray
    first: int = 0

    COLUMNS = ("squared_norms", "projections", "fields")


class Generator:
    """The generative process of one trained network.

    Parameters
    ----------
    denoiser : Forward
    weights : (p, d)
        W.
    gamma, delta, epsilon, h : (steps,)
        Γ_k, Δ_k, ε_k ≥ 0 and h_k of every step: drift Γ (1/√d) Σ_j u_j φ_j + Δ X. If the drift is known as
        c₁ f(X) + c₂ X, then Γ = c₁ and Δ = c₁ b + c₂.
    directions : (K, d), optional
        Projections to keep; default none.
    parameters : (parameters,), optional
        κ; default 0.
    clock : (5, steps), optional
        α, β, α̇, β̇ and t at every step, for a network that knows the time.
    label : int or (labels,), optional
        Label of all points, or the probabilities with which every point gets one; for networks of labels. Default: dropped.
    guidance : (steps,), optional
        ω at every step; default 0.
    dtype : {"float64", "float32"}
        Of the points and of the noise; inner products are accumulated in double.

    Raises
    ------
    InputError
        Naming the argument, its value and what is allowed.
    """

    def __init__(
        self,
        denoiser: Forward,
        weights: ArrayLike,
        gamma: ArrayLike,
        delta: ArrayLike,
        epsilon: ArrayLike,
        h: ArrayLike,
        directions: ArrayLike | None = None,
        parameters: ArrayLike | None = None,
        dtype: str = "float64",
        *,
        clock: ArrayLike | None = None,
        label: ArrayLike | None = None,
        guidance: ArrayLike | None = None,
    ) -> None:
        choice("dtype", dtype, ("float64", "float32"))
        W = array("weights", weights, shape=(denoiser.vectors, None))
        d = W.shape[1]
        h = array("h", h, ndim=1)
        gamma, delta, epsilon = (
            array(name, value, shape=h.shape)
            for name, value in (("gamma", gamma), ("delta", delta), ("epsilon", epsilon))
        )
        if np.any(epsilon * h < 0):
            raise InputError("epsilon: must be >= 0 at every step")
        kappa = np.zeros(denoiser.parameters) if parameters is None else parameters
        self.dtype = dtype
        self.denoiser = denoiser
        steps = len(h)
        self._clock = array("clock", np.zeros((5, steps)) if clock is None else clock, shape=(5, steps))
        self._guidance = array("guidance", np.zeros(steps) if guidance is None else guidance, shape=(steps,))
        self._shares = None if label is None else self._cumulative(label)
        self._W = W.astype(dtype, order="C")
        self._kappa = array("parameters", kappa, shape=(denoiser.parameters,))
        self._scheme = np.stack([h * gamma / np.sqrt(d), 1.0 + h * delta, np.sqrt(2.0 * epsilon * h)])
        given = np.empty((0, d)) if directions is None else directions
        self._directions = array("directions", given, shape=(None, d)).astype(dtype, order="C")

    def _cumulative(self, label: ArrayLike) -> np.ndarray:
        """Cumulative probabilities of the labels."""
        count = self.denoiser.labels
        if np.ndim(label) == 0:
            label = np.arange(count) == integer("label", label, at_least=0, at_most=count - 1)
        return np.cumsum(array("label", np.asarray(label, dtype=np.float64), shape=(count,)))

    def labels(self, count: int, seed: int | np.random.SeedSequence, first: int = 0) -> np.ndarray:
        """Labels of the points first … first + count (−1: none); those of a point do not depend on the block."""
        out = np.full(count, -1, dtype=np.int64)
        if self._shares is not None:
            choose(*philox_key(seed), LABEL, first, self._shares, out)
        return out

    def block(
        self, count: int, seed: int | np.random.SeedSequence, first: int = 0, keep_points: bool = False
    ) -> GeneratedPoints:
        """Points number first … first + count; releases the GIL."""
        p, d = self._W.shape
        projections, fields = np.empty((count, len(self._directions))), np.empty((count, p))
        norms, points = np.empty(count), np.empty((count if keep_points else 0, d), self.dtype)
        carried.sample(self.dtype)(
            self.denoiser.module.phi, self.denoiser.decoders, self._W, self._kappa, self._scheme, self._clock,
            self._guidance, self.labels(count, seed, first), self.denoiser.labels, self._directions, *philox_key(seed),
            first, points, projections, fields, norms,
        )  # fmt: skip
        return GeneratedPoints(projections, fields, norms, points, first)

    def carry(self, points: np.ndarray, first: int, last: int, seed: int | np.random.SeedSequence) -> np.ndarray:
        """Points (n, d) at step ``last`` from those at step ``first``; the given ones stay as they are.

        All of them have the given label, if any; shares of labels are for points from the beginning (`block`).
        """
        moved = np.array(points, dtype=self.dtype, order="C")
        if last > first:
            scheme, clock, guidance = (
                np.ascontiguousarray(x[..., first:last]) for x in (self._scheme, self._clock, self._guidance)
            )
            carried.carry(self.dtype)(
                self.denoiser.module.phi, self.denoiser.decoders, self._W, self._kappa, scheme, clock, guidance,
                self.labels(len(moved), seed), self.denoiser.labels, *philox_key(seed), first + 1, moved,
            )  # fmt: skip
        return moved

    def blocks(
        self, samples: int, seed: int | np.random.SeedSequence = 0, block: int = 256, keep_points: bool = True
    ) -> Iterator[GeneratedPoints]:
        """All points, never more than a block of them in memory; the points do not depend on the block's size."""
        integer("samples", samples, at_least=1)
        integer("block", block, at_least=1)
        for first in range(0, samples, block):
            yield self.block(min(block, samples - first), seed, first, keep_points)

    def sample(
        self, samples: int, seed: int | np.random.SeedSequence = 0, *, keep_points: bool = False, threads: int = 1
    ) -> GeneratedPoints:
        """Projections, local fields and squared norms of ``samples`` points (and the points, if asked for).

        Parameters
        ----------
        samples : int
        seed : int or SeedSequence
            Point i is the same for any number of samples, block and thread.
        keep_points : bool
            Keep X too, of shape (samples, d).
        threads : int
        """
        integer("samples", samples, at_least=1)
        integer("threads", threads, at_least=1)
        # Blocks of a few tenths of a second, so that Ctrl-C is looked at.
        d, steps = self._W.shape[1], self._scheme.shape[1]
        size = int(min(-(-samples // threads), max(1, 2e8 / (2.0 * d * max(steps, 1)))))
        todo = [(min(size, samples - first), seed, first, keep_points) for first in range(0, samples, size)]
        carried.sample(self.dtype)
        if threads == 1:
            parts = [self.block(*t) for t in todo]
        else:
            with ThreadPoolExecutor(threads) as pool:
                parts = list(pool.map(lambda t: self.block(*t), todo))
        return GeneratedPoints(
            projections=np.concatenate([part.projections for part in parts]),
            fields=np.concatenate([part.fields for part in parts]),
            squared_norms=np.concatenate([part.squared_norms for part in parts]),
            points=np.concatenate([part.points for part in parts]),
        )
