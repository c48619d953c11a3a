"""Curves through points, against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline, PchipInterpolator

from asymptotics.common.numerics.flows.splines import monotone, spline


@pytest.mark.parametrize("points", [2, 3, 4, 5, 30])
@pytest.mark.parametrize("shape", [(), (2, 2)])
def test_curves_are_those_of_scipy(points, shape):
    rng = np.random.default_rng(points)
    x = np.cumsum(rng.uniform(0.1, 1.0, points))
    y = rng.standard_normal((points, *shape)).round(1)
    at = np.linspace(x[0], x[-1], 57).reshape(3, 19)
    assert np.allclose(spline(x, y, at), CubicSpline(x, y)(at), rtol=0, atol=1e-12)
    assert np.allclose(monotone(x, y, at), PchipInterpolator(x, y)(at), rtol=0, atol=1e-12)
    assert np.allclose(spline(x, y, float(x[0])), y[0], atol=1e-14)
