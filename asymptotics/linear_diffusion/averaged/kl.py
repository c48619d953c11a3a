r"""Kullback–Leibler divergences between the target ρ = N(μ, Σ) and what the model generates, ρ_N = N(μ₀, Σ₀ + c).

Both are totals over the d dimensions, in nats, averaged over data sets of N samples:

.. math::

    \mathbb E\,\mathrm{KL}(\rho_N\|\rho)&=\tfrac12[\ln|\Sigma|-\mathbb E\ln|\Sigma_0+c|+c\,\mathrm{Tr}\Sigma^{-1}],\\
    \mathbb E\,\mathrm{KL}(\rho\|\rho_N)&=\tfrac12[\mathbb E\ln|\Sigma_0+c|-\ln|\Sigma|-d
        +(1+\tfrac1N)\,\mathbb E\,\mathrm{Tr}\Sigma(\Sigma_0+c)^{-1}].

References: Merger and Goldt 2025 (arXiv 2505.24769); the averages at c = 0 are those of the Wishart distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.input.checks import InputError, integer, number
from ..resolvents.corrections import finite_size_corrections
from ..resolvents.equivalents import critical_kappa, degrees_of_freedom, deterministic_equivalents


@dataclass(frozen=True)
class WishartAverages:
    """Exact averages over data sets at c = 0; None where the mean is infinite.

    Parameters
    ----------
    log_det : float or None
        E ln|Σ₀|, for N > d.
    trace_inverse, trace_sigma_inverse : float or None
        E Tr Σ₀⁻¹ = N Tr Σ⁻¹/(N−d−2), E Tr ΣΣ₀⁻¹ = N d/(N−d−2), for N > d + 2.
    trace_inverse_squared, trace_sigma_inverse_squared, gap_trace : float or None
        E Tr Σ₀⁻², E Tr ΣΣ₀⁻² and E Tr (Σ−Σ₀)Σ₀⁻², for N > d + 4.
    """

    log_det: float | None
    trace_inverse: float | None
    trace_sigma_inverse: float | None
    trace_inverse_squared: float | None
    trace_sigma_inverse_squared: float | None
    gap_trace: float | None


def mean_log_det_ratio(dimension: int, samples: int) -> float:
    r"""E ln(|Σ₀|/|Σ|) = Σ_{i=1}^d ψ((N−i)/2) + d ln(2/N), N > d: the Wishart average, independent of Σ."""
    from scipy.special import digamma

    d, n = _more_samples(dimension, samples, 1)
    return float(digamma((n - np.arange(1, d + 1)) / 2).sum() + d * np.log(2 / n))


def _more_samples(dimension: int, samples: int, excess: int) -> tuple[int, int]:
    d = integer("dimension", dimension, at_least=1)
    n = integer("samples", samples, at_least=2)
    if n < d + excess:
        raise InputError(
            f"samples = {n}: must be at least {d + excess} for dimension {d}; the mean without regularisation is infinite"
        )
    return d, n


def wishart_averages(eigenvalues: np.ndarray, samples: int) -> WishartAverages:
    """Exact averages at c = 0 (see the class); Σ must have an inverse, else all are None."""
    values = np.asarray(eigenvalues, dtype=float)
    d, big = values.size, integer("samples", samples, at_least=2)
    n = big - 1
    if np.any(values == 0) or big <= d:
        return WishartAverages(None, None, None, None, None, None)
    inverse = 1.0 / values
    log_det = float(np.log(values).sum()) + mean_log_det_ratio(d, big)
    if big <= d + 2:
        return WishartAverages(log_det, None, None, None, None, None)
    first = big / (n - d - 1)
    if big <= d + 4:
        return WishartAverages(log_det, first * inverse.sum(), first * d, None, None, None)
    # E G⁻¹AG⁻¹ = c₂[(n − d − 1) A + I Tr A] for a white Wishart matrix G with n degrees of freedom and symmetric A
    second = big**2 / ((n - d) * (n - d - 1) * (n - d - 3))
    trace_squared = second * ((n - d - 1) * np.square(inverse).sum() + inverse.sum() ** 2)
    sigma_squared = second * (n - 1) * inverse.sum()
    return WishartAverages(
        log_det,
        float(first * inverse.sum()),
        float(first * d),
        float(trace_squared),
        float(sigma_squared),
        float(sigma_squared - first * inverse.sum()),
    )


def wishart_kl_generated_target(dimension: int, samples: int) -> float:
    """E KL(ρ_N‖ρ) = −ℓ/2 at c = 0, ℓ = E ln(|Σ₀|/|Σ|); N > d (else infinite: `InputError`)."""
    return -0.5 * mean_log_det_ratio(dimension, samples)


def wishart_kl_target_generated(dimension: int, samples: int) -> float:
    """E KL(ρ‖ρ_N) = ½[ℓ − d + d(N+1)/(N−d−2)] at c = 0; N > d + 2 (else infinite: `InputError`)."""
    d, n = _more_samples(dimension, samples, 3)
    return 0.5 * (mean_log_det_ratio(d, n) - d + d * (n + 1) / (n - d - 2))


def limits_per_dimension(gamma: float) -> tuple[float, float]:
    r"""Both divergences at c = 0 divided by d, for d → ∞ at γ = d/N < 1.

    φ/2 and ½[γ/(1−γ) − φ] with φ = 1 + (1−γ)/γ ln(1−γ); both start as γ/4 (so that the totals are ~ d²/4N).
    """
    g = number("gamma", gamma, above=0, below=1)
    # Below 0.05 the closed form cancels; φ = Σ_{k≥1} γ^k/(k(k+1))
    phi = sum(g**k / (k * (k + 1)) for k in range(1, 14)) if g < 0.05 else 1 + (1 - g) / g * np.log1p(-g)
    return float(phi / 2), float((g / (1 - g) - phi) / 2)


@dataclass(frozen=True)
class Divergences:
    """Averaged divergences; None where infinite.

    ``corrected`` values include the O(1) corrections of the log-determinant and of the trace (at c = 0 all are exact).
    """

    generated_target: float | None
    target_generated: float | None
    generated_target_corrected: float | None
    target_generated_corrected: float | None


def averaged_divergences(eigenvalues: np.ndarray, samples: int, regularisation: float) -> Divergences:
    """E KL(ρ_N‖ρ) and E KL(ρ‖ρ_N): exact at c = 0, deterministic equivalents at c > 0; None if Σ has no inverse."""
    values = np.asarray(eigenvalues, dtype=float)
    big, c = integer("samples", samples, at_least=2), number("regularisation", regularisation, at_least=0)
    if np.any(values == 0):
        return Divergences(None, None, None, None)
    if c == 0:
        forward = wishart_kl_generated_target(values.size, big) if big > values.size else None
        reverse = wishart_kl_target_generated(values.size, big) if big > values.size + 2 else None
        return Divergences(forward, reverse, forward, reverse)
    e = deterministic_equivalents(values, big, c)
    ratio = float(np.log(values).sum() - e.log_det)
    forward = 0.5 * (ratio + c * float((1 / values).sum()))
    reverse = 0.5 * (-ratio - values.size + (1 + 1 / big) * float(e.trace_sigma_inverse))
    more = finite_size_corrections(values, big, c)
    trace = 0.5 * (1 + 1 / big) * float(more.trace_sigma_inverse)
    shift = 0.5 * float(more.log_det)
    return Divergences(forward, reverse, forward - shift, reverse + shift + trace)


def optimal_regularisation(eigenvalues: np.ndarray, samples: int) -> tuple[float | None, float | None]:
    r"""The c that minimise the averaged KL(ρ_N‖ρ) and KL(ρ‖ρ_N).

    They solve Tr(Σ₀+c)⁻¹ = Tr Σ⁻¹ and Tr(Σ₀+c)⁻¹ = (1 + 1/N) Tr Σ(Σ₀+c)⁻². If Σ has no inverse the first is None (that
    divergence is infinite at every c); the second still minimises the cross-entropy −E_ρ ln ρ_N, unless there are so many
    samples, N > rank Σ, that this falls without bound as c → 0: then it is None too.
    """
    from scipy.optimize import brentq

    values = np.asarray(eigenvalues, dtype=float)
    n, rho = degrees_of_freedom(samples)
    scale = values.sum() / n
    if values.size == 1:
        return _optimal_in_one_dimension(values, samples)

    # Everything is explicit in κ; ln(κ − κ₀) is the variable, because c → 0 there.
    origin = critical_kappa(values, samples)

    def state(x: float) -> tuple[float, float, float]:
        """c, Tr(Σ₀+c)⁻¹ and Tr Σ(Σ₀+c)⁻² at κ = κ₀ + eˣ."""
        kappa = origin + np.exp(x)
        inverse = 1.0 / (values + kappa)
        # 1 − df₁(κ)/n without cancellation at κ₀ > 0: subtract 0 = 1 − df₁(κ₀)/n
        direct = (n - values.size + kappa * inverse.sum()) / n
        g = np.exp(x) * (values * inverse / (values + origin)).sum() / n if origin > 0 else direct
        spread = (values * inverse**2).sum()
        return rho * kappa * g, inverse.sum() / (rho * g), spread / (g + kappa * spread / n) / (rho * g) ** 2

    def forward(x: float) -> float:
        return float(np.log(state(x)[1] / inverse_trace))

    def reverse(x: float) -> float:
        _, first, second = state(x)
        return float(np.log((1 + 1 / samples) * second / first))

    low, high = np.log(scale) - 40.0, np.log(scale + values.max()) + 5.0
    found: list[float | None] = [None, None]
    with np.errstate(divide="ignore"):
        inverse_trace = float(np.sum(1.0 / values))
    for k, function in enumerate((forward, reverse)):
        if k == 0 and not np.isfinite(inverse_trace):
            continue
        top = high
        while function(top) > 0:
            top += 5.0
        if function(low) > 0:
            found[k] = float(state(brentq(function, low, top, xtol=1e-13, rtol=1e-14))[0])
    return found[0], found[1]


def _conditions(values: np.ndarray, samples: int, c: float, orders: int) -> tuple[float, float, float]:
    """Tr(Σ₀+c)⁻¹ and (1 + 1/N) Tr Σ(Σ₀+c)⁻² with so many orders of 1/N, and their largest ratio of the last two orders."""
    terms: list[Any] = [deterministic_equivalents(values, samples, c)]
    terms += [finite_size_corrections(values, samples, c, next_order=more) for more in (False, True)[: orders - 1]]
    first = [float(t.trace_inverse) for t in terms]
    second = [(1 + 1 / samples) * float(t.trace_sigma_inverse_squared) for t in terms]
    worst = max(abs(part[2]) / max(abs(part[1]), 1e-300) for part in (first, second)) if orders == 3 else 0.0
    return sum(first), sum(second), worst


def _optimum(function: Any, near: float) -> float | None:
    """The root in c of a function that falls from positive to negative values, nearest to ``near``; None without one."""
    from scipy.optimize import brentq

    for factor in (1.5, 4.0, 16.0, 256.0, 65536.0):
        low, high = near / factor, near * factor
        if function(low) > 0 > function(high):
            return float(np.exp(brentq(lambda x: function(np.exp(x)), np.log(low), np.log(high), xtol=1e-12)))
    return None


def _optimal_in_one_dimension(values: np.ndarray, samples: int) -> tuple[float | None, float | None]:
    """As `optimal_regularisation`, from the exact averages."""
    size = float(values[0])
    if size == 0:
        return None, None

    def forward(c: float) -> float:
        return _conditions(values, samples, c, 1)[0] - 1.0 / size

    def reverse(c: float) -> float:
        first, second, _ = _conditions(values, samples, c, 1)
        return second / first - 1.0

    near = size / samples
    return _optimum(forward, near), _optimum(reverse, near)


def corrected_regularisation(
    eigenvalues: np.ndarray, samples: int
) -> tuple[tuple[float | None, float], tuple[float | None, float]]:
    """`optimal_regularisation` with the terms of O(1) and O(1/N), each with the shift that the O(1/N) terms make.

    None where the expansion in 1/N does not converge at the optimum.
    """
    values = np.asarray(eigenvalues, dtype=float)
    leading = optimal_regularisation(values, samples)
    if values.size == 1:
        return (leading[0], 0.0), (leading[1], 0.0)
    with np.errstate(divide="ignore"):
        inverse_trace = float(np.sum(1.0 / values))
    found: list[tuple[float | None, float]] = []
    for k, start in enumerate(leading):
        if start is None:
            found.append((None, 0.0))
            continue

        def condition(c: float, orders: int, which: int = k) -> float:
            first, second, _ = _conditions(values, samples, c, orders)
            return first / inverse_trace - 1.0 if which == 0 else second / first - 1.0

        before, after = (_optimum(lambda c, o=orders: condition(c, o), start) for orders in (2, 3))
        if before is None or after is None or _conditions(values, samples, after, 3)[2] > 1.0:
            found.append((None, 0.0))
        else:
            found.append((after, abs(after - before)))
    return found[0], found[1]
