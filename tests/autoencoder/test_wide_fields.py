"""Fields far wider than the places where an activation varies: nodes, against independent integrals and the limit of sign functions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import asymptotics as asy
from asymptotics.autoencoder.equations.derivative.drift import Drift
from asymptotics.autoencoder.equations.integration.integrate import kernels_of
from asymptotics.autoencoder.kernels.shared.compiled_types import STRETCHED, USED
from asymptotics.common.numerics.quadrature.expectations import Lattice, Rule

T, CENTRE = 0.7, 3.0


def experiment(**changes):
    tables = {
        "target": {"centroids": [[CENTRE]], "weights": [1.0], "eigenvalues": [[1.0]]},
        "denoiser": {"hidden_units": 2, "activation": "tanh", "init": {"random": 0.3}},
        "training": {"times": [T], "learning_rate": 0.1, "weight_decay": 0.1, "tau": 2.0},
    }
    return asy.Experiment(**tables).replace(changes)


def moments(exp, sds, rho, means, rule=None):
    """Moments of the one cluster by their names, at fields with these deviations, correlations and means; and the drift.

    ``rule``: a rule, or nodes z and their weights.
    """
    problem, sds = exp.problem, np.asarray(sds, dtype=float)
    kernels = kernels_of(problem, form="nodes")
    drift = Drift(problem, kernels, Rule("hermite", 2) if isinstance(rule, tuple) else rule or Lattice(1e-6))
    if isinstance(rule, tuple):
        drift.nodes = drift.nodes.replaced(z=rule[0], w=rule[1])
    n = len(sds)
    omega = np.outer(sds, sds) * np.where(np.eye(n) > 0, 1.0, rho)
    theta = np.reshape(means, (1, n, 1)) / (T * CENTRE)
    found = drift.moments(theta, omega[None] / (T**2 + (1 - T) ** 2), 0.0, problem.denoiser.parameters)
    return dict(zip(kernels.names, found[0], strict=True)), drift


@pytest.mark.rows("fields.products")
@pytest.mark.ci
def test_products_of_two_units_are_those_of_an_iterated_integral(activation, sds, rho, means, value):
    found, _ = moments(experiment(**{"denoiser.activation": activation}), sds, rho, means)
    assert -found["P_1_2"] == pytest.approx(value, rel=3e-7)


def test_few_nodes_are_enough():
    """Field sd 10, r = 2, to 1e-6 of the largest moment, which a finer rule knows: 1 500 nodes, half of that without means."""
    for means, most in (((1.0, 0.0), 1500), ((0.0, 0.0), 750)):
        exp = experiment(**({} if any(means) else {"target.centroids": [[0.0]]}))
        found, drift = moments(exp, (10, 10), 0.5, means)
        fine, _ = moments(exp, (10, 10), 0.5, means, Lattice(1e-11))
        gap = np.subtract(list(found.values()), list(fine.values()))
        assert np.max(np.abs(gap)) < 1e-6 * np.max(np.abs(list(fine.values())))
        assert drift.nodes.mode[STRETCHED] == 1 and drift.nodes.mode[USED] < most


@pytest.mark.parametrize(("rho", "shift"), [(0.5, (0.0, 0.0)), (-0.8, (0.3, -1.2)), (0.999, (0.7, 0.7))])
@pytest.mark.parametrize(
    "activation", ["tanh", "sigmoid", pytest.param("x/sqrt(1+x**2)", marks=pytest.mark.slow), "tanh(x-2)+tanh(x+2)"]
)
@pytest.mark.ci
def test_very_wide_fields_see_signs(activation, rho, shift):
    """E sign sign = 4 P(ω₁, ω₂ > 0) − 2 P(ω₁ > 0) − 2 P(ω₂ > 0) + 1, at no means (2/π) arcsin ρ; of steps P(ω₁, ω₂ > 0)."""
    sd = 1e7
    found, _ = moments(experiment(**{"denoiser.activation": activation}), (sd, sd), rho, sd * np.array(shift))
    law = multivariate_normal([0, 0], [[1, rho], [rho, 1]])
    both = law.cdf(np.array(shift))
    first, second = (multivariate_normal(0, 1).cdf(x) for x in shift)
    signs = 4 * both - 2 * first - 2 * second + 1
    if not any(shift):
        assert signs == pytest.approx(2 / np.pi * np.arcsin(rho), abs=1e-9)
    wanted = both if activation == "sigmoid" else 4 * signs if "+tanh" in activation else signs
    assert -found["P_1_2"] == pytest.approx(wanted, abs=3e-6)


@pytest.mark.parametrize(
    ("activation", "sds", "rho", "means"),
    [
        ("tanh", (6.0, 8.0), 0.5, (1.0, -4.0)),
        ("softplus", (9.0, 9.0), -0.6, (2.0, 5.0)),
        pytest.param("tanh(2*x-3)", (5.0, 4.0), 0.3, (5.0, 0.0), marks=pytest.mark.slow),
        ("tanh", (3.0, 3.0, 0.7), 0.2, (0.0, 1.0, -1.0)),
    ],
)
def test_every_moment_is_that_of_a_dense_grid(activation, sds, rho, means):
    """Against the trapezoidal rule in all directions, fine enough for the poles."""
    n, spacing = len(sds), {2: 0.03, 3: 0.11}[len(sds)]
    exp = experiment(**{"denoiser.activation": activation, "denoiser.hidden_units": n})
    x = np.arange(-6.5, 6.5, spacing)
    z = np.stack(np.meshgrid(*[x] * n, indexing="ij"), axis=-1).reshape(-1, n)
    w = np.exp(-np.sum(z * z, axis=1) / 2)
    wanted, _ = moments(exp, sds, rho, means, (z, w / w.sum()))
    found, _ = moments(exp, sds, rho, means, Lattice(1e-8))
    scale = max(map(abs, wanted.values()))
    assert list(found.values()) == pytest.approx(list(wanted.values()), abs=1e-7 * scale)


def test_large_centroids_are_answered():
    """Q grows as the squared centroid: the fields are so wide that φ is a sign, and weights in units of the centroid know no scale."""
    ends = {}
    for norm in (1e3, 1e6):
        exp = experiment(**{"target.centroids": [[norm, 0], [-norm / 2, norm / 2]], "target.weights": [0.5, 0.5]})
        exp = exp.replace({"denoiser.init": {"centroids": 0.1}})
        path = asy.solve(exp, tolerance=1e-5)
        scale = np.max(path(2.0).Q)
        assert path.error_estimate < max(1e-5, 1e-11 * scale)
        ends[norm] = path(2.0).Q / norm**2
    assert ends[1e3] == pytest.approx(ends[1e6], rel=1e-4)


def test_what_is_not_reached_is_said_as_a_share(caplog):
    exp = experiment(**{"target.centroids": [[1e6]], "denoiser.init": {"centroids": 0.1}})
    asy.solve(exp, tolerance=1e-5)
    assert "of the largest order parameter" in caplog.text


def test_wide_and_narrow_fields_meet_along_a_path():
    """Centroids of norm 30: a lattice at the start, stretched axes at the end, and a path that a tighter solve confirms."""
    exp = experiment(**{"target.centroids": [[30.0, 0], [-15.0, 15.0]], "target.weights": [0.5, 0.5]})
    exp = exp.replace({"denoiser.init": {"centroids": 0.1}})
    path, fine = asy.solve(exp, tolerance=1e-5), asy.solve(exp, tolerance=1e-8)
    assert path.rule.startswith("stretched")
    taus = np.linspace(0, 2, 21)
    gap = max(np.max(np.abs(getattr(path(taus), x) - getattr(fine(taus), x))) for x in ("Q", "Theta", "b"))
    assert gap < path.error_estimate < 1e-5
