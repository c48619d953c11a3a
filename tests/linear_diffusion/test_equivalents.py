"""Deterministic equivalents: published numbers, brute-force root, Marchenko–Pastur integrals, Monte Carlo with corrections."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq

from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.laws.spectra import load_spectrum, power_law
from asymptotics.linear_diffusion.resolvents.contour import resolvent
from asymptotics.linear_diffusion.resolvents.corrections import finite_size_corrections
from asymptotics.linear_diffusion.resolvents.equivalents import (
    critical_kappa,
    deterministic_equivalents,
    effective_regularisation,
    null_space_mass,
)

FIELDS = (
    "log_det",
    "trace_inverse",
    "trace_inverse_squared",
    "trace_sigma_inverse",
    "trace_sigma_inverse_squared",
    "trace_empirical_inverse_squared",
)


ANCHORS = (
    *("kappa", "log_det", "log_det_correction", "trace_sigma_inverse", "trace_sigma_inverse_squared"),
    *("trace_empirical_inverse_squared", "gap_trace"),
)


def test_anchor_values(reference):
    e = deterministic_equivalents(power_law(200, 1).eigenvalues, 100, 0.05)
    for name in ANCHORS:
        assert getattr(e, name) == reference(f"linear.d200.{name}"), name


def test_null_space_mass_anchor(reference):
    assert null_space_mass(power_law(200, 1).eigenvalues, 50) == reference("linear.d200.null_mass_n50")
    # isotropic: exactly d − n directions of unit variance
    assert null_space_mass(np.ones(30), 11) == pytest.approx(20.0, rel=1e-12)
    assert null_space_mass(np.ones(30), 31) == 0.0


@settings(max_examples=60, deadline=None)
@given(
    d=st.integers(1, 60),
    k=st.floats(0, 3),
    samples=st.integers(2, 300),
    log_c=st.floats(-25, 8),
)
def test_kappa_is_the_root_that_bisection_finds(d, k, samples, log_c):
    values = power_law(d, k).eigenvalues
    n, c_hat = samples - 1, np.exp(log_c)

    def residual(x):
        kappa = np.exp(x)
        return ((n - d) + (kappa / (values + kappa)).sum()) / n - c_hat / kappa

    expected = np.exp(brentq(residual, np.log(c_hat), np.log(c_hat + values.sum() / n) + 1e-9, xtol=1e-13))
    assert effective_regularisation(values, samples, c_hat) == pytest.approx(expected, rel=1e-9)
    assert c_hat < expected <= (c_hat + values.sum() / n) * (1 + 1e-9)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.5])
def test_isotropic_agrees_with_marchenko_pastur_quadrature(gamma):
    d, c = 1000, 0.2
    n = round(d / gamma)
    low, high = (1 - np.sqrt(d / n)) ** 2, (1 + np.sqrt(d / n)) ** 2

    def average(f):
        # x = centre + radius cos θ takes the square roots at both edges out of the integrand
        centre, radius = (low + high) / 2, (high - low) / 2

        def integrand(theta):
            x = centre + radius * np.cos(theta)
            return f(x) * (radius * np.sin(theta)) ** 2 / (2 * np.pi * d / n * x)

        return quad(integrand, 0, np.pi, epsabs=1e-12, limit=200)[0] + max(0.0, 1 - n / d) * f(0.0)

    rho = n / (n + 1)
    e = deterministic_equivalents(np.ones(d), n + 1, c)
    assert e.trace_inverse / d == pytest.approx(average(lambda x: 1 / (rho * x + c)), rel=1e-9)
    assert e.trace_inverse_squared / d == pytest.approx(average(lambda x: 1 / (rho * x + c) ** 2), rel=1e-9)
    assert e.trace_empirical_inverse_squared / d == pytest.approx(
        average(lambda x: rho * x / (rho * x + c) ** 2), rel=1e-9
    )
    assert e.log_det / d == pytest.approx(average(lambda x: np.log(rho * x + c)), rel=1e-9)
    assert e.trace_sigma_inverse == pytest.approx(e.trace_inverse)


def test_traces_are_derivatives_of_the_log_determinant():
    values, n, c, h = power_law(40, 1.3).eigenvalues, 25, 0.03, 1e-6
    up, down = (deterministic_equivalents(values, n, c + s * h) for s in (1, -1))
    here = deterministic_equivalents(values, n, c)
    assert here.trace_inverse == pytest.approx((up.log_det - down.log_det) / (2 * h), rel=1e-7)
    assert here.trace_inverse_squared == pytest.approx((down.trace_inverse - up.trace_inverse) / (2 * h), rel=1e-7)
    slope = (down.trace_sigma_inverse - up.trace_sigma_inverse) / (2 * h)
    assert here.trace_sigma_inverse_squared == pytest.approx(slope, rel=1e-7)
    assert here.trace_empirical_inverse_squared == pytest.approx(
        here.trace_inverse - c * here.trace_inverse_squared, rel=1e-9
    )
    more = finite_size_corrections(values, n, c)
    up, down = (finite_size_corrections(values, n, c + s * h) for s in (1, -1))
    assert more.log_det == pytest.approx(here.log_det_correction, rel=1e-12)
    assert more.trace_inverse == pytest.approx((up.log_det - down.log_det) / (2 * h), rel=1e-6)
    assert more.trace_inverse_squared == pytest.approx((down.trace_inverse - up.trace_inverse) / (2 * h), rel=1e-6)
    assert more.trace_sigma_inverse_squared == pytest.approx(
        (down.trace_sigma_inverse - up.trace_sigma_inverse) / (2 * h), rel=1e-6
    )


def drawn_traces(rng, values, samples, c, runs):
    """The six quantities for each of many drawn data sets, shape (runs, 6), by dense linear algebra."""
    d = len(values)
    rows = []
    for _ in range(runs):
        x = rng.standard_normal((samples, d)) * np.sqrt(values)
        empirical = np.cov(x.T, bias=True).reshape(d, d)
        inverse = np.linalg.inv(empirical + c * np.eye(d))
        square = inverse @ inverse
        sigma = (np.diag(inverse) @ values, np.diag(square) @ values)
        rows.append(
            (
                np.linalg.slogdet(empirical + c * np.eye(d))[1],
                np.trace(inverse),
                np.trace(square),
                *sigma,
                (empirical * square).sum(),
            )
        )
    return np.array(rows)


QUICK = [(0, 1), (1, 0.1), (2, 0.5), (2, 2)]


@pytest.mark.parametrize(
    ("exponent", "ratio"),
    [
        pytest.param(exponent, ratio, marks=[pytest.mark.slow] * ((exponent, ratio) not in QUICK))
        for exponent in (0, 1, 2)
        for ratio in (0.1, 0.5, 1, 2, 10)
    ],
)
def test_monte_carlo_agrees_with_corrections(exponent, ratio):
    d, c = 40, 0.05
    samples, values = round(ratio * d), power_law(40, exponent).eigenvalues
    found = drawn_traces(np.random.default_rng(int(10 * ratio) + exponent), values, samples, c, 200)
    mean, sem = found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(len(found))
    e, more = deterministic_equivalents(values, samples, c), finite_size_corrections(values, samples, c)
    for k, name in enumerate(FIELDS):
        value, change = float(getattr(e, name)), float(getattr(more, name))
        second_order = 2 * change**2 / abs(value) if k else abs(change) / samples
        assert abs(mean[k] - value - change) < 3.5 * sem[k] + second_order, name


def test_corrections_are_needed_and_fall_as_one_over_d():
    rng = np.random.default_rng(3)
    values = np.ones(30)
    found = drawn_traces(rng, values, 30, 0.05, 600)[:, 0]
    sem = found.std(ddof=1) / np.sqrt(len(found))
    e = deterministic_equivalents(values, 30, 0.05)
    assert abs(found.mean() - e.log_det) > 5 * sem
    relative = [
        float(finite_size_corrections(np.ones(d), d, 0.05).trace_inverse)
        / float(deterministic_equivalents(np.ones(d), d, 0.05).trace_inverse)
        for d in (100, 200, 400)
    ]
    assert relative[0] / relative[1] == pytest.approx(2, rel=0.05)
    assert relative[1] / relative[2] == pytest.approx(2, rel=0.03)


def test_singular_spectra_and_small_regularisation():
    mnist = load_spectrum("mnist").eigenvalues
    e = deterministic_equivalents(mnist, 5000, 1e-9)
    # 72 dead pixels contribute 1/c each
    dead = np.count_nonzero(mnist == 0)
    assert e.trace_inverse > dead / 1e-9
    assert np.isfinite(e.log_det)
    assert critical_kappa(mnist, 5000) == 0.0
    assert critical_kappa(mnist, 100) > 0
    # c → 0 approaches the critical value
    assert effective_regularisation(mnist, 100, 1e-14) == pytest.approx(critical_kappa(mnist, 100), rel=1e-9)


def test_arrays_of_regularisation_and_bad_arguments():
    values = power_law(20, 1).eigenvalues
    c = np.array([[0.1, 1.0], [0.01, 3.0]])
    e = deterministic_equivalents(values, 12, c)
    single = deterministic_equivalents(values, 12, 0.01)
    assert e.trace_inverse.shape == (2, 2)
    assert e.trace_inverse[1, 0] == pytest.approx(float(single.trace_inverse), rel=1e-13)
    with pytest.raises(InputError, match="samples = 1"):
        deterministic_equivalents(values, 1, 0.1)
    with pytest.raises(InputError, match="> 0"):
        deterministic_equivalents(values, 12, 0.0)


@pytest.mark.parametrize("samples", [10, 60, 400])
def test_contour_gives_the_traces_and_does_not_depend_on_its_shape(samples):
    values, c = power_law(60, 1.5).eigenvalues, 0.02
    e, more = deterministic_equivalents(values, samples, c), finite_size_corrections(values, samples, c)
    # f(z) = 1/(z + c′) with −c′ outside the contour around [0, λ] for shift < c′
    for height, density in ((np.pi / 4, 36.0), (0.6, 50.0), (1.0, 60.0)):
        r = resolvent(values, samples, c / 2, height=height, density=density)
        z = r.shifted - c / 2
        assert r.average(1 / (z + c)) == pytest.approx(float(e.trace_inverse), rel=1e-10)
        assert r.average(1 / (z + c), 1) == pytest.approx(float(e.trace_sigma_inverse), rel=1e-10)
        assert r.average(np.log(z + c)) == pytest.approx(float(e.log_det), rel=1e-10)
        # moments: E Tr Σ₀ = ϱ Tr Σ, counting of modes
        assert r.average(np.ones_like(z)) == pytest.approx(60, rel=1e-10)
        assert r.average(z) == pytest.approx(values.sum() * (samples - 1) / samples, rel=1e-10)
    r = resolvent(values, samples, c / 2, order=1)
    z = r.shifted - c / 2
    assert r.average(1 / (z + c), 1) == pytest.approx(float(e.trace_sigma_inverse + more.trace_sigma_inverse), rel=1e-9)
    # the second moment is known exactly: E Tr Σ₀² = ϱ[(1 + 1/n… )] via E‖Σ₀‖² of a Wishart matrix
    n = samples - 1
    exact = (n / samples) ** 2 * (np.square(values).sum() * (1 + 1 / n) + values.sum() ** 2 / n)
    assert r.average(z**2) == pytest.approx(exact, rel=1e-9)
