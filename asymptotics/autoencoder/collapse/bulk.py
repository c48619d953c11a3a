"""Variance of generated samples outside the span of the weights: a function of the skip connection alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.input.checks import ComputationError
from ..generated.coefficients import Clock, coefficients
from ..kernels.sampler import compile_sampler
from ..model.problem import Problem


class BulkVariance:
    """b → v_{t_f}, by v̇ = 2Δv + 2ε or its Euler steps (compiled from `derivations.autoencoder`)."""

    def __init__(self, problem: Problem) -> None:
        sampling = problem.sampling
        self.problem = problem
        self._derived = compile_sampler(sampling.drift)
        self._epsilon = sampling.epsilon_function(problem.interpolant)
        if sampling.scheme == "euler":
            grid = sampling.grid()
            k = coefficients(self.problem, 0.0, grid[:-1], self._epsilon)
            h = np.diff(grid)
            # Growth is linear in b: its values at b = 0 and its slope.
            gain, growth, noise = self._derived.step(k.gamma, k.delta, k.epsilon, h)
            self._steps = (growth, gain, noise)
            return
        self._clock = Clock(self.problem.interpolant)
        self._span = (self._clock.of(sampling.start), self._clock.of(sampling.stop), sampling.start)
        self._noisy = bool(np.any(self._epsilon(np.linspace(sampling.start, sampling.stop, 101)) != 0))
        if not self._noisy:
            self._ends = np.log(self._continuous(np.array([0.0, 1.0])))

    def __call__(self, b: Any) -> np.ndarray:
        """v_{t_f} of a sampler whose network has the skip connection b (any shape)."""
        b = np.asarray(b, dtype=np.float64)
        flat = b.ravel()
        with np.errstate(over="ignore"):
            if self.problem.sampling.scheme == "euler":
                v = np.ones_like(flat)
                for growth, gain, noise in zip(*self._steps, strict=True):
                    v = self._derived.variance_step(growth + gain * flat, noise, v)
                return v.reshape(b.shape)
            if not self._noisy:
                # Without noise ln v = 2 ∫ Δ is linear in b: two values give it everywhere.
                at_zero, at_one = self._ends
                return np.exp(at_zero + (at_one - at_zero) * b)
            return self._continuous(flat).reshape(b.shape)

    def _continuous(self, b: np.ndarray) -> np.ndarray:
        from scipy.integrate import solve_ivp

        first, last, start = self._span

        def slope(clock: float, y: np.ndarray) -> np.ndarray:
            t = float(y[0])
            k = coefficients(self.problem, 0.0, np.array(t), self._epsilon)
            delta = k.delta + b * k.gamma
            # ln v: the variance itself ranges over many decades.
            return self._clock.rate(t) * np.concatenate([[1.0], 2 * delta + 2 * k.epsilon * np.exp(-y[1:])])

        y0 = np.concatenate([[start], np.zeros(len(b))])
        solved = solve_ivp(slope, (first, last), y0, method="DOP853", rtol=1e-10, atol=1e-12)
        if not solved.success:
            raise ComputationError(f"the variance of the bulk could not be integrated: {solved.message}")
        return np.exp(solved.y[1:, -1])
