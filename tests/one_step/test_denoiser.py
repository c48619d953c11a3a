"""Fit and generated density: against plain least squares, direct sampling through the denoiser, invariances, k steps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asymptotics.common.input.checks import InputError
from asymptotics.common.running.threads import single_threaded
from asymptotics.one_step.closed_forms.multistep import (
    angle_grid,
    flow_divergence,
    multistep_fraction,
    noise_angle,
    time_grid,
)
from asymptotics.one_step.process.denoiser import fit, regression
from asymptotics.one_step.process.distances import gaussian_divergences
from asymptotics.one_step.theory import signal_fraction


def _pairs(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) + 0.3, rng.standard_normal((n, d))


@pytest.mark.parametrize(("n", "d"), [(2, 3), (10, 10), (11, 10), (30, 10), (500, 10), (5, 1)])
def test_regression_is_least_squares_with_intercept(n, d):
    """Against numpy's lstsq on a design matrix with a column of ones (full rank) or on centred data (minimum norm)."""
    x, z = _pairs(n, d)
    a, b = 0.4, 0.3
    y = a * x + b * z
    slope = regression(x, z, a, b)
    if n - 1 >= d:
        design = np.hstack([np.ones((n, 1)), y])
        expected = np.linalg.lstsq(design, x, rcond=None)[0][1:].T
    else:
        expected = (np.linalg.pinv(y - y.mean(axis=0), rcond=1e-12) @ (x - x.mean(axis=0))).T
        assert np.linalg.matrix_rank(slope, tol=1e-10) == n - 1
    np.testing.assert_allclose(slope, expected, atol=1e-9 * np.abs(expected).max() * (1 + 100 * (n == d + 1)))


def test_generated_density_is_that_of_samples_pushed_through_the_denoiser():
    """Moments of x̂(y) for many y ~ N(a x̄, ŝ), with x̂ from lstsq, against (μ_G, Σ_G)."""
    n, d, t, scale = 40, 5, 1.2, 0.2
    x, z = _pairs(n, d)
    a, b = math.exp(-t), math.sqrt(scale * (1 - math.exp(-2 * t)))
    design = np.hstack([np.ones((n, 1)), a * x + b * z])
    weights = np.linalg.lstsq(design, x, rcond=None)[0]
    s = a * a * x.var(axis=0, ddof=1).mean() + b * b
    rng = np.random.default_rng(1)
    count = 400_000
    y = a * x.mean(axis=0) + math.sqrt(s) * rng.standard_normal((count, d))
    samples = weights[0] + y @ weights[1:]
    generated = fit(x, z, [0.0, t], scale)
    sd = np.sqrt(np.diag(generated.covariance))
    assert np.all(np.abs(samples.mean(axis=0) - generated.mean) < 5 * sd / math.sqrt(count))
    error = np.outer(sd, sd) * math.sqrt(2 / count)
    assert np.all(np.abs(np.cov(samples.T) - generated.covariance) < 5 * error)


@pytest.mark.parametrize("scheme", ["deterministic", "ancestral"])
def test_several_steps_are_those_of_a_chain_of_samples(scheme):
    """Moments of points run through three fitted denoisers step by step."""
    n, d, scale = 30, 3, 0.5
    times = np.array([0.0, 0.3, 0.8, 1.5])
    rng = np.random.default_rng(2)
    x = rng.standard_normal((n, d))
    noise = rng.standard_normal((3, n, d))
    generated = fit(x, noise, times, scale, scheme)
    count = 300_000
    amplitude = np.exp(-times), np.sqrt(scale * (1 - np.exp(-2 * times)))
    a, b = amplitude[0][3], amplitude[1][3]
    s = a * a * x.var(axis=0, ddof=1).mean() + b * b
    y = a * x.mean(axis=0) + math.sqrt(s) * rng.standard_normal((count, d))
    for k in (3, 2, 1):
        a, b = amplitude[0][k], amplitude[1][k]
        weights = np.linalg.lstsq(np.hstack([np.ones((n, 1)), a * x + b * noise[k - 1]]), x, rcond=None)[0]
        clean = weights[0] + y @ weights[1:]
        a1, b1 = amplitude[0][k - 1], amplitude[1][k - 1]
        estimate = (y - a * clean) / b
        if scheme == "ancestral":
            # posterior of the forward chain: y_t = (a/a') y_{t'} + noise of variance b² − (a/a')² b'²
            spread = b1**2 / b**2 * (b**2 - (a / a1) ** 2 * b1**2)
            y = a1 * clean + math.sqrt(b1**2 - spread) * estimate + math.sqrt(spread) * rng.standard_normal(y.shape)
        else:
            y = a1 * clean + b1 * estimate
    sd = np.sqrt(np.diag(generated.covariance))
    assert np.all(np.abs(y.mean(axis=0) - generated.mean) < 5 * sd / math.sqrt(count))
    assert np.all(np.abs(np.cov(y.T) - generated.covariance) < 5 * np.outer(sd, sd) * math.sqrt(2 / count))


@pytest.mark.parametrize(("n", "d"), [(6, 8), (25, 8)])
def test_rotations_and_shifts_carry_over(n, d):
    """Rotating data and noise rotates the density; shifting the data shifts its mean; the rank is min(d, n − 1)."""
    x, z = _pairs(n, d, seed=4)
    rotation = np.linalg.qr(np.random.default_rng(9).standard_normal((d, d)))[0]
    base = fit(x, z, [0.0, 2.0], 0.1)
    turned = fit(x @ rotation.T, z @ rotation.T, [0.0, 2.0], 0.1)
    np.testing.assert_allclose(turned.mean, rotation @ base.mean, atol=1e-10)
    np.testing.assert_allclose(turned.covariance, rotation @ base.covariance @ rotation.T, atol=1e-9)
    moved = fit(x + 3.0, z, [0.0, 2.0], 0.1)
    np.testing.assert_allclose(moved.mean, base.mean + 3.0, atol=1e-9)
    assert np.count_nonzero(base.spectrum()[0] > 0) == min(d, n - 1) == base.rank


def test_large_sample_path_agrees_with_the_orthogonal_one():
    """Normal equations (many samples) and the QR factorisation give the same slope."""
    x, z = _pairs(9000, 4)
    slope = regression(x, z, 0.3, 0.2)
    y = 0.3 * x + 0.2 * z
    expected = np.linalg.lstsq(y - y.mean(axis=0), x - x.mean(axis=0), rcond=None)[0].T
    np.testing.assert_allclose(slope, expected, rtol=1e-10, atol=1e-12)


def test_multistep_fraction_is_the_limit_of_many_samples():
    """n = 2·10⁵ at d = 2: variance of the generated density over σ² against q_k."""
    rng = np.random.default_rng(3)
    n, d, t, scale, sigma = 200_000, 2, 1.5, 0.3, 1.4
    x = sigma * rng.standard_normal((n, d))
    for steps in (1, 3):
        noise = rng.standard_normal((steps, n, d))
        for scheme in ("deterministic", "ancestral"):
            generated = fit(x, noise, angle_grid(t, scale, sigma, steps), scale, scheme)
            expected = multistep_fraction(t, scale, sigma, steps=steps, scheme=scheme)
            assert np.trace(generated.covariance) / d / sigma**2 == pytest.approx(expected, rel=0.012)


def test_many_steps_reach_the_probability_flow():
    """k = 100 at n = 10 d: KL(G‖O) over data sets, against the k → ∞ limit with the floor of k steps and O(1/k) noise."""
    d, n, t, scale, steps = 30, 300, 2.0, math.exp(-4.0), 100
    rng = np.random.default_rng(6)
    times = angle_grid(t, scale, 1.0, steps)
    values = []
    for _ in range(12):
        x, noise = rng.standard_normal((n, d)), rng.standard_normal((steps, n, d))
        with single_threaded():
            values.append(gaussian_divergences(fit(x, noise, times, scale)).kl_generated_target)
    expected = flow_divergence(signal_fraction(t, scale), d, n).total
    error = 4 * np.std(values) / math.sqrt(len(values))
    # the leading order in 1/d is relative 1/d off, a step leaves a relative error of order 1/k
    assert abs(np.mean(values) - expected) < error + expected * (1 / d + 4 / steps)
    assert math.isinf(flow_divergence(0.5, 10, 10).total)


def test_multistep_fraction_closed_form_and_order():
    """k = 1 is q; equal angles give cos^{2k}(φ/k), better than equal times; both tend to 1 as 1/k."""
    t, scale, sigma = 2.0, math.exp(-4.0), 1.3
    phi = noise_angle(t, scale, sigma)
    assert multistep_fraction(t, scale, sigma) == pytest.approx(signal_fraction(t, scale, sigma), rel=1e-13)
    for k in (2, 5, 40):
        best = multistep_fraction(t, scale, sigma, steps=k)
        assert best == pytest.approx(math.cos(phi / k) ** (2 * k), rel=1e-12)
        assert best > multistep_fraction(t, scale, sigma, steps=k, spacing="time")
        assert best > multistep_fraction(t, scale, sigma, steps=k, scheme="ancestral")
    loss = [1 - multistep_fraction(t, scale, sigma, steps=k) for k in (200, 400)]
    assert loss[0] / loss[1] == pytest.approx(2.0, rel=0.01)
    assert loss[1] * 400 == pytest.approx(phi**2, rel=0.01)


def test_extreme_angles_stay_finite():
    """e^{2T} overflows; tiny noise."""
    assert noise_angle(1000.0, 1.0) == pytest.approx(math.pi / 2)
    assert 0 < multistep_fraction(1e-9, 1e-9) <= 1
    assert time_grid(2.0, 4)[-1] == angle_grid(2.0, 0.1, 1.0, 4)[-1] == 2.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.zeros((1, 3))}, "n >= 2"),
        ({"data": np.zeros(4)}, "2 axes"),
        ({"noise": np.zeros((4, 2))}, "shape"),
        ({"noise": [np.zeros((5, 3))] * 2}, "one for each step"),
        ({"times": [0.0]}, "ascending"),
        ({"times": [0.5, 1.0]}, "ascending"),
        ({"noise_scale": 0.0}, "> 0"),
        ({"scheme": "renoised"}, "one of"),
        ({"data": np.ones((5, 3)), "noise": np.zeros((5, 3))}, "singular"),
        ({"data": np.full((5, 3), np.nan)}, "finite"),
    ],
)
def test_bad_input(change, message):
    x, z = _pairs(5, 3)
    arguments = {"data": x, "noise": z, "times": [0.0, 1.0], "noise_scale": 0.5, **change}
    with pytest.raises(InputError, match=message):
        fit(**arguments)
