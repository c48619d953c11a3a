"""Dynamical regimes: the published and derived numbers, limits, and whole samples in R^d."""

from __future__ import annotations

import json

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.autoencoder.equations.training_path.path import OrderParameters
from asymptotics.autoencoder.generated.density import GeneratedDensity
from asymptotics.autoencoder.regimes import exact
from asymptotics.autoencoder.regimes.clusters import _by_paths, by_line, cluster_curves
from asymptotics.autoencoder.regimes.landscape import landscape
from asymptotics.autoencoder.regimes.sde.fields import Fields
from asymptotics.autoencoder.regimes.turns.bimodality import bimodality_time
from asymptotics.autoencoder.regimes.turns.points import points_of
from asymptotics.autoencoder.regimes.turns.times import drift_times, score_times
from asymptotics.cli import main
from asymptotics.common.input.checks import InputError

T0 = (3 - np.sqrt(5)) / 2
SPLITS = np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.5])
CLONES = [0.7751, 0.8126, 0.8464, 0.9034, 0.9470, 0.9918]


def two_clusters(m, variance, denoiser=None, interpolant=None, times=(float(T0),), **sampling):
    return asy.Experiment(
        target={"weights": [0.5, 0.5], "centroids": [[m], [-m]], "eigenvalues": [[variance]]},
        denoiser={"hidden_units": 1, "init": {"centroids": 0.1}} | (denoiser or {}),
        training={"times": list(times), "learning_rate": 0.1, "tau": 1.0},
        interpolant=interpolant or {},
        sampling=sampling,
    ).problem


def network(problem, Q, Theta, b, parameters=()):
    """A network with these overlaps."""
    Q, Theta = np.atleast_2d(np.asarray(Q, dtype=float)), np.atleast_2d(np.asarray(Theta, dtype=float))
    M = Theta @ problem.target.centroids.T
    return Fields(
        problem, OrderParameters(0.0, Q, Theta, M, b, np.array(parameters, dtype=float), Q[None], Theta[None])
    )


def optimal(m, variance, **sampling):
    """The Bayes-optimal tied net of t₀."""
    theta = m / (1 + T0 * variance)
    return network(two_clusters(m, variance, **sampling), theta**2, theta, variance / (1 + T0 * variance))


@pytest.mark.rows("regimes.two_clusters")
def test_times_of_two_clusters(m, variance, t_exact, t_score, t_bimodal):
    """The exact t_S, and t_S and t_B of the tied net trained at t₀ = (3 − √5)/2."""
    fields = optimal(m, variance)
    point, _ = points_of(fields)
    assert fields.odd and fields.tied and fields.gradient()
    np.testing.assert_allclose(score_times(fields, point), [t_score], atol=6e-7)
    assert bimodality_time(fields, point)[0] == pytest.approx(t_bimodal, abs=6e-7)
    np.testing.assert_allclose(exact.score_times(fields.problem), [t_exact], atol=6e-7)
    assert drift_times(fields, point) == []


def test_bifurcations_in_training_and_contract(capsys, reference):
    assert main(["regimes", "three-clusters", "--json", "--tau", "0.2,2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["training_bifurcations"] == reference("regimes.three_clusters.bifurcations")
    assert found["tau"] == [0.2, 2.0] and np.shape(found["kappa"]) == (2, 2)
    assert found["t_score"][0] is None and found["t_drift"] == [None, None]
    # Before both bifurcations one mode; after both the tied net's four, one a pair of signs, each of weight 1/4 as Q₁₂ = 0.
    assert [len(modes) for modes in found["modes"]] == [1, 4]
    for mode in found["modes"][1]:
        assert set(mode) == {"place", "cluster", "weight"} and mode["weight"] == pytest.approx(0.25, abs=1e-3)
    path = asy.solve("three-clusters")
    at = path(2.0)
    z = np.array([1.0, 1.0])
    for _ in range(500):  # z = Q tanh(z)/(1 − b): the fixed points that the landscape's minima are
        z = at.Q @ np.tanh(z) / (1 - at.b)
    wanted = at.Theta.T @ np.linalg.solve(at.Q, z)
    distance = [np.linalg.norm(np.array(mode["place"]) - wanted) for mode in found["modes"][1]]
    assert min(distance) < 1e-6
    with pytest.raises(InputError, match=r"clones.*sampling\.stop"):
        asy.regimes(path, tau=[1.0], clones=[0.995])


def test_constant_noise_turns_the_drift():
    """t_c = (1 + ε − κ)/(1 − κ + κε) for 1 < κ < 1 + ε, with κ = b + Qσ'(0) of any activation."""
    for epsilon, activation, slope in ((1.5, "tanh", 1.0), (0.8, "erf", np.sqrt(2 / np.pi))):
        problem = two_clusters(2.0, 0.5, {"activation": activation}, epsilon=str(epsilon), scheme="continuous")
        fields = network(problem, 1.0, 0.9, 0.6)
        kappa = 0.6 + slope
        assert fields.kappa(np.zeros(1), 0.3) == pytest.approx([kappa])
        assert drift_times(fields, points_of(fields)[0]) == pytest.approx(
            [(1 + epsilon - kappa) / (1 - kappa + kappa * epsilon)], abs=1e-9
        )


def test_bimodality_against_the_transported_density():
    """Two units, trigonometric schedule: the largest second derivative of log p_t at 0, from points carried by the sampler."""
    schedule = {"preset": "trigonometric"}
    problem = two_clusters(2.0, 0.5, {"hidden_units": 2}, schedule, scheme="continuous")
    Q = np.array([[1.3, 0.4], [0.4, 0.7]])
    fields = network(problem, Q, [[0.8], [0.3]], 0.4)
    t_B, _ = bimodality_time(fields, points_of(fields)[0])
    assert t_B is not None

    def curvature(t):
        """By differences of −z₀ᵀQ⁻¹z₀/2 − ln det ∂z_t/∂z₀ along z₀, congruent to the Hessian in z_t."""
        stopped = two_clusters(2.0, 0.5, {"hidden_units": 2}, schedule, scheme="continuous", stop=t)
        law = GeneratedDensity(stopped, fields.order_parameters)
        h, e = 0.05, 1e-3

        def log_p(points):
            moves = np.concatenate([points + s * e * np.eye(2)[a] for a in (0, 1) for s in (1, -1)])
            flow = law.transport(moves)
            z = (flow.linear + flow.network @ law.coupling.T).reshape(4, len(points), 2)
            J = np.stack([(z[0] - z[1]) / (2 * e), (z[2] - z[3]) / (2 * e)], axis=2)
            return -0.5 * np.einsum("pa,ab,pb->p", points, np.linalg.inv(Q), points) - np.log(np.linalg.det(J))

        grid = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1], [1, -1], [-1, 1]]) * h
        p = log_p(grid)
        xx, yy = (p[1] + p[2] - 2 * p[0]) / h**2, (p[3] + p[4] - 2 * p[0]) / h**2
        xy = (p[5] + p[6] - p[7] - p[8]) / (4 * h**2)
        return np.max(np.linalg.eigvalsh([[xx, xy], [xy, yy]]))

    assert curvature(t_B - 0.004) < 0 < curvature(t_B + 0.004)


@pytest.mark.ci
def test_bimodality_with_noise():
    """Two independent units: the faster one alone, by the equation on a line."""
    both = {"epsilon": "0.8", "scheme": "continuous"}
    one = network(two_clusters(2.0, 0.5, **both), 2.0, 0.5, 0.5)
    two = network(two_clusters(2.0, 0.5, {"hidden_units": 2}, **both), [[2.0, 0], [0, 0.7]], [[0.5], [0.3]], 0.5)
    times = [bimodality_time(f, points_of(f)[0])[0] for f in (one, two)]
    assert times[1] == pytest.approx(times[0], abs=3e-4)
    # κ < 1: the law contracts to z = 0, far below the grid's resolution, and never becomes bimodal.
    still = network(two_clusters(2.0, 0.5, **both), 0.3, 0.5, 0.3)
    assert bimodality_time(still, points_of(still)[0])[0] is None


@pytest.mark.slow
def test_bimodality_as_noise_vanishes():
    """Two correlated fields: t_B is linear in small ε and ends at that of the expansion."""
    Q, found = [[1.3, 0.5], [0.5, 0.9]], []
    for epsilon in ("0.16", "0.08", "0"):
        problem = two_clusters(2.0, 0.5, {"hidden_units": 2}, epsilon=epsilon, scheme="continuous")
        fields = network(problem, Q, [[0.5], [0.3]], 0.4)
        found.append(bimodality_time(fields, points_of(fields)[0])[0])
    assert 2 * found[1] - found[0] == pytest.approx(found[2], abs=2e-3)


def test_clones_of_the_closed_example():
    fields = optimal(3.0, 1.0, epsilon="1 - t", scheme="continuous", stop=0.99)
    clones, turns = cluster_curves(fields, SPLITS, 100, 0)
    np.testing.assert_allclose(clones.phi, CLONES, atol=1e-3)
    assert np.all(clones.sem == 0)
    # At t = 0 nothing is left of x₁, at the end all.
    assert turns.phi[0] == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("scheme", ["euler", pytest.param("continuous", marks=pytest.mark.slow)])
def test_line_and_paths_agree(scheme):
    """A net with a Gaussian rest Y (Θ² < Q): Kolmogorov's equation against trajectories that know nothing of it."""
    theta = 3.0 / (1 + T0)
    problem = two_clusters(3.0, 1.0, epsilon="1 - t", scheme=scheme, step=0.02, stop=0.95)
    fields = network(problem, theta**2, 0.7 * theta, 0.9)
    assert by_line(fields)
    times = np.array([0.1, 0.4])
    clones, turns = cluster_curves(fields, times, 100, 0)
    by_paths = _by_paths(fields, times, 8_000, 3)
    assert np.all(np.abs(clones.phi - by_paths[0]) < 3.5 * by_paths[1])
    assert np.all(np.abs(turns.phi - by_paths[2]) < 3.5 * by_paths[3])


def test_clones_of_the_exact_score(reference):
    """Two far clusters in d = 16384, Ornstein–Uhlenbeck: the integral to 1e-4, the published Monte-Carlo data to their ± .005."""
    unit = np.ones((2, 1, 1))
    places = np.sqrt(16384) * np.exp(-np.array([4, 4.5, 5, 5.5, 6]))
    phi = np.array([exact.posterior_agreement([0.5, 0.5], [[a], [-a]], unit) for a in places])
    assert phi == reference("regimes.far_clusters.integral")
    assert phi == reference("regimes.far_clusters.published")
    # At speciation the clusters are 2σ apart from centre to centre.
    at = exact.posterior_agreement([0.5, 0.5], [[1.0], [-1.0]], unit)
    assert at == reference("regimes.far_clusters.speciation")
    # Three clusters in a plane, Monte Carlo of the same.
    rng = np.random.default_rng(0)
    means, w = np.array([[1.0, 0], [0, -1.5], [-1.0, 0.5]]), np.array([0.5, 0.3, 0.2])
    C = np.array([[[1.0, 0.3], [0.3, 0.8]], np.eye(2), 0.5 * np.eye(2)])
    which = rng.choice(3, 200_000, p=w)
    x = means[which] + np.einsum("pij,pj->pi", np.linalg.cholesky(C)[which], rng.standard_normal((200_000, 2)))
    terms = np.stack([
        w[c] * np.exp(-0.5 * np.einsum("pi,ij,pj->p", x - means[c], np.linalg.inv(C[c]), x - means[c]))
        / np.sqrt(np.linalg.det(C[c]))
        for c in range(3)
    ])  # fmt: skip
    same = np.sum((terms / terms.sum(axis=0)) ** 2, axis=0)
    assert exact.posterior_agreement(w, means, C) == pytest.approx(same.mean(), abs=4 * same.std() / np.sqrt(len(same)))


@pytest.mark.ci
def test_a_network_without_symmetry():
    """Sigmoid: no bifurcation at 0; the weights of its modes are those of the generated law, its point a zero of the drift."""
    problem = two_clusters(3.0, 1.0, {"architecture": "untied_bias", "hidden_units": 1, "activation": "sigmoid"})
    Q = np.array([[9.0, 5.0], [5.0, 9.0]])
    fields = network(problem, Q, [[2.8], [2.8]], 0.2, [-3.0])
    assert not fields.odd and not fields.tied
    point = points_of(fields)[0]
    assert not fields.resting and np.max(np.abs(fields.drift(point.places[:1], 0.0))) < 1e-9
    ground = landscape(fields)
    assert ground.weights.sum() == pytest.approx(1.0, abs=1e-6) and np.all(np.diff(ground.weights) <= 0)
    law = GeneratedDensity(problem, fields.order_parameters)
    z = law.latent(40_000, 1)[:, 0]
    if len(ground.weights) == 2:
        middle = ground.fields[:, 0].mean()
        heavy = np.mean((z > middle) == (ground.fields[0, 0] > middle))
        assert heavy == pytest.approx(ground.weights[0], abs=0.05)


def test_a_time_conditioned_network_enters_and_leaves():
    """β_t κ_t = 1 with κ_t = s₀(t) + b₁ + b₂β + c_out(t) c_in(t) Q, entered and left again."""
    timed = {
        "input_scale": "1/sqrt(alpha**2+beta**2)",
        "output_scale": "alpha/sqrt(alpha**2+beta**2)",
        "skip_fixed": "beta/(alpha**2+beta**2)",
        "skip_basis": ["1", "beta"],
        "skip": [0.0, 0.0],
    }
    fields = network(
        two_clusters(2.0, 0.5, timed, times=(0.25, 0.75)), 1.34488, 1.06925, np.array([-0.12948, -0.03384])
    )
    assert fields.timed and fields.odd

    def excess(t):
        norm = (1 - t) ** 2 + t**2
        return t * (t / norm - 0.12948 - 0.03384 * t + (1 - t) / norm * 1.34488) - 1

    found = score_times(fields, points_of(fields)[1])
    assert len(found) == 2 and np.max(np.abs([excess(t) for t in found])) < 1e-9
    assert excess(found[0] + 0.01) > 0 > excess(found[0] - 0.01) and excess(found[1] + 0.01) < 0


@pytest.mark.ci
def test_guided_average_in_space():
    """The average of the weights of a guided network of labels, with noise: whole samples in R^d against the reduced SDE."""
    experiment = asy.Experiment(
        target={"weights": [0.5, 0.5], "centroids": [[1.8], [-1.8]], "eigenvalues": [[0.5]], "labels": [0, 1]},
        denoiser={
            "architecture": "labelled_bias", "hidden_units": 1, "output_scale": "alpha", "skip_basis": ["1", "t"],
            "skip": [0.0, 0.0], "init": {"Theta": [[0.4]], "Q": [[0.4]]},
        },
        training={"times": [0.3, 0.6], "learning_rate": 0.2, "tau": 1.0, "label_dropout": 0.2, "ema": 1.0},
        sampling={"epsilon": "0.5*(1-t)", "step": 0.05, "stop": 0.9, "label": 0, "guidance": 1.0, "network": "ema"},
        simulation={"dimension": 60, "runs": 2},
    )  # fmt: skip
    found = asy.regimes(experiment, tau=[1.0], clones=[0.1, 0.5], pairs=1600, simulate=True, workers=1, progress=False)
    assert found.compare().passed, found.compare().summary()
    assert 0.5 < found.clones.phi[0] < found.clones.phi[1] < 1
    with pytest.raises(InputError, match=r"sampling\.label"):
        asy.regimes(experiment.replace(sampling={"label": None, "guidance": 0.0}), tau=[1.0])


@pytest.mark.ci
def test_what_does_not_hold_is_said():
    early = asy.example("three-clusters").replace({"sampling.stop": 0.05})
    found = asy.regimes(early, tau=[1.0, 4.0], clones=[0.01], pairs=50)
    text = found.summary()
    assert "before t_B" in text and "epsilon = 0: clones" in text and "run away" in text
    assert found.clones.phi == pytest.approx([1.0]) and found.modes[1] == []
    untied = two_clusters(2.0, 0.5, {"architecture": "untied", "hidden_units": 2})
    Q = np.array([[2.0, 0.1, 0.9, 0.2], [0.1, 1.5, 0.3, 0.5], [0.9, 0.3, 1.0, 0.2], [0.2, 0.5, 0.2, 1.1]])
    assert not network(untied, Q, 0.3 * np.ones((4, 1)), 0.3).gradient()


@pytest.mark.slow
def test_clones_in_space():
    """d = 1000, 20 000 pairs of networks trained by SGD, ε = 1 − t: one verdict."""
    experiment = asy.Experiment(
        target={"weights": [0.5, 0.5], "centroids": [[3.0], [-3.0]], "eigenvalues": [[1.0]]},
        denoiser={"hidden_units": 1, "init": {"centroids": 0.1}},
        training={"times": [float(T0)], "learning_rate": 0.1, "tau": 4.0},
        sampling={"epsilon": "1 - t", "scheme": "euler", "step": 0.01, "stop": 0.99},
        simulation={"dimension": 1000, "runs": 5, "seed": 3},
    )
    found = asy.regimes(experiment, tau=[4.0], clones=[0.0, 0.1, 0.2, 0.4], pairs=20_000, simulate=True, progress=False)
    assert found.compare().passed, found.compare().summary()
    assert np.all(found.simulation.sem("clones") < 0.006)


@pytest.mark.slow
@pytest.mark.rows("regimes.separately_trained")
def test_separately_trained_nets(m, variance, crossings):
    """One net a time t, η → 0, λ = 0, τ → ∞: where β_tκ_t = 1 is entered and left, if at all."""

    def excess(t):
        experiment = asy.Experiment(
            target={"weights": [0.5, 0.5], "centroids": [[m], [-m]], "eigenvalues": [[variance]]},
            denoiser={"hidden_units": 1, "init": {"centroids": 0.3}},
            training={"times": [t], "learning_rate": 1e-7, "tau": 60.0},
        )
        at = asy.solve(experiment)(60.0)
        return t * (at.b + at.Q[0, 0]) - 1

    for wanted in crossings:
        low, high = excess(wanted - 1e-4), excess(wanted + 1e-4)
        assert low * high < 0 and abs(low - high) > 1e-6
    if not crossings:
        assert max(excess(t) for t in np.linspace(0.1, 0.9, 17)) < 0
