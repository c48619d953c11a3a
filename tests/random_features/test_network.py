"""The simulated network against brute force, and against the theory."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.random_features import (
    Problem,
    RandomFeatures,
    Simulation,
    activation,
    compare_digits,
    hermite_constants,
)
from asymptotics.random_features.process.network import (
    Features,
    Trained,
    averaged_features,
    drawn_features,
    population_features,
)
from asymptotics.random_features.simulation import extrapolation, one_network, sizes

ACTIVATIONS = ["tanh", "erf", "relu", "softplus", "abs(x - 0.3)", "x/sqrt(1 + x**2)"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_exact_average_against_drawn_noises(name):
    rng = np.random.default_rng(1)
    function = activation(name)
    weights, data = rng.standard_normal((5, 30)) / np.sqrt(30), rng.standard_normal((30, 3))
    exact = averaged_features(weights, data, 0.2, function)
    drawn = drawn_features(rng, weights, data, 0.2, function, 100_000)
    np.testing.assert_allclose(exact.u, drawn.u, atol=6e-3)
    np.testing.assert_allclose(exact.v, drawn.v, atol=8e-3)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_population_against_fresh_data(name):
    rng = np.random.default_rng(2)
    function, variances = activation(name), rng.uniform(0.0, 2.0, 30)
    weights = rng.standard_normal((5, 30)) / np.sqrt(30)
    exact = population_features(weights, variances, 0.2, function)
    data = np.sqrt(variances)[:, None] * rng.standard_normal((30, 200_000))
    drawn = drawn_features(rng, weights, data, 0.2, function, 1)
    np.testing.assert_allclose(exact.u, drawn.u, atol=1.2e-2)
    np.testing.assert_allclose(exact.v, drawn.v, atol=8e-3)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_constants_are_those_of_the_features(name):
    """a, v², s² from long vectors: the covariance of features of one sample with two noises, and with the noise."""
    t, variance, count = 0.3, 1.2, 400_000
    rng = np.random.default_rng(3)
    function, c = activation(name), hermite_constants(name, t, variance)
    decay, noise = np.exp(-2 * t), 1 - np.exp(-2 * t)
    x, one, two = rng.standard_normal((3, count))
    first, second = (function(np.sqrt(decay * variance) * x + np.sqrt(noise) * xi) for xi in (one, two))
    assert np.mean(first * one) == pytest.approx(np.sqrt(c.b2) * np.sign(c.a), abs=6e-3)
    assert np.mean(first * second) == pytest.approx(c.mean**2 + c.alpha2 * variance + c.v2, abs=6e-3)
    assert np.mean((first - second) ** 2) / 2 == pytest.approx(c.b2 + c.s2, abs=4e-3)


def test_constants_without_cancellation_at_small_times():
    """s² → Δ(E ϱ'² − a²) as t → 0."""
    t = 1e-5
    c = hermite_constants("tanh", t, 1.0)
    z = np.linspace(-9, 9, 4001)
    w = np.exp(-(z**2) / 2)
    slopes = 1 / np.cosh(z) ** 2
    expected = (1 - np.exp(-2 * t)) * (w @ slopes**2 / w.sum() - c.a**2)
    assert c.s2 == pytest.approx(expected, rel=1e-4)


def test_gradient_descent_of_the_loss_itself():
    """The filter of the eigenvalues against small steps of gradient descent, in time τ = 2Δ t/d of the summed loss."""
    rng = np.random.default_rng(4)
    weights, data, t = rng.standard_normal((12, 6)) / np.sqrt(6), rng.standard_normal((6, 9)), 0.4
    train = averaged_features(weights, data, t, activation("tanh"))
    test = population_features(weights, np.ones(6), t, activation("tanh"))
    noise, tau, steps = 1 - np.exp(-2 * t), 3.0, 60_000
    a = np.zeros((6, 12))
    for _ in range(steps):
        # L = 1 + (2√Δ/d) Tr AV + (Δ/d) Tr AUAᵀ; τ = 2Δ t_GF/d
        gradient = (2 * np.sqrt(noise) * train.v.T + 2 * noise * a @ train.u) / 6
        a -= (tau / steps) * 6 / (2 * noise) * gradient
    trained = Trained(train, test)
    filter_ = trained.flow_filter(np.array([tau]))
    np.testing.assert_allclose(trained.coefficients(filter_[0], noise), a, atol=2e-4)

    def loss(f: Features) -> float:
        return 1 + 2 * np.sqrt(noise) / 6 * np.trace(a @ f.v) + noise / 6 * np.trace(a @ f.u @ a.T)

    np.testing.assert_allclose(trained.losses(filter_)[:, 0], [loss(train), loss(test)], atol=2e-4)


def test_sizes_and_extrapolation():
    problem = Problem(RandomFeatures(1.5, 3, 0.1), Simulation(dimension=100))
    assert [round(1.5 * d) / d for d in sizes(problem)] == [1.5, 1.5, 1.5]
    assert extrapolation([100, 50, 25]) == pytest.approx([8 / 3, -2, 1 / 3])


@pytest.mark.parametrize(
    "table",
    [
        {"features": 4, "samples": 2, "diffusion_time": 0.05, "noises": 3, "ridge": 0.01, "eigenvalues": [0.5, 1.5]},
        {
            "features": 0.5,
            "samples": 0.5,
            "diffusion_time": 0.2,
            "ridge": 0.05,
            "eigenvalues": [0, 2],
            "masses": [1, 3],
        },
        pytest.param(
            {"features": 1.5, "samples": 3, "diffusion_time": 0.1, "noises": 1, "ridge": 0.02, "activation": "erf"},
            marks=pytest.mark.slow,
        ),
        {"features": 2, "samples": 2, "diffusion_time": 0.1, "ridge": 0.1, "weight_decay": 0.1, "activation": "relu"},
    ],  # the reference setting: `trained` below, and `test_system`
)
@pytest.mark.ci
def test_networks_agree_with_the_theory(table):
    experiment = asy.Experiment(
        system="random_features", random_features=table, simulation={"dimension": 60, "runs": 5}
    )
    theory, runs = asy.solve(experiment), asy.simulate(experiment, workers=1)
    verdict = asy.compare(theory, runs)
    assert verdict.passed, verdict
    # and, whatever the errors, within the deviations of this dimension
    for name in ("train_loss", "test_loss", "memorisation_loss"):
        raw = runs.mean(name, extrapolated=False)
        np.testing.assert_allclose(raw, getattr(theory, name), rtol=0.04, atol=0.02)


WRONG = {"features": 4.0, "samples": 2.0, "diffusion_time": 0.05, "ridge": 0.01}


@pytest.fixture(scope="module")
def trained():
    experiment = asy.Experiment(
        system="random_features", random_features=WRONG, simulation={"dimension": 48, "runs": 10}
    )
    runs = asy.simulate(experiment, workers=1)
    assert asy.compare(asy.solve(experiment), runs).passed
    return experiment, runs


@pytest.mark.slow  # quick: a time that is off by ten times what the verdict says that it sees (`test_system`)
@pytest.mark.parametrize(
    "change",
    [
        {"diffusion_time": 0.06},
        {"samples": 2.5},
        {"features": 5.0},
        {"activation": "erf"},
    ],
)
def test_a_wrong_theory_is_refused(change, trained):
    experiment, runs = trained
    wrong = experiment.replace(random_features=change)
    table = wrong.problem.random_features.to_table()
    claimed = dataclasses.replace(runs, experiment={**runs.experiment, "random_features": table})
    assert not asy.compare(asy.solve(wrong), claimed).passed


def test_answers_do_not_depend_on_workers_or_interruptions(tmp_path):
    experiment = asy.example("random-features").replace({"simulation.dimension": 24, "simulation.runs": 3})
    one, two = (asy.simulate(experiment, workers=k) for k in (1, 2))
    np.testing.assert_array_equal(one.test_loss, two.test_loss)
    asy.simulate(experiment.replace({}), workers=1, checkpoint=tmp_path / "kept")
    again = asy.simulate(experiment, workers=1, checkpoint=tmp_path / "kept")
    np.testing.assert_array_equal(one.ridge, again.ridge)


def test_convergence_in_the_dimension():
    """Ridge test loss at ψ = (4, 2), t = 0.05, λ = 10⁻³ in d = 50: 2.090 ± 0.007 in a simulation of its own."""
    problem = Problem(RandomFeatures(4, 2, 0.05, ridge=1e-3), Simulation(dimension=50))
    rng = np.random.default_rng(5)
    found = np.array([one_network(rng, problem, 50)[1, 0] for _ in range(30)])
    sem = found.std(ddof=1) / np.sqrt(found.size)
    assert found.mean() == pytest.approx(2.090, abs=4 * np.hypot(sem, 0.007))


@pytest.mark.slow
def test_digits():
    """Real data, with zero eigenvalues and outlying directions: a few per cent from the theory of their covariance."""
    settings = RandomFeatures(1.0, 1.0, 0.1, spectrum="mnist", trace=784.0, times=[1, 10, 100])
    found = compare_digits(settings, Simulation(runs=2), workers=1)
    train, test = found.gap()
    assert np.abs(train).max() < 0.05
    assert np.abs(test).max() < 0.05
    assert "largest gap" in found.summary()


def test_more_features_than_noised_samples_fit_their_noise_exactly():
    problem = Problem(RandomFeatures(6, 1, 0.1, noises=2, times=[1e9]), Simulation(dimension=20))
    train, test, memory = one_network(np.random.default_rng(6), problem, 20)
    np.testing.assert_allclose(train, 0.0, atol=1e-8)
    assert np.all(test > memory) and np.all(memory > 0.1)
