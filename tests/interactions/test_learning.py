"""Averaged divergences: published values, simulations, closed forms and limits."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.integrate import quad

import asymptotics as asy
from asymptotics.cli import main
from asymptotics.common.numerics.laws.wishart import wishart_kl_generated_target, wishart_kl_target_generated
from asymptotics.interactions import (
    CoupledGaussian,
    Interactions,
    Problem,
    Simulation,
    action,
    banana_kl,
    banana_series,
    bayes_errors,
    fit,
    mean_traces,
    relaxation_rates,
    ridge,
    simulate,
    solve,
    trace_series,
    whitened_traces,
)
from asymptotics.interactions.coupling.averages import kl_learned_target, kl_target_learned
from asymptotics.interactions.coupling.model import hermite_features


def waves(n, d):
    """x_nj = √2 sin(1.7n² + 2.3j + nj/2), indices from 1."""
    i, j = np.arange(1, n + 1)[:, None], np.arange(1, d + 1)[None]
    return np.sqrt(2) * np.sin(1.7 * i**2 + 2.3 * j + 0.5 * i * j)


def test_divergence_of_a_given_fit(reference):
    i = np.arange(1, 13)[:, None]
    truth = CoupledGaussian(np.zeros(2), np.eye(2), [0.2], [[0.5, -0.3]], [[[0.4, 0.1], [0.1, -0.2]]], [[0.25]])
    x, z = waves(12, 2), np.sqrt(2) * np.cos(0.9 * i**2 + 1.1 + 0.3 * i)
    learned = fit(np.hstack([x, truth.expected(x) + 0.5 * z]), 2)
    forward, backward = truth.kl(learned), learned.kl(truth)
    parts = ("inputs", "noise", "order_0", "order_1", "order_2", "total")
    found = [[getattr(k, p) for p in parts] for k in (forward, backward)]
    assert found[0] == reference("interactions.given_fit.target_learned")
    assert found[1] == reference("interactions.given_fit.learned_target")
    assert float(learned.Gamma[0, 0]) == reference("interactions.given_fit.Gamma")


def test_divergence_by_quadrature():
    """One input, one output: the integral over x_A of the divergence of two normals."""
    p = CoupledGaussian([0.3], [[1.4]], [0.1], [[0.6]], [[[0.5]]], [[0.4]])
    q = CoupledGaussian([-0.2], [[0.9]], [0.3], [[0.2]], [[[0.1]]], [[0.7]])

    def given(x):
        difference = (p.expected(np.array([[x]])) - q.expected(np.array([[x]])))[0, 0]
        inputs = 0.5 * ((x + 0.2) ** 2 / 0.9 - (x - 0.3) ** 2 / 1.4 + np.log(0.9 / 1.4))
        weight = np.exp(-((x - 0.3) ** 2) / 2.8) / np.sqrt(2 * np.pi * 1.4)
        return weight * (inputs + 0.5 * (np.log(0.7 / 0.4) - 1 + 0.4 / 0.7 + difference**2 / 0.7))

    assert p.kl(q).total == pytest.approx(quad(given, -12, 12, epsabs=1e-12)[0], rel=1e-9)
    A = action(p.flow(), 4)
    assert A[4][0, 0, 0, 0] == pytest.approx(-0.5 * 0.5**2 / 0.4, rel=1e-12)
    assert A[3][0, 0, 1] == pytest.approx(0.5 / 0.4 / 3, rel=1e-12)


@pytest.mark.rows("interactions.banana")
def test_banana(n, value):
    assert banana_kl(n) == pytest.approx(value, rel=3e-6)


def test_banana_at_many_samples_and_at_few():
    assert banana_kl(2000) == pytest.approx(banana_series(2000), rel=1e-6)
    with pytest.raises(asy.InputError, match="at least 5"):
        banana_kl(4)


def test_published_averages(reference):
    assert mean_traces(10, 150) == reference("interactions.averages.traces")
    assert whitened_traces(10, 150) == reference("interactions.averages.whitened")
    found = solve(Problem(Interactions(10, 10, 150)))
    forward, backward = found.to_json()["kl_target_learned"], found.to_json()["kl_learned_target"]
    assert forward == reference("interactions.averages.target_learned")
    assert backward == reference("interactions.averages.learned_target")
    assert found.parameters / (2 * found.samples) == pytest.approx(2.6)
    more = solve(Problem(Interactions(20, 20, 500)))
    both = (more.kl_target_learned, more.kl_learned_target)
    assert [kl.total for kl in both] == reference("interactions.averages.totals_500")
    assert [kl.order_2 for kl in both] == reference("interactions.averages.second_500")


def test_linear_features_give_gaussians():
    """With the features of a linear map the averages are those of a Gaussian in m + r dimensions."""
    m, r, n = 3, 2, 25
    from asymptotics.common.numerics.laws.wishart import mean_log_det

    log_ratio = mean_log_det(r, n - 1 - m) - r * np.log(n)
    factor = r * n / (n - (1 + m) - r - 1)
    forward = wishart_kl_target_generated(m, n) + 0.5 * (log_ratio - r + factor * (1 + 1 / n) * (n - 2) / (n - m - 2))
    backward = wishart_kl_generated_target(m, n) - 0.5 * log_ratio
    assert forward == pytest.approx(wishart_kl_target_generated(m + r, n), rel=1e-13)
    assert backward == pytest.approx(wishart_kl_generated_target(m + r, n), rel=1e-13)


@pytest.mark.parametrize("m", [2, 6])
def test_traces_at_large_samples(m):
    """The equations against the exact series: what is left of the order 1/N² is 2F_j, and F_j of the whitened ones nothing."""
    n = 40_000
    counts = np.array([1, m, m * (m + 1) / 2])
    plain, white = trace_series(m, n)
    np.testing.assert_allclose((mean_traces(m, n) - plain) * n**2, 2 * counts, rtol=0.02 * m)
    np.testing.assert_allclose((whitened_traces(m, n) - white) * n**2 / counts, [0, 1, 1], atol=0.02 * m)


def test_rates():
    m = 4
    rates, _ = relaxation_rates(np.zeros(m), np.eye(m))
    root = np.sqrt((m + 3) ** 2 - 8)
    expected = [(m + 3 + root) / 2, *[2.0] * 9, *[1.0] * 4, (m + 3 - root) / 2]
    np.testing.assert_allclose(rates, expected, rtol=1e-12)
    scales = np.array([0.3, 0.7])
    rates, modes = relaxation_rates(np.zeros(2), np.diag(scales))
    at = np.flatnonzero(np.abs(modes[-1]) > 0.99)
    assert rates[at] == pytest.approx([2 * 0.3 * 0.7], rel=1e-12)
    found = asy.solve("interactions")
    assert found.multiplicities.sum() == found.features


def test_published_ridge(reference):
    found = ridge(10, 30, [5.0, 5.0, 5.0])
    assert found.variance == reference("interactions.ridge.variance")
    for j in (1, 2, 3):
        assert found.bias[:, j] == reference(f"interactions.ridge.bias_{j}")
    rows = {30: (0.688, 0.974), 200: (0.179, 0.784), 500: (0.061, 0.517), 1500: (0.0140, 0.186), 8000: (0.0020, 0.0305)}
    for n, values in rows.items():
        np.testing.assert_allclose(bayes_errors(30, n, 0.5, [1, 1])[1:], values, rtol=6e-3, atol=5e-5)


def test_ridge_by_hand():
    """Bias and variance of ridge in drawn features, N < F; the stated accuracy is that of m ≥ 10."""
    m, n, lambdas = 10, 30, np.full(3, 5.0)
    rng = np.random.default_rng(0)
    counts = [1, m, m * (m + 1) // 2]
    penalty = np.repeat(lambdas, counts)
    order = np.repeat([0, 1, 2], counts)
    linear, pairs = np.zeros(66), np.zeros(66)
    linear[1], pairs[-1] = 1.0, 1.0  # one vector, one traceless pair
    found = []
    for _ in range(2000):
        psi = hermite_features(rng.standard_normal((n, m)))
        R = np.linalg.inv(psi.T @ psi + np.diag(penalty))
        rows = [np.diag(R @ psi.T @ psi @ R), (R @ (penalty * linear)) ** 2, (R @ (penalty * pairs)) ** 2]
        found.append([[row[order == k].sum() for k in range(3)] for row in rows])
    mean, sem = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(len(found))
    predicted = ridge(m, n, lambdas)
    # Accuracy of the equivalent, and three standard errors of the simulation.
    assert np.all(np.abs(predicted.variance - mean[0])[1:] < 0.024 * mean[0, 1:] + 3 * sem[0, 1:])
    np.testing.assert_allclose(predicted.bias[[1, 2], [1, 2]], mean[[1, 2], [1, 2]], rtol=0.04)
    # Aliasing: interactions read as linear terms, and the reverse.
    assert predicted.bias[1, 2] == pytest.approx(mean[2, 1], rel=0.11)
    assert predicted.bias[2, 1] == pytest.approx(mean[1, 2], rel=0.11)


@pytest.mark.parametrize(
    "table",
    [
        Interactions(3, 2, 60, C=np.full((2, 3, 3), 0.3), mean=[0.5, 0, -1], covariance=[1.0, 0.5, 2.0], Gamma=0.3),
        Interactions(1, 3, 30),
        Interactions(10, 1, 30, b=np.linspace(-1, 1, 10), C=np.diag([0.3] * 5 + [-0.2] * 5), ridge=[1.0, 2.0, 5.0]),
    ],
)
def test_verdicts(table):
    problem = Problem(table, Simulation(runs=150, seed=3))
    verdict = asy.interactions.compare(solve(problem), simulate(problem, workers=1))
    assert verdict.passed, verdict


def test_a_wrong_theory_is_seen():
    """Averages of one output more."""
    problem = Problem(Interactions(3, 2, 60), Simulation(runs=150))
    runs, theory = simulate(problem, workers=1), solve(problem)
    import dataclasses

    t, white = theory.traces, theory.traces_whitened
    wrong = dataclasses.replace(
        theory, kl_target_learned=kl_target_learned(3, 3, 60, t), kl_learned_target=kl_learned_target(3, 3, 60, white)
    )
    assert not asy.interactions.compare(wrong, runs).passed


def test_json_and_what_there_is_not(capsys):
    assert main(["solve", "interactions", "--json", "--set", "interactions.samples=77"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["kl_target_learned"]) == {"inputs", "noise", "order_0", "order_1", "order_2", "total"}
    assert found["kl_target_learned"]["total"] is None and found["kl_learned_target"]["total"] > 0
    assert "F + r + 2" in found["reasons"]["kl_target_learned"]
    assert len(found["traces"]) == len(found["traces_whitened"]) == 3
    few = asy.solve(asy.example("interactions").replace({"interactions.samples": 60}))
    assert few.to_json()["traces"] is None and "unbounded" in dict(few.reasons)["kl_learned_target"]
    with pytest.raises(asy.InputError, match=r"F \+ r = 76"):
        asy.simulate(asy.example("interactions").replace({"interactions.samples": 75}))
