"""The compiled integrator and the nodes that follow the fields: against SciPy, closed forms, and tighter solves."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.autoencoder.equations.drift import Drift
from asymptotics.autoencoder.equations.integrate import Controls, initial_state, integrate, kernels_of
from asymptotics.common.numerics.expectations import Lattice, Rule, Split


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
    assert Drift(ramps, nodes, Split(10, 4, 1e-10))(0.0, y) == pytest.approx(exact(0.0, y), abs=1e-6)


@pytest.mark.parametrize(("activation", "form"), [("tanh", "auto"), ("relu", "regression")])
def test_sums_taken_apart_are_those_of_the_integrands(three_clusters, activation, form):
    """Compiled kernels sum ψ and products of ψ, and combine them after the loop; the NumPy back end sums what was derived."""
    problem = three_clusters.replace({"denoiser.activation": activation, "denoiser.init.random": 0.3}).problem
    rule, drifts = Rule("hermite", 24), []
    for backend in ("numba", "numpy"):
        drift = Drift(problem, kernels_of(problem, backend=backend, form=form), rule)
        drifts.append(drift(0.0, 1.5 * initial_state(problem, drift)))
    assert drifts[0] == pytest.approx(drifts[1], abs=1e-12)


@pytest.mark.parametrize(("hidden", "activation"), [(1, "tanh"), (2, "tanh"), (2, "sin(x)"), (2, "sigmoid")])
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
    drift.given = drift.given._replace(parity=np.zeros(0))
    assert shared == pytest.approx(drift(0.0, y), abs=1e-13)


def test_many_experiments_at_once_are_those_one_by_one(three_clusters):
    values = [0.05, 0.3]
    found = asy.solve_many(three_clusters, {"training.learning_rate": values}, tolerance=1e-4)
    for value, path in zip(values, found, strict=True):
        alone = asy.solve(three_clusters.replace({"training.learning_rate": value}), tolerance=1e-4)
        assert np.array_equal(path(4.0).Q, alone(4.0).Q)
    with pytest.raises(asy.InputError, match="changes"):
        asy.solve_many(three_clusters)


def _random(rng: np.random.Generator) -> asy.Experiment:
    clusters, hidden = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    activations = ["tanh", "tanh", "sigmoid", "softplus", "sin(x)", "x*erf(x)", "sqrt(1+x**2)", "tanh(2*x)"]
    centroids = 2.5 * rng.standard_normal((clusters, 2))
    return asy.Experiment(
        target={
            "weights": rng.dirichlet(3 * np.ones(clusters)).tolist(),
            "centroids": centroids.tolist(),
            "eigenvalues": [[float(rng.uniform(0.2, 2))]],
        },
        denoiser={
            "architecture": str(rng.choice(["tied", "untied"])),
            "hidden_units": hidden,
            "activation": str(rng.choice(activations)),
            "init": {"centroids": float(rng.uniform(0.05, 0.4)), "random": float(rng.uniform(0, 0.6))},
        },
        training={
            "times": [float(rng.uniform(0.2, 0.95))],
            "learning_rate": float(rng.uniform(0.05, 0.5)),
            "weight_decay": float(rng.uniform(0, 0.3)),
            "tau": float(rng.uniform(1, 6)),
        },
    )


@pytest.mark.slow
def test_stated_errors_hold_for_random_experiments(caplog):
    """200 of them, against a solve a hundred times tighter."""
    caplog.set_level(logging.ERROR)
    rng, covered = np.random.default_rng(7), []
    for _ in range(200):
        experiment, tolerance = _random(rng), float(10 ** rng.uniform(-6.5, -3.5))
        path, fine = asy.solve(experiment, tolerance=tolerance), asy.solve(experiment, tolerance=tolerance / 100)
        taus = np.linspace(0, path.tau_max, 101)
        gap = max(np.max(np.abs(getattr(path(taus), x) - getattr(fine(taus), x))) for x in ("Q", "Theta", "b"))
        covered.append(gap <= path.error_estimate)
    assert np.mean(covered) >= 0.95
