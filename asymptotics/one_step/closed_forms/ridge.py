r"""The one-step regression with a ridge, at any number of samples, also n ≤ d.

θ₁ = XᵀY(YᵀY + nρŝ)^{-1} of centred data; in white inputs U, with V = UᵀU and x the eigenvalues of V/n (Marchenko–Pastur, γ = d/n),

.. math:: Σ_G/σ^2 = KK^\top, \qquad K = \sqrt q\,V(V+nρ)^{-1} + \sqrt{1-q}\,GV^{1/2}(V+nρ)^{-1},

    m = \tfrac1d \mathbb E\,\mathrm{Tr}Σ_G/σ^2 = q\Big\langle\frac{x^2}{(x+ρ)^2}\Big\rangle
        + (1-q)γ\Big\langle\frac{x}{(x+ρ)^2}\Big\rangle .

The rank of Σ_G is min(d, n − 1) with or without a ridge: KL(G‖O) is infinite and H² = 1 for n ≤ d whatever ρ. What the source announces
for n ≤ d (its appendix B) can therefore be had of the error of the mean and of the trace, which are finite; for n > d of all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import root

from ...common.input.checks import ComputationError, integer, number
from .energies import spectrum

#: ln|KKᵀ + c| is followed from the first c to the last.
CUTOFFS = np.geomspace(1.0, 1e-10, 21)


@dataclass(frozen=True)
class RidgeDivergence:
    """Averages at large d and n.

    Parameters
    ----------
    trace_rate : float
        m.
    log_det_rate : float or None
        (1/d) ln|Σ_G|/σ^{2d}; None for n ≤ d.
    variance, total : float or None
        Variance part of KL(G‖O), and with the mean part; None (infinite) for n ≤ d.
    mean : float
        Mean part, d/(2n)·[1 + (1 − q)m].
    """

    trace_rate: float
    log_det_rate: float | None
    variance: float | None
    mean: float
    total: float | None


def ridge_divergence(q: float, dimension: int, samples: int, ridge: float) -> RidgeDivergence:
    """KL(G‖O) of the one-step model with a ridge, to leading order in d.

    Parameters
    ----------
    q : float
        Signal fraction, in (0, 1).
    dimension, samples : int
        d and n ≥ 3.
    ridge : float
        ρ ≥ 0, in units of n times the variance of a coordinate of y; > 0 for n ≤ d + 2.

    Raises
    ------
    InputError
        For values outside these.
    """
    number("q", q, above=0, below=1)
    d, n = integer("dimension", dimension, at_least=1), integer("samples", samples, at_least=3)
    rho = number("ridge", ridge, at_least=0) if n > d + 2 else number("ridge", ridge, above=0)
    ratio = d / (n - 1)
    x, mass = spectrum(ratio)
    information, noise = q * (x / (x + rho)) ** 2, (1 - q) * ratio * x / (x + rho) ** 2
    trace = float(mass @ (information + noise))
    mean = d / (2 * n) * (1 + (1 - q) * trace)
    if n <= d:
        return RidgeDivergence(trace, None, None, mean, None)
    log_det = _log_det(information, noise, mass)
    variance = 0.5 * d * (trace - 1 - log_det)
    return RidgeDivergence(trace, log_det, variance, mean, variance + mean)


def _log_det(information: np.ndarray, noise: np.ndarray, mass: np.ndarray) -> float:
    """(1/d) ln|KKᵀ|, the limit of that of KKᵀ + c, of information plus noise (`energies`)."""
    logs = np.zeros(2)
    values = []
    for c in CUTOFFS:

        def residual(u: np.ndarray, c: float = float(c)) -> np.ndarray:
            e, tilde = np.exp(u)
            first = mass @ (1 / (1 + tilde + information / c / (1 + e * noise / c)))
            second = mass @ (noise / c / (1 + e * noise / c + information / c / (1 + tilde)))
            return np.array([np.log(first) - u[0], np.log(second) - u[1]])

        found = root(residual, logs, tol=1e-12)
        if not np.abs(residual(found.x)).max() < 1e-8:
            raise ComputationError("ridge_divergence: the equations of the determinant were not solved")
        logs = found.x
        e, tilde = np.exp(logs)
        inner = (1 + tilde) * (1 + e * noise / c) + information / c
        values.append(float(np.log(c) + mass @ np.log(inner) - e * tilde))
    return values[-1]
