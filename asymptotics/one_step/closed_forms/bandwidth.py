"""Widths of a Gaussian kernel estimate: where samples mix under diffusion, and where the squared error is smallest."""

from __future__ import annotations

import math

from scipy.optimize import brentq

from ...common.input.checks import integer, number


def _sizes(samples: int, dimension: int, std: float) -> tuple[int, int, float]:
    return (
        integer("samples", samples, at_least=2),
        integer("dimension", dimension, at_least=1),
        number("std", std, above=0.0),
    )


def mixing_bandwidth(samples: int, dimension: int, std: float = 1.0) -> float:
    r"""Kernel variance at which n samples of N(0, σ²) begin to mix, h² = e^{2 t_C} − 1 = σ²/(n^{2/d} − 1).

    With n = e^{αd}, the weight of a sample's own kernel equals the weight of all others at
    α = ½ ln(1 + σ²/h²), the condensation line of the random-energy model.

    Parameters
    ----------
    samples, dimension : int
        n ≥ 2 and d ≥ 1.
    std : float
        σ > 0.

    Returns
    -------
    float
        h², in units of the data squared, for centres that are not shrunk.

    Raises
    ------
    InputError
        If an argument is outside its range.

    Notes
    -----
    Biroli et al. 2024 (condensation); Halder 2024 (arXiv 2411.17807), eq. 2.9, whose leading term at large n^{2/d} is
    `kernel_bandwidth`.
    """
    n, d, sigma = _sizes(samples, dimension, std)
    return sigma**2 / math.expm1(2.0 / d * math.log(n))


def mixing_time(samples: int, dimension: int, std: float = 1.0) -> float:
    r"""Condensation time of the Ornstein–Uhlenbeck process from n samples, t_C = ½ ln(1 + σ²/(n^{2/d} − 1)).

    Parameters, errors and source as `mixing_bandwidth`.
    """
    return 0.5 * math.log1p(mixing_bandwidth(samples, dimension, std))


def kernel_bandwidth(samples: int, dimension: int, std: float = 1.0) -> float:
    r"""Kernel variance of the training density, h² = σ² n^{−2/d} (Halder 2024, eq. 2.10)."""
    n, d, sigma = _sizes(samples, dimension, std)
    return sigma**2 * math.exp(-2.0 / d * math.log(n))


def amise_bandwidth(samples: int, dimension: int, std: float = 1.0) -> float:
    r"""Kernel variance that minimises the asymptotic mean integrated squared error, h² = σ² (4/((d+2) n))^{2/(d+4)}.

    Valid for n → ∞ at fixed d. At fixed α = ln(n)/d and d → ∞ it tends to σ² e^{−2α}, so that
    h²_mixing/h²_AMISE → 1/(1 − e^{−2α}): the two coincide only when n^{2/d} ≫ 1 as well.
    """
    n, d, sigma = _sizes(samples, dimension, std)
    return sigma**2 * math.exp(2.0 / (d + 4) * (math.log(4.0) - math.log(d + 2.0) - math.log(n)))


def mise(bandwidth: float, samples: int, dimension: int, std: float = 1.0) -> float:
    r"""Exact mean integrated squared error of the kernel estimate of N(μ, σ²), relative to ∫ p².

    .. math:: h^{-d}/n + (1 - 1/n)(1 + h^2)^{-d/2} - 2 (1 + h^2/2)^{-d/2} + 1, \qquad h\text{ in units of }\sigma.

    Parameters
    ----------
    bandwidth : float
        Kernel variance h² > 0, in units of the data squared.
    samples, dimension, std
        As in `mixing_bandwidth`.

    Returns
    -------
    float
        The zero function scores 1. Infinite where the spikes overflow.
    """
    n, d, sigma = _sizes(samples, dimension, std)
    h2 = number("bandwidth", bandwidth, above=0.0) / sigma**2
    spikes = -0.5 * d * math.log(h2) - math.log(n)
    if spikes > 700.0:
        return math.inf
    pairs = math.log1p(-1.0 / n) - 0.5 * d * math.log1p(h2)
    overlap = math.log(2.0) - 0.5 * d * math.log1p(0.5 * h2)
    return math.fsum((math.exp(spikes), math.exp(pairs), -math.exp(overlap), 1.0))


def mise_bandwidth(samples: int, dimension: int, std: float = 1.0) -> float:
    r"""Kernel variance that minimises the exact mean integrated squared error, `mise`.

    With p = d/2 + 1 and s = h²/σ² the condition of a stationary point is

    .. math:: \frac1n\Big(\frac1s + \frac12\Big)^p + \Big(1 - \frac1n\Big)\Big(\frac{1 + s/2}{1 + s}\Big)^p = 1,

    whose left side falls strictly from ∞ to 2^{−p}: the minimum is unique, and found by bracketing in ln s.
    """
    n, d, sigma = _sizes(samples, dimension, std)
    p = 0.5 * d + 1.0

    def excess(log_s: float) -> float:
        s = math.exp(log_s)
        first = p * math.log(1.0 / s + 0.5) - math.log(n)
        second = math.log1p(-1.0 / n) + p * (math.log1p(0.5 * s) - math.log1p(s))
        high, low = max(first, second), min(first, second)
        return high + math.log1p(math.exp(low - high))

    low = -math.log(n) / p  # there the first term alone exceeds 1
    high = low + 1.0
    while excess(high) > 0.0:
        high += 1.0
    return sigma**2 * math.exp(brentq(excess, low, high, xtol=1e-14, rtol=1e-14))


def gaussian_time(largest_eigenvalue: float) -> float:
    r"""Time after which the diffused empirical density has no more than one mode at its centre, t_S = ½ ln(1 + λ_max).

    At the centre −∇² ln p_t = Δ_t^{−1}(1 − e^{−2t} Σ_0/Δ_t) with Δ_t = 1 − e^{−2t}, positive iff t > t_S.

    Parameters
    ----------
    largest_eigenvalue : float
        λ_max > 0 of the covariance Σ_0 of the samples.
    """
    return 0.5 * math.log1p(number("largest_eigenvalue", largest_eigenvalue, above=0.0))
