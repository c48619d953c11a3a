"""The order-parameter equations: published numbers, independent Monte-Carlo steps, exact limits, invariances."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.autoencoder.equations.derivative.drift import Drift
from asymptotics.autoencoder.equations.integration.integrate import SolveError, initial_state, kernels_of
from asymptotics.autoencoder.theory import solve as solve_problem
from asymptotics.common.numerics.quadrature.expectations import Rule

UNTIED = {
    "target": {"weights": [0.7, 0.3], "centroids": [[2], [-1]]},
    "denoiser": {
        "architecture": "untied",
        "hidden_units": 1,
        "shift": 0.5,
        "skip": 0.1,
        "init": {"Theta": [[0.2], [0.6]], "Q": [[0.3, 0.1], [0.1, 0.5]]},
    },
    "training": {"times": [0.7], "learning_rate": 0.2, "weight_decay": 0.3, "tau": 3.0},
}
HETEROSCEDASTIC = {
    "target": {
        "weights": [0.6, 0.4],
        "centroids": [[2, 0.5], [-1.5, 1.5]],
        "masses": [0.7, 0.3],
        "reference_overlaps": [[[1, 0], [0, 0.25]], [[0, 0], [0, 0.75]]],
        "eigenvalues": [[0.3, 2], [0.8, 1]],
    },
    "denoiser": {"hidden_units": 2, "skip": 0.2, "init": {"centroids": 0.1, "random": 0.3}},
    "training": {"times": [0.1, 0.35, 0.6, 0.85], "learning_rate": 0.3, "weight_decay": 0.2, "tau": 3.0},
}


def test_reference_example_gives_the_converged_numbers(three_clusters_path, reference):
    at = three_clusters_path(np.array([1.0, 2.0, 3.0, 4.0]))
    assert at.Q[:, 0, 0] == reference("autoencoder.three_clusters.Q_11")
    assert at.Q[:, 1, 1] == reference("autoencoder.three_clusters.Q_22")
    assert at.b == reference("autoencoder.three_clusters.b")
    assert at.M[-1, 0, 0] == reference("autoencoder.three_clusters.M_11")
    assert at.M[-1, 1, 1] == reference("autoencoder.three_clusters.M_22")
    assert np.max(np.abs(at.Q[:, 0, 1])) < 1e-8


def test_untied_with_fixed_bias_gives_the_known_numbers(reference):
    at = asy.solve(asy.Experiment(**UNTIED))(3.0)
    assert np.array([*at.Theta.ravel(), *at.Q[np.triu_indices(2)], at.b]) == reference("autoencoder.untied.end")


def test_heteroscedastic_atoms_and_four_times_give_the_known_numbers(reference):
    path = asy.solve(asy.Experiment(**HETEROSCEDASTIC))
    assert path(1.0).b == reference("autoencoder.heteroscedastic.b_1")
    at = path(3.0)
    assert at.b == reference("autoencoder.heteroscedastic.b")
    assert at.Q[[0, 1, 0], [0, 1, 1]] == reference("autoencoder.heteroscedastic.Q")
    assert at.Theta[0, 0] == reference("autoencoder.heteroscedastic.Theta_11")


def test_error_estimate_is_honest(three_clusters, three_clusters_path):
    taus = np.linspace(0, 4, 33)
    exact = three_clusters_path(taus)
    for tolerance in (1e-3, 1e-4, 1e-5, 1e-6):
        path = asy.solve(three_clusters, tolerance=tolerance)
        at = path(taus)
        error = max(np.max(np.abs(getattr(at, n) - getattr(exact, n))) for n in ("Q", "Theta", "b"))
        assert error < path.error_estimate < 20 * tolerance


@pytest.mark.parametrize("experiment", [UNTIED, HETEROSCEDASTIC], ids=["untied", "heteroscedastic"])
def test_first_and_second_moments_of_one_sgd_step(experiment):
    """E[ΔΘ(s)], E[Δq(s)] of one step from fixed weights, by Monte Carlo in R^d with its own gradient, equal the drift.

    The second moments (N) enter Δq(s) with η: the step is taken with a large η so that they count. At d = 1500 the O(1/d)
    bias is far below the statistical error.
    """
    exp = asy.Experiment(**experiment).replace({"training.learning_rate": 2.0, "training.weight_decay": 0.0})
    problem = exp.problem
    kernels = kernels_of(problem)
    drift = Drift(problem, kernels, Rule("hermite", 40), Rule("sobol", 2**15))
    theta, q = problem.initial_overlaps()
    y0 = initial_state(problem, drift)
    dtheta, dq, _, _ = drift.layout.unpack(drift(0.0, y0))
    from asymptotics.autoencoder.model.start.weights import construct

    d, rng = 1500, np.random.default_rng(11)
    target = problem.target
    W, U, counts = construct(d, target.masses, target.reference_overlaps, theta, q, 5)
    atom = np.repeat(np.arange(len(counts)), counts)
    spread = np.sqrt(target.cluster_eigenvalues[:, atom])
    times, weights = problem.training.nodes()
    tied = problem.denoiser.architecture == "tied"
    b, eta, p = problem.denoiser.skip, problem.training.learning_rate, len(W)
    enc, dec = (W, W) if tied else (W[1:], W[:1])
    shift = problem.denoiser.shift
    samples = 6000
    got_theta, got_q = np.zeros((samples, *dtheta.shape)), np.zeros((samples, *dq.shape))
    clusters = rng.choice(len(target.weights), samples, p=target.weights)
    for n in range(samples):
        c = clusters[n]
        x0 = rng.standard_normal(d)
        x1 = target.centroids[c] @ U + spread[c] * rng.standard_normal(d)
        gradient = np.zeros_like(W)
        for t, weight in zip(times, weights, strict=True):
            x = (1 - t) * x0 + t * x1
            fields = enc @ x / np.sqrt(d) + shift
            hidden, slope = np.tanh(fields), 1 - np.tanh(fields) ** 2
            residual = x1 - b * x - hidden @ dec / np.sqrt(d)
            of_decoder = -2 * np.outer(hidden, residual) / np.sqrt(d)
            of_encoder = -2 * np.outer(slope * (dec @ residual) / np.sqrt(d), x) / np.sqrt(d)
            gradient += weight * (of_decoder + of_encoder if tied else np.concatenate([of_decoder, of_encoder]))
        step = -eta * gradient
        for s in range(len(counts)):
            inside = atom == s
            got_theta[n, s] = step[:, inside] @ U[:, inside].T / np.sqrt(d)
            cross = W[:, inside] @ step[:, inside].T
            got_q[n, s] = (cross + cross.T + step[:, inside] @ step[:, inside].T) / d
    scale = d / (2 * eta)
    for got, expected in ((got_theta, dtheta), (got_q, dq)):
        mean, sem = scale * got.mean(axis=0), scale * got.std(axis=0) / np.sqrt(samples)
        assert np.all(np.abs(mean - expected) < 4 * sem + 6 / d * (1 + np.abs(expected)))
        assert np.median(sem) < 0.1 * np.max(np.abs(expected))
    assert p == len(drift.layout.unpack(y0)[0][0])


def test_skip_connection_follows_its_closed_form():
    from derivations.autoencoder.training import skip

    path = asy.solve(asy.Experiment(**HETEROSCEDASTIC))
    problem = path.problem
    t, w = problem.training.nodes()
    values = {
        skip.Lambda: problem.target.mean_eigenvalue,
        skip.E_beta: float(w @ t),
        skip.E_beta2: float(w @ t**2),
        skip.E_alpha2: float(w @ (1 - t) ** 2),
        skip.b0: 0.2,
    }
    for tau in (0.3, 1.7, 3.0):
        assert path(tau).b == pytest.approx(float(skip.closed_form().subs({**values, skip.tau: tau})), abs=1e-6)


@pytest.mark.parametrize("form", ["hessian", "regression"])
@pytest.mark.ci
def test_both_forms_of_steins_lemma_agree(three_clusters, three_clusters_path, form):
    at, exact = asy.solve(three_clusters, form=form)(4.0), three_clusters_path(4.0)
    np.testing.assert_allclose(at.Q, exact.Q, atol=2e-5)
    np.testing.assert_allclose(at.Theta, exact.Theta, atol=2e-5)


@pytest.mark.parametrize("experiment", [UNTIED, HETEROSCEDASTIC], ids=["untied", "heteroscedastic"])
def test_numpy_and_numba_back_ends_agree(experiment):
    problem = asy.Experiment(**experiment).problem
    states = []
    for backend in ("numba", "numpy"):
        drift = Drift(problem, kernels_of(problem, backend=backend), Rule("hermite", 12), Rule("sobol", 256))
        states.append(drift(0.0, initial_state(problem, drift)))
    np.testing.assert_allclose(states[0], states[1], rtol=1e-11, atol=1e-13)


def _same(first, second, tau=2.0, atol=1e-5, **options):
    a, c = (asy.solve(x, tolerance=1e-6, **options)(tau) for x in (first, second))
    np.testing.assert_allclose(a.Q, c.Q, atol=atol)
    np.testing.assert_allclose(a.Theta, c.Theta, atol=atol)
    assert a.b == pytest.approx(c.b, abs=atol)


def test_one_time_twice_is_one_time(three_clusters):
    _same(three_clusters, three_clusters.replace({"training.times": [0.7, 0.7]}))


def test_one_atom_split_in_two_is_one_atom(three_clusters):
    _same(three_clusters, three_clusters.replace({"target.masses": [0.3, 0.7], "target.eigenvalues": [[1, 1]]}))


def test_a_cluster_split_in_halves_is_one_cluster(three_clusters):
    split = {
        "target.centroids": [[3, 0], [0, -3], [-3, 0], [3, 0]],
        "target.weights": [1 / 6, 1 / 3, 1 / 3, 1 / 6],
    }
    _same(three_clusters, three_clusters.replace(split))


def test_rotated_reference_directions_give_rotated_overlaps(three_clusters, three_clusters_path):
    angle = 0.7
    R = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centroids = np.array([[3, 0], [0, -3], [-3, 0]]) @ R.T
    at = asy.solve(three_clusters.replace({"target.centroids": centroids.tolist()}))(3.0)
    exact = three_clusters_path(3.0)
    np.testing.assert_allclose(at.Theta @ R, exact.Theta, atol=1e-5)
    np.testing.assert_allclose(at.Q, exact.Q, atol=1e-5)


def test_untied_started_and_trained_symmetrically_is_tied():
    """Linear networks on isotropic data at small η: ∇_u = ∇_v stays exact, so tied at τ/2 is untied at τ (b held fixed)."""
    common = {
        "target": {"centroids": [[0.0]], "eigenvalues": [[1.8]]},
        "training": {"times": [0.6], "learning_rate": 1e-9, "weight_decay": 0.0, "tau": 1.0},
    }
    start = {"activation": "linear", "frozen": ["b"], "skip": 0.1}
    tied = asy.Experiment(denoiser={**start, "init": {"Theta": [[0.3]], "Q": [[0.4]]}}, **common)
    double = {"Theta": [[0.3], [0.3]], "Q": [[0.4, 0.4], [0.4, 0.4]]}
    untied = asy.Experiment(denoiser={**start, "architecture": "untied", "init": double}, **common)
    a, c = asy.solve(tied), asy.solve(untied)
    assert c(1.0).Q[0, 1] > 0.5
    for tau in (0.4, 1.0):
        np.testing.assert_allclose(c(tau).Q, a(tau / 2).Q[0, 0], atol=1e-6)
        np.testing.assert_allclose(c(tau).Theta, a(tau / 2).Theta[0, 0], atol=1e-6)


def test_seven_hundred_atoms_equal_one_when_all_eigenvalues_do(three_clusters):
    many = three_clusters.replace({"target.masses": [1 / 700] * 700, "target.eigenvalues": [[1.0] * 700]})
    _same(three_clusters, many, tau=1.0)


def test_path_is_dense_saves_and_loads(tmp_path, three_clusters_path):
    file = three_clusters_path.save(tmp_path / "path.npz")
    loaded = type(three_clusters_path).load(file)
    taus = np.array([0.0, 0.123, 2.5, 4.0])
    np.testing.assert_array_equal(loaded(taus).Q, three_clusters_path(taus).Q)
    assert loaded.problem.to_tables() == three_clusters_path.problem.to_tables()
    with pytest.raises(asy.InputError, match="tau"):
        three_clusters_path(4.1)
    (tmp_path / "junk.npz").write_bytes(b"junk")
    with pytest.raises(asy.InputError, match="not a result"):
        type(three_clusters_path).load(tmp_path / "junk.npz")


def test_other_integrators_agree(three_clusters, three_clusters_path):
    for method in ("RK45", "LSODA", "Radau"):
        at = asy.solve(three_clusters, method=method, tolerance=1e-5)(4.0)
        np.testing.assert_allclose(at.Q, three_clusters_path(4.0).Q, atol=3e-5)


@pytest.mark.parametrize("method", ["DOP853", "RK23"])
def test_a_solve_that_stops_early_raises_with_its_partial_path(three_clusters, method):
    with pytest.raises(SolveError, match="max_steps") as caught:
        solve_problem(three_clusters.problem, rule=Rule("hermite", 24), max_steps=5, method=method)
    partial = caught.value.partial
    assert 0.0 < partial.tau_max < 4.0 and len(partial.knots) == 6
    # What there is of it is the path, at the accuracy of a rough integrator.
    whole = asy.solve(three_clusters, tolerance=1e-8)
    at = 0.5 * partial.tau_max
    np.testing.assert_allclose(partial(at).Q, whole(at).Q, atol=0.01)


def test_changing_parameters_recompiles_nothing(three_clusters):
    first = kernels_of(three_clusters.problem).module
    other = three_clusters.replace(
        {"training.learning_rate": 0.3, "training.times": [0.5], "target.eigenvalues": [[0.5]]}
    )
    assert kernels_of(other.problem).module is first


def test_drift_does_not_depend_on_the_order_of_clusters(three_clusters):
    problem = three_clusters.problem
    swapped = dataclasses.replace(
        problem, target=problem.target.replace(centroids=problem.target.centroids[[2, 1, 0]], reference_overlaps=None)
    )
    drifts = [Drift(x, kernels_of(x), Rule("hermite", 24)) for x in (problem, swapped)]
    y = initial_state(problem, drifts[0])
    np.testing.assert_allclose(drifts[0](0.0, y), drifts[1](0.0, y), atol=1e-14)
