"""The generative SDE in R^d, point by point, by the explicit Euler-Maruyama scheme that a sampler runs.

    X_{k+1} = X_k + h_k [Γ_k (1/√d) Σ_j u_j φ_j(W X_k/√d) + Δ_k X_k] + √(2 ε_k h_k) ξ_k,   X_0 ~ N(0, I_d).

A guided network of labels has (1 + ω) φ_j(·; label) − ω φ_j(·; dropped) in the place of φ_j.

A point stays in the processor's cache through all its steps, and has its own random numbers (the counter's step is the
number of the point, the stream the number of the time step), so that the answer depends on no block and no thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import float32, float64, int64, types, uint32

from ...common.input.checks import InputError, array, choice, integer
from ...common.numerics.cache import LOCK
from ...common.numerics.compiled import njit
from ...common.numerics.normals import LANES, TILE32, normal_block, philox_key
from ...common.output.results import Result
from ..kernels.network import Forward
from ..model.streams import LABEL
from .arithmetic import BLOCK, add, combined, dot, scaled
from .steps import choose

#: Stream of X_0; that of the noise of time step k is this + 1 + k (see `asymptotics.common.numerics.normals`).
GENERATED = 64


def _sample(
    phi: Any, decoders: Any, W: Any, kappa: Any, scheme: Any, clock: Any, guidance: Any, labels: Any, label_count: Any,
    directions: Any, key0: Any, key1: Any, first: Any, points: Any, projections: Any, fields: Any, norms: Any,
) -> None:  # fmt: skip
    """Points number first, first + 1, … to the end of the scheme.

    Parameters
    ----------
    phi : function
        φ_j (`Forward.module.phi`).
    decoders : (terms,)
    W : (p, d)
    kappa : (parameters,)
    scheme : (3, steps)
        h Γ/√d, 1 + h Δ and √(2 ε h).
    clock, guidance : (5, steps), (steps,)
        α, β, α̇, β̇, t, and ω, at every step.
    labels, label_count : (n,), int
        Label of every point (−1: none), and how many there are.
    directions : (K, d)
    points : (n, d) or (0, d)
        Where the points go, if wanted.
    projections, fields, norms : (n, K), (n, p), (n,)
        u_k·X, W X/√d and X·X at the end.
    """
    p, d = W.shape
    terms, root = decoders.shape[0], np.sqrt(np.float64(d))
    words = np.empty((4, LANES), np.uint32)
    z = np.empty(BLOCK, W.dtype)
    x = np.empty(d, W.dtype)
    Z, following, values, pull = np.empty(p), np.empty(p), np.empty(terms), np.empty(p)
    now, unlabelled = np.zeros(5 + label_count), np.empty(terms)
    for n in range(norms.shape[0]):
        Z[:] = 0.0
        for lo in range(0, d, BLOCK):
            hi = min(lo + BLOCK, d)
            tiled = z[: (hi - lo + TILE32 - 1) // TILE32 * TILE32]
            normal_block(key0, key1, GENERATED, first + n, lo, words, tiled)
            scaled(x[lo:hi], 1.0, tiled)
            for a in range(p):
                Z[a] += dot(W[a, lo:hi], x[lo:hi]) / root
        for k in range(scheme.shape[1]):
            for m in range(5):
                now[m] = clock[m, k]
            if guidance[k] != 0.0:
                now[5:] = 0.0
                phi(Z, kappa, now, unlabelled)
            for m in range(label_count):
                now[5 + m] = 1.0 if labels[n] == m else 0.0
            phi(Z, kappa, now, values)
            if guidance[k] != 0.0:
                for j in range(terms):
                    values[j] = (1.0 + guidance[k]) * values[j] - guidance[k] * unlabelled[j]
            pull[:], following[:] = 0.0, 0.0
            for j in range(terms):
                pull[decoders[j]] += scheme[0, k] * values[j]
            for lo in range(0, d, BLOCK):
                hi = min(lo + BLOCK, d)
                part = x[lo:hi]
                if scheme[2, k] != 0.0:
                    tiled = z[: (hi - lo + TILE32 - 1) // TILE32 * TILE32]
                    normal_block(key0, key1, GENERATED + 1 + k, first + n, lo, words, tiled)
                    combined(part, scheme[1, k], part, scheme[2, k], tiled)
                else:
                    scaled(part, scheme[1, k], part)
                for a in range(p):
                    if pull[a] != 0.0:
                        add(part, pull[a], W[a, lo:hi])
                for a in range(p):
                    following[a] += dot(W[a, lo:hi], part) / root
            Z[:] = following
        fields[n] = Z
        norms[n] = 0.0
        projections[n] = 0.0
        for lo in range(0, d, BLOCK):
            hi = min(lo + BLOCK, d)
            norms[n] += dot(x[lo:hi], x[lo:hi])
            for k in range(directions.shape[0]):
                projections[n, k] += dot(directions[k, lo:hi], x[lo:hi])
        if points.shape[0] > 0:
            points[n] = x


_vector, _matrix = float64[::1], float64[:, ::1]
_compiled: dict[str, Any] = {}


def _kernel(dtype: str) -> Any:
    """`_sample` for one precision, compiled with explicit types (so that it is kept on disk)."""
    with LOCK:
        if dtype not in _compiled:
            real: Any = float32 if dtype == "float32" else float64
            rows = real[:, ::1]
            phi = types.FunctionType(types.void(_vector, _vector, _vector, _vector))
            signature = types.void(
                phi, int64[::1], rows, _vector, _matrix, _matrix, _vector, int64[::1], int64, rows, uint32, uint32, int64,
                rows, _matrix, _matrix, _vector,
            )  # fmt: skip
            _compiled[dtype] = njit(signature, cache=True, nogil=True, error_model="numpy")(_sample)
    return _compiled[dtype]


def prepare(denoiser: Forward, dtype: str = "float64") -> None:
    """Compile (or load) the kernels now, so that worker processes started later find them."""
    _kernel(dtype)
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
        weights: Any,
        gamma: Any,
        delta: Any,
        epsilon: Any,
        h: Any,
        directions: Any = None,
        parameters: Any = None,
        dtype: str = "float64",
        *,
        clock: Any = None,
        label: Any = None,
        guidance: Any = None,
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

    def _cumulative(self, label: Any) -> np.ndarray:
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
        _kernel(self.dtype)(
            self.denoiser.module.phi, self.denoiser.decoders, self._W, self._kappa, self._scheme, self._clock,
            self._guidance, self.labels(count, seed, first), self.denoiser.labels, self._directions, *philox_key(seed),
            first, points, projections, fields, norms,
        )  # fmt: skip
        return GeneratedPoints(projections, fields, norms, points, first)

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
        _kernel(self.dtype)
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
