"""The sampler of the local fields in continuous time: the limit of small steps."""

from __future__ import annotations

import copy
from typing import Self

import numpy as np

from ...common.input.checks import ComputationError
from .coefficients import Clock, coefficients
from .parts import Flow, Trained


class Continuous:
    """The flow (or, with ε > 0, the SDE) of one trained network.

    Attributes
    ----------
    variance, growth : float
        v_{t_f}, and exp ∫Δ.
    noisy : bool
        Whether ε > 0 anywhere.
    """

    #: Above this many points, the continuous flow is integrated by RK4 with steps checked against an adaptive solve.
    MANY_POINTS = 400
    FLOW_TOLERANCE = 1e-7
    CARRY_TOLERANCE = 1e-6

    #: Steps of the stochastic integrator per unit of the clock.
    NOISE_STEPS = 200

    def __init__(self, flow: Trained) -> None:
        self.flow, s = flow, flow.sampling
        self._carried: tuple[np.ndarray, ...] | None = None
        from scipy.integrate import solve_ivp

        clock = Clock(self.flow.problem.interpolant)
        self._span = (clock.of(s.start), clock.of(s.stop))
        self._clock = clock

        def slope(_: float, y: np.ndarray) -> np.ndarray:
            k = coefficients(self.flow.problem, self.flow.b, np.array(y[0]), self.flow.epsilon)
            rate = clock.rate(float(y[0]))
            return rate * np.array([1.0, k.delta, self.flow.derived.variance_rate(k.delta, k.epsilon, y[2])])

        solved = solve_ivp(
            slope, self._span, [s.start, 0.0, 1.0], method="DOP853", rtol=1e-11, atol=1e-13, dense_output=True
        )
        if not solved.success:
            raise ComputationError(f"the variance of the linear part could not be integrated: {solved.message}")
        self._linear = solved.sol
        self.variance, self.growth = float(solved.y[2, -1]), float(np.exp(solved.y[1, -1]))
        times = np.linspace(s.start, s.stop, 65)
        self.noisy = bool(np.any(self.flow.epsilon(times) > 0))

    def of(self, flow: Trained) -> Self:
        """The same for a network that differs in its label alone."""
        other = copy.copy(self)
        other.flow, other._carried = flow, None
        return other

    def transport(self, z0: np.ndarray, rng: np.random.Generator | None) -> Flow:
        """Carry z₀ (points, encoders) to t_f; ε > 0 needs a generator."""
        if self.noisy and rng is not None:
            return self._integrate_noise(z0, rng)
        return self._many(z0) if len(z0) > self.MANY_POINTS else self._integrate(z0)

    def _many(self, z0: np.ndarray) -> Flow:
        """The continuous flow of many points: RK4 on equal steps of the clock, as many as a sample of the points needs."""
        return self._runge_kutta(z0, self._checked_steps(z0, self.FLOW_TOLERANCE))

    def carry(self, z0: np.ndarray) -> Flow:
        """Without noise, by the steps of the first call: one and the same smooth map in every call."""
        if self._carried is None:
            self._carried = self._checked_steps(z0, self.CARRY_TOLERANCE)
        return self._runge_kutta(z0, self._carried)

    def _checked_steps(self, z0: np.ndarray, tolerance: float) -> tuple[np.ndarray, ...]:
        """What RK4 needs to know of the times, with as many steps as a sample of the points needs.

        With J = I e^{−L}, L = ∫Δ, the network part obeys dJ/ds = rate Γ e^{−L} φ(e^L (z₀ + Q_{·u} J)).
        """
        sample = z0[np.linspace(0, len(z0) - 1, self.MANY_POINTS // 2).astype(int)]
        exact, steps = self._integrate(sample).network, 64
        while True:
            times = self._steps_of(steps)
            error = np.max(np.abs(self._runge_kutta(sample, times).network - exact))
            if error < tolerance * (1 + np.max(np.abs(exact))) or steps >= 4096:
                return times
            steps *= 2

    def _steps_of(self, steps: int) -> tuple[np.ndarray, ...]:
        """What RK4 needs to know of the times for so many steps."""
        grid = np.linspace(*self._span, 2 * steps + 1)
        t, log_growth, _ = self._linear(grid)
        t = np.minimum(t, self.flow.sampling.stop)
        k = coefficients(self.flow.problem, self.flow.b, t, self.flow.epsilon)
        rate = np.array([self._clock.rate(float(x)) for x in t])
        return rate * k.gamma * np.exp(-log_growth), np.exp(log_growth), grid[2] - grid[0], *self.flow.told_at(t)

    def fix_steps(self, steps: int) -> None:
        """Let `carry` take so many steps."""
        self._carried = self._steps_of(steps)

    def _runge_kutta(self, z0: np.ndarray, times: tuple[np.ndarray, ...]) -> Flow:
        network = np.empty((len(z0), self.flow.coupling.shape[1]))
        self.flow.kernels.module.runge_kutta(
            np.ascontiguousarray(z0), *times, self.flow.coupling, self.flow.kappa, network
        )
        return Flow(self.growth * z0, self.growth * network)

    def _integrate(self, z0: np.ndarray) -> Flow:
        from scipy.integrate import solve_ivp

        N, J = len(z0), self.flow.coupling.shape[1]

        def slope(s: float, y: np.ndarray) -> np.ndarray:
            t, log_growth = self._linear(s)[:2]
            t = min(t, self.flow.sampling.stop)
            k = coefficients(self.flow.problem, self.flow.b, np.array(t), self.flow.epsilon)
            rate = self._clock.rate(float(t))
            network = y.reshape(N, J)
            z = np.exp(log_growth) * z0 + network @ self.flow.coupling.T
            return np.asarray(
                rate * self.flow.derived.network_rate(k.gamma, k.delta, network, self.flow.phi(z, float(t)))
            ).ravel()

        solved = solve_ivp(slope, self._span, np.zeros(N * J), method="DOP853", rtol=1e-9, atol=1e-10)
        if not solved.success:
            raise ComputationError(f"the generative flow could not be integrated: {solved.message}")
        return Flow(self.growth * z0, solved.y[:, -1].reshape(N, J))

    def _integrate_noise(self, z0: np.ndarray, rng: np.random.Generator) -> Flow:
        """ε > 0: the linear part exactly (Ornstein–Uhlenbeck between grid points), the network part by Heun's rule."""
        steps = max(8, int(np.ceil(self.NOISE_STEPS * (self._span[1] - self._span[0]))))
        grid = np.linspace(*self._span, steps + 1)
        t, log_growth, v = self._linear(grid)
        linear, network = np.array(z0, dtype=np.float64), np.zeros((len(z0), self.flow.coupling.shape[1]))
        t = np.minimum(t, self.flow.sampling.stop)
        k = coefficients(self.flow.problem, self.flow.b, t, self.flow.epsilon)
        rate = np.array([self._clock.rate(float(x)) for x in t])
        for i in range(steps):
            h = grid[i + 1] - grid[i]
            growth = np.exp(log_growth[i + 1] - log_growth[i])
            noise = max(v[i + 1] - growth**2 * v[i], 0.0)
            old = rate[i] * k.gamma[i] * self.flow.phi(linear + network @ self.flow.coupling.T, float(t[i]))
            linear = growth * linear + np.sqrt(noise) * rng.standard_normal(linear.shape) @ self.flow.root
            # Variation of constants: the linear term of dI is integrated exactly, φ by the trapezoid.
            guess = growth * (network + h * old)
            new = rate[i + 1] * k.gamma[i + 1] * self.flow.phi(linear + guess @ self.flow.coupling.T, float(t[i + 1]))
            network = growth * (network + h * old / 2) + h * new / 2
        return Flow(linear, network)
