"""Hellinger distance between generated and underlying density: fixed point over the Marchenko–Pastur law."""

from __future__ import annotations

import math

from scipy.optimize import brentq

from ...common.input.checks import number


def _companion(c: float, ratio: float) -> float:
    """Positive root κ of c = κ (1 − γ/(1 + κ)), without cancellation."""
    w = c - 1.0 + ratio
    root = math.sqrt(w * w + 4.0 * c)
    return 0.5 * (w + root) if w > 0.0 else 2.0 * c / (root - w)


def inverse_moment(c: float, ratio: float) -> float:
    r"""⟨1/(x + c)⟩ over the Marchenko–Pastur law of ratio γ = d/n < 1, for c > 0: κ/(c (1 + κ)), c = κ(1 − γ/(1 + κ)).

    The root of γ c s² + (1 − γ + c) s − 1 = 0 that tends to 1/(1 − γ) at c = 0.
    """
    w = 1.0 - ratio + c
    return 2.0 / (w + math.sqrt(w * w + 4.0 * ratio * c))


def log_moment(c: float, ratio: float) -> float:
    r"""⟨ln(x + c)⟩ over the Marchenko–Pastur law of ratio γ < 1, for c ≥ 0.

    .. math:: \ln(1 + κ) - \frac{1 - γ}{γ} \ln u - \frac1{1 + κ}, \qquad u = c/κ = 1 - \frac{γ}{1 + κ}.
    """
    kappa = _companion(c, ratio) if c > 0.0 else 0.0
    return math.log1p(kappa) - (1.0 - ratio) / ratio * math.log1p(-ratio / (1.0 + kappa)) - 1.0 / (1.0 + kappa)


def fixed_point(q: float, ratio: float) -> tuple[float, float]:
    r"""Solve the two self-consistent equations of ln|1 + Σ_G| (σ = 1, D = (1 − q) γ/x, x ~ Marchenko–Pastur_γ).

    .. math:: e = \Big\langle\frac1{1 + \tilde e + q/(1 + eD)}\Big\rangle, \qquad
              \tilde e = \Big\langle\frac D{1 + eD + q/(1 + \tilde e)}\Big\rangle.

    Both integrands are rational in x, so each average is one `inverse_moment` at
    k = (1 + ẽ) e (1 − q)γ/(1 + ẽ + q). Given k, ẽ is the positive root of a quadratic, and one bracketed root in ln k remains.

    Parameters
    ----------
    q : float
        Signal fraction, 0 < q < 1.
    ratio : float
        γ = d/n, 0 < γ < 1.

    Returns
    -------
    e, e_tilde : float
    """
    q = number("q", q, above=0.0, below=1.0)
    ratio = number("ratio", ratio, above=0.0, below=1.0)
    c0 = (1.0 - q) * ratio

    def parts(log_k: float) -> tuple[float, float, float]:
        k = math.exp(log_k)
        s = inverse_moment(k, ratio)
        half = 0.5 * (1.0 + q - c0 * s)
        root = math.sqrt(half * half + c0 * s)
        e_tilde = c0 * s / (half + root) if half > 0.0 else root - half
        e = k * (1.0 + e_tilde + q) / (c0 * (1.0 + e_tilde))
        return e, e_tilde, e * (1.0 + e_tilde + q) - 1.0 - (e * c0 - k) * s

    # e lies in (0, 1), so k lies below c0; the residual tends to −1 at k → 0.
    high = math.log(c0)
    low = high - 1.0
    while parts(low)[2] > 0.0:
        low -= 4.0
    log_k = brentq(lambda v: parts(v)[2], low, high, xtol=1e-15, rtol=1e-15, maxiter=500)
    return parts(log_k)[:2]


def log_det_one_plus(q: float, ratio: float) -> tuple[float, float]:
    r"""(1/d) ln|1 + Σ_G/σ²| = ⟨ln[(1 + ẽ)(1 + eD) + q]⟩ − e ẽ, and (1/d) Tr (1 + Σ_G/σ²)^{−1} = e."""
    e, e_tilde = fixed_point(q, ratio)
    shift = (1.0 + e_tilde) * e * (1.0 - q) * ratio / (1.0 + e_tilde + q)
    value = math.log(1.0 + e_tilde + q) + log_moment(shift, ratio) - log_moment(0.0, ratio) - e * e_tilde
    return value, e


def log_bhattacharyya(q: float, dimension: int, samples: int, log_det: float) -> float:
    r"""ln of the Bhattacharyya coefficient of N(μ_G, Σ_G) and N(μ, σ²), typical value for n > d.

    .. math:: \ln BC = \tfrac d2 \ln 2 + \tfrac14 \ln|Σ_G| - \tfrac12 \ln|1 + Σ_G| - \tfrac d{4n}[e + (1 - q)(1 - e)]
              \quad (σ = 1).

    Parameters
    ----------
    q : float
        Signal fraction.
    dimension, samples : int
        d and n > d.
    log_det : float
        (1/d) ln|Σ_G|/σ^{2d}: `asymptotics.one_step.closed_forms.divergences.log_det_rate`, with or without its finite-size term.

    Returns
    -------
    float
        H² = 1 − BC.

    Notes
    -----
    Hellinger distance: Halder 2024 (arXiv 2411.17807), eq. 3.4. The averages are deterministic equivalents of a Gaussian
    matrix with independent entries between fixed diagonals.
    """
    value, e = log_det_one_plus(q, dimension / samples)
    mean = e + (1.0 - q) * (1.0 - e)
    return dimension * (0.5 * math.log(2.0) + 0.25 * log_det - 0.5 * value) - 0.25 * dimension / samples * mean


def hellinger_floor(q: float, dimension: int) -> float:
    r"""H² for n → ∞, 1 − (2√q/(1 + q))^{d/2}: the one-step model never reaches the underlying density."""
    return -math.expm1(log_bhattacharyya_floor(q, dimension))


def log_bhattacharyya_floor(q: float, dimension: int) -> float:
    r"""ln BC for n → ∞, (d/2) ln(2√q/(1 + q)), exact also when q → 1."""
    if q < 0.5:
        return 0.5 * dimension * (math.log(2.0) + 0.5 * math.log(q) - math.log1p(q))
    # 2√q/(1 + q) = 1 − (1 − √q)²/(1 + q), and 1 − √q = (1 − q)/(1 + √q).
    return 0.5 * dimension * math.log1p(-(((1.0 - q) / (1.0 + math.sqrt(q))) ** 2) / (1.0 + q))
