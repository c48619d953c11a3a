"""Divergences: exact Wishart averages, published numbers, limits, optimal regularisation by direct minimisation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.laws.spectra import load_spectrum, power_law
from asymptotics.linear_diffusion.averaged.divergences import averaged_divergences
from asymptotics.linear_diffusion.averaged.optimum import optimal_regularisation
from asymptotics.linear_diffusion.averaged.wishart import (
    limits_per_dimension,
    mean_log_det_ratio,
    wishart_averages,
    wishart_kl_generated_target,
    wishart_kl_target_generated,
)
from asymptotics.linear_diffusion.process import gaussian_divergences, moments


def test_anchors(reference):
    assert wishart_kl_generated_target(50, 100) == reference("linear.d50.kl_generated_target")
    assert wishart_kl_target_generated(50, 100) == reference("linear.d50.kl_target_generated")
    assert limits_per_dimension(0.5) == reference("linear.d50.limits")
    values = power_law(200, 1).eigenvalues
    found = averaged_divergences(values, 100, 0.05)
    assert found.generated_target == reference("linear.d200.kl_generated_target")
    assert found.target_generated == reference("linear.d200.kl_target_generated")
    forward, reverse = optimal_regularisation(values, 100)
    assert forward == reference("linear.d200.forward")
    assert reverse == reference("linear.d200.reverse")


def test_one_dimension_by_quadrature():
    # d = 1: Σ₀ = χ²_{N−1}/N, independent of the mean ~ N(0, 1/N)
    from scipy.integrate import quad
    from scipy.stats import chi2

    for samples in (4, 9):
        law = chi2(samples - 1)

        def average(f, law=law):
            return quad(lambda x: f(x) * law.pdf(x), 0, np.inf, epsabs=1e-12)[0]

        n = samples
        forward = average(lambda x, n=n: 0.5 * (-np.log(x / n) - 1 + x / n + 1 / n))
        reverse = average(lambda x, n=n: 0.5 * (np.log(x / n) - 1 + (1 + 1 / n) * n / x))
        assert wishart_kl_generated_target(1, samples) == pytest.approx(forward, rel=1e-7)
        assert wishart_kl_target_generated(1, samples) == pytest.approx(reverse, rel=1e-7)


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_exact_averages_by_monte_carlo(exponent):
    rng = np.random.default_rng(1)
    d, samples, runs = 8, 20, 3000
    values = power_law(d, exponent).eigenvalues
    rows = []
    for _ in range(runs):
        mean, covariance = moments(rng.standard_normal((samples, d)) * np.sqrt(values))
        inverse = np.linalg.inv(covariance)
        rows.append(
            (
                *gaussian_divergences(mean, covariance, np.diag(values)),
                np.linalg.slogdet(covariance)[1],
                np.trace(inverse),
                np.diag(inverse) @ values,
                np.trace(inverse @ inverse),
                np.diag(inverse @ inverse) @ values,
                np.diag(inverse @ inverse) @ values - np.trace(inverse),
            )
        )
    found = np.array(rows)
    sem = found.std(axis=0, ddof=1) / np.sqrt(runs)
    exact = wishart_averages(values, samples)
    expected = [
        wishart_kl_generated_target(d, samples),
        wishart_kl_target_generated(d, samples),
        exact.log_det,
        exact.trace_inverse,
        exact.trace_sigma_inverse,
        exact.trace_inverse_squared,
        exact.trace_sigma_inverse_squared,
        exact.gap_trace,
    ]
    assert np.all(np.abs(found.mean(axis=0) - expected) < 3.5 * sem)
    d1 = averaged_divergences(values, samples, 0.0)
    assert d1.generated_target == expected[0]
    assert d1.target_generated == expected[1]


def test_limits():
    # total / d at d → ∞ tends to the limit, with an error ~ 1/d
    for gamma in (0.2, 0.7):
        errors = []
        for d in (200, 400):
            n = round(d / gamma)
            both = (wishart_kl_generated_target(d, n) / d, wishart_kl_target_generated(d, n) / d)
            errors.append(np.abs(np.array(both) - limits_per_dimension(d / n)))
        assert np.all(errors[0] / errors[1] == pytest.approx(2.0, rel=0.1))
    for gamma in (1e-6, 1e-3, 0.0499, 0.0501):
        forward, reverse = limits_per_dimension(gamma)
        assert forward == pytest.approx(gamma / 4 + gamma**2 / 12 + gamma**3 / 24, rel=3 * gamma**3 + 1e-12)
        assert reverse == pytest.approx(gamma / 4 + 5 * gamma**2 / 12, rel=3 * gamma**2)
    assert limits_per_dimension(1 - 1e-12)[0] == pytest.approx(0.5, abs=1e-9)


def test_structure_does_not_matter_without_regularisation():
    first = averaged_divergences(power_law(30, 0).eigenvalues, 50, 0.0)
    assert averaged_divergences(power_law(30, 2).eigenvalues, 50, 0.0) == first


@pytest.mark.parametrize(
    ("dimension", "exponent", "samples"), [(60, 1.0, 30), (60, 0.5, 60), (40, 2.0, 200), (30, 0, 9)]
)
def test_optimal_regularisation_minimises_the_divergences(dimension, exponent, samples):
    values = power_law(dimension, exponent).eigenvalues
    for k, name in enumerate(("generated_target", "target_generated")):
        best = minimize_scalar(
            lambda x, name=name: getattr(averaged_divergences(values, samples, np.exp(x)), name),
            bounds=(-12, 4),
            method="bounded",
            options={"xatol": 1e-9},
        )
        assert optimal_regularisation(values, samples)[k] == pytest.approx(np.exp(best.x), rel=1e-5)


def test_infinite_averages():
    values = power_law(20, 1).eigenvalues
    for samples in (5, 20):
        found = averaged_divergences(values, samples, 0.0)
        assert found.generated_target is None
        assert found.target_generated is None
    for samples in (21, 22):
        found = averaged_divergences(values, samples, 0.0)
        assert found.generated_target > 0
        assert found.target_generated is None
    assert averaged_divergences(values, 23, 0.0).target_generated > 0
    mnist = load_spectrum("mnist").eigenvalues
    assert averaged_divergences(mnist, 100, 0.1).generated_target is None
    forward, reverse = optimal_regularisation(mnist, 100)
    assert forward is None
    assert reverse > 0
    with pytest.raises(InputError, match="samples = 20: must be at least 21"):
        mean_log_det_ratio(20, 20)
    with pytest.raises(InputError, match="at least 23"):
        wishart_kl_target_generated(20, 22)
    with pytest.raises(InputError, match="regularisation = -1"):
        averaged_divergences(values, 30, -1.0)


def test_small_regularisation_approaches_the_exact_average():
    # the equivalents' O(1) correction makes up the difference
    values = power_law(30, 1).eigenvalues
    exact = averaged_divergences(values, 120, 0.0)
    near = averaged_divergences(values, 120, 1e-9)
    for name in ("generated_target", "target_generated"):
        truth, bare = getattr(exact, name), getattr(near, name)
        assert abs(getattr(near, name + "_corrected") - truth) < 0.05 * abs(bare - truth), name
