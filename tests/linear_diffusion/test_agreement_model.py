"""Effective dimension and agreement; the exact theory of one data set against dense linear algebra."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import expm, sqrtm
from scipy.special import hyp2f1

from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.laws.spectra import power_law
from asymptotics.linear_diffusion.averaged.agreement import (
    corrected_cosines,
    covariance_distance,
    effective_dimension,
    mean_square_root,
    model_agreement,
    null_directions,
)
from asymptotics.linear_diffusion.diffusion.model import LinearModel
from asymptotics.linear_diffusion.diffusion.sampler import reverse_variances
from asymptotics.linear_diffusion.diffusion.schedule import Schedule
from asymptotics.linear_diffusion.process import gaussian_divergences, measured_loss, moments, train_closed_form
from asymptotics.linear_diffusion.resolvents.equivalents import effective_regularisation


def test_anchors(reference):
    assert effective_dimension(power_law(50, 1).eigenvalues) == reference("linear.d50.d_eff")
    assert model_agreement(np.ones(200), 400, 0.0).models == reference("linear.isotropic.cosine_models")
    at = model_agreement(power_law(200, 1).eigenvalues, 50, 0.05)
    assert at.models == reference("linear.d200.cosine_models_n50")


@pytest.mark.parametrize("samples", [2, 50, 190, 200, 201, 202, 400, 5000])
def test_isotropic_root_is_the_hypergeometric_function(samples):
    """₂F₁(−½, ½; 2; γ) for γ = d/(N − 1) ≤ 1, else γ^(−½) ₂F₁(−½, ½; 2; 1/γ)."""
    gamma = 200 / (samples - 1)
    value = hyp2f1(-0.5, 0.5, 2, gamma) if gamma <= 1 else hyp2f1(-0.5, 0.5, 2, 1 / gamma) / np.sqrt(gamma)
    f = mean_square_root(np.ones(200), samples, 0.0)
    assert f == pytest.approx(np.full(200, value * np.sqrt((samples - 1) / samples)), rel=1e-9)


@pytest.mark.parametrize(("samples", "c"), [(10, 0.0), (30, 0.02), (31, 0.0), (200, 1e-6)])
def test_root_is_the_integral(samples, c):
    values = power_law(30, 1.4).eigenvalues
    rho = (samples - 1) / samples
    f = mean_square_root(values, samples, c)

    def integrand(u, lam):
        x = np.exp(u)
        kappa = effective_regularisation(values, samples, (c + x**2) / rho)
        return x * (1 - x**2 / (c + x**2) * kappa / (lam + kappa))

    for k in (0, 12, 29):
        edges = (-25, -10, -4, 0, 3, 8)  # beyond, the bracket is K/x²: the rest is x times it at the edge
        direct = sum(
            quad(integrand, low, high, args=(values[k],), epsabs=1e-10, epsrel=1e-9)[0]
            for low, high in itertools.pairwise(edges)
        ) + integrand(edges[-1], values[k])
        assert f[k] == pytest.approx(2 / np.pi * direct, rel=1e-8)


@pytest.mark.parametrize(("samples", "exponent", "c"), [(10, 0, 0.0), (20, 1, 0.05), (60, 2, 0.0), (30, 1, 0.0)])
def test_cosines_of_drawn_models(samples, exponent, c):
    rng, d = np.random.default_rng(samples), 30
    values = power_law(d, exponent).eigenvalues
    rows = []
    for _ in range(300):
        first, second = (
            np.real(sqrtm(moments(rng.standard_normal((samples, d)) * np.sqrt(values))[1] + (c + 1e-13) * np.eye(d)))
            for _ in range(2)
        )
        norms = np.linalg.norm(first), np.linalg.norm(second)
        truth = np.diag(first) @ np.sqrt(values) / norms[0] / np.sqrt(values.sum())
        rows.append(((first * second).sum() / norms[0] / norms[1], truth))
    found = np.array(rows)
    sem = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    bare = model_agreement(values, samples, c)
    theory = np.array(corrected_cosines(values, samples, c))
    allowed = 2 * (theory - [bare.models, bare.truth]) ** 2 + 2 / samples**2
    assert np.all(np.abs(found.mean(axis=0) - theory) < 3.5 * sem + allowed)
    assert abs(found[:, 0].mean() - bare.models) < 0.05


def test_covariance_distance_and_effective_dimension():
    rng, d, samples = np.random.default_rng(1), 12, 25
    values = power_law(d, 0.7).eigenvalues
    target, norm = np.diag(values), np.square(values).sum()
    rows = []
    for _ in range(3000):
        x = rng.standard_normal((samples, d)) * np.sqrt(values)
        _, covariance = moments(x)
        unbiased = covariance * samples / (samples - 1)
        known = x.T @ x / samples
        rows.append([np.square(m - target).sum() / norm for m in (covariance, unbiased, known)])
    found = np.array(rows)
    sem = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    expected = [covariance_distance(values, samples, name) for name in ("centred", "unbiased", "known_mean")]
    assert np.all(np.abs(found.mean(axis=0) - expected) < 3.5 * sem)
    # non-Gaussian data: Rademacher components times √λ have E‖x‖⁴ = (Tr Σ)², so that d_eff = p − 1
    signs = np.square(rng.choice([-1.0, 1.0], (20, samples, d)) * np.sqrt(values))
    assert effective_dimension(values, float(np.square(signs.sum(axis=-1)).mean())) == pytest.approx(
        effective_dimension(values) - 2
    )
    # and with the Gaussian fourth moment, (Tr Σ)² + 2 Tr Σ², the Gaussian value comes back
    assert effective_dimension(values, values.sum() ** 2 + 2 * norm) == pytest.approx(effective_dimension(values))


def test_null_directions():
    assert null_directions(np.ones(10), 4) == 7
    assert null_directions(np.ones(10), 11) == 0
    assert null_directions(np.array([1.0, 1.0, 0.0]), 2) == 1


@pytest.fixture(scope="module")
def one():
    """One fixed data set: seven points in five dimensions about a shifted mean, and its target."""
    i, j = np.arange(1, 8)[:, None], np.arange(1, 6)[None, :]
    x = 0.5 + np.sqrt(2) * np.sin(1.7 * i**2 + 2.3 * j + 0.5 * i * j)
    root = np.eye(5) + 0.2 * np.cos(np.arange(25.0)).reshape(5, 5)
    target, mean = root @ root.T, np.linspace(-0.3, 0.4, 5)
    return x, target, mean, LinearModel.fit(x, target, regularisation=0.03, schedule=Schedule(80), target_mean=mean)


def test_losses_of_one_data_set(one):
    x, target, mean, model = one
    rng, t = np.random.default_rng(0), 30
    ab, noise = model.schedule.alpha_bar[t], model.schedule.noise[t]
    weights, offset = train_closed_form(*moments(x), ab, noise, 0.03)
    assert model.weights(t) == pytest.approx(weights)
    assert model.weights(t) @ model.bias(t) == pytest.approx(offset)
    measured = measured_loss(rng, np.repeat(x, 60_000, axis=0), weights, offset, ab, noise)
    assert model.train_loss(t) == pytest.approx(measured, rel=3e-3)
    fresh = mean + rng.standard_normal((400_000, 5)) @ np.linalg.cholesky(target).T
    assert model.test_loss(t) == pytest.approx(measured_loss(rng, fresh, weights, offset, ab, noise), rel=5e-3)


def test_training_of_one_data_set(one):
    x, target, mean, model = one
    t = 30
    ab, noise = model.schedule.alpha_bar[t], model.schedule.noise[t]
    average, covariance = moments(x)
    second = ab * (covariance + 0.03 * np.eye(5)) + noise * np.eye(5)
    end, error = np.sqrt(noise) * np.linalg.inv(second), mean - average
    for tau in (0.0, 0.3, 2.0):
        w = end @ (np.eye(5) - expm(-2 * tau * second))
        for k, (cov, shift) in enumerate(((covariance, 0 * error), (target, error))):
            moment = ab * (cov + np.outer(shift, shift)) + noise * np.eye(5)
            direct = 5 - 2 * np.sqrt(noise) * np.trace(w) + np.trace(w @ moment @ w.T)
            assert model.training_losses(tau, t)[k] == pytest.approx(direct, rel=1e-12)
    train, test = model.training_losses(1e6, t)
    assert train == pytest.approx(model.train_loss(t))
    assert test == pytest.approx(model.test_loss(t))
    tau, loss = model.stopping(t)
    grid = model.training_losses(np.linspace(0.01, 20, 20_000), t)[1]
    # Here the test loss has its minimum at a finite time, and it lies on the curve.
    assert 0.01 < tau < 20 and loss <= grid.min() + 1e-9
    assert model.training_losses(tau, t)[1] == pytest.approx(loss, rel=1e-12)
    discrete = model.training_losses(np.array([0.1]), t, learning_rate=0.02)[1]
    w = np.zeros((5, 5))
    for _ in range(5):
        w -= 0.02 * 2 * (w @ second - np.sqrt(noise) * np.eye(5))
    moment = ab * (target + np.outer(error, error)) + noise * np.eye(5)
    assert discrete == pytest.approx(5 - 2 * np.sqrt(noise) * np.trace(w) + np.trace(w @ moment @ w.T))


def test_divergences_and_sampler_of_one_data_set(one):
    x, target, mean, model = one
    average, covariance = moments(x)
    learned = covariance + 0.03 * np.eye(5)
    expected = gaussian_divergences(average - mean, learned, target)
    assert model.kl_generated_target() == pytest.approx(expected[0])
    assert model.kl_target_generated() == pytest.approx(expected[1])
    # the sampler and the early-stopped sampler, by dense propagation through the reverse steps
    for tau in (np.inf, 0.7):
        m, v = np.zeros(5), np.eye(5)
        for t in range(80, 0, -1):
            ab, beta, noise = (getattr(model.schedule, k)[t] for k in ("alpha_bar", "beta", "noise"))
            second = ab * learned + noise * np.eye(5)
            w = np.sqrt(noise) * np.linalg.inv(second)
            if np.isfinite(tau):
                w = w @ (np.eye(5) - expm(-2 * tau * second))
            gain = (np.eye(5) - beta / np.sqrt(noise) * w) / np.sqrt(1 - beta)
            m = gain @ m + beta / np.sqrt(noise * (1 - beta)) * w @ (np.sqrt(ab) * average)
            v = gain @ v @ gain.T + beta * np.eye(5)
        found = gaussian_divergences(m - mean, v, target)
        if np.isfinite(tau):
            assert model.stopped(tau)[0] == pytest.approx(m)
            assert model.stopped_divergences(tau) == pytest.approx(found)
        else:
            assert model.sampled()[0] == pytest.approx(m)
            assert np.sort(model.sampled()[1]) == pytest.approx(np.linalg.eigvalsh(v))
            assert model.sampled_divergences() == pytest.approx(found)
    assert model.stopped_divergences(1e9) == pytest.approx(model.sampled_divergences())
    assert reverse_variances(model.schedule, "exact", np.ones(2)).shape == (80, 2)


def test_cosine_and_null_mass(one):
    x, target, _, model = one
    other = LinearModel.fit(x[:3], target, schedule=Schedule(80))
    first = np.real(sqrtm(moments(x)[1] + 0.03 * np.eye(5)))
    second = np.real(sqrtm(moments(x[:3])[1] + 1e-15 * np.eye(5)))
    direct = (first * second).sum() / np.linalg.norm(first) / np.linalg.norm(second)
    assert model.cosine(other) == pytest.approx(direct, rel=1e-6)
    assert model.cosine() == pytest.approx(
        (first * np.real(sqrtm(target))).sum() / np.linalg.norm(first) / np.sqrt(np.trace(target))
    )
    assert model.null_mass() == 0.0
    # three points span two directions about their mean
    basis = np.linalg.qr((x[:3] - x[:3].mean(axis=0)).T[:, :2])[0]
    assert other.null_mass() == pytest.approx(np.trace(target) - np.trace(basis.T @ target @ basis))
    assert other.kl_generated_target() is None
    assert other.kl_target_generated() is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LinearModel.fit(np.ones((1, 3)), np.eye(3)), "N >= 2"),
        (lambda: LinearModel.from_covariances(np.eye(3), np.eye(4)), "shape"),
        (lambda: LinearModel.from_covariances(-np.eye(3), np.eye(3)), "positive semi-definite"),
        (lambda: LinearModel.from_covariances([[1, 2], [0, 1]], np.eye(2)), "symmetric"),
        (lambda: LinearModel.fit(np.eye(3), np.eye(3), regularisation=-1), "regularisation = -1"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(InputError, match=message):
        call()
