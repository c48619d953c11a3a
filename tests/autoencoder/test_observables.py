"""Observables of trained networks: theory against measurements in R^d, closed forms and finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import asymptotics as asy
from asymptotics import GeneratedDensity, InputError
from asymptotics.autoencoder import OrderParameterPath, OrderParameters
from asymptotics.autoencoder.model.problem import Problem
from asymptotics.autoencoder.observables.errors import (
    centroid_cosines,
    denoising_error,
    principal_cosines,
    sample_complexity,
)
from asymptotics.autoencoder.observables.learning_curves import (
    cell_mixture,
    learning_curves,
    sliced_to_target,
    target_cells,
)
from asymptotics.autoencoder.observables.score_error import law_points, projected_score, score_error
from asymptotics.autoencoder.process.measurements import (
    Network,
    generate,
    measure_denoising_error,
    measure_score,
    train_networks,
)
from asymptotics.common.numerics.distances.transport import gaussian_w2_squared, mixture_w2_squared

D, RUNS = 500, 6
TIMES = np.array([0.15, 0.45, 0.7, 0.85])


@pytest.fixture(scope="module")
def trained() -> tuple[Problem, OrderParameterPath, list[Network]]:
    """Three clusters, two atoms, heteroscedastic: theory and networks trained in R^d to τ = 3."""
    exp = asy.Experiment(
        target={
            "weights": [0.5, 0.3, 0.2],
            "centroids": [[3, 0], [0, -2.5], [-2, 1.5]],
            "eigenvalues": [[0.5, 1.5], [0.8, 1.0], [0.6, 1.2]],
            "masses": [0.6, 0.4],
        },
        denoiser={"hidden_units": 2, "init": {"centroids": 0.2, "random": 0.3}},
        training={"times": [0.4, 0.7], "learning_rate": 0.2, "weight_decay": 0.1, "tau": 3.0},
        sampling={"stop": 0.9},
    )
    networks = [train_networks(exp.problem, [3.0], seed, dimension=D)[0] for seed in range(RUNS)]
    return exp.problem, asy.solve(exp, tolerance=1e-5), networks


def agree(theory: np.ndarray, values: np.ndarray, bias: np.ndarray | float, k: float = 4.0) -> None:
    """|mean over runs − theory| < k standard errors + a stated O(1/d) bias."""
    mean, sem = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
    excess = np.abs(mean - theory) - bias
    assert np.all(excess < k * sem), f"theory {theory}, mean {mean}, sem {sem}"


def test_denoising_error_against_fresh_samples(trained) -> None:
    problem, path, networks = trained
    theory = denoising_error(problem, path(3.0), TIMES)
    order_one = []
    for k, network in enumerate(networks):
        m = measure_denoising_error(network, TIMES, samples=2000, seed=k)
        # Λ of this mixture, by hand; the schedule is α = 1 − t, β = t.
        Lambda = 0.6 * (0.5 * 0.5 + 0.3 * 0.8 + 0.2 * 0.6) + 0.4 * (0.5 * 1.5 + 0.3 * 1.0 + 0.2 * 1.2)
        bulk = (1 - network.b * TIMES) ** 2 * Lambda + (network.b * (1 - TIMES)) ** 2
        order_one.append(m["total"] - D * bulk)
        assert np.all(m["sem"] < 0.06 * np.abs(order_one[-1]).max())
    agree(theory.order_one, np.array(order_one), 20 * (1 + np.abs(theory.order_one)) / D)
    b = path(3.0).b
    assert np.allclose(theory.total(D), D * theory.bulk + theory.order_one)
    assert np.allclose(theory.bulk, (1 - b * TIMES) ** 2 * Lambda + (b * (1 - TIMES)) ** 2, atol=1e-12)


def test_denoising_error_of_a_linear_network_in_closed_form() -> None:
    """f(x) = b x + w (w·x)/d: every term of E‖x₁ − f(x_t)‖² is a moment of Gaussians."""
    exp = asy.Experiment(
        target={"centroids": [[2.0, 1.0]], "eigenvalues": [[0.7]], "masses": [1.0]},
        denoiser={"architecture": "linear", "init": {"Theta": [[0.4, -0.3]], "Q": [[0.9]]}, "skip": 0.3},
        training={"times": [0.5], "learning_rate": 0.1, "tau": 0.5},
    )
    at = asy.solve(exp)(0.0)
    t, b, Q = np.array([0.2, 0.6, 0.9]), 0.3, 0.9
    M = 0.4 * 2.0 - 0.3
    one, base = 0.7 * Q + M**2, Q  # E[λ₁²], E[λ₀²]
    omega = (1 - t) ** 2 * base + t**2 * one
    expected = 5.0 * (1 - b * t) ** 2 + 2 * (b * omega - t * one) + Q * omega
    found = denoising_error(exp.problem, at, t)
    assert np.allclose(found.order_one, expected, atol=1e-9)


def test_denoising_error_counts_single_directions() -> None:
    """An atom of mass 0 is one direction: its variance is a term of order one."""
    exp = asy.Experiment(
        target={
            "centroids": [[2.0]],
            "eigenvalues": [[4.0, 0.5]],
            "masses": [0.0, 1.0],
            "reference_overlaps": [[[1.0]], [[0.0]]],
        },
        denoiser={"init": {"centroids": 0.3}},
        training={"times": [0.6], "learning_rate": 0.2, "tau": 1.0},
    )
    problem, path = exp.problem, asy.solve(exp, tolerance=1e-5)
    theory = denoising_error(problem, path(1.0), TIMES).order_one
    values = []
    for seed in range(RUNS):
        network = train_networks(problem, [1.0], seed, dimension=D)[0]
        m = measure_denoising_error(network, TIMES, samples=2000, seed=seed)
        bulk = (1 - network.b * TIMES) ** 2 * 0.5 + (network.b * (1 - TIMES)) ** 2
        values.append(m["total"] - D * bulk)
    agree(theory, np.array(values), 20 * (1 + np.abs(theory)) / D)


def test_principal_angles_against_linear_algebra(trained) -> None:
    problem, path, networks = trained
    theory, values, centroids = principal_cosines(problem, path(3.0)), [], []
    for network in networks:
        basis, _ = np.linalg.qr(network.weights.T)
        values.append(np.linalg.svd(basis.T @ np.linalg.qr(network.references.T)[0], compute_uv=False))
        mu = problem.target.centroids @ network.references
        centroids.append(np.linalg.norm(mu @ basis, axis=1) / np.linalg.norm(mu, axis=1))
    agree(theory, np.array(values), 20 / D)
    agree(centroid_cosines(problem, path(3.0)), np.array(centroids), 20 / D)
    several = centroid_cosines(problem, path(np.array([0.5, 3.0])))
    assert several.shape == (2, 3) and np.allclose(several[1], centroid_cosines(problem, path(3.0)))


def test_principal_angles_exactly() -> None:
    """Given vectors: overlaps in, the angles of the vectors themselves out."""
    rng = np.random.default_rng(1)
    W, U = rng.standard_normal((3, 40)), rng.standard_normal((2, 40))
    target = asy.GaussianMixture([[1.0, 0.0]], reference_overlaps=[U @ U.T])
    problem = replace(asy.example("three-clusters").problem, target=target)
    Q, Theta = W @ W.T / 40, W @ U.T / np.sqrt(40)
    at = OrderParameters(0.0, Q, Theta, Theta @ target.centroids.T, 0.0, np.zeros(0), Q[None], Theta[None])
    a, b = np.linalg.qr(W.T)[0], np.linalg.qr(U.T)[0]
    assert np.allclose(principal_cosines(problem, at), np.linalg.svd(a.T @ b, compute_uv=False), atol=1e-12)
    line = U[0] + 2 * U[1]
    cosine = np.linalg.norm(a.T @ line) / np.linalg.norm(line)
    assert np.allclose(principal_cosines(problem, at, [[1.0, 2.0]]), [cosine], atol=1e-12)
    alone = abs(W[1] @ line) / np.linalg.norm(W[1]) / np.linalg.norm(line)
    assert np.allclose(principal_cosines(problem, at, [[1.0, 2.0]], vectors=[1]), [alone], atol=1e-12)
    mu = U[0]
    assert np.allclose(centroid_cosines(problem, at), [np.linalg.norm(a.T @ mu) / np.linalg.norm(mu)], atol=1e-12)


def test_exact_score_is_a_gradient(trained) -> None:
    problem = trained[0]
    x = np.random.default_rng(2).standard_normal((50, 2)) * 2
    t, h = 0.7, 1e-5

    def log_density(points: np.ndarray) -> np.ndarray:
        total = np.zeros(len(points))
        for weight, centroid, eigenvalues in zip([0.5, 0.3, 0.2], [[3, 0], [0, -2.5], [-2, 1.5]],
                                                 [(0.5, 1.5), (0.8, 1.0), (0.6, 1.2)], strict=True):  # fmt: skip
            variance = (1 - t) ** 2 + t**2 * (0.6 * eigenvalues[0] + 0.4 * eigenvalues[1])
            square = np.sum((points - t * np.array(centroid)) ** 2, axis=1)
            total += weight * np.exp(-square / (2 * variance)) / (2 * np.pi * variance)
        return np.log(total)

    steps = h * np.eye(2)
    gradient = np.stack([(log_density(x + e) - log_density(x - e)) / (2 * h) for e in steps], axis=1)
    assert np.allclose(projected_score(problem, t, x), gradient, atol=1e-7)


@pytest.mark.parametrize("law", ["target", "flow"])
def test_score_error_against_networks(trained, law: str) -> None:
    problem, path, networks = trained
    times = np.array([0.0, 0.4, 0.7])
    theory = score_error(problem, path(3.0), times, law=law)
    error, norm = [], []
    for k, network in enumerate(networks):
        pairs = [measure_score(network, float(t), law=law, samples=1000, seed=k) for t in times]
        exact = [projected_score(problem, float(t), x) for t, (x, _) in zip(times, pairs, strict=True)]
        error.append([np.mean(np.sum((s - e) ** 2, axis=1)) for (_, s), e in zip(pairs, exact, strict=True)])
        norm.append([np.mean(np.sum(e**2, axis=1)) for e in exact])
    agree(theory.error[1:], np.array(error)[:, 1:], 20 * (1 + theory.error[1:]) / D)
    agree(theory.norm, np.array(norm), 20 * (1 + theory.norm) / D)
    assert theory.error[0] < 1e-20  # without data in x_t the score is −x, and so is that of any data prediction
    assert np.allclose(theory.relative, theory.error / theory.norm)


def test_score_of_the_perfect_linear_denoiser_vanishes() -> None:
    """N(0, ς I + spike u uᵀ): f = b x + w (w·x)/d with w along u is optimal at one t, and its score is exact there."""
    t, bulk, spike = 0.6, 0.7, 1.7
    # The best slope in a direction of variance s is sβ/(α² + sβ²); along u the network's is b + Q.
    b, slope = (s * t / ((1 - t) ** 2 + s * t**2) for s in (bulk, spike))
    Q = slope - b
    exp = asy.Experiment(
        target={
            "centroids": [[0.0]],
            "eigenvalues": [[spike, bulk]],
            "masses": [0.0, 1.0],
            "reference_overlaps": [[[1.0]], [[0.0]]],
        },
        denoiser={
            "architecture": "linear",
            "skip": b,
            "init": {"Theta": [[[np.sqrt(Q)]], [[0.0]]], "Q": [[[Q]], [[0.0]]]},
        },
        training={"times": [t], "learning_rate": 0.1, "tau": 0.1},
    )
    at = asy.solve(exp)(0.0)
    for law in ("target", "flow"):
        found = score_error(exp.problem, at, [t, 0.3], law=law)
        assert found.error[0] < 1e-20 and found.error[1] > 1e-2


def test_sliced_distance_in_closed_form() -> None:
    """Between isotropic Gaussians with means m, m' and deviations s, s': W₂² along every slice, averaged."""
    target = asy.GaussianMixture([[1.0, 0.0]], eigenvalues=[[0.49]], masses=[1.0], reference_overlaps=[np.eye(2)])
    problem = replace(asy.example("three-clusters").problem, target=target)
    from asymptotics.common.numerics.quadrature.expectations import Rule

    z, _ = Rule("sobol", 2**16).points(2)
    shift = np.array([1.5, -1.0])
    points = 1.1 * z + shift
    expected = np.sqrt(0.5 * np.sum((shift - [1.0, 0.0]) ** 2) + (1.1 - 0.7) ** 2)
    assert sliced_to_target(problem, points) == pytest.approx(expected, rel=2e-3)
    assert sliced_to_target(problem, 0.7 * z + [1.0, 0.0]) < 3e-3
    # One cluster is one cell: MW₂ is then the Gaussian W₂ of the moments.
    squared, _ = mixture_w2_squared(target_cells(problem), cell_mixture(problem, points))
    exact = gaussian_w2_squared([1.0, 0.0], 0.49 * np.eye(2), shift, 1.21 * np.eye(2))
    assert squared == pytest.approx(exact, rel=2e-3)


def test_learning_curves_against_generated_points(trained) -> None:
    problem, path, networks = trained
    theory = learning_curves(path, [0.0, 1.0, 3.0])
    cells = target_cells(problem)
    points = [generate(n, 4000, k).projections for k, n in enumerate(networks)]
    mixtures = [cell_mixture(problem, x) for x in points]
    sliced = np.array([sliced_to_target(problem, x) for x in points])
    # The squared distance of n samples to their own law is about its variance over n (times a logarithm).
    floor = 10 * 2 / 4000
    agree(theory.sliced[-1:] ** 2, sliced[:, None] ** 2, 20 * (1 + theory.sliced[-1] ** 2) / D + floor)
    masses = np.array([m.weights for m in mixtures])
    agree(theory.masses[-1], masses, 20 / D)
    mixture = np.array([mixture_w2_squared(cells, m)[0] for m in mixtures])[:, None]
    agree(theory.mixture[-1:] ** 2, mixture, 20 * (1 + theory.mixture[-1] ** 2) / D + floor)
    assert np.allclose(theory.samples, theory.tau / (2 * 0.2))
    # It is a test: at τ = 0 the network generates something else.
    assert abs(theory.sliced[0] - sliced.mean()) > 10 * sliced.std()


def test_nodes_of_the_generated_law(trained) -> None:
    problem, path, _ = trained
    law = GeneratedDensity(problem, path(3.0))
    x, z, w = law_points(law)
    mean, covariance = law.moments()
    assert np.allclose(w @ x, mean, atol=2e-3)
    assert np.allclose((x - w @ x).T @ (w[:, None] * (x - w @ x)), covariance, rtol=2e-3, atol=2e-3)
    assert z.shape == (len(x), 2)


def test_sample_complexity() -> None:
    exp = asy.Experiment(
        target={"weights": [0.7, 0.3], "centroids": [[3, 0], [0, 3]]},
        denoiser={"hidden_units": 2, "init": {"centroids": 0.05, "random": 0.5}},
        training={"times": [0.7], "learning_rate": 0.1, "weight_decay": 0.1, "tau": 4.0},
    )
    path = asy.solve(exp, tolerance=1e-5)
    found = sample_complexity(path)
    for c, tau in enumerate(found.tau):
        assert centroid_cosines(exp.problem, path(float(tau)))[c] == pytest.approx(0.5, abs=1e-8)
        early = centroid_cosines(exp.problem, path(np.linspace(0, 0.999 * tau, 50)))[:, c]
        assert np.all(early < 0.5)
    assert found.tau[0] < found.tau[1]  # the heavier cluster first
    assert np.allclose(found.samples, found.tau / 0.2)
    plateau = sample_complexity(path, measure="overlap")
    assert len(found.tau) == len(plateau.tau) == 2 and np.all(np.isfinite([found.tau, plateau.tau]))
    for c, tau in enumerate(plateau.tau):
        heights = np.abs(path(float(tau)).M).max(axis=0)[c], np.abs(path(4.0).M).max(axis=0)[c]
        assert heights[0] == pytest.approx(0.5 * heights[1], abs=1e-8)
    # SGD in R^d finds each cluster after as many samples, up to fluctuations between runs.
    grid = np.linspace(0.02, 1.2, 60)
    crossings = []
    for seed in range(5):
        measured = []
        for network in train_networks(exp.problem, grid, seed, dimension=1000):
            basis, _ = np.linalg.qr(network.weights.T)
            mu = exp.problem.target.centroids @ network.references
            measured.append(np.linalg.norm(mu @ basis, axis=1) / np.linalg.norm(mu, axis=1))
        crossings.append([np.interp(0.5, np.array(measured)[:, c], grid) for c in range(2)])
    agree(found.tau, np.array(crossings), 20 / 1000)
    never = sample_complexity(asy.solve(exp.replace({"training.tau": 0.01}), tolerance=1e-4))
    assert np.all(np.isnan(never.tau))


def test_bad_input(trained) -> None:
    problem, path, _ = trained
    at = path(1.0)
    with pytest.raises(InputError, match="times"):
        denoising_error(problem, at, [1.2])
    with pytest.raises(InputError, match="alpha > 0"):
        score_error(problem, at, 1.0)
    with pytest.raises(InputError, match="one of flow, target"):
        score_error(problem, at, 0.5, law="data")
    with pytest.raises(InputError, match="one tau"):
        principal_cosines(problem, path(np.array([0.5, 1.0])))
    with pytest.raises(InputError, match="one of cosine, overlap"):
        sample_complexity(path, measure="angle")
    with pytest.raises(InputError, match="threshold"):
        sample_complexity(path, threshold=1.0)
    noise = replace(problem, denoiser=problem.denoiser.replace(predicts="noise"))
    with pytest.raises(InputError, match="determines no score"):
        score_error(noise, at, 0.0)
