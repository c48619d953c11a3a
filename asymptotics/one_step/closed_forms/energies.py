r"""Laws of the energies of single points in the generated density, at large d and given d/n.

The overlap of the generated Gaussian with a kernel estimate is ∝ (1/n) Σ_i e^{−ε_i}, ε_i = ½(x_i − μ_G)ᵀ(Σ_G + h²)^{-1}(x_i − μ_G).
With white inputs u of the regression, U of shape (n, d), V = UᵀU, x = √q u + √(1−q) w and K = √q + √(1−q) WᵀU V^{-1}, in units of σ

.. math:: Σ_G = KK^\top, \qquad x_i = K u_i + x_i^⊥ ,

u_i = V^{1/2}η_i with η_i a row of a frame (uniform but for its length: it is part of a unit vector in R^n), and x_i^⊥ of variance
(1−q)(1 − |η_i|²). For a point that was not trained on, x is standard normal. Both need one function,

.. math:: L(c; s') = \tfrac1d \ln|K(1+s'V/n)K^\top + c|,

the logarithm of a determinant of information plus noise: with x the eigenvalues of V/n (Marchenko–Pastur), f = 1 + s'x, A = qf/c and
D = (1−q)γf/(xc), it is stationary in e, ẽ,

.. math:: L = \ln c + ⟨\ln[(1+\tilde e)(1+eD) + A]⟩ - e\tilde e .

Source: derived here; the sources draw simulations only (Halder 2024, arXiv 2411.17807, Fig. 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.input.checks import ComputationError

NODES = 64
MOST_STEPS = 20_000


@dataclass(frozen=True)
class Energies:
    """Cumulants of an energy: ψ(s) = ln E e^{−sε} on a grid of rising s, and ln|Σ_G + h²|.

    Parameters
    ----------
    s, psi : ndarray
    log_det : float
    """

    s: np.ndarray
    psi: np.ndarray
    log_det: float


@dataclass(frozen=True)
class _Solved:
    """L, ∂L/∂c, ∂L/∂s', c and κ on a grid of s'."""

    value: np.ndarray
    by_c: np.ndarray
    by_s: np.ndarray
    c: np.ndarray
    kappa: np.ndarray


def spectrum(ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and masses of the eigenvalues of V/n that are not 0."""
    low, high = (1 - np.sqrt(ratio)) ** 2, (1 + np.sqrt(ratio)) ** 2
    angle = (np.arange(NODES) + 0.5) * np.pi / NODES
    x = 0.5 * (low + high) + 0.5 * (high - low) * np.cos(angle)
    # √((high − x)(x − low))/(2πγx) dx in the angle.
    mass = np.sin(angle) ** 2 * (0.5 * (high - low)) ** 2 / (2 * ratio * x * NODES)
    return x, mass


def _solve(ratio: float, q: float, variance: float, grid: np.ndarray, trained: bool) -> _Solved:
    """Solve for e and ẽ (and κ of the length of η) at every s', by damped iteration."""
    x, mass = spectrum(ratio)
    nothing = max(0.0, 1.0 - float(mass.sum())) if ratio > 1 else 0.0
    s = grid[:, None]
    f = 1 + s * x if trained else np.ones((len(grid), NODES))
    rest = (1 - q) * max(0.0, 1 - ratio) if trained else 0.0
    e, tilde, kappa = np.full_like(s, 0.5), np.zeros_like(s), np.zeros_like(s)
    for _ in range(MOST_STEPS):
        c = variance + s * rest / (1 + kappa) if trained else variance + s
        information, noise = q * f / c, (1 - q) * ratio * f / (x * c)
        new_e = np.sum(mass / (1 + tilde + information / (1 + e * noise)), axis=1, keepdims=True) + nothing / (
            1 + tilde
        )
        new_tilde = np.sum(mass * noise / (1 + new_e * noise + information / (1 + tilde)), axis=1, keepdims=True)
        new_kappa = ratio * s * (1 - q) * new_e / c if trained and ratio < 1 else kappa
        moved = max(float(np.abs(a - b).max()) for a, b in ((new_e, e), (new_tilde, tilde), (new_kappa, kappa)))
        e, tilde, kappa = (e + new_e) / 2, (tilde + new_tilde) / 2, (kappa + new_kappa) / 2
        if moved < 1e-11:
            break
    else:
        raise ComputationError("energies: the equations did not settle")
    inner = (1 + tilde) * (1 + e * noise) + information
    value = np.log(c) + np.sum(mass * np.log(inner), axis=1, keepdims=True) + nothing * np.log(1 + tilde) - e * tilde
    by_s = np.sum(mass * ((1 + tilde) * e * (1 - q) * ratio + q * x) / (c * inner), axis=1, keepdims=True)
    columns = np.broadcast_arrays(value, e / c, by_s, c, kappa)
    return _Solved(*(column[:, 0] for column in columns))


#: Tilts of the energies: 0, some below it (high energies, which hardly count), and many above.
_BELOW = -np.geomspace(0.4, 0.01, 8)


def trained_energies(q: float, dimension: int, samples: int, variance: float) -> Energies:
    r"""Energies of the training points themselves.

    The integral over η, part of a unit vector in R^n, is taken at its saddle point, with t of |η|² + … = 1 and s' = s/t:

    .. math:: ψ(s) = \tfrac n2 t(1-η^⊥) - \tfrac d2\ln t + \tfrac{n-d}2\ln\tfrac{η^⊥}{1-γ} - \tfrac d2
              - \tfrac d2[L(h^2 + s(1-q)η^⊥; s') - L(h^2; 0)],

    η^⊥ = 1 − |η|² its part outside the regression, 0 for n ≤ d. (n is the number of contrasts, samples − 1.)
    """
    d, n = dimension, samples - 1
    ratio = d / n
    # Below 0 as far as 1 + s'x stays positive.
    grid = np.concatenate([[0.0], _BELOW / (1 + np.sqrt(ratio)) ** 2, np.geomspace(0.01, 60, 40)])
    at = _solve(ratio, q, variance, grid, trained=True)
    if ratio < 1:
        t = ratio * (1 - grid * at.by_s) + (1 - ratio) / (1 + at.kappa)
        outside = (1 - ratio) / (t * (1 + at.kappa))
        psi = n / 2 * t * (1 - outside) - d / 2 * np.log(t) + (n - d) / 2 * np.log(outside / (1 - ratio)) - d / 2
    else:
        t = 1 - ratio * grid * at.by_s
        psi = n / 2 * (t - 1) - n / 2 * np.log(t)
    s = grid * t
    # The mean of the generated law is off the training mean by b θ₁ z̄, of covariance (1 − q)Σ_G/samples.
    psi = psi - d / 2 * (at.value - at.value[0]) - s / (2 * samples) * (1 - q) * d * (1 - at.c * at.by_c)
    # Centred points have the variance 1 − 1/samples.
    return _ordered(s * samples / n, psi, d * float(at.value[0]))


def fresh_energies(q: float, dimension: int, samples: int, variance: float) -> Energies:
    r"""Energies of points that were not trained on: ψ(s) = −½ ln|Σ_G + h² + s| + ½ ln|Σ_G + h²|, and the shift of the mean."""
    d = dimension
    grid = np.concatenate([[0.0], _BELOW * variance, np.geomspace(0.01, 5, 30)])
    at = _solve(d / (samples - 1), q, variance, grid, trained=False)
    shift = grid / (2 * samples) * d * (at.by_c + (1 - q) * (1 - at.c * at.by_c))
    return _ordered(grid, -d / 2 * (at.value - at.value[0]) - shift, d * float(at.value[0]))


def _ordered(s: np.ndarray, psi: np.ndarray, log_det: float) -> Energies:
    order = np.argsort(s)
    s, psi = s[order], psi[order]
    apart = np.concatenate([[True], np.diff(s) > 1e-9])
    return Energies(s[apart], psi[apart], log_det)
