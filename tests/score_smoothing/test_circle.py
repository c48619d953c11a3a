"""Circle: closed-form chord law against two-dimensional integration and the score's own flow; metastability."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import dblquad

from asymptotics.common.input.checks import InputError
from asymptotics.score_smoothing import CircleLaw, ClosedCurveScore, circle_points, metastability_exponent
from asymptotics.score_smoothing.scores.curves import polygon_distance, vertex_distance


def _start(n, t0, count, seed):
    rng = np.random.default_rng(seed)
    y = circle_points(n)
    return y[rng.integers(0, n, count)] + np.sqrt(t0) * rng.standard_normal((count, 2))


@pytest.mark.parametrize(("n", "kappa", "t0"), [(3, 0.5, 0.3), (8, 0.5, 0.1)])
def test_interpolated_mass_by_two_dimensional_quadrature(n, kappa, t0):
    y, alpha = circle_points(n), np.pi / n
    edge = np.sin(alpha) - kappa * np.sqrt(t0)
    e_m, e_c = np.array([np.cos(alpha), np.sin(alpha)]), np.array([-np.sin(alpha), np.cos(alpha)])

    def p(v, u):
        gap = np.sum((u * e_c + v * e_m - y) ** 2, axis=1)
        return float(np.mean(np.exp(-gap / (2 * t0))) / (2 * np.pi * t0))

    mass = 2 * n * dblquad(p, 0, edge, lambda u: u / np.tan(alpha), 1 + 9 * np.sqrt(t0), epsabs=1e-10)[0]
    law = CircleLaw(n, kappa, t0)
    assert law.gap_mass() == pytest.approx(mass, abs=1e-8)
    np.testing.assert_allclose(law.ball_masses(), (1 - mass) / n, atol=1e-8)


def test_flow_is_that_of_the_smoothed_score():
    x = _start(8, 0.1, 200, 0)
    law, score = CircleLaw(8, 0.5, 0.1), ClosedCurveScore(circle_points(8), 0.5)
    np.testing.assert_allclose(law.flow(x, 1e-4), score.flow(x, 0.1, 1e-4), atol=1e-8)


@pytest.mark.parametrize("s", [0.0, 1e-4, 1e-3])
def test_memorised_fraction_against_samples(s):
    count = 400_000
    x = CircleLaw(8, 0.5, 0.1).flow(_start(8, 0.1, count, 1), s)
    seen = np.mean(vertex_distance(x, circle_points(8)) <= 0.05)
    expected = CircleLaw(8, 0.5, 0.1, s).memorised(0.05)
    assert abs(seen - expected) < 4 * np.sqrt(expected * (1 - expected) / count)


def test_reference_fractions_and_distance_to_the_polygon():
    # 2·10⁴ particles of the theory: .502 at t = 1e-4 and .510 at 1e-8, ± .0035.
    for s, value in ((1e-4, 0.502), (1e-8, 0.510)):
        assert CircleLaw(8, 0.5, 0.1, s).memorised(0.05) == pytest.approx(value, abs=0.011)
    x = CircleLaw(8, 0.5, 0.1).flow(_start(8, 0.1, 100_000, 2), 1e-4)
    assert np.mean(polygon_distance(x, circle_points(8))) == pytest.approx(0.0079, abs=2e-4)
    # The polygon, not the circle.
    on = CircleLaw(8, 0.5, 0.1).flow(_start(8, 0.1, 20_000, 3), 0.0)
    assert np.max(polygon_distance(on, circle_points(8))) < 1e-12
    assert np.mean(np.abs(np.hypot(*on.T) - 1) > 0.01) > 0.3


def test_distances_along_the_polygon_against_samples():
    n, count = 5, 400_000
    law = CircleLaw(n, 0.5, 0.2)
    x = law.flow(_start(n, 0.2, count, 4), 0.0)
    theta = np.mod(np.arctan2(x[:, 1], x[:, 0]), 2 * np.pi / n) - np.pi / n
    u = np.sort(np.abs(np.hypot(*x.T) * np.sin(theta)))
    target = np.sin(np.pi / n) * (np.arange(count) + 0.5) / count
    w1, w2 = law.along_polygon()
    assert w1 == pytest.approx(np.mean(np.abs(u - target)), abs=1e-3)
    assert w2 == pytest.approx(np.sqrt(np.mean((u - target) ** 2)), abs=1e-3)
    mass = np.trapezoid(law.density(np.linspace(-law.sine, law.sine, 4001)), dx=law.sine / 2000)
    assert n * mass == pytest.approx(law.gap_mass(), abs=1e-6)


def test_angular_window_is_metastable_with_the_derived_exponent():
    n, kappa = 8, 0.5
    gamma = metastability_exponent(n)
    assert gamma == pytest.approx((np.tan(np.pi / 8) / (np.pi / 8) - 1) / 2)
    score = ClosedCurveScore(circle_points(n), kappa, "angular")
    middle = np.array([np.cos(np.pi / n), np.sin(np.pi / n)])
    across = np.array([-middle[1], middle[0]])
    x = np.cos(np.pi / n) * middle + 1e-3 * across
    a, b = score.flow(x[None], 1e-8, 1e-10)[0] @ across, score.flow(x[None], 1e-8, 1e-12)[0] @ across
    assert np.log(b / a) / np.log(100.0) == pytest.approx(gamma, rel=2e-3)
    # The chord window keeps an offset in place as t → 0.
    chord = ClosedCurveScore(circle_points(n), kappa)
    assert chord.flow(x[None], 1e-8, 1e-12)[0] @ across == pytest.approx(1e-3, rel=1e-3)


def test_any_closed_curve_fills_its_polygon():
    vertices = np.array([[1.0, 0.0], [0.3, 0.9], [-1.0, 0.4], [-0.6, -0.8], [0.5, -0.9]])
    rng = np.random.default_rng(5)
    x = vertices[rng.integers(0, 5, 300)] + 0.15 * rng.standard_normal((300, 2))
    end = ClosedCurveScore(vertices, 0.5).flow(x, 0.15**2, 1e-8)
    assert np.mean(polygon_distance(end, vertices)) < 1e-3
    assert np.mean(vertex_distance(end, vertices) > 0.05) > 0.2


def test_errors():
    with pytest.raises(InputError, match="points"):
        CircleLaw(2, 0.5, 0.1)
    with pytest.raises(InputError, match="start_time"):
        CircleLaw(8, 0.5, 0.6)
    with pytest.raises(InputError, match="end_time"):
        CircleLaw(8, 0.5, 0.1, 0.01, "angular")
    with pytest.raises(InputError, match="regular"):
        ClosedCurveScore([[0, 0], [1, 0], [0, 1]], 0.5, "angular")
