"""Finite-d error bars: the published reference, numerical Jacobians, samples in R^d, and the exact finite-d chain."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from asymptotics.autoencoder.equations.derivative.drift import Drift
from asymptotics.autoencoder.equations.integration.integrate import kernels_of
from asymptotics.autoencoder.finite_size.bias import bias, excess_directions
from asymptotics.autoencoder.finite_size.covariances import Fluctuations
from asymptotics.autoencoder.finite_size.fluctuations import fluctuations
from asymptotics.autoencoder.finite_size.linear_noise.terms import Terms
from asymptotics.autoencoder.finite_size.reduced_chain import simulate
from asymptotics.autoencoder.model.problem import Problem
from asymptotics.autoencoder.model.start.weights import drawn
from asymptotics.autoencoder.theory import solve
from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.quadrature.expectations import Rule
from asymptotics.experiment import load

TWO_ATOMS = {
    "weights": [0.5, 0.3, 0.2], "centroids": [[1.5, 0.3], [-0.7, 1.1], [0.2, -1.0]],
    "eigenvalues": [[1.0, 0.3], [0.5, 1.4], [0.2, 0.8]], "masses": [0.6, 0.4],
}  # fmt: skip


def problem(denoiser=None, training=None, target=None) -> Problem:
    """Two atoms, unequal clusters of unequal spreads; random initial weights."""
    denoiser = {"hidden_units": 2, "skip": 0.3, "init": {"centroids": 0.1, "random": 0.5}} | (denoiser or {})
    training = {"times": [0.6], "learning_rate": 0.3, "weight_decay": 0.2, "tau": 1.0} | (training or {})
    return Problem.from_tables({"target": target or TWO_ATOMS, "denoiser": denoiser, "training": training})


@pytest.fixture(scope="module")
def solved():
    return solve(load("three-clusters").problem)


def test_reference_standard_deviations(solved, reference):
    """Three clusters at τ = 4, d = 1000."""
    expected = reference.value("autoencoder.three_clusters.deviations")
    std = np.sqrt(np.diag(solved.covariance(4.0, 1000)))
    # The published digits are two or three.
    assert np.all(np.abs(std[:7] - expected) < 0.03 * expected + 2e-6)


def state(terms: Terms, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    layout, p, S = terms.layout, terms.p, terms.layout.atoms
    theta = 0.4 * rng.standard_normal((S, p, layout.K)) * terms.coefficients.mass[:, None, None]
    extra = 0.3 * rng.standard_normal((S, p, p))
    q = (
        theta @ np.linalg.inv(terms.coefficients.T) @ np.swapaxes(theta, 1, 2)
        + extra @ np.swapaxes(extra, 1, 2)
        + 0.05 * np.eye(p)
    )
    return layout.pack(theta, q, 0.4, 0.3 * rng.standard_normal(layout.parameters))


CASES = {
    "one time": ({}, {}),
    "random times, batch, rates": (
        {"hidden_units": 1, "activation": "erf", "predicts": "velocity"},
        {"times": [0.3, 0.7], "average": "random", "batch": 3, "schedule": "1/(1+tau)", "rates": {"w": 0.5, "b": 2.0}},
    ),
    "shared sample": ({"hidden_units": 1}, {"times": [0.3, 0.6, 0.8]}),
    "shared sample, untied": ({"architecture": "untied", "hidden_units": 1, "shift": 0.5}, {"times": [0.3, 0.7]}),
    "trainable scale": ({"architecture": "scaled", "hidden_units": 1, "activation": "softplus", "parameters": [1.2]}, {}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.ci
def test_jacobian_and_mean_increment(case):
    """J against central differences of the drift, and E[Y] (without Stein's lemma) against the drift itself."""
    p = problem(*CASES[case])
    rule = Rule("hermite", 56)
    terms, drift = Terms(p, rule, Rule("hermite", 40)), Drift(p, kernels_of(p), rule, Rule("hermite", 40))
    y, tau, h = state(terms), 0.4, 1e-4
    at = terms(tau, y)
    numerical = np.stack([(drift(tau, y + h * e) - drift(tau, y - h * e)) / (2 * h) for e in np.eye(len(y))], axis=1)
    assert np.allclose(at.jacobian, numerical, atol=2e-6)
    theta, q, _, kappa = terms.layout.unpack(y)
    rate = terms.coefficients.scale(tau) * terms.coefficients.rho * terms.coefficients.decay
    decay = terms.layout.pack(-theta * rate[:, None] / 2, -(rate[:, None] + rate) / 2 * q, 0.0, 0 * kappa)
    assert np.allclose(at.mean + decay, drift(tau, y), atol=1e-8)
    assert np.linalg.eigvalsh(at.noise)[0] > -1e-10


@pytest.mark.parametrize("architecture", [pytest.param("tied", marks=pytest.mark.slow), "untied_bias"])
def test_jacobian_with_a_kink(architecture):
    """ReLU: the regression form; the trainable bias is a shift of the field. Differences over many kinks of fixed nodes."""
    p = problem({"architecture": architecture, "hidden_units": 1, "activation": "relu"})
    rule = Rule("sobol", 2**17)
    terms, drift = Terms(p, rule), Drift(p, kernels_of(p), rule)
    y, h = state(terms), 0.03
    numerical = np.stack([(drift(0.0, y + h * e) - drift(0.0, y - h * e)) / (2 * h) for e in np.eye(len(y))], axis=1)
    assert np.allclose(terms(0.0, y).jacobian, numerical, atol=3e-3)


def increments_in_many_dimensions(p: Problem, W, U, counts, samples: int, seed: int):
    """(d/2η)(change of Θ(s), q(s)) in single SGD steps of tied tanh from the same weights, straight from the update rule."""
    rng = np.random.default_rng(seed)
    r, d = W.shape
    times, time_weights = p.training.nodes()
    eta, b = p.training.learning_rate, p.denoiser.skip
    owner = np.repeat(np.arange(len(counts)), counts)
    c = rng.choice(3, size=samples, p=p.target.weights)
    x0 = rng.standard_normal((samples, d))
    x1 = p.target.centroids[c] @ U + np.sqrt(p.target.cluster_eigenvalues[c][:, owner]) * rng.standard_normal(
        (samples, d)
    )
    step = np.zeros((samples, r, d))
    for t, weight in zip(times, time_weights, strict=True):
        x = (1 - t) * x0 + t * x1
        omega = x @ W.T / np.sqrt(d)
        e = x1 - b * x - np.tanh(omega) @ W / np.sqrt(d)
        along = e @ W.T / np.sqrt(d)
        step += weight * 2 / np.sqrt(d) * np.tanh(omega)[:, :, None] * e[:, None]
        step += weight * 2 / np.sqrt(d) * (along * (1 - np.tanh(omega) ** 2))[:, :, None] * x[:, None]
    after = W + eta * step
    rows = []
    for s in range(len(counts)):
        here = owner == s
        rows.append(((after - W)[:, :, here] @ U[:, here].T).reshape(samples, -1) / np.sqrt(d))
    i, j = np.triu_indices(r)
    for s in range(len(counts)):
        v, w = after[:, :, owner == s], W[:, owner == s]
        rows.append((np.einsum("nai,nci->nac", v, v) - w @ w.T)[:, i, j] / d)
    return np.concatenate(rows, axis=1) * d / (2 * eta)


@pytest.mark.parametrize("times", [[0.6], [0.3, 0.8]])
def test_noise_is_the_covariance_of_one_step(times):
    """Cov(Y) against 20 000 samples in R^200: three clusters of unequal spreads, two atoms, one or two times a sample."""
    from asymptotics.autoencoder.model.start.weights import construct

    p, d, n = problem(training={"times": times, "weight_decay": 0.0}), 200, 20_000
    terms = Terms(p, Rule("hermite", 40), Rule("hermite", 24))
    y = terms.layout.pack(*terms.layout.unpack(state(terms))[:2], p.denoiser.skip, np.empty(0))
    theta, q, _, _ = terms.layout.unpack(y)
    W, U, counts = construct(d, p.target.masses, p.target.reference_overlaps, theta, q, 3)
    parts = [increments_in_many_dimensions(p, W, U, counts, n // 20, k) for k in range(20)]
    Y = np.concatenate(parts)
    expected = terms(0.0, y).noise[: Y.shape[1], : Y.shape[1]]
    centred = Y - Y.mean(axis=0)
    products = np.einsum("ni,nj->nij", centred, centred)
    error = products.std(axis=0) / np.sqrt(n)
    assert np.all(
        np.abs(products.mean(axis=0) - expected)
        < 5 * error + 8.0 / d * np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    )


def test_drawn_start_against_drawn_weights():
    """C₀ of weights drawn in every run, by drawing them."""
    p, d, n = problem(), 400, 4000
    f = fluctuations(solve(p), initial="drawn")
    T = p.target.reference_overlaps
    from asymptotics.autoencoder.model.start.weights import construct, overlaps

    _, U, counts = construct(d, p.target.masses, T, np.zeros((2, 0, 2)), np.zeros((2, 0, 0)), 0)
    i, j = np.triu_indices(2)
    rows = []
    for seed in range(n):
        at = overlaps(drawn(U, p.mean_coordinates(), 0.5, seed), U, counts)
        rows.append(np.concatenate([at.theta.ravel(), at.q[:, i, j].ravel()]))
    centred = np.array(rows) - np.mean(rows, axis=0)
    products = d * np.einsum("ni,nj->nij", centred, centred)
    error = products.std(axis=0) / np.sqrt(n)
    size = centred.shape[1]
    assert np.all(np.abs(products.mean(axis=0) - f.covariances[0][:size, :size]) < 5 * error + 1e-12)


def stacked(runs, p):
    i, j = np.triu_indices(p)
    parts = [runs.Theta.reshape(*runs.Theta.shape[:2], -1), runs.Q[..., i, j], runs.b[..., None], runs.parameters]
    return np.concatenate(parts, axis=-1)


@pytest.mark.parametrize(
    "case, initial",
    [
        ("one time", "exact"),
        ("random times, batch, rates", "exact"),
        ("shared sample, untied", "exact"),
        ("one time", "drawn"),
    ],
)
@pytest.mark.ci
def test_covariances_and_bias_against_the_exact_chain(case, initial):
    """Every variance, the covariance between two τ and the O(1/d) bias, at d = 300 with 600 trajectories."""
    p, d, n = problem(*CASES[case]), 300, 600
    path = solve(p, tolerance=1e-5)
    f = fluctuations(path, initial=initial)
    runs = simulate(p, dimension=d, runs=n, tau=[0.5, 1.0], seed=4, initial=initial, workers=1)
    Y = stacked(runs, path.p)
    half, full = runs.tau
    for other in (half, full):
        k = int(other == full)
        C = f.covariance(half, d, other)
        X, Z = Y[:, 0] - Y[:, 0].mean(axis=0), Y[:, k] - Y[:, k].mean(axis=0)
        products = np.einsum("ni,nj->nij", X, Z)
        error = products.std(axis=0) / np.sqrt(n)
        scale = np.sqrt(np.outer(np.diag(f.covariance(half, d)), np.diag(f.covariance(other, d))))
        assert np.all(np.abs(products.mean(axis=0) - C) < 5 * error + 20 / d * scale)
    m1 = bias(path, d, initial=initial)
    at = path(full)
    i, j = np.triu_indices(path.p)
    theory = np.concatenate([at.Theta.ravel(), at.Q[i, j], [at.b], at.parameters]) + m1(full)
    mean, sem = Y[:, 1].mean(axis=0), Y[:, 1].std(axis=0) / np.sqrt(n)
    assert np.all(np.abs(mean - theory) < 4.5 * sem + 15 * (1 + np.abs(theory)) / d**2)


def test_the_skip_connection_at_its_own_order(solved):
    """Equal traces: Var b = B/d²; its mean is shifted by m₁/d. Both against the exact chain."""
    d, n = 200, 600
    runs = simulate(solved.problem, dimension=d, runs=n, tau=[1.0], seed=1, workers=1)
    C, B = fluctuations(solved).state_covariance(1.0)
    at_b = sum(solved.layout.sizes)
    assert abs(C[at_b, at_b]) < 1e-12
    assert runs.b.var() * d**2 == pytest.approx(B, rel=5 * np.sqrt(2 / n))
    shift = solved.bias(1.0, d)[-1]
    sem = runs.b.std() / np.sqrt(n)
    assert abs(runs.b.mean() - solved(1.0).b - shift) < 4 * sem + 10 / d**2
    assert shift > 20 * sem  # the bias is what is seen


@pytest.mark.slow
def test_reference_bias(solved):
    """τ = 1 of the reference: d × (mean − theory) of 20 000 exact trajectories at d = 250."""
    d, n = 250, 20_000
    short = solve(dataclasses.replace(solved.problem, training=solved.problem.training.replace(tau=1.0)))
    runs = simulate(short.problem, dimension=d, runs=n, tau=[1.0], seed=d)
    Y = stacked(runs, 2)[:, 0]
    at = short(1.0)
    theory = np.concatenate([at.Theta.ravel(), at.Q[np.triu_indices(2)], [at.b]]) + short.bias(1.0, d)
    assert np.all(np.abs(Y.mean(axis=0) - theory) < 4 * Y.std(axis=0) / np.sqrt(n) + 15 / d**2)


def test_single_directions_count(solved):
    target = TWO_ATOMS | {"masses": [1.0, 0.0], "reference_overlaps": [np.zeros((2, 2)).tolist(), np.eye(2).tolist()]}
    p = problem({"init": {"centroids": 0.3}, "hidden_units": 1}, target=target)
    assert np.allclose(excess_directions(solve(p, tolerance=1e-4), 100), [-2, 2])
    assert np.allclose(excess_directions(solved, 100), [0])


def test_interface(solved, tmp_path):
    f = fluctuations(solved)
    assert fluctuations(solved) is f
    again = Fluctuations.load(f.save(tmp_path / "f.npz"))
    assert np.array_equal(again.covariance(2.0, 50), f.covariance(2.0, 50))
    assert np.allclose(f.covariance(1.0, 50, 3.0), f.covariance(3.0, 50, 1.0).T)
    at = f.deviations(np.array([1.0, 4.0]), 1000)
    C = f.covariance(4.0, 1000)
    assert at.Q[1, 0, 1] == pytest.approx(np.sqrt(C[5, 5])) and at.b[1] == pytest.approx(np.sqrt(C[7, 7]))
    c = solved.centroids[2]
    assert at.M[1, 0, 2] == pytest.approx(np.sqrt(c @ C[:2, :2] @ c))
    assert "standard deviation" in str(f)
    for bad in (
        lambda: solved.covariance(9.0, 100),
        lambda: solved.covariance(1.0, 0),
        lambda: fluctuations(solved, initial="x"),
    ):
        with pytest.raises(InputError):
            bad()
    with pytest.raises(InputError, match="available up to"):
        fluctuations(dataclasses.replace(solved, atoms=400))
