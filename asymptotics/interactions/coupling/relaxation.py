"""Gradient flow of (a, b, C) on the population: rates, in units of Γ^{-1}."""

from __future__ import annotations

import numpy as np

from ...common.input.checks import array
from .model import CoupledGaussian, coefficients


def relaxation_rates(mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Rates of the error in (a, b, C) under the flow of the averaged likelihood with Γ known, and their modes.

    For μ = 0, Σ = 1: vector 1, traceless C 2, constant and trace ½[m + 3 ± √((m + 3)² − 8)]. For Σ = diag(λ): b_a relaxes at λ_a and
    C_ab, a ≠ b, at 2λ_aλ_b (gradient in the Frobenius norm): what is learned first is a matter of input scale, not of order.

    Parameters
    ----------
    mean, covariance : ndarray, shapes (m,), (m, m)

    Returns
    -------
    rates : ndarray, shape (F,)
        Descending.
    modes : ndarray, shape (F, F)
        Columns, in the orthonormal coordinates (a, b_i, C_ii, √2 C_ij with i < j).
    """
    mu, sigma = array("mean", mean, ndim=1), array("covariance", covariance, ndim=2)
    m = len(mu)
    first, second = np.triu_indices(m, 1)
    count = 1 + m + m + len(first)
    a, b, C = np.zeros(count), np.zeros((count, m)), np.zeros((count, m, m))
    a[0] = 1.0
    b[1 + np.arange(m), np.arange(m)] = 1.0
    C[1 + m + np.arange(m), np.arange(m), np.arange(m)] = 1.0
    rest = 1 + 2 * m + np.arange(len(first))
    C[rest, first, second] = C[rest, second, first] = np.sqrt(0.5)
    constant, linear, quadratic = CoupledGaussian(mu, sigma, a, b, C, np.eye(count)).hermite()
    to_hermite = np.hstack([constant[:, None], linear, coefficients(quadratic)])
    rates, modes = np.linalg.eigh(to_hermite @ to_hermite.T)
    return rates[::-1], modes[:, ::-1]


def distinct_rates(mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different rates, descending, and how often each occurs."""
    rates, _ = relaxation_rates(mean, covariance)
    first = np.concatenate([[True], -np.diff(rates) > 1e-9 * rates[0]])
    at = np.flatnonzero(first)
    return np.add.reduceat(rates, at) / np.diff([*at, rates.size]), np.diff([*at, rates.size])
