"""Paths of a sample's local fields Z and projections P together, by the sampling SDE: whole trajectories from any time on.

    dZ = (ΔZ + ΓCφ(Z)) dt + √(2ε) dN_Z,   dP = (ΔP + ΓΘ_uᵀφ(Z)) dt + √(2ε) dN_P,   Cov(dN) = [[Q, Θ], [Θᵀ, G]] dt,

the same matrix being the covariance of (Z, P) at the start.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....common.numerics.algebra.gram import square_root
from .fields import Fields
from .line import time_grid


@dataclass(frozen=True)
class Stepping:
    """The steps of the sampler, Euler's as run or fine ones of Heun's rule in continuous time.

    A state is (paths, n + K): fields, then projections.

    Attributes
    ----------
    times : (steps + 1,)
    growth, noise : (steps,)
        Of the linear part: factor and added variance in units of [[Q, Θ], [Θᵀ, G]].
    gain : (steps, 2)
        Weights of φ at the beginning and at the end of a step (Euler: the first alone).
    """

    fields: Fields
    times: np.ndarray
    growth: np.ndarray
    noise: np.ndarray
    gain: np.ndarray
    heun: bool
    pull: np.ndarray
    root: np.ndarray

    @classmethod
    def of(cls, fields: Fields, wanted: np.ndarray, stop: float | None = None) -> Stepping:
        """The sampler's steps, with the wanted times among them in continuous time."""
        sampling = fields.problem.sampling
        times = time_grid(sampling, fields.problem.interpolant, wanted, stop)
        k, h = fields.coefficients(times[:-1]), np.diff(times)
        pull = np.concatenate([fields.C.T, fields.theta_terms], axis=1)
        root, _ = square_root(fields.shares().joint)
        if sampling.scheme == "euler" and stop is None:
            gain = np.stack([h * k.gamma, np.zeros_like(h)], axis=1)
            return cls(fields, times, 1.0 + h * k.delta, 2.0 * k.epsilon * h, gain, False, pull, root)
        growth, noise = linear_part(fields, times)
        end = fields.coefficients(times[1:])
        # The linear part exactly (variation of constants), φ by the trapezoid.
        gain = np.stack([growth * h * k.gamma, h * end.gamma], axis=1)
        return cls(fields, times, growth, noise, gain, True, pull, root)

    @property
    def count(self) -> int:
        """Number of steps."""
        return len(self.growth)

    def index(self, t: float) -> int:
        """Number of the time nearest to t."""
        return int(np.argmin(np.abs(self.times - t)))

    def begin(self, z: np.ndarray) -> np.ndarray:
        """States with given fields (paths, n) and the projections' mean there."""
        return np.concatenate([z, z @ self.fields.lift.T], axis=1)

    def draw(self, paths: int, rng: np.random.Generator) -> np.ndarray:
        """States at the start of sampling."""
        return np.asarray(rng.standard_normal((paths, len(self.root))) @ self.root)

    def advance(self, state: np.ndarray, first: int, last: int, rng: np.random.Generator) -> np.ndarray:
        """States at step ``last`` from those at step ``first``."""
        n = self.fields.n
        for k in range(first, last):
            before = self.fields.phi(state[:, :n], float(self.times[k])) @ self.pull
            linear = self.growth[k] * state
            if self.noise[k] > 0:
                linear += np.sqrt(self.noise[k]) * rng.standard_normal(state.shape) @ self.root
            if not self.heun:
                state = linear + self.gain[k, 0] * before
                continue
            guess = linear + self.gain[k, 0] * before
            after = self.fields.phi(guess[:, :n], float(self.times[k + 1])) @ self.pull
            state = linear + self.gain[k, 0] / 2 * before + self.gain[k, 1] / 2 * after
        return np.asarray(state)

    def span(self, first: int, last: int) -> tuple[float, float]:
        """(growth, noise) of the linear part between two steps."""
        growth, noise = 1.0, 0.0
        for k in range(first, last):
            growth, noise = growth * self.growth[k], self.growth[k] ** 2 * noise + self.noise[k]
        return float(growth), float(noise)


def linear_part(fields: Fields, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Growth and added variance of the linear part over every step, in continuous time: each by Gauss and Legendre's rule."""
    x, w = np.polynomial.legendre.leggauss(6)
    low, h = times[:-1], np.diff(times)
    nodes = low[:, None] + h[:, None] * (1 + x) / 2
    k = fields.coefficients(nodes)
    growth = np.exp(h / 2 * (k.delta @ w))
    # ∫ 2ε_s exp(2∫_s^end Δ) ds: the inner integral from the same nodes' interpolating polynomial.
    inner = np.array([[_moment(x, j, y) for j in range(len(x))] for y in x])
    until = h[:, None] / 2 * (k.delta @ inner.T)
    rest = (h / 2 * (k.delta @ w))[:, None] - until
    noise = h / 2 * ((2 * k.epsilon * np.exp(2 * rest)) @ w)
    return np.asarray(growth), np.asarray(noise)


def _moment(x: np.ndarray, j: int, y: float) -> float:
    """∫_{−1}^{y} of the j-th Lagrange polynomial on the nodes x."""
    polynomial = np.poly1d([1.0])
    for i, node in enumerate(x):
        if i != j:
            polynomial *= np.poly1d([1.0, -node]) / (x[j] - node)
    primitive = polynomial.integ()
    return float(primitive(y) - primitive(-1.0))
