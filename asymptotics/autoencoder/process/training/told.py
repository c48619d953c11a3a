"""What an online training is told at every step: what depends on τ, as arrays along the steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....common.input.checks import InputError, fail
from ...kernels.written.network import Forward
from .gradient import Map, Told
from .optimiser import AlongTau, Entries, Optimiser, Stack, along


class Steps:
    """The steps of a training: mix-in of `asymptotics.autoencoder.process.training.problem.SgdProblem`, whose fields it reads."""

    denoiser: Forward
    dimension: int
    learning_rate: float
    tau: float
    alpha: Any
    beta: Any
    y0: Any
    y1: Any
    clock: Any
    gains: Any
    skips: Any
    moving: Any
    time_weights: Any
    probabilities: Any
    weight_decay: AlongTau
    schedule: Any
    rates: Any
    rate_b: float
    rate_parameters: float
    optimiser: Optimiser
    batch: int

    @property
    def steps(self) -> int:
        """n = round(τ d/(2η))."""
        return self.step_of(self.tau)

    def step_of(self, tau: float) -> int:
        """Nearest step to training time τ."""
        return round(tau * self.dimension / (2 * self.learning_rate))

    def nearest(self, taus: np.ndarray) -> np.ndarray:
        """The training times of the steps that are nearest to these."""
        return np.array([self.step_of(t) for t in taus]) * (2 * self.learning_rate / self.dimension)

    def midpoints(self, first: int, count: int) -> np.ndarray:
        """τ in the middle of the steps first, first + 1, …."""
        return 2 * self.learning_rate * (first + 0.5 + np.arange(count)) / self.dimension

    def factors(self, first: int, count: int) -> np.ndarray:
        """s(τ) at the steps first, first + 1, …."""
        if self.schedule is None:
            values = np.ones(count)
        elif callable(self.schedule):
            tau = 2 * self.learning_rate * np.arange(first, first + count) / self.dimension
            values = np.broadcast_to(np.asarray(self.schedule(tau), dtype=np.float64), count)
        else:
            values = np.asarray(self.schedule, dtype=np.float64)[first : first + count]
        if len(values) < count or not np.all(np.isfinite(values)) or np.any(values < 0):
            raise InputError("schedule: must be finite, >= 0 and defined at every step")
        largest = (
            self.learning_rate
            * float(self.rates.max())
            * float(np.max(values * self.decays(first, count), initial=0.0))
        )
        if largest >= self.dimension:
            fail(
                "weight_decay",
                self.weight_decay,
                f"such that eta rho lambda/d < 1 (it is {largest / self.dimension:g})",
            )
        return np.array(values)

    def decays(self, first: int, count: int) -> np.ndarray:
        """λ at the steps first, first + 1, …."""
        values = along(self.weight_decay, self.midpoints(first, count))
        if not np.all(np.isfinite(values)) or np.any(values < 0):
            raise InputError("weight_decay: must be finite, >= 0 and defined at every step")
        return values

    @property
    def learning_rates(self) -> np.ndarray:
        """η ρ of the vectors, of b and of κ."""
        rate_b = self.rate_b if self.denoiser.skip else 0.0
        return np.asarray(self.learning_rate * np.concatenate([self.rates, [rate_b, self.rate_parameters]]))

    def clocks(self, first: int, count: int) -> np.ndarray:
        """α, β, α̇, β̇, t, y₀, y₁, w, s₀, ψ_1, … (1 or count, 9 + skips, times): the same for all steps, or those of each."""
        if self.moving is None:
            values = np.stack([self.alpha, self.beta, *self.clock, self.y0, self.y1, self.gains, *self.skips])[:, None]
        else:
            values = np.asarray(self.moving(self.midpoints(first, count)), dtype=np.float64)
            if not np.all(np.isfinite(values)):
                raise InputError(
                    "moving: the schedule, the weight of the loss and the skip connection must be finite at every step"
                )
        return np.ascontiguousarray(values.transpose(1, 0, 2))

    def chances(self, first: int, count: int) -> np.ndarray:
        """Cumulative probabilities of the times, (1 or count, times): the same for all steps, or those of each."""
        if self.probabilities is None:
            return np.cumsum(self.time_weights)[None]
        p = np.asarray(self.probabilities(self.midpoints(first, count)), dtype=np.float64)
        if not np.all(np.isfinite(p)) or np.any(p < 0):
            raise InputError("probabilities: must be finite and >= 0 at every step")
        return np.ascontiguousarray(np.cumsum(p / p.sum(axis=1, keepdims=True), axis=1))

    def told(self, first: int, count: int) -> Told:
        """What the steps first, first + 1, … are told."""
        factors, decays = self.factors(first, count), self.decays(first, count)
        clock = self.clocks(first, count)
        return Told(self.denoiser.decoders, clock, self.time_weights, factors, decays, self.learning_rates)

    @property
    def stack(self) -> Stack:
        """The rows that the optimiser moves."""
        return Stack(self.optimiser, self.denoiser.vectors)

    @property
    def single(self) -> bool:
        """One sample a step, and nothing but SGD: the weights are then read once a step."""
        return self.batch == 1 and self.optimiser.plain

    def entries(self, first: int, count: int) -> tuple[Entries, Entries, Entries]:
        """The optimiser's map at the steps first, first + 1, …: R and L of the vectors, L of the scalars."""
        h = 2 * self.learning_rate / self.dimension
        decay = self.factors(first, count) * self.decays(first, count)
        return self.stack.entries(self.midpoints(first, count), h, self.rates, decay)

    def moved(self, first: int, count: int) -> Map:
        """What the optimiser makes of them."""
        gradient, linear, scalars = self.entries(first, count)
        return Map(
            gradient.places, gradient.values, linear.places, linear.values, self.stack.scalar_gradient, scalars.places,
            scalars.values,
        )  # fmt: skip
