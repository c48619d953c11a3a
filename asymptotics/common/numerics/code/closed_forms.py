"""Numerical values of the functions that closed Gaussian expectations are made of (see `derivations.autoencoder.training.moments`).

Scalar compiled functions. Where a variance vanishes they take the limit that the expectations need.
"""

from __future__ import annotations

import math

import numpy as np

from .compiled import njit

_TWO_PI = 2.0 * math.pi
_ROOT_HALF = math.sqrt(0.5)
_X, _W = np.polynomial.legendre.leggauss(20)
#: Above this correlation the quadrature over the angle loses digits, and the expansion about 1 takes over.
_STEEP = 0.925
#: A variance that is left with less than this share of what there was, and 1 − |ρ| below half of it, are rounding errors of
#: nothing: fields in proportion, such as two units with the same weights (their order parameters differ by a few 1e-15, their laws by
#: ten times that). What it hides changes an expectation by √_ROUNDING at most where φ has a kink: below every tolerance.
_ROUNDING = 2e-13


@njit(cache=True, error_model="numpy")
def normal_cdf(x: float) -> float:
    """Φ(x), accurate in both tails."""
    return 0.5 * math.erfc(-x * _ROOT_HALF)


@njit(cache=True, error_model="numpy")
def bivariate_normal_cdf(x: float, y: float, rho: float) -> float:
    """P(X < x, Y < y) for standard normals of correlation ρ ∈ [−1, 1], to about 1e-15.

    Plackett's identity ∂P/∂ρ = density at (x, y), integrated over arcsin ρ by Gauss–Legendre (Drezner and Wesolowsky 1990);
    near |ρ| = 1 Genz's expansion about that limit (A. Genz, Statistics and Computing 14, 251, 2004).
    """
    h, k = -x, -y
    product = h * k
    total = 0.0
    if abs(rho) < _STEEP:
        half, angle = 0.5 * (h * h + k * k), 0.5 * math.asin(rho)
        for i in range(_X.shape[0]):
            s = math.sin(angle * (1.0 + _X[i]))
            total += _W[i] * math.exp((s * product - half) / (1.0 - s * s))
        value = total * angle / _TWO_PI + normal_cdf(x) * normal_cdf(y)
        return min(1.0, max(0.0, value))
    if rho < 0.0:
        k, product = -k, -product
    if abs(rho) < 1.0:
        square = (1.0 - rho) * (1.0 + rho)
        a, b = math.sqrt(square), abs(h - k)
        bs = b * b
        c, d = (4.0 - product) / 8.0, (12.0 - product) / 80.0
        exponent = -0.5 * (bs / square + product)
        if exponent > -100.0:
            total = a * math.exp(exponent) * (1.0 - c * (bs - square) * (1.0 - d * bs) / 3.0 + c * d * square * square)
        if product > -100.0:
            tail = math.sqrt(_TWO_PI) * normal_cdf(-b / a)
            total -= math.exp(-0.5 * product) * tail * b * (1.0 - c * bs * (1.0 - d * bs) / 3.0)
        for i in range(_X.shape[0]):
            xs = (0.5 * a * (1.0 + _X[i])) ** 2
            exponent = -0.5 * (bs / xs + product)
            if exponent > -100.0:
                rs = math.sqrt(1.0 - xs)
                smooth = 1.0 + c * xs * (1.0 + 5.0 * d * xs)
                exact = math.exp(-0.5 * product * xs / (1.0 + rs) ** 2) / rs
                total += 0.5 * a * _W[i] * math.exp(exponent) * (exact - smooth)
        total = -total / _TWO_PI
    if rho > 0.0:
        value = total + normal_cdf(-max(h, k))
    elif h >= k:
        value = -total
    else:
        value = (normal_cdf(k) - normal_cdf(h) if h < 0.0 else normal_cdf(-h) - normal_cdf(-k)) - total
    return min(1.0, max(0.0, value))


@njit(cache=True, error_model="numpy")
def _correlation(rho: float) -> float:
    """A correlation, ±1 where it differs from that by rounding only."""
    if abs(rho) > 1.0 - 0.5 * _ROUNDING:
        return 1.0 if rho > 0.0 else -1.0
    return rho


@njit(cache=True, error_model="numpy")
def positive(m: float, a: float) -> float:
    """P(x > 0) for x ~ N(m, a)."""
    if a <= 0.0:
        return 1.0 if m > 0.0 else (0.5 if m == 0.0 else 0.0)
    return normal_cdf(m / math.sqrt(a))


@njit(cache=True, error_model="numpy")
def both_positive(m: float, n: float, a: float, b: float, c: float) -> float:
    """P(x > 0, y > 0) for means m, n, variances a, b and covariance c."""
    if a <= 0.0 or b <= 0.0:
        return positive(m, a) * positive(n, b)
    rho = _correlation(c / math.sqrt(a * b))
    return bivariate_normal_cdf(m / math.sqrt(a), n / math.sqrt(b), rho)


@njit(cache=True, error_model="numpy")
def arcsine_ratio(c: float, a: float, b: float) -> float:
    """arcsin(c/√(ab)): of the correlation of two centred fields."""
    v = a * b
    return math.asin(_correlation(c / math.sqrt(v))) if v > 0.0 else 0.0


@njit(cache=True, error_model="numpy")
def schur(c: float, u: float, v: float, a: float) -> float:
    """c − uv/a: what conditioning on a variable of variance a leaves of a covariance or a mean."""
    if a <= 0.0:
        return c
    left = c - u * v / a
    return left if abs(left) > _ROUNDING * abs(c) else 0.0


@njit(cache=True, error_model="numpy")
def gaussian_at(m: float, a: float) -> float:
    """Density of N(m, a) at zero."""
    return math.exp(-0.5 * m * m / a) / math.sqrt(_TWO_PI * a) if a > 1e-300 else 0.0
