"""Partial derivatives of the functions that generated kernels call, by argument; "" where there is none (almost everywhere)."""

from __future__ import annotations

import math

from .closed_forms import _ROUNDING, gaussian_at, positive
from .compiled import njit

#: Function → text of each partial derivative, in its arguments {0}, {1}, … and its {value}
SLOPES: dict[str, tuple[str, ...]] = {
    "math.exp": ("{value}",),
    "math.log": ("1.0 / {0}",),
    "math.log1p": ("1.0 / (1.0 + {0})",),
    "math.expm1": ("1.0 + {value}",),
    "math.sqrt": ("0.5 / {value}",),
    "math.sin": ("math.cos({0})",),
    "math.cos": ("-math.sin({0})",),
    "math.tan": ("1.0 + {value} * {value}",),
    "math.atan": ("1.0 / (1.0 + {0} * {0})",),
    "math.asin": ("1.0 / math.sqrt(1.0 - {0} * {0})",),
    "math.acos": ("-1.0 / math.sqrt(1.0 - {0} * {0})",),
    "math.sinh": ("math.cosh({0})",),
    "math.cosh": ("math.sinh({0})",),
    "math.asinh": ("1.0 / math.sqrt(1.0 + {0} * {0})",),
    "math.tanh": ("1.0 - {value} * {value}",),
    "_tanh": ("1.0 - {value} * {value}",),
    "math.erf": (f"{2 / math.sqrt(math.pi)!r} * math.exp(-{{0}} * {{0}})",),
    "math.erfc": (f"-{2 / math.sqrt(math.pi)!r} * math.exp(-{{0}} * {{0}})",),
    "math.copysign": ("", ""),
    "math.floor": ("",),
    "abs": ("math.copysign(1.0, {0})",),
    "positive": ("gaussian_at({0}, {1})", "positive_by_variance({0}, {1})"),
    "gaussian_at": ("gaussian_at_by_mean({0}, {1})", "gaussian_at_by_variance({0}, {1})"),
    "arcsine_ratio": (
        "arcsine_ratio_by_covariance({0}, {1}, {2})",
        "arcsine_ratio_by_variance({0}, {1}, {2})",
        "arcsine_ratio_by_variance({0}, {2}, {1})",
    ),
    "schur": (
        "schur_kept({0}, {1}, {2}, {3})",
        "schur_by_factor({0}, {1}, {2}, {3})",
        "schur_by_factor({0}, {2}, {1}, {3})",
        "schur_by_variance({0}, {1}, {2}, {3})",
    ),
    "both_positive": (
        "both_positive_by_mean({0}, {1}, {2}, {3}, {4})",
        "both_positive_by_mean({1}, {0}, {3}, {2}, {4})",
        "both_positive_by_variance({0}, {1}, {2}, {3}, {4})",
        "both_positive_by_variance({1}, {0}, {3}, {2}, {4})",
        "both_zero({0}, {1}, {2}, {3}, {4})",
    ),
}
#: What a generated source imports to call them.
IMPORTS = (
    "from asymptotics.common.numerics.code.slopes import arcsine_ratio_by_covariance, arcsine_ratio_by_variance, both_positive_by_mean, "
    "both_positive_by_variance, both_zero, gaussian_at_by_mean, gaussian_at_by_variance, positive_by_variance, schur_by_factor, "
    "schur_by_variance, schur_kept"
)


@njit(cache=True, error_model="numpy")
def positive_by_variance(m: float, a: float) -> float:
    """∂P(x > 0)/∂a for x ~ N(m, a)."""
    return -0.5 * m / a * gaussian_at(m, a) if a > 1e-300 else 0.0


@njit(cache=True, error_model="numpy")
def gaussian_at_by_mean(m: float, a: float) -> float:
    """∂/∂m of the density of N(m, a) at zero."""
    return -m / a * gaussian_at(m, a) if a > 1e-300 else 0.0


@njit(cache=True, error_model="numpy")
def gaussian_at_by_variance(m: float, a: float) -> float:
    """∂/∂a of the density of N(m, a) at zero."""
    return 0.5 * (m * m / a - 1.0) / a * gaussian_at(m, a) if a > 1e-300 else 0.0


@njit(cache=True, error_model="numpy")
def _free(c: float, a: float, b: float) -> float:
    """ab − c², or 0 where two fields are in proportion (they stay so)."""
    left = a * b - c * c
    return left if left > _ROUNDING * a * b else 0.0


@njit(cache=True, error_model="numpy")
def arcsine_ratio_by_covariance(c: float, a: float, b: float) -> float:
    """∂/∂c of arcsin(c/√(ab))."""
    left = _free(c, a, b)
    return 1.0 / math.sqrt(left) if left > 0.0 else 0.0


@njit(cache=True, error_model="numpy")
def arcsine_ratio_by_variance(c: float, a: float, b: float) -> float:
    """∂/∂a of arcsin(c/√(ab))."""
    left = _free(c, a, b)
    return -0.5 * c / a / math.sqrt(left) if left > 0.0 else 0.0


@njit(cache=True, error_model="numpy")
def schur_kept(c: float, u: float, v: float, a: float) -> float:
    """∂/∂c of c − uv/a: 1, or 0 where nothing is left (and stays so)."""
    return 1.0 if a <= 0.0 or abs(c - u * v / a) > _ROUNDING * abs(c) else 0.0


@njit(cache=True, error_model="numpy")
def schur_by_factor(c: float, u: float, v: float, a: float) -> float:
    """∂/∂u of c − uv/a."""
    return -schur_kept(c, u, v, a) * v / a if a > 0.0 else 0.0


@njit(cache=True, error_model="numpy")
def schur_by_variance(c: float, u: float, v: float, a: float) -> float:
    """∂/∂a of c − uv/a."""
    return schur_kept(c, u, v, a) * u * v / (a * a) if a > 0.0 else 0.0


@njit(cache=True, error_model="numpy")
def both_zero(m: float, n: float, a: float, b: float, c: float) -> float:
    """Density of (x, y) at zero for means m, n, variances a, b and covariance c: ∂P(x > 0, y > 0)/∂c (Plackett)."""
    left = _free(c, a, b)
    if left <= 0.0:
        return 0.0
    exponent = -0.5 * (b * m * m - 2.0 * c * m * n + a * n * n) / left
    return math.exp(exponent) / (2.0 * math.pi * math.sqrt(left))


@njit(cache=True, error_model="numpy")
def both_positive_by_mean(m: float, n: float, a: float, b: float, c: float) -> float:
    """∂P(x > 0, y > 0)/∂m: the density of x at zero × P(y > 0 | x = 0)."""
    if a <= 0.0:
        return 0.0
    left = _free(c, a, b) / a
    return gaussian_at(m, a) * positive(n - c * m / a, left)


@njit(cache=True, error_model="numpy")
def both_positive_by_variance(m: float, n: float, a: float, b: float, c: float) -> float:
    """∂P(x > 0, y > 0)/∂a: P depends on m/√a and c/√a alone."""
    if a <= 0.0:
        return 0.0
    return -0.5 / a * (m * both_positive_by_mean(m, n, a, b, c) + c * both_zero(m, n, a, b, c))
