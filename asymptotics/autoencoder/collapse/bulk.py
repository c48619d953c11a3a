"""Variance of generated samples outside the span of the weights: a function of the skip connection alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import ComputationError
from ..generated.coefficients import Clock, coefficients
from ..kernels.written.sampler import compile_sampler
from ..model.problem import Problem


class BulkVariance:
    """b → v_{t_f}, by v̇ = 2Δv + 2ε or its Euler steps (compiled from `derivations.autoencoder`).

    b is (…,), or (…, basis) of several ψ_k.
    """

    def __init__(self, problem: Problem) -> None:
        sampling = problem.sampling
        self.problem = problem
        #: Whether b has an axis of its own.
        self.several = problem.denoiser.basis > 1
        self._derived = compile_sampler(sampling.drift)
        self._epsilon = sampling.epsilon_function(problem.interpolant)
        if sampling.scheme == "euler":
            grid = sampling.grid()
            k = coefficients(self.problem, self._zero, grid[:-1], self._epsilon)
            h = np.diff(grid)
            # Growth is linear in b: its values at b = 0 and its slopes.
            gain, growth, noise = self._derived.step(k.gamma, k.delta, k.epsilon, h)
            self._steps = (growth, gain * self._psi(grid[:-1]), noise)
            return
        self._clock = Clock(self.problem.interpolant)
        self._span = (self._clock.of(sampling.start), self._clock.of(sampling.stop), sampling.start)
        self._noisy = bool(np.any(self._epsilon(np.linspace(sampling.start, sampling.stop, 101)) != 0))
        if not self._noisy:
            count = len(self._psi(np.array(sampling.start)))
            self._ends = np.log(self._continuous(np.concatenate([np.zeros((1, count)), np.eye(count)])))

    @property
    def _zero(self) -> np.ndarray:
        return np.zeros(self.problem.denoiser.basis)

    def _psi(self, t: np.ndarray) -> np.ndarray:
        """The ψ_k at the times t, (basis, …); where no skip connection is trained, one that is 1 (b is what one asks for)."""
        psi = self.problem.skip_functions(t)[1]
        return psi if len(psi) else np.ones((1, *np.shape(t)))

    def __call__(self, b: ArrayLike) -> np.ndarray:
        """v_{t_f} of a sampler whose network has the skip connection b: (…,) of any shape, or (…, basis) of several ψ_k."""
        b = np.asarray(b, dtype=np.float64)
        shape = b.shape[:-1] if self.several else b.shape
        flat = b.reshape(-1, b.shape[-1]) if self.several else b.reshape(-1, 1)
        with np.errstate(over="ignore"):
            if self.problem.sampling.scheme == "euler":
                v = np.ones(len(flat))
                for growth, gain, noise in zip(self._steps[0], self._steps[1].T, self._steps[2], strict=True):
                    v = self._derived.variance_step(growth + flat @ gain, noise, v)
                return v.reshape(shape)
            if not self._noisy:
                # Without noise ln v = 2 ∫ Δ is linear in b: as many values and one more give it everywhere.
                at_zero, at_one = self._ends[0], self._ends[1:]
                return np.exp(at_zero + flat @ (at_one - at_zero)).reshape(shape)
            return self._continuous(flat).reshape(shape)

    def _continuous(self, b: np.ndarray) -> np.ndarray:
        """v_{t_f} of the rows of b (n, basis)."""
        from scipy.integrate import solve_ivp

        first, last, start = self._span

        def slope(clock: float, y: np.ndarray) -> np.ndarray:
            t = float(y[0])
            k = coefficients(self.problem, self._zero, np.array(t), self._epsilon)
            delta = k.delta + b @ self._psi(np.array(t)) * k.gamma
            # ln v: the variance itself ranges over many decades.
            return self._clock.rate(t) * np.concatenate([[1.0], 2 * delta + 2 * k.epsilon * np.exp(-y[1:])])

        y0 = np.concatenate([[start], np.zeros(len(b))])
        solved = solve_ivp(slope, (first, last), y0, method="DOP853", rtol=1e-10, atol=1e-12)
        if not solved.success:
            raise ComputationError(f"the variance of the bulk could not be integrated: {solved.message}")
        return np.exp(solved.y[1:, -1])
