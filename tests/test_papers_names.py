"""Keys by the names of the papers, in files, options and sweeps."""

from __future__ import annotations

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.places import stand_ins

RATES = {"times": [0.5], "learning_rate": 0.1, "tau": 1.0}


PHYSICS = {
    "target": {"means": [[1.8], [-1.8]], "pi": [0.5, 0.5], "covariance": 0.5},
    "denoiser": {"r": 2, "sigma": "tanh", "b0": 0.25, "init": {"std": 0.1}},
    "training": {"t": [0.5], "eta": 0.2, "lambda": 0.1, "tau": 3.0},
    "sampling": {"dt": 0.05, "t_f": 0.9},
    "simulation": {"d": 300, "n_runs": 3},
}


def test_names_of_the_papers_are_understood():
    p = asy.Experiment(**PHYSICS).problem
    assert p.target.centroids.tolist() == [[1.8], [-1.8]]
    assert p.target.cluster_eigenvalues.tolist() == [[0.5], [0.5]]
    assert p.target.mean_eigenvalue == 0.5
    assert (p.denoiser.hidden_units, p.denoiser.activation, p.denoiser.skip, p.denoiser.init.random) == (
        2,
        "tanh",
        0.25,
        0.1,
    )
    assert (p.training.learning_rate, p.training.weight_decay, p.training.times.tolist()) == (0.2, 0.1, [0.5])
    assert (p.sampling.step, p.sampling.stop, p.simulation.dimension, p.simulation.runs) == (0.05, 0.9, 300, 3)


@pytest.mark.parametrize(
    ("tables", "place", "value"),
    [
        ({"mixture_flow": {"n": 8, "sigma": 1.5, "lambda": 0.1}}, "mixture_flow.cluster_std", 1.5),
        ({"one_step": {"d": 10, "n": 50, "T": 1.0, "lambda": 0.2, "mu": 1.0}}, "one_step.diffusion_time", 1.0),
        (
            {"linear_diffusion": {"N": 50, "d": 20, "spectrum": "isotropic", "c": 0.1}},
            "linear_diffusion.regularisation",
            0.1,
        ),
        ({"score_smoothing": {"points": 2, "kappa": 0.5, "t0": 0.2}}, "score_smoothing.start_time", 0.2),
        ({"random_features": {"psi_p": 4.0, "psi_n": 2.0, "t": 0.1}}, "random_features.features", 4.0),
    ],
)
def test_names_of_the_papers_in_every_room(tables, place, value):
    (system,) = tables
    problem = asy.Experiment(system=system, **tables).problem
    table, key = place.split(".")
    assert getattr(getattr(problem, table), key) == value


def test_names_of_the_papers_in_set_and_sweeps():
    exp = asy.example("three-clusters").replace({"training.eta": 0.3, "simulation.d": 77})
    assert (exp.problem.training.learning_rate, exp.problem.simulation.dimension) == (0.3, 77)


@pytest.mark.parametrize("eigenvalues", [0.5, [0.5], [[0.5]], np.float64(0.5), [[0.5, 0.0], [0.0, 0.5]]])
def test_isotropic_clusters(eigenvalues):
    """One number is Σ = 0.5 I, whichever way it is written: Λ and the projected covariance say so."""
    target = asy.Experiment(
        target={"centroids": [[1.0, 0.0]], "eigenvalues": eigenvalues}, training=RATES
    ).problem.target
    assert target.mean_eigenvalue == 0.5
    assert target.projected_covariance().tolist() == [[[0.5, 0.0], [0.0, 0.5]]]


def test_stand_ins_are_allowed_values():
    """What stands in for a wrong key must itself be right: the tables of the built-in experiments."""
    assert stand_ins("autoencoder")["training"]["tau"] > 0
    assert set(stand_ins("one_step")) >= {"one_step", "simulation"}
