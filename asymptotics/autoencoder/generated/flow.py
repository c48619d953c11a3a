"""The flow of the local fields of a generated sample: z_t = ℓ_t + Q_{·u} I_t, exact in its linear part.

dI = (Δ I + Γ φ(z)) dt, dℓ = Δ ℓ dt + √(2ε) Q^{1/2} dW, ℓ_0 ~ N(0, Q), and v̇ = 2Δv + 2ε outside the span of the weights
(Q: encoder vectors; u: decoder vectors). These and the steps of the Euler scheme are compiled from
`derivations.autoencoder.sampling.sampler`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from ...common.input.checks import ComputationError, InputError, fail
from ...common.numerics.algebra.gram import square_root
from ..equations.integrate import kernels_of
from ..equations.path import OrderParameters
from ..kernels.sampler import compile_sampler
from ..model.cells import DROPPED, told
from ..model.problem import Problem
from .coefficients import Clock, coefficients


@dataclass(frozen=True)
class Flow:
    """Where latent starting points end: linear part ℓ and network part I (points, terms)."""

    linear: np.ndarray
    network: np.ndarray


class LatentFlow:
    """Transport of the local fields by one trained network.

    Parameters
    ----------
    problem : Problem
        Its ``sampling`` says how samples are transported: "euler" follows the discrete sampler step for step, "continuous" is
        the limit of small steps.
    at : OrderParameters
        The trained network; where it has averages of its weights, ``sampling.network`` says which of them generates.
    label : int, optional
        The label that it is told; default that of ``sampling.label``. Without one a labelled network generates each label with its
        weight.

    Attributes
    ----------
    Q, coupling : (encoders, encoders), (encoders, terms)
        Gram matrix of the encoder vectors, and theirs with the decoder vectors of the terms.
    variance, growth : float
        v_{t_f}, and exp ∫Δ.
    noisy : bool
        Whether ε > 0 anywhere.
    shares : (labels,)
        Weights of the labels where it generates each of them with its weight; else empty.
    """

    def __init__(self, problem: Problem, at: OrderParameters, label: int | None = None) -> None:
        if at.Q.ndim != 2:
            fail("at", at.tau, "the order parameters at one tau")
        at = at.network(problem.generating) if at.averages else at
        self.problem, self.at = problem, at
        self.kernels = kernels_of(problem)
        self.encoders = np.array(self.kernels.encoders, dtype=int)
        self.terms = np.array(self.kernels.module.TERMS, dtype=int)
        label = problem.sampling.label if label is None else label
        self.told = told(DROPPED if label is None else label, problem.denoiser.labels or 0)
        self.b, self.kappa = at.b, np.ascontiguousarray(at.parameters, dtype=np.float64)
        self.Q = np.ascontiguousarray(at.Q[np.ix_(self.encoders, self.encoders)])
        self.coupling = np.ascontiguousarray(at.Q[np.ix_(self.encoders, self.terms)])
        self.root, self.inverse_root = square_root(self.Q)
        self.sampling = problem.sampling
        self.epsilon = self.sampling.epsilon_function(problem.interpolant)
        self._derived = compile_sampler(self.sampling.drift)
        self._stepped = self.sampling.scheme == "euler"
        self._carried: tuple[np.ndarray, ...] | None = None
        self.shares: np.ndarray = np.ones(0)
        labels = problem.target.cluster_labels
        if label is None and problem.denoiser.labelled and labels is not None:
            self.shares = np.bincount(labels, problem.target.weights)
        self._prepare()

    @cached_property
    def members(self) -> tuple[Self, ...]:
        """Of a mixture over labels (weights ``shares``): the same with each label; else none."""
        members = []
        for label in range(len(self.shares)):
            member = copy.copy(self)
            member.__dict__ = {k: v for k, v in self.__dict__.items() if k not in ("image", "error", "members")}
            member.shares, member.told = np.ones(0), told(label, len(self.told))
            if self._stepped:
                member._now = (self._now[0], member.told, self._now[2])
            members.append(member)
        return tuple(members)

    # the linear part -------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        s = self.sampling
        if self._stepped:
            grid = s.grid()
            k = coefficients(self.problem, self.b, grid[:-1], self.epsilon)
            h = np.diff(grid)
            self._steps = self._derived.step(k.gamma, k.delta, k.epsilon, h)
            self._now = self._told(grid[:-1])
            v = 1.0
            for growth, noise in zip(self._steps[1], self._steps[2], strict=True):
                v = self._derived.variance_step(growth, noise, v)
            self.variance, self.growth = float(v), float(np.prod(self._steps[1]))
            self.noisy = bool(np.any(k.epsilon > 0))
            return
        from scipy.integrate import solve_ivp

        clock = Clock(self.problem.interpolant)
        self._span = (clock.of(s.start), clock.of(s.stop))
        self._clock = clock

        def slope(_: float, y: np.ndarray) -> np.ndarray:
            k = coefficients(self.problem, self.b, np.array(y[0]), self.epsilon)
            rate = clock.rate(float(y[0]))
            return rate * np.array([1.0, k.delta, self._derived.variance_rate(k.delta, k.epsilon, y[2])])

        solved = solve_ivp(
            slope, self._span, [s.start, 0.0, 1.0], method="DOP853", rtol=1e-11, atol=1e-13, dense_output=True
        )
        if not solved.success:
            raise ComputationError(f"the variance of the linear part could not be integrated: {solved.message}")
        self._linear = solved.sol
        self.variance, self.growth = float(solved.y[2, -1]), float(np.exp(solved.y[1, -1]))
        times = np.linspace(s.start, s.stop, 65)
        self.noisy = bool(np.any(self.epsilon(times) > 0))

    # transport -------------------------------------------------------------------------------------------------

    def _told(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the network is told at the times t: the schedule (5, times), the label, and the guidance (times,)."""
        guidance = self.sampling.guidance_at(self.problem.interpolant, t)
        return np.ascontiguousarray(self.problem.told(t)), self.told, np.ascontiguousarray(guidance)

    def phi(self, z: np.ndarray, t: float) -> np.ndarray:
        """Every φ_j, guided, at encoder fields z (points, encoders) and the time t."""
        now, label, guidance = self._told(np.array([t]))
        z, now, omega = np.ascontiguousarray(z), np.ascontiguousarray(now[:, 0]), float(guidance[0])
        out = np.empty((len(z), self.coupling.shape[1]))
        self.kernels.module.activations(z, now, label, self.kappa, out)
        if omega == 0.0:
            return out
        free = np.empty_like(out)
        self.kernels.module.activations(z, now, np.zeros_like(label), self.kappa, free)
        return (1 + omega) * out - omega * free

    # step by step ----------------------------------------------------------------------------------------------

    @property
    def stepped(self) -> bool:
        """Whether the discrete sampler is followed."""
        return self._stepped

    @property
    def steps(self) -> tuple[np.ndarray, np.ndarray]:
        """What every step of the discrete sampler multiplies φ and the state with, (steps,) each."""
        return self._steps[0], self._steps[1]

    def growth_by_skip(self) -> np.ndarray:
        """d(factors on the state)/db, (basis, steps): they are linear in the skip connection."""
        grid = self.sampling.grid()
        h, b = np.diff(grid), np.atleast_1d(np.asarray(self.b, dtype=np.float64))
        rows = []
        for unit in np.eye(len(b)):
            ends = [
                coefficients(self.problem, x if len(b) > 1 else float(x[0]), grid[:-1], self.epsilon)
                for x in (0 * unit, unit)
            ]
            growths = [self._derived.step(k.gamma, k.delta, k.epsilon, h)[1] for k in ends]
            rows.append(growths[1] - growths[0])
        return np.array(rows)

    def phi_at(self, step: int, z: np.ndarray) -> np.ndarray:
        """φ at one step of the discrete sampler, (points, terms)."""
        return self._guided("activations", step, z, (self.coupling.shape[1],))

    def slopes_at(self, step: int, z: np.ndarray) -> np.ndarray:
        """∂φ_j/∂ω_a there, (points, terms, encoders)."""
        return self._guided("slopes", step, z, (self.coupling.shape[1], z.shape[1]))

    def _guided(self, name: str, step: int, z: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """A function of the network at one step: (1 + ω) times that with the label − ω times that without."""
        rows, label, guidance = self._now
        function = getattr(self.kernels.module, name)
        z, now, omega = np.ascontiguousarray(z), np.ascontiguousarray(rows[:, step]), float(guidance[step])
        out = np.zeros((len(z), *shape))
        function(z, now, label, self.kappa, out)
        if omega == 0.0:
            return out
        free = np.zeros_like(out)
        function(z, now, np.zeros_like(label), self.kappa, free)
        return np.asarray((1 + omega) * out - omega * free)

    def transport(self, z0: np.ndarray, *, rng: np.random.Generator | None = None) -> Flow:
        """Carry latent starting points z₀ (points, encoders) to t_f; ε > 0 needs a generator for the noise."""
        if self.noisy and rng is None:
            raise InputError("epsilon > 0: a random generator is needed to transport points")
        if self.members:
            return self._each(z0, rng)
        if self._stepped:
            return self._step(z0, rng)
        if self.noisy and rng is not None:
            return self._integrate_noise(z0, rng)
        return self._many(z0) if len(z0) > self.MANY_POINTS else self._integrate(z0)

    def _each(self, z0: np.ndarray, rng: np.random.Generator | None) -> Flow:
        """Every point with the label that its place in an even sequence gives it."""
        # Multiples of the golden ratio fill [0, 1) evenly, and have nothing to do with the points.
        place = (np.arange(len(z0)) * (np.sqrt(5) - 1) / 2) % 1
        which = np.minimum(np.searchsorted(np.cumsum(self.shares), place, side="right"), len(self.members) - 1)
        linear, network = np.empty_like(z0), np.empty((len(z0), self.coupling.shape[1]))
        for k, member in enumerate(self.members):
            own = which == k
            if np.any(own):
                flow = member.transport(np.ascontiguousarray(z0[own]), rng=rng)
                linear[own], network[own] = flow.linear, flow.network
        return Flow(linear, network)

    def _step(self, z0: np.ndarray, rng: np.random.Generator | None) -> Flow:
        linear, network = np.array(z0, dtype=np.float64), np.zeros((len(z0), self.coupling.shape[1]))
        if not self.noisy:
            gain, growth, _ = self._steps
            self.kernels.module.euler(linear, gain, growth, *self._now, self.coupling, self.kappa, network)
            return Flow(self.growth * linear, network)
        for t, gain, growth, noise in zip(self._now[0][-1], *self._steps, strict=True):
            z = linear + network @ self.coupling.T
            network = self._derived.network_step(gain, growth, network, self.phi(z, t))
            linear = self._derived.linear_step(growth, linear)
            if noise > 0 and rng is not None:
                linear += np.sqrt(noise) * rng.standard_normal(linear.shape) @ self.root
        return Flow(linear, network)

    #: Above this many points, the continuous flow is integrated by RK4 with steps checked against an adaptive solve.
    MANY_POINTS = 400
    FLOW_TOLERANCE = 1e-7
    CARRY_TOLERANCE = 1e-6

    def _many(self, z0: np.ndarray) -> Flow:
        """The continuous flow of many points: RK4 on equal steps of the clock, as many as a sample of the points needs."""
        return self._runge_kutta(z0, self._checked_steps(z0, self.FLOW_TOLERANCE))

    def carry(self, z0: np.ndarray) -> Flow:
        """As `transport` without noise, but one and the same smooth map in every call: its steps are those of the first."""
        if self._stepped:
            return self._step(z0, None)
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
        t = np.minimum(t, self.sampling.stop)
        k = coefficients(self.problem, self.b, t, self.epsilon)
        rate = np.array([self._clock.rate(float(x)) for x in t])
        return rate * k.gamma * np.exp(-log_growth), np.exp(log_growth), grid[2] - grid[0], *self._told(t)

    def fix_steps(self, steps: int) -> None:
        """Let `carry` take so many steps in continuous time: it then is smooth in the network too."""
        if not self._stepped:
            self._carried = self._steps_of(steps)

    def _runge_kutta(self, z0: np.ndarray, times: tuple[np.ndarray, ...]) -> Flow:
        network = np.empty((len(z0), self.coupling.shape[1]))
        self.kernels.module.runge_kutta(np.ascontiguousarray(z0), *times, self.coupling, self.kappa, network)
        return Flow(self.growth * z0, self.growth * network)

    def _integrate(self, z0: np.ndarray) -> Flow:
        from scipy.integrate import solve_ivp

        N, J = len(z0), self.coupling.shape[1]

        def slope(s: float, y: np.ndarray) -> np.ndarray:
            t, log_growth = self._linear(s)[:2]
            t = min(t, self.sampling.stop)
            k = coefficients(self.problem, self.b, np.array(t), self.epsilon)
            rate = self._clock.rate(float(t))
            network = y.reshape(N, J)
            z = np.exp(log_growth) * z0 + network @ self.coupling.T
            return np.asarray(
                rate * self._derived.network_rate(k.gamma, k.delta, network, self.phi(z, float(t)))
            ).ravel()

        solved = solve_ivp(slope, self._span, np.zeros(N * J), method="DOP853", rtol=1e-9, atol=1e-10)
        if not solved.success:
            raise ComputationError(f"the generative flow could not be integrated: {solved.message}")
        return Flow(self.growth * z0, solved.y[:, -1].reshape(N, J))

    #: Steps of the stochastic integrator per unit of the clock.
    NOISE_STEPS = 200

    def _integrate_noise(self, z0: np.ndarray, rng: np.random.Generator) -> Flow:
        """ε > 0: the linear part exactly (Ornstein–Uhlenbeck between grid points), the network part by Heun's rule."""
        steps = max(8, int(np.ceil(self.NOISE_STEPS * (self._span[1] - self._span[0]))))
        grid = np.linspace(*self._span, steps + 1)
        t, log_growth, v = self._linear(grid)
        linear, network = np.array(z0, dtype=np.float64), np.zeros((len(z0), self.coupling.shape[1]))
        t = np.minimum(t, self.sampling.stop)
        k = coefficients(self.problem, self.b, t, self.epsilon)
        rate = np.array([self._clock.rate(float(x)) for x in t])
        for i in range(steps):
            h = grid[i + 1] - grid[i]
            growth = np.exp(log_growth[i + 1] - log_growth[i])
            noise = max(v[i + 1] - growth**2 * v[i], 0.0)
            old = rate[i] * k.gamma[i] * self.phi(linear + network @ self.coupling.T, float(t[i]))
            linear = growth * linear + np.sqrt(noise) * rng.standard_normal(linear.shape) @ self.root
            # Variation of constants: the linear term of dI is integrated exactly, φ by the trapezoid.
            guess = growth * (network + h * old)
            new = rate[i + 1] * k.gamma[i + 1] * self.phi(linear + guess @ self.coupling.T, float(t[i + 1]))
            network = growth * (network + h * old / 2) + h * new / 2
        return Flow(linear, network)
