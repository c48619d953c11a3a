r"""Averages of Σ_ν f(λ⁰_ν) and Σ_ν f(λ⁰_ν) Σ_νν over data sets for analytic f, by a contour integral.

.. math:: \sum_\nu f(\lambda^0_\nu)\{1,\Sigma_{\nu\nu}\}\simeq-\frac1{2\pi i}\oint f(z)\{m_1,m_\Sigma\}(z)\,dz

around the spectrum of Σ₀, where m₁ and m_Σ are the deterministic equivalents of Tr(Σ₀−z)⁻¹ and Tr Σ(Σ₀−z)⁻¹.
The contour is an ellipse in u = ln(z + c_t): it stays in Re(z + c_t) > 0, where exp(−2ᾱ(z+c_t)τ) is bounded at every
training time τ, and resolves eigenvalues of all magnitudes; the midpoint rule on it converges exponentially.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .corrections import diagonal_terms
from .equivalents import SolveError, degrees_of_freedom, effective_regularisation, one_eigenvalue
from .orders import by_order

#: Largest half-height of the ellipse; beyond π/2 the decay in training time would become growth.
HEIGHT = np.pi / 4
#: Midpoints per unit of (half-length / half-height): exp(−36) is below rounding.
DENSITY = 36.0


@dataclass(frozen=True)
class Resolvent:
    """Nodes of the contour in the upper half-plane and the weights of the traces there.

    Parameters
    ----------
    shifted : ndarray of complex, shape (nodes,)
        z + c_t.
    shift : float
        c_t.
    weights : ndarray of complex, shape (probes, nodes)
        Σ_ν f(λ⁰_ν) v_νᵀPv_ν ≃ Im Σ_j weights[p, j] f(z_j) for the diagonal matrix P of each probe; by default 1 and Σ.
    """

    shifted: np.ndarray
    shift: float
    weights: np.ndarray

    def average(self, values: np.ndarray, probe: int = 0) -> np.ndarray:
        """Σ_ν f(λ⁰_ν) v_νᵀPv_ν from f at the nodes, shape (..., nodes); f must be real on the real axis."""
        result: np.ndarray = (values @ self.weights[probe]).imag
        return result


def upper_edge(eigenvalues: np.ndarray, samples: int) -> float:
    """A bound on the largest eigenvalue of Σ₀ as d → ∞: λ₁(1 + √(Tr Σ/(λ₁ n)))²."""
    n, _ = degrees_of_freedom(samples)
    top = float(np.max(eigenvalues))
    return top * (1.0 + np.sqrt(float(np.sum(eigenvalues)) / (top * n))) ** 2


@by_order
def resolvent(
    eigenvalues: np.ndarray,
    samples: int,
    shift: float,
    *,
    probes: np.ndarray | None = None,
    order: int = 0,
    height: float = HEIGHT,
    density: float = DENSITY,
) -> Resolvent:
    """Nodes and weights of the contour around [0, λ_max] for a shift c_t > 0; cost proportional to d.

    Parameters
    ----------
    eigenvalues : ndarray, shape (d,)
        Of Σ.
    samples : int
        N ≥ 2.
    shift : float
        c_t > 0.
    probes : ndarray, shape (probes, d), optional
        Diagonal matrices P, in the eigenbasis of Σ; default (1, Σ).
    order : {0, 1, 2}
        See `asymptotics.linear_diffusion.resolvents.orders`.
    height, density : float
        Half-height of the ellipse in u and number of midpoints; the result does not depend on them.
    """
    values = np.asarray(eigenvalues, dtype=float)
    probes = np.array([np.ones_like(values), values]) if probes is None else np.asarray(probes, dtype=float)
    n, rho = degrees_of_freedom(samples)
    if values.size == 1:  # the law of the one eigenvalue, exactly
        y, law = one_eigenvalue(values, samples)
        return Resolvent((y + shift).astype(complex), shift, 1j * np.outer(probes[:, 0], law))
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
    at = complex((shift - np.exp(0.5 * (low + high) - length)) / rho)
    kappa = complex(effective_regularisation(values, samples, at.real))
    slope = complex(1.0 - np.square(values / (values + kappa)).sum() / n)
    weights = np.empty((len(probes), count), dtype=complex)
    for j in range(count):
        kappa, slope = _advance(values, n, at, complex(c_hat[j]), kappa, slope)
        at = complex(c_hat[j])
        diagonal = (kappa / (rho * at)) / (values + kappa)
        if order:
            diagonal += diagonal_terms(values, n, np.array(rho * at), np.array(kappa), order)
        weights[:, j] = probes @ diagonal
    weights *= -shifted * tangent / count
    return Resolvent(shifted, shift, weights)


def _advance(
    values: np.ndarray, n: int, start: complex, goal: complex, kappa: complex, slope: complex
) -> tuple[complex, complex]:
    """κ and ∂ĉ/∂κ at ĉ = ``goal`` (Im ĉ < 0) by Newton's method from ĉ = ``start``, in shorter steps where it must be.

    The physical root is the only one whose imaginary part has the sign of that of ĉ.
    """
    at, stride = start, goal - start
    while at != goal:
        wanted = goal if abs(goal - at) <= abs(stride) else at + stride
        found = _newton(values, n, wanted, kappa + (wanted - at) / slope)
        if found is None:
            stride /= 2
            if abs(stride) < 1e-9 * abs(goal - start):
                raise SolveError(f"no physical root of the deterministic equivalent at c = {wanted}")
            continue
        (kappa, slope), at = found, wanted
    return kappa, slope


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
