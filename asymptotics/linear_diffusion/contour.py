r"""Averages of Σ_ν f(λ⁰_ν) and Σ_ν f(λ⁰_ν) Σ_νν over data sets for analytic f, by a contour integral.

.. math:: \sum_\nu f(\lambda^0_\nu)\{1,\Sigma_{\nu\nu}\}\simeq-\frac1{2\pi i}\oint f(z)\{m_1,m_\Sigma\}(z)\,dz

around the spectrum of Σ₀, where m₁ and m_Σ are the deterministic equivalents of Tr(Σ₀−z)⁻¹ and Tr Σ(Σ₀−z)⁻¹.
The contour is an ellipse in u = ln(z + c_t): it stays in Re(z + c_t) > 0, where exp(−2ᾱ(z+c_t)τ) is bounded at every
training time τ, and resolves eigenvalues of all magnitudes; the midpoint rule on it converges exponentially.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .equivalents import SolveError, degrees_of_freedom, effective_regularisation

#: Largest half-height of the ellipse; beyond π/2 the decay in training time would become growth.
HEIGHT = np.pi / 4
#: Midpoints per unit of (half-length / half-height): exp(−36) is below rounding.
DENSITY = 36.0


@dataclass(frozen=True)
class Resolvent:
    """Nodes of the contour in the upper half-plane and the weights of both traces there.

    Parameters
    ----------
    shifted : ndarray of complex, shape (nodes,)
        z + c_t.
    shift : float
        c_t.
    weights_one, weights_sigma : ndarray of complex, shape (nodes,)
        So that Σ_ν f(λ⁰_ν) ≃ Im Σ_j weights_one[j] f(z_j), and with Σ_νν for ``weights_sigma``.
    """

    shifted: np.ndarray
    shift: float
    weights_one: np.ndarray
    weights_sigma: np.ndarray

    def average(self, function: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Σ_ν f(λ⁰_ν) and Σ_ν f(λ⁰_ν) Σ_νν; ``function`` maps z + c_t (nodes,) to (..., nodes), real on the real axis."""
        values = function(self.shifted)
        return (values @ self.weights_one).imag, (values @ self.weights_sigma).imag


def upper_edge(eigenvalues: np.ndarray, samples: int) -> float:
    """A bound on the largest eigenvalue of Σ₀ as d → ∞: λ₁(1 + √(Tr Σ/(λ₁ n)))²."""
    n, _ = degrees_of_freedom(samples)
    top = float(np.max(eigenvalues))
    return top * (1.0 + np.sqrt(float(np.sum(eigenvalues)) / (top * n))) ** 2


def resolvent(eigenvalues: np.ndarray, samples: int, shift: float, *, height: float = HEIGHT, density: float = DENSITY) -> Resolvent:
    """Nodes and weights of the contour around [0, λ_max] for a shift c_t > 0.

    Parameters
    ----------
    eigenvalues : ndarray, shape (d,)
        Of Σ.
    samples : int
        N ≥ 2.
    shift : float
        c_t > 0.
    height, density : float
        Half-height of the ellipse in u and number of midpoints; the result does not depend on them.
    """
    values = np.asarray(eigenvalues, dtype=float)
    n, rho = degrees_of_freedom(samples)
    low, high = np.log(shift), np.log(shift + 1.02 * upper_edge(values, samples))
    half = 0.5 * (high - low)
    length = np.hypot(half, height)  # the ends of the spectrum are the foci
    count = max(24, int(np.ceil(density * length / height / 2)))
    # from the left end (real, κ known) to the right
    theta = np.pi * (1.0 - (np.arange(count) + 0.5) / count)
    u = 0.5 * (low + high) + length * np.cos(theta) + 1j * height * np.sin(theta)
    tangent = -length * np.sin(theta) + 1j * height * np.cos(theta)
    shifted = np.exp(u)
    c_hat = (shift - shifted) / rho
    left = (shift - np.exp(0.5 * (low + high) - length)) / rho
    kappa = _continue(values, n, c_hat, left, complex(effective_regularisation(values, samples, left)))
    inverse = 1.0 / (values + kappa[:, None])
    common = -(np.pi / count) / np.pi * shifted * tangent * (kappa / c_hat) / rho
    return Resolvent(shifted, shift, common * inverse.sum(axis=1), common * (inverse @ values))


def _continue(values: np.ndarray, n: int, path: np.ndarray, start: float, kappa: complex) -> np.ndarray:
    """κ along ``path`` (Im ĉ < 0), by Newton's method from one point to the next, beginning at a real one.

    The physical root is the only one whose imaginary part has the sign of that of ĉ.
    """
    result = np.empty(path.size, dtype=complex)
    at = complex(start)
    slope = 1.0 - np.square(values / (values + kappa)).sum() / n
    for j, goal in enumerate(path):
        fraction, done = 1.0, 0.0
        while done < 1.0:
            stride = min(fraction, 1.0 - done)
            wanted = at + stride / (1.0 - done) * (goal - at) if stride < 1.0 - done else goal
            found = _newton(values, n, wanted, kappa + (wanted - at) / slope)
            if found is None:
                fraction /= 2
                if fraction < 1e-6:
                    raise SolveError(f"no physical root of the deterministic equivalent at c = {wanted}")
                continue
            (kappa, slope), at, done = found, wanted, done + stride
        result[j] = kappa
    return result


def _newton(values: np.ndarray, n: int, c_hat: complex, kappa: complex) -> tuple[complex, complex] | None:
    """The root near ``kappa`` and the derivative ∂ĉ/∂κ there, or None if Newton's method leaves the physical branch."""
    for _ in range(30):
        ratio = values / (values + kappa)
        slope = 1.0 - (ratio @ ratio) / n
        step = (kappa * (1.0 - ratio.sum() / n) - c_hat) / slope
        if not np.isfinite(step):
            return None
        kappa -= step
        if abs(step) <= 1e-13 * abs(kappa):
            return (complex(kappa), complex(slope)) if kappa.imag < 0 else None
    return None
