"""Kullback–Leibler divergences of the one-step model: single-ring branches, parts, floors and where they are monotone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq

from ...common.input.checks import number
from ...common.output.records import Record
from .finite_size import logarithm as _log
from .finite_size import mean_log_det


@dataclass(frozen=True)
class Parts(Record):
    """A divergence: of the variances, of the means, and their sum; within a result None where there is no finite value."""

    total: float | None
    variance: float | None
    mean: float | None

    @classmethod
    def of(cls, variance: float, mean: float) -> Parts:
        """From the two parts."""
        return cls(variance + mean, variance, mean)


@dataclass(frozen=True)
class Floors(Record):
    """Both divergences for infinitely many samples."""

    generated_target: float | None
    target_generated: float | None


INFINITE = Parts(math.inf, math.inf, math.inf)


def trace_rate(q: float, dimension: int, samples: int, *, asymptotic: bool = False) -> float:
    r"""m = E Tr Σ_G/(d σ²), exactly; infinite for d < n ≤ d + 2.

    .. math:: m = m_0 + \frac{2q(1-q)}{(n-1)d}\,[2q + (1-2q)\,t], \qquad m_0 = q + (1-q)\,t, \quad t = \frac d{n-d-2} .

    m₀ is the mean of Tr K Kᵀ/d, the rest comes from the start's variance ŝ, which is correlated with the fit.

    Parameters
    ----------
    q : float
        Signal fraction.
    dimension, samples : int
        d and n.
    asymptotic : bool
        Give the limit q + (1 − q) γ/(1 − γ), γ = d/n, instead.

    Returns
    -------
    float
        For n ≤ d, where the minimum-norm solution has rank n − 1, NaN: the formula does not apply.
    """
    d, n = dimension, samples
    if n <= d:
        return math.nan
    if asymptotic:
        return q + (1.0 - q) * d / (n - d)
    return 1.0 + _excess_trace(q, d, n) if n > d + 2 else math.inf


def _excess_trace(q: float, d: int, n: int) -> float:
    """m − 1 for n > d + 2, without cancellation for q → 1."""
    noise, t = 1.0 - q, d / (n - d - 2)
    return noise * (t - 1.0) + 2.0 * q * noise / ((n - 1) * d) * (2.0 * q + (1.0 - 2.0 * q) * t)


def log_det_rate(q: float, dimension: int, samples: int, *, asymptotic: bool = False) -> float:
    r"""Λ = (1/d) ln(|Σ_G|/σ^{2d}) for large d, by the single-ring theorem in two branches.

    .. math:: Λ = \ln q\ (γ \le q), \qquad
              Λ = \ln\frac{(1-q)γ}{1-γ} - \frac1γ \ln\frac{1-q}{1-γ}\ (γ > q), \qquad γ = d/n < 1 .

    The mean at finite d and n, with its error, is `asymptotics.one_step.closed_forms.finite_size.mean_log_det`.

    Parameters
    ----------
    q, dimension, samples
        As in `trace_rate`.
    asymptotic : bool
        Leave out the O(1/d) term (1/d) ln[(q − γ)/(q(1 − γ))] of the branch γ < q; that of the other is not known.

    Returns
    -------
    float
        −∞ for n ≤ d, where Σ_G is singular.
    """
    d, n = dimension, samples
    if n <= d:
        return -math.inf
    ratio = d / n
    if ratio < q or (asymptotic and ratio <= q):
        leading = math.log(q)
        return leading if asymptotic else leading + math.log((q - ratio) / (q * (1.0 - ratio))) / d
    return _inner_branch(q, ratio)


def _inner_branch(q: float, ratio: float) -> float:
    odds = math.log1p(-q) - math.log1p(-ratio)
    return odds + math.log(ratio) - odds / ratio


def kl_generated_target(q: float, dimension: int, samples: int, *, asymptotic: bool = False) -> Parts:
    r"""E KL(G‖O) = (d/2)(m − 1 − Λ) + (d/2n)[1 + (1 − q) m₀]: total, variance part, mean part.

    Parameters
    ----------
    q, dimension, samples, asymptotic
        As in `trace_rate` and `log_det_rate`.

    Returns
    -------
    Parts
        Infinite for n ≤ d + 2 (n ≤ d if ``asymptotic``).

    Notes
    -----
    Halder 2024 (arXiv 2411.17807), eqs. 3.5 and B.4: the parts of the bound. Without ``asymptotic`` every term of m, Λ and the
    mean part is that of finite d and n, the fluctuation of the start's variance ŝ (≈ q²/(2n) of the variance part) included;
    where the mean of ln|Σ_G| is not known (`mean_log_det` is NaN: near and beyond γ = q) Λ is that of large d.
    """
    d, n = dimension, samples
    if n <= d or (n <= d + 2 and not asymptotic):
        return INFINITE
    noise = 1.0 - q
    if asymptotic:
        spread = noise * d / (n - d)  # the part of m that is estimation noise
        leading = _log(q) if d / n < q else _inner_branch(q, d / n)
        variance = 0.5 * d * (spread + (-noise - leading))
    else:
        spread = noise * d / (n - d - 2)
        log_det = mean_log_det(q, d, n)[0]
        if math.isnan(log_det):
            log_det = d * log_det_rate(q, d, n)
        variance = 0.5 * (d * _excess_trace(q, d, n) - log_det)
    mean = 0.5 * d / n * (1.0 + noise * (q + spread))
    return Parts.of(variance, mean)


def kl_target_generated(q: float, dimension: int, samples: int) -> Parts:
    r"""Typical KL(O‖G) for γ < q; its mean is infinite at every finite d, as the mean of 1/s²_min is.

    .. math:: \tfrac d2\Big(\ln q - 1 + \frac{1-γ}{q-γ}\Big) + \tfrac d{2n}\Big(\frac{1-γ}{q-γ} + 1 - q\Big).

    Returns
    -------
    Parts
        Infinite for γ ≥ q: it diverges at n* = d/q, not at n = d.

    Notes
    -----
    Leading order: (1/d) Tr Σ_G^{−1} has a relative correction of order 1/d that is not known in closed form, so the correction
    of ln|Σ_G| is left out as well.
    """
    d, n = dimension, samples
    ratio = d / n
    if ratio >= q:
        return INFINITE
    inverse = (1.0 - ratio) / (q - ratio)
    # (1 − γ)/(q − γ) − 1 = (1 − q)/(q − γ)
    variance = 0.5 * d * (_log(q) + (1.0 - q) / (q - ratio))
    mean = 0.5 * d / n * (inverse + 1.0 - q)
    return Parts.of(variance, mean)


def kl_floor(q: float, dimension: int) -> Floors:
    r"""Both divergences for n → ∞: (d/2)(q − 1 − ln q) and (d/2)(1/q − 1 + ln q)."""
    noise = 1.0 - q
    return Floors(0.5 * dimension * (-noise - _log(q)), 0.5 * dimension * (noise / q + _log(q)))


def critical_samples(q: float, dimension: int) -> float:
    r"""n* = d/q, where the smallest eigenvalue of Σ_G closes and typical KL(O‖G) diverges."""
    return dimension / q


def quadratic_truncation(q: float, dimension: int, samples: int) -> float:
    r"""Second-order expansion of the variance part in Σ_G − σ²; neither a bound nor accurate unless q → 1.

    .. math:: \tfrac d4\Big[(1-q)^2 + (1-q)(4q-2) R + (1-q)^2 R^2 \frac{2-γ}{1-γ}\Big], \qquad R = \frac γ{1-γ} .

    Returns
    -------
    float
        (d/4) lim (1/d) Tr (Σ_G/σ² − 1)²; infinite for n ≤ d.
    """
    d, n = dimension, samples
    if n <= d:
        return math.inf
    ratio = d / n
    odds, noise = ratio / (1.0 - ratio), 1.0 - q
    square = noise**2 + noise * (4.0 * q - 2.0) * odds + noise**2 * odds**2 * (2.0 - ratio) / (1.0 - ratio)
    return 0.25 * d * square


def _slope(q: float, ratio: float) -> float:
    """γ² times the derivative of m − 1 − Λ for γ > q: (1 − q) γ²/(1 − γ)² − ln((1 − q)/(1 − γ))."""
    return (1.0 - q) * (ratio / (1.0 - ratio)) ** 2 - (math.log1p(-q) - math.log1p(-ratio))


def _flattest(q: float) -> float:
    """The γ in (q, 1) at which `_slope` is smallest: 2(1 − q) γ = (1 − γ)²."""
    noise = 1.0 - q
    # γ² − 2(1 + (1 − q)) γ + 1 = 0, the smaller root; it lies above q for q < 1/3
    return 1.0 / (1.0 + noise + math.sqrt(noise * (2.0 + noise)))


def monotone_threshold() -> float:
    r"""The q above which the variance part of E KL(G‖O) grows with d/n at every d/n (0.1873…).

    The published statement, that it always does, holds for γ < q; beyond, the slope
    (1 − q)/(1 − γ)² − ln[(1 − q)/(1 − γ)]/γ² turns negative on an interval if q is smaller than this.
    """
    return brentq(lambda q: _slope(q, _flattest(q)), 1e-3, 0.26, xtol=1e-15)


def decreasing_interval(q: float) -> tuple[float, float] | None:
    r"""The interval of γ = d/n on which the variance part of E KL(G‖O) falls as γ grows, or None (q above the threshold)."""
    q = number("q", q, above=0.0, below=1.0)
    middle = _flattest(q)
    if q >= 1.0 / 3.0 or _slope(q, middle) >= 0.0:
        return None
    high = middle
    while _slope(q, high) < 0.0:
        high = 0.5 * (1.0 + high)
    return (
        brentq(lambda g: _slope(q, g), q, middle, xtol=1e-15),
        brentq(lambda g: _slope(q, g), middle, high, xtol=1e-15),
    )
