"""A random start of gradient flow, and the law of what is generated: against plain matrices and known limits."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.linalg import expm

import asymptotics as asy
from asymptotics.cli import main
from asymptotics.random_features import (
    Flow,
    Problem,
    RandomFeatures,
    Simulation,
    SolveError,
    activation,
    characteristic_times,
    generated_divergence,
    generated_norm,
    generated_variances,
    longest,
    sampling_times,
)
from asymptotics.random_features import generated as law
from asymptotics.random_features.process.network import Trained, averaged_features, drawn_features, population_features
from asymptotics.random_features.simulation import one_network


def test_losses_from_a_random_start_by_hand():
    """One drawn A(0): A(τ) by the matrix exponential, the losses from their definition."""
    rng = np.random.default_rng(0)
    d, p, n, t, tau = 5, 9, 6, 0.3, 1.7
    noise = 1 - np.exp(-2 * t)
    weights, data = rng.standard_normal((p, d)) / np.sqrt(d), rng.standard_normal((d, n))
    train = drawn_features(rng, weights, data, t, activation("tanh"), 2)
    test = population_features(weights, np.ones(d), t, activation("tanh"))
    begin = rng.standard_normal((d, p))
    # Ȧ = −AU − Vᵀ/√Δ
    fading = expm(-train.u * tau)
    a = begin @ fading - train.v.T @ np.linalg.solve(train.u, np.eye(p) - fading) / np.sqrt(noise)
    found = Trained(train, test)
    f, e = found.flow_filter(np.array([tau])), found.fading(np.array([tau]))
    np.testing.assert_allclose(found.coefficients(f[0], noise) + found.remainder(e[0], begin), a, atol=1e-10)
    losses = found.losses(f) + found.started(f, e, np.sqrt(noise) * begin)
    for moments, got in zip((train, test), losses[:, 0], strict=True):
        linear, square = np.trace(a @ moments.v), np.trace(a @ moments.u @ a.T)
        assert got == pytest.approx(moments.noise + (2 * np.sqrt(noise) * linear + noise * square) / d, rel=1e-10)


@pytest.mark.parametrize(("noises", "features", "samples"), [("all", 4.0, 2.0), (2, 3.0, 2.0), (2, 6.0, 1.0)])
def test_theory_of_a_random_start(noises, features, samples):
    """(1/p) Tr X exp(−2Uτ) of drawn networks, with the projector on zero eigenvalues at τ = ∞."""
    d, t, table = 120, 0.3, {"eigenvalues": [0.5, 1.5], "noises": noises}
    model = Problem(RandomFeatures(features, samples, t, **table)).model
    tau = np.array([0.0, 0.3, 3.0, 30.0, 1e6])
    until = longest(model, tau)
    flow = Flow.of(model, until, start=1.0)
    expected = np.array(flow.losses(tau)) - np.array(Flow(model, flow.contour).losses(tau))
    rng, runs = np.random.default_rng(1), []
    variances = np.repeat([1.5, 0.5], d // 2)
    for _ in range(2):
        weights = rng.standard_normal((round(features * d), d)) / np.sqrt(d)
        data = np.sqrt(variances)[:, None] * rng.standard_normal((d, round(samples * d)))
        function = activation("tanh")
        averaged = averaged_features(weights, data, t, function)
        train = averaged if noises == "all" else drawn_features(rng, weights, data, t, function, noises)
        values, vectors = np.linalg.eigh(train.u)
        fading = np.exp(-2 * np.outer(tau, np.where(values < 1e-10, 0, values)))
        others = [population_features(weights, variances, t, function), averaged]
        diagonals = [values, *(np.einsum("ij,ij->j", vectors, x.u @ vectors) for x in others)]
        runs.append([(fading @ x) / len(values) for x in diagonals])
    np.testing.assert_allclose(np.mean(runs, axis=0), expected, rtol=0.03, atol=3e-4)
    # The end of the flow, and the losses that the characteristic times call final.
    end = np.array(flow.losses(np.array([until])))[:, 0]
    final = characteristic_times(flow, 1 - np.exp(-2 * t), until).final
    assert final is not None
    np.testing.assert_allclose((final.test_loss, final.memorisation_loss), end[1:], rtol=1e-4)


@pytest.mark.ci
def test_networks_from_a_random_start():
    table = {"features": 4.0, "samples": 2.0, "diffusion_time": 0.3, "noises": 3, "weight_decay": 0.01, "ridge": 0.01}
    experiment = asy.Experiment(
        system="random_features",
        random_features={**table, "initial_variance": 2.0, "times": [0.0, 0.3, 3.0, 30.0]},
        simulation={"dimension": 24, "runs": 5},
    )
    theory, runs = asy.solve(experiment), asy.simulate(experiment, workers=1)
    verdict = asy.compare(theory, runs)
    assert verdict.passed, verdict


def test_what_needs_no_start_says_so():
    settings = RandomFeatures(4.0, 2.0, 0.05, initial_variance=1.0)
    with pytest.raises(asy.InputError, match=r"initial_variance = 1\.0: must be 0 for the law"):
        generated_norm(settings, [1.0])
    with pytest.raises(asy.InputError, match="initial_variance"):
        RandomFeatures(4.0, 2.0, 0.05, initial_variance=-1.0)
    table = {"features": 4.0, "samples": 2.0, "diffusion_time": 0.05, "ridge": 0.01, "initial_variance": 1.0}
    solved = asy.solve(asy.Experiment(system="random_features", random_features=table), kernel_limit=True)
    assert "initial_variance" in dict(solved.reasons)["kernel_limit"]


def test_divergence_of_drawn_covariances():
    """Eigenvalues and vectors of S in 400 dimensions, mode by mode; one draw differs from the limit by some 1/d."""
    settings = RandomFeatures(20.0, 2.0, 0.05, eigenvalues=[0.3, 1.7])
    rng, sigma, drawn = np.random.default_rng(2), np.repeat([0.3, 1.7], 200), []
    for _ in range(2):
        data = np.sqrt(sigma)[:, None] * rng.standard_normal((400, 800))
        values, vectors = np.linalg.eigh(data @ data.T / 800)
        k = generated_variances(settings, values, 600.0, sampling_times())
        inverse, direct = (vectors**2).T @ sigma @ (1 / k) / 400, (vectors**2).T @ (1 / sigma) @ k / 400
        log = np.mean(np.log(k)) - np.mean(np.log(sigma))
        drawn.append((0.5 * (inverse - 1 + log), 0.5 * (direct - 1 - log)))
    found = np.array(generated_divergence(settings, [600.0]))[:, 0]
    np.testing.assert_allclose(found, np.mean(drawn, axis=0), rtol=0.015)


def test_divergence_on_the_plateau_is_that_of_linear_diffusion():
    """K = S: ½[n/(n − d) − 1 + E ln det S/d] with the determinant of a Wishart matrix; d/4n for many samples."""
    psi_n = 20.0
    exact = 0.5 * (1 / (psi_n - 1) - 1 - (psi_n - 1) * np.log1p(-1 / psi_n))
    # A linear activation has nothing to remember with.
    settings = RandomFeatures(1.0, psi_n, 0.05, activation="linear")
    found = generated_divergence(settings, [1e5], sampling_times(6.0, 3e-4, 600))
    assert found[0][0] == pytest.approx(exact, rel=0.03)
    assert exact == pytest.approx(1 / (4 * psi_n), rel=0.1)


def test_divergence_where_it_is_infinite_or_has_no_logarithm(monkeypatch):
    one, two = generated_divergence(RandomFeatures(4.0, 2.0, 0.05, eigenvalues=[0.0, 1.0]), [1.0, 10.0])
    assert np.all(np.isinf(one)) and np.all(np.isinf(two))

    def wound(settings, sigma_0, *_):
        yield sigma_0 - 0.5

    monkeypatch.setattr(law, "_factors", wound)
    with pytest.raises(SolveError, match="no logarithm"):
        generated_divergence(RandomFeatures(4.0, 2.0, 0.05), [1.0])


def test_the_mean_of_an_activation_fits_the_mean_of_the_noise():
    """Eigenvalue μ₀²p ∝ d: at τ = 0.1 no polynomial in 1/d, 6 standard errors at d = 100 before it was there."""
    settings = RandomFeatures(0.4, 1.2, 0.05, noises=5, ridge=0.03, activation="relu", times=[0.1, 1.0])
    problem = Problem(settings, Simulation(dimension=50))
    rng = np.random.default_rng(3)
    drawn = np.array([one_network(rng, problem, 50)[1, 1:] for _ in range(60)])
    mean, sem = drawn.mean(axis=0), drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn))
    theory = Flow.of(problem.simulated(50), 10.0).losses(np.array([0.1, 1.0]))[1]
    # The constant feature fits the mean of 300 noises: (1 − exp(−μ₀²pτ))²/300 with μ₀² = 1/2π at unit variance.
    added = (1 - np.exp(-np.array([0.1, 1.0]) * 20 / (2 * np.pi))) ** 2 / 300
    assert np.all(mean - theory > 3 * sem)
    np.testing.assert_allclose(mean - theory, added, atol=3 * sem.max())


def test_digits_from_the_command_line(tmp_path, capsys):
    """A few networks on a few digits, beside the theory of their covariance; the gap is in the answer."""
    path = tmp_path / "digits.toml"
    path.write_text(
        'system = "random_features"\n[random_features]\nfeatures = 0.1\nsamples = 0.1\ndiffusion_time = 0.1\nridge = 0.1\n'
        'spectrum = "mnist"\ntrace = 784.0\ntimes = [1.0, 10.0]\n[simulation]\nruns = 2\n'
    )
    assert main(["simulate", str(path), "--data", "mnist", "--json", "--workers", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert np.abs(found["relative_gap_train"] + found["relative_gap_test"]).max() < 0.05
    assert main(["simulate", "random-features", "--data", "mnist"]) == 2
    assert "random_features.spectrum" in capsys.readouterr().err
    assert main(["simulate", str(path), "--data", "cifar"]) == 2
    assert "mnist" in capsys.readouterr().err
