"""The compiled integrator and the nodes that follow the fields: against SciPy, closed forms, and tighter solves."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import asymptotics as asy
from asymptotics.autoencoder.equations.derivative.drift import Drift
from asymptotics.autoencoder.equations.integration.integrate import Controls, initial_state, integrate, kernels_of
from asymptotics.common.numerics.quadrature.expectations import Lattice, Rule, Split
from asymptotics.common.numerics.quadrature.lattices import fill_lattice


def test_the_compiled_integrator_is_scipys(three_clusters):
    problem = three_clusters.problem
    kernels, rule = kernels_of(problem), Rule("hermite", 20)
    controls = Controls("DOP853", 1e-10, 1e-10, 1000)
    ours = integrate(problem, Drift(problem, kernels, rule), controls, False)
    theirs = integrate(problem, Drift(problem, replace(kernels, compiled=False), rule), controls, False)
    taus = np.linspace(0, 4, 101)
    assert np.max(np.abs(ours.state(taus) - theirs.state(taus))) < 1e-7


def test_a_lattice_agrees_with_gauss_hermite_and_splitting_with_the_closed_forms_of_ramps(three_clusters):
    problem = three_clusters.problem
    kernels = kernels_of(problem)
    drift = Drift(problem, kernels, Lattice(1e-6))
    y = 2 * initial_state(problem, drift)
    assert drift(0.0, y) == pytest.approx(Drift(problem, kernels, Rule("hermite", 96))(0.0, y), abs=1e-6)
    ramps = three_clusters.replace({"denoiser.activation": "relu", "denoiser.init.random": 0.3}).problem
    exact, nodes = Drift(ramps, kernels_of(ramps), Rule("hermite", 1)), kernels_of(ramps, form="regression")
    y = initial_state(ramps, exact)
    # Ramps make moments of degree 2 on each side of a break: two Gauss nodes there are exact.
    assert nodes.inner == 2
    for inner in (2, 4):
        assert Drift(ramps, nodes, Split(10, inner, 1e-10))(0.0, y) == pytest.approx(exact(0.0, y), abs=1e-6)


@pytest.mark.parametrize(("activation", "form"), [("tanh", "auto"), ("relu", "regression")])
def test_sums_taken_apart_are_those_of_the_integrands(three_clusters, activation, form):
    """Compiled kernels sum ψ and products of ψ, and combine them after the loop; the NumPy back end sums what was derived."""
    problem = three_clusters.replace({"denoiser.activation": activation, "denoiser.init.random": 0.3}).problem
    rule, drifts = Rule("hermite", 24), []
    for backend in ("numba", "numpy"):
        drift = Drift(problem, kernels_of(problem, backend=backend, form=form), rule)
        drifts.append(drift(0.0, 1.5 * initial_state(problem, drift)))
    assert drifts[0] == pytest.approx(drifts[1], abs=1e-12)


@pytest.mark.parametrize(
    ("hidden", "activation"),
    [(1, "tanh"), (2, "tanh"), pytest.param(2, "sin(x)", marks=pytest.mark.slow), (2, "sigmoid")],
)
def test_cells_of_opposite_means_share_their_moments(three_clusters, hidden, activation):
    """Where φ is odd; the lattice of a cell without a mean is its own mirror image. Against all cells on all nodes."""
    changes = {"denoiser.hidden_units": hidden, "denoiser.activation": activation, "denoiser.init.random": 0.3}
    changes |= {"target.centroids": [[3.0, 1.0], [0.0, 0.0], [-3.0, -1.0]]}
    problem = three_clusters.replace(changes).problem
    kernels = kernels_of(problem)
    drift = Drift(problem, kernels, Lattice(1e-6))
    y = 2 * initial_state(problem, drift)
    assert (len(drift.given.parity) > 0) == (activation != "sigmoid") and drift.given.twin.tolist() == [-1, 1, 0]
    shared = drift(0.0, y)
    drift.given = drift.given.replaced(parity=np.zeros(0))
    assert shared == pytest.approx(drift(0.0, y), abs=1e-13)


def test_many_experiments_at_once_are_those_one_by_one(three_clusters):
    values = [0.05, 0.3]
    found = asy.solve_many(three_clusters, {"training.learning_rate": values}, tolerance=1e-4)
    for value, path in zip(values, found, strict=True):
        alone = asy.solve(three_clusters.replace({"training.learning_rate": value}), tolerance=1e-4)
        assert np.array_equal(path(4.0).Q, alone(4.0).Q)
    with pytest.raises(asy.InputError, match="changes"):
        asy.solve_many(three_clusters)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6, 1e-9])
@pytest.mark.parametrize("changes", [{}, {"denoiser.activation": "sigmoid", "target.centroids": [[4.0, 1.0]] * 3}])
def test_steps_say_what_they_are_wrong_by(three_clusters, changes, tolerance):
    """Against the same steps by SciPy at 1e-13, with nodes that are fixed; their sum is what a path is wrong by, but for growth."""
    problem = three_clusters.replace({"denoiser.init.random": 0.3} | changes).problem
    drift = Drift(problem, kernels_of(problem), Rule("hermite", 24))
    steps = integrate(problem, drift, Controls("DOP853", tolerance, tolerance, 1000), False).taken
    starts, first = np.concatenate([steps.values[:1, 0], steps.values[:-1, -1]]), drift.layout.at_b
    said = wrong = 0.0
    for k, y in enumerate(starts):
        # b stands in closed form in the place of what the step found of it.
        span = steps.knots[k : k + 2]
        exact = solve_ivp(drift, span, y, method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
        wrong += np.max(np.abs(steps.values[k, -1] - exact)[:first])
        said += np.max(np.abs(steps.errors[k])[:first])
    assert wrong < said < 20 * wrong


GELU, ROOT, BUMP = "x*(1+erf(x/sqrt(2)))/2", "x/(1+x**2)**0.5", "tanh(x)+x*exp(-x**2)/2"
#: Architecture, hidden units, activations: every kind of kernel, few enough to be compiled in minutes.
KINDS = [
    ("tied", 1, ("tanh", "sigmoid", "erf", GELU, "relu", "sin(x)", "softplus", ROOT, BUMP)),
    ("tied", 2, ("tanh", "sigmoid", "erf", GELU, "relu", "sin(x)", "softplus", ROOT)),
    ("tied", 3, ("tanh", "relu", "sigmoid")),
    ("tied", 4, ("tanh", "relu")),
    ("untied", 1, ("tanh", "relu", "erf", "softplus")),
    ("untied", 2, ("tanh", "sigmoid")),
    ("untied_bias", 1, ("tanh", "relu")),
    ("untied_bias", 2, ("tanh",)),
    ("no_skip", 2, ("tanh",)),
    ("scaled", 1, (GELU,)),
    ("scaled", 2, ("tanh",)),
    ("labelled_bias", 1, ("tanh",)),
    ("conditioned", 1, ("tanh",)),
    ("conditioned", 2, ("tanh",)),
]
MEMBERS = [(architecture, hidden, x) for architecture, hidden, names in KINDS for x in names]


def _random(rng: np.random.Generator) -> tuple[str, asy.Experiment, float]:
    """Its family, an experiment of it, and a tolerance."""
    architecture, hidden, activation = MEMBERS[rng.integers(len(MEMBERS))]
    clusters, atoms, family = int(rng.integers(1, 5)), int(rng.integers(1, 3)), f"{architecture} {hidden} {activation}"
    target = {
        "weights": rng.dirichlet(3 * np.ones(clusters)).tolist(),
        "centroids": (2.5 * rng.standard_normal((clusters, 2))).tolist(),
        "eigenvalues": [rng.uniform(0.2, 2, atoms).tolist()],
        "masses": [1.0] if atoms == 1 else [0.6, 0.4],
    }
    denoiser = {
        "architecture": architecture,
        "hidden_units": hidden,
        "activation": activation,
        "init": {"centroids": float(rng.uniform(0.05, 0.4)), "random": float(rng.uniform(0, 0.6))},
    }
    training = {
        "learning_rate": float(rng.uniform(0.05, 0.5)),
        "weight_decay": float(rng.uniform(0, 0.3)),
        "tau": float(rng.uniform(0.5, 3)),
        "times": [float(rng.uniform(0.2, 0.95))],
    }
    tolerance = float(10 ** rng.uniform(-8, -4))
    if hidden <= 2 and rng.random() < 0.25:
        family += ", several times"
        training["times"] = np.sort(rng.uniform(0.2, 0.9, int(rng.integers(2, 4)))).tolist()
        if rng.random() < 0.3:
            training["average"] = "random"
        else:
            tolerance = max(tolerance, 1e-5 if hidden == 1 else 3e-5)
            if rng.random() < 0.5:
                training["quadrature"] = len(training.pop("times"))
    if activation == "relu" and hidden > 2:
        tolerance = max(tolerance, 1e-5)
    if architecture == "conditioned":
        denoiser |= {"architecture": "tied", "input_scale": "1/sqrt(alpha**2+beta**2)", "output_scale": "alpha"}
    elif architecture == "labelled_bias":
        target["labels"] = [k % 2 for k in range(clusters)]
        training["label_dropout"] = 0.2
        denoiser["parameters"] = rng.uniform(-0.3, 0.3, hidden * min(clusters, 2)).tolist()
    elif architecture != "no_skip" and rng.random() < 0.3:
        denoiser["skip"] = float(rng.uniform(-0.3, 0.5))
    return family, asy.Experiment(target=target, denoiser=denoiser, training=training), tolerance


@pytest.mark.slow
def test_stated_errors_hold_for_random_experiments_of_every_kind(caplog):
    """240 of them, against a solve that is tighter a hundred times (over pairs of times eight times); and no wild exaggeration."""
    caplog.set_level(logging.ERROR)
    rng, missed, ratios = np.random.default_rng(7), [], []
    for k in range(240):
        family, experiment, tolerance = _random(rng)
        path = asy.solve(experiment, tolerance=tolerance)
        shared = experiment.problem.training.shares_samples
        fine = asy.solve(experiment, tolerance=tolerance / (8 if shared else 100))
        taus = np.linspace(0, path.tau_max, 101)
        of, to = path(taus), fine(taus)
        gap = max(
            np.max(np.abs(getattr(of, x) - getattr(to, x)), initial=0.0) for x in ("Q", "Theta", "b", "parameters")
        )
        ratios.append(path.error_estimate / max(gap, 1e-16))
        if gap > path.error_estimate:
            missed.append(f"{k} {family}: {gap:.1e} > {path.error_estimate:.1e}")
    assert len(missed) <= 12, missed
    assert 1.5 < np.median(ratios) < 10


@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_a_check_of_lattices_sees_errors_along_every_short_dual_vector(dimension):
    """cos(k z) with k a multiple of one dual vector is what a lattice takes for a constant: the shifted nodes must not.

    Where one field is wide and the others narrow, errors come from dual vectors along its own direction alone, the second shortest.
    """
    z, w = np.empty((2, 60_000, dimension)), np.empty((2, 60_000))
    counts = [fill_lattice(0, 6.0, shifted, z[int(shifted)], w[int(shifted)]) for shifted in (False, True)]
    points = z[0, : counts[0]]
    near = points[np.argsort(np.sum(points**2, axis=1))[1:60]]
    basis = np.array([near[0]])
    for x in near[1:]:
        if np.linalg.matrix_rank(np.vstack([basis, x]), tol=1e-6) > len(basis):
            basis = np.vstack([basis, x])
    dual = 2 * np.pi * np.linalg.inv(basis).T
    steps = np.stack(np.meshgrid(*[np.arange(-2, 3)] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    vectors = steps @ dual
    lattice = [k for k in vectors if np.allclose(np.cos(points @ k), 1.0, atol=1e-6)]
    lengths = np.round([np.linalg.norm(k) for k in lattice], 6)
    shells = np.unique(lengths[lengths > 0])
    for k, length in zip(lattice, lengths, strict=True):
        if 0 < length <= shells[1 if dimension < 4 else 0]:
            assert w[1, : counts[1]] @ np.cos(z[1, : counts[1]] @ k) < 0.51
