"""Scores: the empirical one against its definition, local averaging against S-PL, embedding, Ornstein–Uhlenbeck."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from asymptotics.common.input.checks import InputError
from asymptotics.score_smoothing import (
    GAUSSIAN,
    AveragedScore,
    EmpiricalScore,
    Kernel,
    LineInSpace,
    OrnsteinUhlenbeck,
    PiecewiseLinearScore,
    SmoothedScore,
)


@pytest.mark.parametrize("n", [2, 3, 40])
@pytest.mark.parametrize("t", [1e-4, 0.01, 0.7])
def test_empirical_score_is_the_gradient_of_its_log_density(n, t):
    score = EmpiricalScore(n)
    x = np.linspace(-1.3, 1.3, 53) + 0.0017
    h = 1e-5 * np.sqrt(t)
    direct = np.mean(norm.pdf(x[:, None], np.linspace(-1, 1, n), np.sqrt(t)), axis=1)
    seen = direct > 1e-250
    np.testing.assert_allclose(score.density(x, t)[seen], direct[seen], rtol=1e-11)
    slope = (score.log_density(x + h, t) - score.log_density(x - h, t)) / (2 * h)
    scale = np.abs(score(x, t)).max()
    np.testing.assert_allclose(score(x, t), slope, atol=3e-5 * scale)


def test_two_points_is_a_tanh_and_tends_to_the_piecewise_linear_score():
    x = np.linspace(-2, 2, 21)
    np.testing.assert_allclose(EmpiricalScore(2).posterior_mean(x, 0.3), np.tanh(x / 0.3), atol=1e-14)
    far = np.array([-1.4, -0.2, 0.3, 0.9])
    np.testing.assert_allclose(EmpiricalScore(2)(far, 1e-3), PiecewiseLinearScore(2)(far, 1e-3), atol=1e-8)


def test_empirical_flow_preserves_the_cdf_and_solves_its_equation():
    from asymptotics.score_smoothing.scores.score import integrate

    score = EmpiricalScore([-1.0, 0.2, 1.0])
    x = np.linspace(-1.8, 1.9, 29)
    closed = score.flow(x, 0.5, 0.02)
    np.testing.assert_allclose(score.cdf(closed, 0.02), score.cdf(x, 0.5), atol=1e-14)
    np.testing.assert_allclose(closed, integrate(score.posterior_mean, x, 0.5, 0.02), atol=1e-8)
    np.testing.assert_array_equal(score.flow(np.array([-1.0, 0.2, 1.4]), 0.5, 0.0), [-1.0, 0.2, 1.0])


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 9),
    share=st.floats(0.01, 0.99),
    x=st.floats(-3, 3),
)
def test_local_averaging_is_the_smoothed_score(n, share, x):
    """The average of the piecewise-linear score over [x − w, x + w], w = Δ − δ, integrated piece by piece."""
    y = np.linspace(-1, 1, n)
    half = 1 / (n - 1)
    delta, t = share * half, 0.02
    w = half - delta
    cuts = np.concatenate([[x - w], [c for c in (y[:-1] + y[1:]) / 2 if x - w < c < x + w], [x + w]])
    pl = PiecewiseLinearScore(y)
    middle = (cuts[:-1] + cuts[1:]) / 2
    # Linear on each piece: the midpoint value is the mean.
    average = np.sum(pl(middle, t) * np.diff(cuts)) / (2 * w)
    smoothed = SmoothedScore(y, delta=delta)
    assert float(smoothed(x, t)) == pytest.approx(average, abs=1e-9 / t)
    averaged = AveragedScore(y, w, "box", "piecewise-linear")
    assert float(averaged(x, t)) == pytest.approx(average, abs=1e-9 / t)


def test_box_average_of_the_exact_score_is_a_finite_difference_close_to_the_smoothed_one():
    t, w = 0.01, 0.7
    averaged, exact = AveragedScore(2, w), EmpiricalScore(2)
    for x in (-0.9, 0.05, 0.3, 1.2):
        direct = quad(lambda v: float(exact(v, t)), x - w, x + w, points=[0.0], epsabs=1e-10, limit=300)[0] / (2 * w)
        assert float(averaged(x, t)) == pytest.approx(direct, rel=1e-9)
    # The largest difference to S-PL is t ln 2/(2w) in t·s.
    x = np.linspace(-1.5, 1.5, 60001)
    gap = np.max(np.abs(averaged.posterior_mean(x, t) - SmoothedScore(2, delta=1 - w).posterior_mean(x, t)))
    assert gap == pytest.approx(t * np.log(2) / (2 * w), rel=1e-6)


@pytest.mark.parametrize("t", [0.5, 0.05, 0.001])
def test_gaussian_average_of_the_exact_score(t):
    h = 0.7
    score = AveragedScore(2, h, "gaussian")
    for x in (0.1, 0.5, 1.2):
        parts = [-9 * h + x, -60 * t, -3 * t, 0.0, 3 * t, 60 * t, 9 * h + x]
        parts = sorted({min(max(p, -9 * h + x), 9 * h + x) for p in parts})
        direct = sum(
            quad(lambda v: norm.pdf((x - v) / h) / h * np.tanh(v / t), a, b, epsabs=1e-13, limit=300)[0]  # noqa: B023
            for a, b in itertools.pairwise(parts)
        )
        assert float(score.posterior_mean(x, t)) == pytest.approx(direct, abs=1e-10)


def test_gaussian_kernel_bifurcates_where_the_theory_says():
    def count(h):
        score = AveragedScore(2, h, "gaussian", "piecewise-linear")
        x = np.linspace(1e-4, 1.5, 20001)
        return int(np.sum(np.diff(np.sign(score.posterior_mean(x, 0.1) - x)) != 0))

    critical = np.sqrt(2 / np.pi)
    assert count(0.99 * critical) == 1
    assert count(1.01 * critical) == 0
    np.testing.assert_allclose(
        AveragedScore(2, 0.6, "gaussian", "piecewise-linear").posterior_mean(0.3, 0.1),
        2 * norm.cdf(0.5) - 1,
        atol=1e-14,
    )


def test_box_of_width_delta_has_a_continuum_of_fixed_points():
    x = np.linspace(-0.99, 0.99, 41)
    np.testing.assert_allclose(AveragedScore(5, 0.25, "box", "piecewise-linear").posterior_mean(x, 0.01), x, atol=1e-14)


def test_users_kernel_is_checked_and_used():
    triangle = Kernel(
        "triangle",
        lambda u: np.maximum(1 - np.abs(u), 0.0),
        lambda u: 0.5 + np.clip(u, -1, 1) - np.sign(u) * np.clip(u, -1, 1) ** 2 / 2,
        1.0,
    )
    score = AveragedScore([-1.0, 0.1, 1.0], 0.4, triangle, "piecewise-linear")
    pl = PiecewiseLinearScore([-1.0, 0.1, 1.0])
    direct = quad(lambda u: (1 - abs(u)) * float(pl.posterior_mean(0.4 - 0.4 * u, 0.1)), -1, 1, points=[-0.375, 0.0])[0]
    assert float(score.posterior_mean(0.4, 0.1)) == pytest.approx(direct, abs=1e-9)
    with pytest.raises(InputError, match="cdf"):
        Kernel("wrong", GAUSSIAN.density, lambda u: np.zeros(np.shape(u)) + 0.5, 9.0)


def test_general_delta_is_integrated_and_agrees_for_the_square_root():
    x = np.linspace(-1.2, 1.2, 17) + 0.01
    closed = SmoothedScore(3, kappa=0.4).flow(x, 0.2, 0.001)
    numeric = SmoothedScore(3, delta=lambda t: 0.4 * np.sqrt(t)).flow(x, 0.2, 0.001)
    np.testing.assert_allclose(numeric, closed, atol=1e-7)
    with pytest.raises(InputError, match="kappa"):
        SmoothedScore(3)
    with pytest.raises(InputError, match="delta"):
        SmoothedScore(3, delta=2.0)(0.1, 0.1)
    with pytest.raises(InputError, match="t_c"):
        SmoothedScore(2, 0.5)(0.1, 4.0)


def test_trajectories_are_straight_in_the_square_root_of_time():
    score = SmoothedScore(4, 0.3)
    x0 = np.linspace(-1.5, 1.5, 31)
    root = np.linspace(1e-3, 0.3, 7)
    paths = np.array([score.flow(x0, 0.09, r**2) for r in root])
    np.testing.assert_allclose(np.diff(paths, 2, axis=0), 0.0, atol=1e-13)


def test_a_line_in_space_splits_exactly():
    rng = np.random.default_rng(0)
    e = rng.standard_normal(4)
    e /= np.linalg.norm(e)
    origin = rng.standard_normal(4)
    u = np.array([-1.0, 0.0, 1.0])
    vectors = origin + u[:, None] * e
    positions, centre, direction = LineInSpace.coordinates(vectors)
    line = LineInSpace(EmpiricalScore(positions), centre, direction)
    x, t = origin + rng.standard_normal((50, 4)), 0.13
    # Softmax over the points in R^4, with no use of the line.
    log = -np.sum((x[:, None, :] - vectors) ** 2, axis=2) / (2 * t)
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(line(x, t), (weight @ vectors - x) / t, atol=1e-11)
    smooth = LineInSpace(SmoothedScore(positions, 0.5), centre, direction)
    _, before = smooth.decompose(x)
    after_u, after = smooth.decompose(smooth.flow(x, 0.1, 1e-3))
    np.testing.assert_allclose(after, before * 0.1, atol=1e-14)
    assert np.ptp(after_u) > 0.5
    with pytest.raises(InputError, match="line"):
        LineInSpace.coordinates(rng.standard_normal((4, 3)))


def test_ornstein_uhlenbeck_score_is_the_gradient_of_its_own_density():
    y, t = np.linspace(-1, 1, 3), 0.2
    shrink, variance = np.exp(-t), 1 - np.exp(-2 * t)
    x = np.linspace(-2, 2, 21)
    weight = norm.pdf(x[:, None], shrink * y, np.sqrt(variance))
    direct = np.sum(weight * (shrink * y - x[:, None]) / variance, axis=1) / weight.sum(axis=1)
    np.testing.assert_allclose(OrnsteinUhlenbeck(EmpiricalScore(3))(x, t), direct, atol=1e-12)
    # Smoothed: δ = κσ_t around the contracted points.
    smoothed = OrnsteinUhlenbeck(SmoothedScore(3, 0.5))
    gap, delta = 0.5 * shrink, 0.5 * np.sqrt(variance)
    inside = gap + (gap - delta) * np.array([-0.5, 0.1, 0.9])
    slope = delta / (gap - delta) / variance
    np.testing.assert_allclose(smoothed(inside, t), slope * (inside - gap), rtol=1e-12)
