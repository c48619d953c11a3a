"""The variance-preserving noise schedule of the diffusion model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...common.input.checks import InputError, integer, number


@dataclass(frozen=True)
class Schedule:
    r"""Linear schedule β_t = β_first + (β_last − β_first) t/T, ᾱ_t = Π_{s≤t}(1 − β_s), t = 1 … T, ᾱ_0 = 1.

    The noised data are x_t = √ᾱ_t x_0 + √(1−ᾱ_t) ε.

    Parameters
    ----------
    steps : int
        T ≥ 1.
    beta_first, beta_last : float
        β at t = 0 and t = T, both in (0, 1).

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    Merger and Goldt 2025 (arXiv 2505.24769); T = 1000 and β from 1e-4 to 1e-2.
    """

    steps: int = 1000
    beta_first: float = 1e-4
    beta_last: float = 1e-2

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", integer("steps", self.steps, at_least=1, at_most=1_000_000))
        for name in ("beta_first", "beta_last"):
            object.__setattr__(self, name, number(name, getattr(self, name), above=0, below=1))

    @cached_property
    def beta(self) -> np.ndarray:
        """β_t for t = 0 … T (the entry t = 0 is 0: no noise is added there), shape (T + 1,)."""
        t = np.arange(self.steps + 1)
        beta = self.beta_first + (self.beta_last - self.beta_first) * t / self.steps
        beta[0] = 0.0
        return beta

    @cached_property
    def log_alpha_bar(self) -> np.ndarray:
        """ln ᾱ_t for t = 0 … T, shape (T + 1,)."""
        return np.cumsum(np.log1p(-self.beta))

    @cached_property
    def alpha_bar(self) -> np.ndarray:
        """ᾱ_t for t = 0 … T, shape (T + 1,)."""
        return np.exp(self.log_alpha_bar)

    @cached_property
    def noise(self) -> np.ndarray:
        """1 − ᾱ_t for t = 0 … T without cancellation, shape (T + 1,)."""
        return -np.expm1(self.log_alpha_bar)

    def step(self, time: int) -> int:
        """``time`` if it is one of the steps 1 … T, else an `InputError`."""
        t = integer("time", time, at_least=1)
        if t > self.steps:
            raise InputError(f"time = {time}: must be one of the steps 1 … {self.steps}")
        return t

    def effective_regularisation(self, regularisation: float, time: int | np.ndarray) -> np.ndarray:
        """c_t = c + (1 − ᾱ_t)/ᾱ_t: the noise acts on the covariance as a ridge, C_t = ᾱ_t(Σ₀ + c_t)."""
        return regularisation + self.noise[time] / self.alpha_bar[time]
