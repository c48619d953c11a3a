r"""Averages of Σ_ν f(λ⁰_ν) and Σ_ν f(λ⁰_ν) Σ_νν over data sets for analytic f, by a contour integral.

.. math:: \sum_\nu f(\lambda^0_\nu)\{1,\Sigma_{\nu\nu}\}\simeq-\frac1{2\pi i}\oint f(z)\{m_1,m_\Sigma\}(z)\,dz

around the spectrum of Σ₀, where m₁ and m_Σ are the deterministic equivalents of Tr(Σ₀−z)⁻¹ and Tr Σ(Σ₀−z)⁻¹.
The contour is an ellipse in u = ln(z + c_t): it stays in Re(z + c_t) > 0, where exp(−2ᾱ(z+c_t)τ) is bounded at every
training time τ, and resolves eigenvalues of all magnitudes; the midpoint rule on it converges exponentially.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.numerics.laws.sample_covariance import Population
from ...common.numerics.quadrature.contours import around_interval
from .corrections import diagonal_terms
from .equivalents import degrees_of_freedom, effective_regularisation, one_eigenvalue
from .orders import by_order

#: Largest half-height of the ellipse; beyond π/2 the decay in training time would become growth.
HEIGHT = np.pi / 4
#: Midpoints per unit of (half-length / half-height): exp(−36) is below rounding.
DENSITY = 18.0


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
    """A bound on the largest eigenvalue of Σ₀ as d → ∞."""
    return _population(eigenvalues, samples).upper_edge()


def _population(eigenvalues: np.ndarray, samples: int) -> Population:
    values = np.asarray(eigenvalues, dtype=float)
    return Population(values, np.ones(values.size), float(degrees_of_freedom(samples)[0]))


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
    # the ends of the spectrum are the foci
    population = _population(values, samples)
    shifted, tangents, left = around_interval(0.0, 1.02 * population.upper_edge(), shift, height, density, 24)
    c = (shift - shifted) / rho
    start = (shift - left) / rho
    first = float(effective_regularisation(values, samples, start))
    weights = np.empty((len(probes), shifted.size), dtype=complex)
    # from the left end (real, κ known) to the right
    for j, kappa in enumerate(population.along(start, first, c)):
        diagonal = (kappa / (rho * c[j])) / (values + kappa)
        if order:
            diagonal += diagonal_terms(values, n, np.array(rho * c[j]), np.array(kappa), order)
        weights[:, j] = probes @ diagonal
    return Resolvent(shifted, shift, -2j * tangents * weights)
