"""The linear denoiser fitted to data, and the Gaussian density that it generates in one step or several."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from ...common.input.checks import InputError, array, choice, fail, number

BLOCK = 8192  # rows of data that are worked on at once
WELL_CONDITIONED = 20  # samples per dimension from which normal equations lose no accuracy that matters


@dataclass(frozen=True)
class Generated:
    r"""A generated density N(μ_G, Σ_G).

    Parameters
    ----------
    mean : ndarray, shape (d,)
        μ_G.
    factor : ndarray, shape (d, d)
        F with Σ_G = F Fᵀ; a factor, because the small eigenvalues of Σ_G matter.
    rank : int
        Rank of Σ_G, min(d, n − 1).
    """

    mean: np.ndarray
    factor: np.ndarray
    rank: int

    @property
    def covariance(self) -> np.ndarray:
        """Σ_G, shape (d, d)."""
        return self.factor @ self.factor.T

    def spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues (descending; exact zeros beyond the rank) and eigenvectors (columns) of Σ_G."""
        vectors, values, _ = np.linalg.svd(self.factor)
        values[self.rank :] = 0.0
        return values**2, vectors


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, BLOCK):
        yield slice(start, min(count, start + BLOCK))


def _contrasts(rows: np.ndarray) -> np.ndarray:
    r"""The n − 1 orthonormal Helmert contrasts of n rows: differences from the running mean.

    Their products equal those of the centred rows, but the matrix has full row rank.
    """
    n = len(rows)
    k = np.arange(1, n, dtype=float)[:, None]
    return (np.cumsum(rows, axis=0)[:-1] / k - rows[1:]) * np.sqrt(k / (k + 1.0))


def regression(data: np.ndarray, noise: np.ndarray, a: float, b: float) -> np.ndarray:
    r"""Ordinary least squares of x on y = a x + b z with intercept, θ₁ = X_cᵀ Y_c (Y_cᵀ Y_c)^+.

    Parameters
    ----------
    data, noise : ndarray, shape (n, d)
        x and z.
    a, b : float
        Amplitudes of data and noise.

    Returns
    -------
    ndarray, shape (d, d)
        θ₁; of minimum norm if n − 1 < d. The intercept is x̄ − θ₁ ȳ.
    """
    n, d = data.shape
    if n > WELL_CONDITIONED * d:
        x_mean, z_mean = data.mean(axis=0), noise.mean(axis=0)
        squares, products = np.zeros((d, d)), np.zeros((d, d))
        for rows in _blocks(n):
            x = data[rows] - x_mean
            y = a * x + b * (noise[rows] - z_mean)
            squares += y.T @ y
            products += y.T @ x
        return np.linalg.solve(squares, products).T
    x = _contrasts(data)
    y = a * x + b * _contrasts(noise)
    if n - 1 >= d:
        orthogonal, triangle = np.linalg.qr(y)
        return solve_triangular(triangle, orthogonal.T @ x).T
    orthogonal, triangle = np.linalg.qr(y.T)
    return (orthogonal @ solve_triangular(triangle, x, trans="T")).T


def fit(
    data: np.ndarray,
    noise: np.ndarray | Sequence[np.ndarray],
    times: Sequence[float] | np.ndarray,
    noise_scale: float,
    scheme: str = "deterministic",
) -> Generated:
    r"""Fit the denoiser at each time and propagate N(a x̄, ŝ) through it down to time 0.

    At time t, y = a x + b z with a = e^{−t}, b² = λ(1 − e^{−2t}) and x̂(y) = x̄ + θ₁(y − ȳ). The start is
    N(a x̄, ŝ), ŝ = a² v̂ + b², v̂ the mean unbiased variance of a coordinate. A step to the time t' with a', b' is
    y' = a' x̂ + b' [ρ (y − a x̂)/b + √(1 − ρ²) z], with ρ = 1 (deterministic) or ρ = a b'/(a' b) (ancestral). One step to
    t' = 0 gives

    .. math:: μ_G = \bar x - b\, θ_1 \bar z, \qquad Σ_G = \hat s\, θ_1 θ_1^\top .

    Parameters
    ----------
    data : ndarray, shape (n, d)
        Training set x, n ≥ 2.
    noise : ndarray, shape (n, d), or a sequence of k such
        Standard normal z of the training pairs; one for each time, in ascending order of time.
    times : sequence of float
        0 = t_0 < t_1 < … < t_k = T.
    noise_scale : float
        λ > 0.
    scheme : {"deterministic", "ancestral"}
        Sampler between times.

    Returns
    -------
    Generated

    Raises
    ------
    InputError
        For arrays of the wrong shape, n < 2, times that do not ascend from 0, or data that give a singular regression.

    Notes
    -----
    Halder 2024 (arXiv 2411.17807), eqs. 3.1–3.3, for one step; the covariance is θ₁ θ₁ᵀ (its code forms θ₁ᵀ θ₁).
    """
    x = array("data", data, ndim=2)
    n, d = x.shape
    if n < 2 or d < 1:
        fail("data", x.shape, "of shape (n, d) with n >= 2 and d >= 1")
    grid = array("times", times, ndim=1)
    steps = len(grid) - 1
    if steps < 1 or grid[0] != 0.0 or np.any(np.diff(grid) <= 0.0):
        fail("times", grid, "ascending from 0, at least two of them")
    scale = number("noise_scale", noise_scale, above=0.0)
    ancestral = choice("scheme", scheme, ("deterministic", "ancestral")) == "ancestral"
    draws = [noise] if isinstance(noise, np.ndarray) and noise.ndim == 2 else list(noise)
    if len(draws) != steps:
        fail("noise", f"{len(draws)} arrays", f"{steps} arrays, one for each step")
    x_mean = x.mean(axis=0)
    variance = sum(float(np.sum((x[rows] - x_mean) ** 2)) for rows in _blocks(n)) / ((n - 1) * d)

    a, b = _amplitudes(grid[-1], scale)
    mean: np.ndarray = a * x_mean
    factor: np.ndarray = math.sqrt(a * a * variance + b * b) * np.eye(d)
    for step in range(steps, 0, -1):
        z = array("noise", draws[step - 1], shape=(n, d))
        try:
            slope = regression(x, z, a, b)
        except np.linalg.LinAlgError:
            raise InputError("data: the noisy samples are linearly dependent; the regression is singular") from None
        estimate = x_mean + slope @ (mean - a * x_mean - b * z.mean(axis=0))
        a_next, b_next = _amplitudes(grid[step - 1], scale)
        kept = a * b_next / (a_next * b) if ancestral else 1.0
        direct = b_next * kept / b
        mean = (a_next - direct * a) * estimate + direct * mean
        factor = (a_next - direct * a) * (slope @ factor) + direct * factor
        if ancestral and b_next > 0.0:
            fresh = b_next**2 * (1.0 - kept**2)
            factor = np.linalg.cholesky(factor @ factor.T + fresh * np.eye(d))
        a, b = a_next, b_next
    if not (np.all(np.isfinite(mean)) and np.all(np.isfinite(factor))):
        raise InputError("data: the noisy samples are linearly dependent; the regression is singular")
    return Generated(mean, factor, min(d, n - 1))


def _amplitudes(t: float, scale: float) -> tuple[float, float]:
    return math.exp(-t), math.sqrt(scale * -math.expm1(-2.0 * t))
