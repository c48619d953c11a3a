"""Functions of closed Gaussian expectations against long arithmetic and known values."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from asymptotics.common.numerics.code.closed_forms import (
    arcsine_ratio,
    bivariate_normal_cdf,
    both_positive,
    gaussian_at,
    normal_cdf,
    positive,
    schur,
)


def _bivariate(x, y, rho):
    """P(X < x, Y < y) as an integral over X in 30 digits."""
    with mpmath.workdps(30):
        left = mpmath.sqrt(1 - mpmath.mpf(rho) ** 2)
        turning = y / rho if rho else 0.0
        points = [mpmath.mpf(v) for v in sorted({-12.0, -3.0, 0.0, turning}) if v < x]
        return float(
            mpmath.quad(
                lambda t: mpmath.npdf(t) * mpmath.ncdf((y - rho * t) / left), [-mpmath.inf, *points, mpmath.mpf(x)]
            )
        )


@pytest.mark.parametrize("rho", [0.0, 0.3, -0.7, 0.92, 0.93, -0.93, 0.99, -0.9999])
def test_bivariate_normal_to_rounding(rho):
    rng = np.random.default_rng(1)
    for x, y in [*rng.standard_normal((4, 2)) * 1.5, (0.7, 0.701), (0.7, -0.701), (-4.0, -3.0)]:
        assert bivariate_normal_cdf(x, y, rho) == pytest.approx(_bivariate(x, y, rho), abs=2e-15)


def test_bivariate_normal_at_full_correlation_and_at_zero_means():
    for x, y in [(0.3, 0.5), (-1.0, 2.0), (-1.0, 0.5)]:
        assert bivariate_normal_cdf(x, y, 1.0) == pytest.approx(normal_cdf(min(x, y)), abs=1e-15)
        assert bivariate_normal_cdf(x, y, -1.0) == pytest.approx(max(0.0, normal_cdf(x) + normal_cdf(y) - 1), abs=1e-15)
    for rho in (-0.99, -0.2, 0.5, 0.95):
        wanted = 0.25 + np.arcsin(rho) / (2 * np.pi)
        assert bivariate_normal_cdf(0.0, 0.0, rho) == pytest.approx(wanted, abs=1e-15)
        assert both_positive(0.0, 0.0, 4.0, 9.0, 6 * rho) == pytest.approx(wanted, abs=1e-15)
        assert arcsine_ratio(6 * rho, 4.0, 9.0) == pytest.approx(np.arcsin(rho), abs=1e-14)


def test_limits_of_vanishing_variance():
    assert [positive(m, 0.0) for m in (-1.0, 0.0, 2.0)] == [0.0, 0.5, 1.0]
    assert both_positive(1.0, 0.3, 0.0, 1.0, 0.0) == pytest.approx(normal_cdf(0.3))
    assert gaussian_at(0.0, 0.0) == 0.0
    assert arcsine_ratio(0.1, 0.0, 1.0) == 0.0
    assert schur(0.5, 0.1, 0.1, 0.0) == 0.5
    assert gaussian_at(1.0, 4.0) == pytest.approx(np.exp(-1 / 8) / np.sqrt(8 * np.pi))
