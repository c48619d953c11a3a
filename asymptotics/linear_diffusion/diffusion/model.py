r"""One data set: the trained linear denoiser, its losses, divergences and training curves, exactly.

Everything is a sum over the eigenmodes (λ⁰_ν, v_ν) of the empirical covariance Σ₀, with Σ_νν = v_νᵀΣv_ν and δ = μ − μ₀.

References: Merger and Goldt 2025 (arXiv 2505.24769).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import InputError, array, number
from ...common.numerics.algebra.gram import symmetric_root
from .relaxation import relaxation
from .sampler import generated_mean, generated_variance, reverse_variances, run_modes
from .schedule import Schedule


@dataclass(frozen=True)
class LinearModel:
    """A linear denoiser ε_θ = W_t(x_t + b_t) trained on one data set, b_t = −√ᾱ_t μ₀, W_t = √(1−ᾱ_t) C_t⁻¹ in the end.

    Made by `fit` or `from_covariances`.

    Parameters
    ----------
    eigenvalues : ndarray, shape (d,)
        λ⁰_ν of Σ₀, ascending.
    eigenvectors : ndarray, shape (d, d)
        v_ν as columns.
    mean : ndarray, shape (d,)
        μ₀.
    target_covariance : ndarray, shape (d, d)
        Σ.
    target_mean : ndarray, shape (d,)
        μ.
    regularisation : float
        c ≥ 0: the ridge ᾱ_t c ‖W_t‖² of the loss.
    schedule : Schedule
    """

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    mean: np.ndarray
    target_covariance: np.ndarray
    target_mean: np.ndarray
    regularisation: float
    schedule: Schedule

    @classmethod
    def from_covariances(
        cls,
        empirical: Any,
        target: Any,
        *,
        regularisation: float = 0.0,
        schedule: Schedule | None = None,
        mean: Any = None,
        target_mean: Any = None,
    ) -> LinearModel:
        """From Σ₀ and Σ (d, d), or (d,) for diagonal ones, and the means (default 0)."""
        matrices = []
        for name, value in (("empirical", empirical), ("target", target)):
            matrix = array(name, value)
            matrix = np.diag(matrix) if matrix.ndim == 1 else matrix
            if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.allclose(matrix, matrix.T, atol=1e-10):
                raise InputError(f"{name} of shape {matrix.shape}: must be a symmetric matrix or its diagonal")
            matrices.append(matrix)
        empirical, target = matrices
        if empirical.shape != target.shape:
            raise InputError(f"empirical of shape {empirical.shape}: must have the shape {target.shape} of target")
        d = target.shape[0]
        values, vectors = np.linalg.eigh(empirical)
        rounding = d * np.finfo(float).eps * max(values[-1], 0.0)
        if values[0] < -10 * max(rounding, np.finfo(float).tiny):
            raise InputError(f"empirical: has the eigenvalue {values[0]:.6g}; must be positive semi-definite")
        return cls(
            np.where(values <= rounding, 0.0, values),
            vectors,
            np.zeros(d) if mean is None else array("mean", mean, shape=(d,)),
            target,
            np.zeros(d) if target_mean is None else array("target_mean", target_mean, shape=(d,)),
            number("regularisation", regularisation, at_least=0),
            schedule or Schedule(),
        )

    @classmethod
    def fit(
        cls,
        samples: ArrayLike,
        target: Any,
        *,
        regularisation: float = 0.0,
        schedule: Schedule | None = None,
        target_mean: Any = None,
    ) -> LinearModel:
        """From training samples (N, d), N ≥ 2, and the target's covariance and mean."""
        x = array("samples", samples, ndim=2)
        if x.shape[0] < 2:
            raise InputError(f"samples of shape {x.shape}: must be (N, d) with N >= 2")
        mean = x.mean(axis=0)
        centred = x - mean
        return cls.from_covariances(
            centred.T @ centred / len(x),
            target,
            regularisation=regularisation,
            schedule=schedule,
            mean=mean,
            target_mean=target_mean,
        )

    @property
    def dimension(self) -> int:
        """d."""
        return self.eigenvalues.size

    @cached_property
    def target_diagonal(self) -> np.ndarray:
        """Σ_νν, shape (d,)."""
        return np.einsum("ik,ij,jk->k", self.eigenvectors, self.target_covariance, self.eigenvectors, optimize=True)

    @cached_property
    def mean_error(self) -> np.ndarray:
        """δ_ν = v_νᵀ(μ − μ₀), shape (d,)."""
        return self.eigenvectors.T @ (self.target_mean - self.mean)

    def _at(self, time: int) -> tuple[float, float, np.ndarray]:
        t = self.schedule.step(time)
        ab, noise = float(self.schedule.alpha_bar[t]), float(self.schedule.noise[t])
        return ab, noise, ab * (self.eigenvalues + self.regularisation) + noise

    def weights(self, time: int) -> np.ndarray:
        """W_t = √(1−ᾱ_t) C_t⁻¹, shape (d, d)."""
        _, noise, s = self._at(time)
        return (self.eigenvectors * (np.sqrt(noise) / s)) @ self.eigenvectors.T

    def bias(self, time: int) -> np.ndarray:
        """b_t = −√ᾱ_t μ₀, shape (d,)."""
        return -np.sqrt(self._at(time)[0]) * self.mean

    def train_loss(self, time: int) -> float:
        """d − (1−ᾱ) Tr C⁻¹ − c ᾱ(1−ᾱ) Tr C⁻² (the ridge term is not part of it)."""
        ab, noise, s = self._at(time)
        return float(self.dimension - noise * (1 / s).sum() - self.regularisation * ab * noise * (1 / s**2).sum())

    def test_loss(self, time: int) -> float:
        """L_train + ᾱ(1−ᾱ)[Tr (Σ−Σ₀)C⁻² + ‖C⁻¹δ‖²]."""
        ab, noise, s = self._at(time)
        excess = self.target_diagonal + self.mean_error**2 - self.eigenvalues
        return self.train_loss(time) + float(ab * noise * (excess / s**2).sum())

    def training_losses(
        self, tau: ArrayLike, time: int, *, learning_rate: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Train and test loss at training times τ ≥ 0 from W(0) = 0 (gradient flow, or descent with η)."""
        ab, noise, s = self._at(time)
        w = np.sqrt(noise) * relaxation(s, array("tau", tau), learning_rate)
        common = 1 - 2 * np.sqrt(noise) * w + noise * w**2
        target = self.target_diagonal + self.mean_error**2
        return (common + ab * w**2 * self.eigenvalues).sum(axis=-1), (common + ab * w**2 * target).sum(axis=-1)

    def stopping(self, time: int) -> tuple[float | None, float]:
        """τ* and the lowest test loss for gradient flow; None if the loss falls for ever."""
        from scipy.optimize import minimize_scalar

        _, _, s = self._at(time)
        grid = np.geomspace(0.01 / s.max(), 20 / s.min(), 400)
        loss = self.training_losses(grid, time)[1]
        best = int(np.argmin(loss))
        if best in (0, grid.size - 1) or loss[best] >= self.test_loss(time):
            return None, self.test_loss(time)
        found = minimize_scalar(
            lambda x: float(self.training_losses(np.exp(x), time)[1]),
            bounds=(np.log(grid[best - 1]), np.log(grid[best + 1])),
            method="bounded",
            options={"xatol": 1e-9},
        )
        return float(np.exp(found.x)), float(found.fun)

    def kl_generated_target(self) -> float | None:
        """KL(N(μ₀, Σ₀+c)‖N(μ, Σ)); None if infinite."""
        return self._divergences(self.eigenvalues + self.regularisation, self.mean)[0]

    def kl_target_generated(self) -> float | None:
        """KL(N(μ, Σ)‖N(μ₀, Σ₀+c)); None if infinite."""
        return self._divergences(self.eigenvalues + self.regularisation, self.mean)[1]

    def _divergences(self, variance: np.ndarray, mean: np.ndarray) -> tuple[float | None, float | None]:
        """Both divergences of a Gaussian with these variances along the modes of Σ₀."""
        sign, log_target = np.linalg.slogdet(self.target_covariance)
        if sign <= 0 or variance.min() <= 0:
            return None, None
        ratio = float(log_target - np.log(variance).sum())
        delta = self.target_mean - mean
        inverse = np.linalg.inv(self.target_covariance)
        diagonal = np.einsum("ik,ij,jk->k", self.eigenvectors, inverse, self.eigenvectors, optimize=True)
        forward = 0.5 * (ratio - self.dimension + diagonal @ variance + delta @ inverse @ delta)
        moved = self.eigenvectors.T @ delta
        reverse = 0.5 * (-ratio - self.dimension + ((self.target_diagonal + moved**2) / variance).sum())
        return float(forward), float(reverse)

    def sampled(self, variance: str = "beta", **options: Any) -> tuple[np.ndarray, np.ndarray]:
        """Mean (d,) of the DDPM samples and their variances along the modes of Σ₀ (d,)."""
        s0 = self.eigenvalues + self.regularisation
        along = generated_mean(s0, self.schedule) * (self.eigenvectors.T @ self.mean)
        return self.eigenvectors @ along, generated_variance(s0, self.schedule, variance, **options)

    def sampled_divergences(self, variance: str = "beta", **options: Any) -> tuple[float | None, float | None]:
        """KL(generated‖target) and KL(target‖generated) of what the DDPM sampler really gives at finite T."""
        mean, variances = self.sampled(variance, **options)
        return self._divergences(variances, mean)

    def stopped(self, tau: float, variance: str = "beta") -> tuple[np.ndarray, np.ndarray]:
        """Mean (d,) and variances along the modes (d,) of samples when all W_t were trained for the time τ only."""
        s = self.schedule.alpha_bar[1:, None] * (self.eigenvalues + self.regularisation) + self.schedule.noise[1:, None]
        w = np.sqrt(self.schedule.noise[1:, None]) * -np.expm1(-2 * s * number("tau", tau, at_least=0)) / s
        sigma2 = reverse_variances(self.schedule, variance, self.eigenvalues + self.regularisation)
        factor, variances = run_modes(w, sigma2, self.schedule)
        return self.eigenvectors @ (factor * (self.eigenvectors.T @ self.mean)), variances

    def stopped_divergences(self, tau: float, variance: str = "beta") -> tuple[float | None, float | None]:
        """Both divergences of the samples of an early-stopped model."""
        mean, variances = self.stopped(tau, variance)
        return self._divergences(variances, mean)

    @cached_property
    def root(self) -> np.ndarray:
        """(Σ₀+c)^½, shape (d, d): the probability-flow map from noise to samples about the mean."""
        return (self.eigenvectors * np.sqrt(self.eigenvalues + self.regularisation)) @ self.eigenvectors.T

    def cosine(self, other: LinearModel | None = None) -> float:
        """Cosine between samples of two models (or of this one and the truth) that start from the same noise.

        Tr A^½B^½/√(Tr A Tr B), the ratio of expectations over the noise, about the means.
        """
        root = symmetric_root(self.target_covariance) if other is None else other.root
        return float((self.root * root).sum() / (np.linalg.norm(self.root) * np.linalg.norm(root)))

    def null_mass(self) -> float:
        """Tr Σ P_null: variance of the target in the directions without training variance."""
        return float(self.target_diagonal[self.eigenvalues == 0.0].sum())
