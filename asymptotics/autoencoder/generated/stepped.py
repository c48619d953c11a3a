"""The discrete sampler of the local fields, followed step for step."""

from __future__ import annotations

import copy
from typing import Self

import numpy as np

from .coefficients import coefficients
from .parts import Flow, Trained, guided


class Stepped:
    """The Euler scheme of one trained network.

    Attributes
    ----------
    variance, growth : float
        v_{t_f}, and the product of the factors on the state.
    noisy : bool
        Whether ε > 0 anywhere.
    """

    def __init__(self, flow: Trained) -> None:
        self.flow, s = flow, flow.sampling
        grid = s.grid()
        k = coefficients(self.flow.problem, self.flow.b, grid[:-1], self.flow.epsilon)
        h = np.diff(grid)
        self._steps = self.flow.derived.step(k.gamma, k.delta, k.epsilon, h)
        self._now = flow.told_at(grid[:-1])
        v = 1.0
        for growth, noise in zip(self._steps[1], self._steps[2], strict=True):
            v = self.flow.derived.variance_step(growth, noise, v)
        self.variance, self.growth = float(v), float(np.prod(self._steps[1]))
        self.noisy = bool(np.any(k.epsilon > 0))

    def of(self, flow: Trained) -> Self:
        """The same for a network that differs in its label alone."""
        other = copy.copy(self)
        other.flow, other._now = flow, (self._now[0], flow.told, self._now[2])
        return other

    def carry(self, z0: np.ndarray) -> Flow:
        """Without noise."""
        return self.transport(z0, None)

    def fix_steps(self, steps: int) -> None:
        """They are fixed."""

    @property
    def steps(self) -> tuple[np.ndarray, np.ndarray]:
        """What every step of the discrete sampler multiplies φ and the state with, (steps,) each."""
        return self._steps[0], self._steps[1]

    def growth_by_skip(self) -> np.ndarray:
        """d(factors on the state)/db, (basis, steps): they are linear in the skip connection."""
        grid = self.flow.sampling.grid()
        h, b = np.diff(grid), np.atleast_1d(np.asarray(self.flow.b, dtype=np.float64))
        rows = []
        for unit in np.eye(len(b)):
            ends = [
                coefficients(self.flow.problem, x if len(b) > 1 else float(x[0]), grid[:-1], self.flow.epsilon)
                for x in (0 * unit, unit)
            ]
            growths = [self.flow.derived.step(k.gamma, k.delta, k.epsilon, h)[1] for k in ends]
            rows.append(growths[1] - growths[0])
        return np.array(rows)

    def phi_at(self, step: int, z: np.ndarray) -> np.ndarray:
        """φ at one step of the discrete sampler, (points, terms)."""
        return self._guided("activations", step, z, (self.flow.coupling.shape[1],))

    def slopes_at(self, step: int, z: np.ndarray) -> np.ndarray:
        """∂φ_j/∂ω_a there, (points, terms, encoders)."""
        return self._guided("slopes", step, z, (self.flow.coupling.shape[1], z.shape[1]))

    def _guided(self, name: str, step: int, z: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """A function of the network at one step: (1 + ω) times that with the label − ω times that without."""
        rows, label, guidance = self._now
        function = getattr(self.flow.kernels.module, name)
        return guided(function, z, rows[:, step], label, self.flow.kappa, float(guidance[step]), (len(z), *shape))

    def transport(self, z0: np.ndarray, rng: np.random.Generator | None) -> Flow:
        """Carry z₀ (points, encoders) to t_f; ε > 0 needs a generator."""
        linear, network = np.array(z0, dtype=np.float64), np.zeros((len(z0), self.flow.coupling.shape[1]))
        if not self.noisy:
            gain, growth, _ = self._steps
            self.flow.kernels.module.euler(
                linear, gain, growth, *self._now, self.flow.coupling, self.flow.kappa, network
            )
            return Flow(self.growth * linear, network)
        for t, gain, growth, noise in zip(self._now[0][-1], *self._steps, strict=True):
            z = linear + network @ self.flow.coupling.T
            network = self.flow.derived.network_step(gain, growth, network, self.flow.phi(z, t))
            linear = self.flow.derived.linear_step(growth, linear)
            if noise > 0 and rng is not None:
                linear += np.sqrt(noise) * rng.standard_normal(linear.shape) @ self.flow.root
        return Flow(linear, network)
