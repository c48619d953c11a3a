r"""P(E_OG < E_TG) of the linear one-step model: two sums of random energies.

With ∫G² common and the self-overlaps of the kernels equal, the generated density is nearer to the underlying law if OG > TG,

.. math:: TG ∝ |Σ_G+h_T^2|^{-1/2}\, \tfrac1n \sum_{i≤n} e^{-ε_i}, \qquad OG ∝ |Σ_G+h_O^2|^{-1/2}\, \tfrac1{n_O} \sum_{j≤n_O} e^{-ε'_j},

up to pairs of different points, which are exponentially smaller. Given Σ_G the energies are independent (Random Energy Model), of the
law of `energies`. Near n ~ d the sums are carried by few points, so that no central limit theorem holds for them: their laws are
inverted from E e^{−λS} = (E e^{−(λ/n)e^{−ε}})^n.

To leading order in d everything is decided by exponents, and P jumps: with the exact Gaussian as underlying law TG is exponentially
smaller than OG at every n ∝ d (a point of the training set has the energy ½xᵀ(Σ_G + 1)^{-1}x > 0, while the overlap with the Gaussian
has only its mean square), so that P → 1: there is no transition. With a kernel estimate the memory of the training points, which
lie in the span of Σ_G while fresh points do not, makes P = 0 for n < d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from math import factorial

import numpy as np
from scipy.interpolate import CubicSpline

from ...common.input.checks import ComputationError, integer, number
from ...common.numerics.distances.pair_sums import kernel_variance
from .energies import Energies, fresh_energies, trained_energies

#: Below this many dimensions the laws of the energies, at saddle points of large d, say little.
LEAST_DIMENSION = 10
#: With fewer than d/5 samples the energies of training points are near their least, which no tilt here reaches.
SHARE = 5
#: Order of the inversion of Laplace transforms (Gaver and Stehfest); steps of the logarithm of a sum.
ORDER, STEPS = 7, 350
#: Largest tilt for which energies are resolved, and how many of them.
TILT, RESOLVED = 6.0, 800


@dataclass(frozen=True)
class RelativeLaw:
    """The comparison of one model.

    Parameters
    ----------
    probability : float
        P(E_OG < E_TG).
    log_ratio : float
        Median of ln OG minus median of ln TG.
    """

    probability: float
    log_ratio: float


def _density(energies: Energies) -> tuple[np.ndarray, np.ndarray]:
    """Energies and their masses, by the saddle point e^{ψ + sε}/√(2πψ''); what is left out is high, and has no weight."""
    curve = CubicSpline(energies.s, energies.psi)
    s = np.linspace(energies.s[0], min(float(energies.s[-1]), TILT), RESOLVED)
    second = curve(s, 2)
    s, second = s[second > 0], second[second > 0]
    energy = -curve(s, 1)
    mass = np.exp(curve(s) + s * energy) / np.sqrt(2 * np.pi * second)
    order = np.argsort(energy)
    energy = energy[order]
    return energy, mass[order] * np.gradient(energy)


@lru_cache(maxsize=1)
def _stehfest() -> tuple[float, ...]:
    """Weights of the Gaver–Stehfest inversion."""
    found = []
    for k in range(1, 2 * ORDER + 1):
        terms = (
            j**ORDER * factorial(2 * j)
            / (factorial(ORDER - j) * factorial(j) * factorial(j - 1) * factorial(k - j) * factorial(2 * j - k))
            for j in range((k + 1) // 2, min(k, ORDER) + 1)
        )  # fmt: skip
        found.append((-1) ** (k + ORDER) * math.fsum(terms))
    return tuple(found)


def _law_of_sum(energies: Energies, count: int, logs: np.ndarray) -> np.ndarray:
    """P((1/n) Σ e^{−ε} ≤ e^x) at x = logs."""
    energy, mass = _density(energies)
    found = np.zeros(len(logs))
    for k, weight in enumerate(_stehfest(), start=1):
        rate = k * math.log(2.0) * np.exp(-logs) / count
        # E(1 − e^{−(λ/n)e^{−ε}}), small: its n-th power by log1p.
        lost = -(np.expm1(-np.outer(rate, np.exp(-energy))) @ mass)
        found += weight / k * np.exp(count * np.log1p(-np.minimum(lost, 1 - 1e-15)))
    return np.maximum.accumulate(np.clip(found, 0.0, 1.0))


def relative_law(q: float, dimension: int, samples: int, underlying_samples: int | None) -> RelativeLaw | None:
    """P(E_OG < E_TG) with a kernel estimate of ``underlying_samples`` points as the underlying law; None: the exact Gaussian.

    Parameters
    ----------
    q : float
        Signal fraction.
    dimension, samples : int
        d ≥ 10 and n ≥ d/5; else None is returned.
    underlying_samples : int or None

    Returns
    -------
    RelativeLaw or None
        None where the equations have no solution that can be found, or d or n is too small.
    """
    d, n = integer("dimension", dimension, at_least=1), integer("samples", samples, at_least=2)
    number("q", q, above=0, at_most=1)
    if d < LEAST_DIMENSION or SHARE * n < d:
        return None
    try:
        own = trained_energies(min(q, 1 - 1e-12), d, n, kernel_variance(n, d))
        if underlying_samples is None:
            other, count = fresh_energies(min(q, 1 - 1e-12), d, n, 1.0), 0
        else:
            count = integer("underlying_samples", underlying_samples, at_least=1)
            other = fresh_energies(min(q, 1 - 1e-12), d, n, kernel_variance(count, d))
    except ComputationError:
        return None
    low = -0.5 * d - 4.0 * math.sqrt(d) - 20.0
    logs = np.linspace(low, 2.0, STEPS)
    trained = _law_of_sum(own, n, logs)
    offset = 0.5 * (own.log_det - other.log_det)
    middle = float(np.interp(0.5, trained, logs))
    if count == 0:
        # The overlap with N(0, 1): no sum, and the point in the middle.
        return RelativeLaw(float(np.interp(offset, logs, trained)), offset - middle)
    fresh = _law_of_sum(other, count, logs)
    mass = np.diff(fresh)
    at = 0.5 * (logs[1:] + logs[:-1]) + offset
    probability = float(mass @ np.interp(at, logs, trained) / mass.sum())
    return RelativeLaw(probability, float(np.interp(0.5, fresh, logs)) + offset - middle)
