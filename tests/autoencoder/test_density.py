"""Generated densities: closed forms, two independent exact methods, full simulation given one network's overlaps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.autoencoder.generated.coefficients import Clock, coefficients
from asymptotics.autoencoder.generated.density import GeneratedDensity
from asymptotics.autoencoder.model.sampling import Sampling
from asymptotics.autoencoder.process.generating.sampler_steps import sampler_steps


def law_of(exp, path, tau=2.0, **sampling):
    """The density at τ with other sampling keys."""
    problem = dataclasses.replace(exp.problem, sampling=Sampling(**sampling))
    return GeneratedDensity(problem, path(tau))


def test_variance_outside_the_span_has_its_closed_form(three_clusters, three_clusters_path):
    """α = 1 − t, β = t, ε = 0: v_t = (1 − t)^{2(1 − b)}; Euler's product converges to it at first order."""
    b = three_clusters_path(2.0).b
    for stop in (0.5, 0.99, 0.9999):
        law = law_of(three_clusters, three_clusters_path, scheme="continuous", stop=stop)
        assert law.variance == pytest.approx((1 - stop) ** (2 * (1 - b)), rel=1e-8)
    errors = []
    for step in (0.01, 0.005, 0.0025):
        law = law_of(three_clusters, three_clusters_path, step=step, stop=0.9)
        errors.append(law.variance - 0.1 ** (2 * (1 - b)))
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.05)


def test_variance_with_noise_has_its_closed_form(three_clusters, three_clusters_path):
    """ε constant: v = e^{2∫Δ} [1 + 2∫ ε e^{−2∫Δ}], with Δ = b(1/(1−t) + εt/(1−t)²) − 1/(1−t) − ε/(1−t)²."""
    from scipy.integrate import quad

    b, eps, stop = three_clusters_path(1.0).b, 0.3, 0.8

    def integral(t):
        # ∫₀ᵗ Δ by hand: t/(1−t)² integrates to 1/(1−t) + ln(1−t), 1/(1−t)² to 1/(1−t).
        L, r = np.log(1 - t), 1 / (1 - t)
        return (1 - b) * L + eps * (b * (r + L - 1) - (r - 1))

    inner, _ = quad(lambda s: eps * np.exp(-2 * integral(s)), 0, stop, epsabs=1e-13)
    expected = np.exp(2 * integral(stop)) * (1 + 2 * inner)
    law = law_of(three_clusters, three_clusters_path, 1.0, scheme="continuous", stop=stop, epsilon="0.3")
    assert law.variance == pytest.approx(expected, rel=1e-8)


def test_coefficients_of_theory_and_of_the_simulation_are_the_same_sampler(three_clusters):
    for predicts in ("data", "velocity"):
        exp = three_clusters.replace({"denoiser.predicts": predicts, "sampling.epsilon": "0.2*alpha"})
        steps = sampler_steps(exp.problem, 0.4)
        k = coefficients(exp.problem, 0.4, exp.problem.sampling.grid()[:-1])
        np.testing.assert_allclose(k.gamma, steps["gamma"], rtol=1e-12)
        np.testing.assert_allclose(k.delta, steps["delta"], rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(k.epsilon, steps["epsilon"], rtol=1e-12)


def test_noise_prediction_cannot_start_where_it_says_nothing(three_clusters):
    exp = three_clusters.replace({"denoiser.predicts": "noise"})
    with pytest.raises(asy.InputError, match="start"):
        coefficients(exp.problem, 0.4, 0.0)


@pytest.mark.parametrize("scheme", ["euler", "continuous"])
def test_density_integrates_to_one_and_has_the_right_moments(three_clusters, three_clusters_path, scheme):
    law = law_of(three_clusters, three_clusters_path, 1.0, scheme=scheme, stop=0.7)
    x = np.linspace(-12, 12, 151)
    mesh = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1)
    p, cell = law.density(mesh), (x[1] - x[0]) ** 2
    assert p.sum() * cell == pytest.approx(1, abs=1e-5)
    mean, covariance = law.moments()
    np.testing.assert_allclose(np.einsum("ij,ijk->k", p, mesh) * cell, mean, atol=1e-4)
    np.testing.assert_allclose(np.einsum("ij,ijk,ijl->kl", p, mesh, mesh) * cell, covariance, rtol=1e-3, atol=1e-3)
    sample = law.sample(40_000, 3)
    error = np.sqrt(np.diag(covariance) / 40_000)
    assert np.all(np.abs(sample.mean(axis=0) - mean) < 4 * error)
    levels = [0.05, 0.3, 0.5, 0.9]
    below = np.mean(sample[:, None, :] < law.quantiles(levels), axis=0)
    np.testing.assert_allclose(below, np.array(levels)[:, None] * [1, 1], atol=4 * 0.5 / np.sqrt(40_000))


def test_density_is_that_of_the_inverted_flow(three_clusters, three_clusters_path):
    """Tied weights: p(x) = E_Y[p_Z(…)] with p_Z(z) = N(z₀; 0, Q)/|∂z/∂z₀|, each Euler step inverted by Newton, tanh by hand."""
    law = law_of(three_clusters, three_clusters_path, 1.0, stop=0.5)
    Q, b, grid = law.Q, law.b, law.sampling.grid()

    def latent(z):
        jacobian = np.zeros(len(z))
        for t, h in reversed(list(zip(grid[:-1], np.diff(grid), strict=True))):
            growth, gain, wanted = 1 + h * (b - 1) / (1 - t), h / (1 - t), z
            for _ in range(8):
                value = growth * z + gain * np.tanh(z) @ Q - wanted
                slope = growth * np.eye(2) + gain * Q * (1 / np.cosh(z) ** 2)[:, None, :]
                z = z - np.linalg.solve(slope, value[:, :, None])[:, :, 0]
            jacobian += np.linalg.slogdet(growth * np.eye(2) + gain * Q * (1 / np.cosh(z) ** 2)[:, None, :])[1]
        quadratic = np.einsum("ka,ab,kb->k", z, np.linalg.inv(Q), z) + np.linalg.slogdet(Q)[1]
        return np.exp(-0.5 * quadratic - jacobian) / (2 * np.pi)

    lift = law.lift
    values, axes = np.linalg.eigh(law.span_covariance)
    half = axes * np.sqrt(np.maximum(values, 0))
    nodes, w = np.polynomial.hermite_e.hermegauss(20)
    points = np.random.default_rng(0).uniform(-3, 3, (8, 2))
    exact = np.zeros(8)
    for k, node in enumerate(np.stack(np.meshgrid(nodes, nodes, indexing="ij"), -1).reshape(-1, 2)):
        weight = w[k // 20] * w[k % 20] / (2 * np.pi)
        if weight > 1e-10:
            exact += weight * latent((points - half @ node) @ np.linalg.inv(lift).T) / abs(np.linalg.det(lift))
    np.testing.assert_allclose(law.density(points), exact, rtol=1e-3, atol=2e-5 * exact.max())
    assert np.all(np.abs(law.density(points) - exact) < 2 * law.density_error(points) + 1e-6 * exact.max())


@pytest.mark.ci
def test_untied_density_is_exact_too(three_clusters):
    """Decoder and encoder differ: the mixture over the encoder's starting points against samples of the full process."""
    exp = asy.Experiment(
        target={"weights": [0.7, 0.3], "centroids": [[2], [-1]]},
        denoiser={
            "architecture": "untied",
            "shift": 0.5,
            "init": {"Theta": [[0.2], [0.6]], "Q": [[0.3, 0.1], [0.1, 0.5]]},
        },
        training={"times": [0.7], "learning_rate": 0.2, "weight_decay": 0.3, "tau": 3.0},
        sampling={"stop": 0.9},
    )
    law = GeneratedDensity(exp.problem, asy.solve(exp)(3.0))
    x = np.linspace(-12, 12, 241)[:, None]
    p = law.density(x)
    assert p.sum() * 0.1 == pytest.approx(1, abs=1e-6)
    sample = law.sample(40_000, 2)[:, 0]
    for level in (0.1, 0.5, 0.9):
        assert abs(np.mean(sample < law.quantiles([level])[0, 0]) - level) < 4 * 0.5 / np.sqrt(40_000)


@pytest.mark.parametrize("sampling", [{}, {"epsilon": "0.4*(1-t)"}, {"stop": 0.7, "step": 0.07}])
def test_full_generation_given_a_network_has_exactly_this_law(three_clusters, sampling):
    """At finite d too the projections' law depends on the overlaps alone: generate in R^d and compare mean and covariance."""
    from asymptotics.autoencoder.model.start.weights import construct, overlaps
    from asymptotics.autoencoder.process.generating.generate import Generator
    from asymptotics.autoencoder.process.training.setup import forward_of

    problem = dataclasses.replace(three_clusters.problem, sampling=Sampling(**sampling))
    theta, q = np.array([[[0.9, 0.2], [-0.1, -0.7]]]), np.array([[[1.5, 0.1], [0.1, 1.0]]])
    W, U, counts = construct(60, [1.0], np.eye(2)[None], theta, q, 4)
    measured = overlaps(W, U, counts)
    from asymptotics.autoencoder.equations.training_path.path import OrderParameters

    at = OrderParameters(0.0, measured.Q, measured.Theta, measured.Theta, 0.6, np.zeros(0), measured.q, measured.theta)
    law = GeneratedDensity(problem, at)
    n = 20_000
    x = Generator(forward_of(problem), W, **sampler_steps(problem, 0.6), directions=U).sample(n, 9).projections
    mean, covariance = law.moments(samples=50_000)
    deviations = x - x.mean(axis=0)
    products = np.einsum("nk,nl->nkl", deviations, deviations)
    # Where the law's own moments come from 50 000 paths, their error adds.
    inflation = np.sqrt(1 + law.noisy * n / 50_000)
    assert np.all(np.abs(x.mean(axis=0) - mean) < 4.5 * inflation * x.std(axis=0) / np.sqrt(n))
    sem = products.std(axis=0) / np.sqrt(n)
    assert np.all(np.abs(products.mean(axis=0) - covariance) < 4.5 * inflation * sem)


def test_the_clock_is_regular_up_to_the_end(three_clusters):
    clock = Clock(three_clusters.problem.interpolant)
    for t in (0.0, 0.3, 0.9999):
        assert clock.time(clock.of(t), 0.0, 0.99999) == pytest.approx(t, abs=1e-9)


def test_exact_density_says_what_it_cannot_do(three_clusters, three_clusters_path):
    noisy = law_of(three_clusters, three_clusters_path, epsilon="0.1")
    with pytest.raises(asy.InputError, match="epsilon"):
        noisy.density(np.zeros((1, 2)))
    with pytest.raises(asy.InputError, match="x = "):
        law_of(three_clusters, three_clusters_path).density(np.zeros((3, 3)))
    with pytest.raises(asy.InputError, match="tau"):
        GeneratedDensity(three_clusters.problem, three_clusters_path(np.array([1.0, 2.0])))


def test_projection_on_one_direction(three_clusters, three_clusters_path):
    problem = dataclasses.replace(three_clusters.problem, sampling=Sampling(stop=0.9))
    line = GeneratedDensity(problem, three_clusters_path(1.0), [[0.6, 0.8]])
    plane = GeneratedDensity(problem, three_clusters_path(1.0))
    mean, covariance = plane.moments()
    u = np.array([0.6, 0.8])
    np.testing.assert_allclose(line.mean(), [u @ mean], atol=1e-9)
    np.testing.assert_allclose(line.covariance(), [[u @ covariance @ u]], rtol=1e-9)
