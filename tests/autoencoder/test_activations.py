"""Activations: one symbolic definition for theory and simulation, stable code, exact moments, the full process."""

from __future__ import annotations

import textwrap
from functools import cache

import numpy as np
import pytest
import sympy
from scipy.special import expit

import asymptotics as asy
from asymptotics.autoencoder.comparison import order_parameter_rows
from asymptotics.autoencoder.equations.derivative.drift import Drift
from asymptotics.autoencoder.equations.integration.integrate import initial_state, kernels_of
from asymptotics.common.numerics.code import codegen
from asymptotics.common.numerics.quadrature.expectations import Rule
from asymptotics.common.output.verdict import Verdict
from derivations import activation_expression

X = sympy.Symbol("x", real=True)
NAMED = ("tanh", "erf", "relu", "softplus", "sigmoid", "linear")
WRITTEN = ("x/(1+x**2)**0.5", "max(-0.5, x)", "log(1+exp(2*x))/2 - x/4")
EIGHT = Rule("hermite", 8)
FOUR_TIMES = {
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


def slow_but(*quick):
    """All activations; those not named are slow."""
    return [a if a in quick else pytest.param(a, marks=pytest.mark.slow) for a in (*NAMED, *WRITTEN)]


def _with(base, activation, **more):
    return base.replace({"denoiser.activation": activation, "denoiser.init.random": 0.3, **more})


def _drift(experiment, form="auto", backend="numba", rule=EIGHT, noise=None):
    problem = experiment.problem
    drift = Drift(problem, kernels_of(problem, form=form, backend=backend), rule, noise)
    y = initial_state(problem, drift)
    return np.append(drift(0.0, y), drift.loss(y)), drift.kernels


# stable code -------------------------------------------------------------------------------------------------------


def _function(expression, backend):
    lines = textwrap.indent("\n".join(codegen.assignments([("value", expression)], backend)), "    ")
    source = f"import math\nimport numpy\nimport scipy.special\n\n\ndef function(x):\n{lines}\n    return value\n"
    return codegen.load_module(source, "test").function


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("text", ["softplus", "sigmoid", "log(1+exp(x))", "1/(1+exp(-x))", "exp(x)/(1+exp(x))"])
def test_softplus_and_sigmoid_do_not_overflow(text, backend):
    """φ, φ′, φ″ up to |x| = 700, also where the user writes them out: finite, without a warning, and right."""
    from asymptotics.common.input.expressions import to_sympy

    phi = activation_expression(text if text.isidentifier() else to_sympy(text, ["x"], "activation"))
    x = np.array([-700.0, -350.0, -37.0, -1.5, 0.0, 0.3, 20.0, 340.0, 700.0])
    s = expit(x)
    slope, curvature = s * expit(-x), s * expit(-x) * (1 - 2 * s)
    wanted = (np.logaddexp(0, x), s, slope) if "log" in text or text == "softplus" else (s, slope, curvature)
    for order, values in enumerate(wanted):
        function = _function(sympy.diff(phi, X, order), backend)
        with np.errstate(all="raise", under="ignore"):
            got = function(x) if backend == "numpy" else np.array([function(float(v)) for v in x])
        np.testing.assert_allclose(got, values, rtol=1e-13, atol=1e-16)


# one definition ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "written"),
    [
        pytest.param("relu", "max(0, x)", marks=pytest.mark.slow),
        ("softplus", "log(1+exp(x))"),
        ("sigmoid", "1/(1+exp(-x))"),
        ("linear", "x"),
    ],
)
@pytest.mark.ci
def test_a_written_activation_is_the_named_one(three_clusters, name, written):
    one = {"denoiser.hidden_units": 1}
    drifts = [_drift(_with(three_clusters, a, **one), backend="numpy")[0] for a in (name, written)]
    np.testing.assert_allclose(drifts[0], drifts[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("activation", slow_but("sigmoid", "max(-0.5, x)"))
@pytest.mark.ci
def test_compiled_and_array_code_agree(activation):
    base = asy.Experiment(**FOUR_TIMES).replace({"denoiser.hidden_units": 1})
    both = [_drift(_with(base, activation), backend=b, noise=Rule("hermite", 6))[0] for b in ("numba", "numpy")]
    np.testing.assert_allclose(both[0], both[1], rtol=1e-12, atol=1e-14)


# exact moments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "hidden"), [("linear", 3), ("x - x**3/10", 1), ("x + x**2/4", 2), ("0.3 + x/2", 2)]
)
@pytest.mark.ci
def test_polynomial_moments_equal_tensor_gauss_hermite(three_clusters, activation, hidden):
    """Gauss–Hermite with n nodes a direction is exact for polynomials of degree 2n − 1."""
    experiment = _with(three_clusters, activation, **{"denoiser.hidden_units": hidden})
    exact, kernels = _drift(experiment, backend="numpy")
    assert "moments" in kernels.exact
    quadrature, _ = _drift(experiment, form="hessian", backend="numpy")
    np.testing.assert_allclose(exact, quadrature, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("architecture", ["tied", "untied", "untied_bias", "scaled", "no_skip"])
@pytest.mark.ci
def test_polynomial_moments_of_pairs_of_times(architecture):
    experiment = asy.Experiment(**FOUR_TIMES).replace(
        {"denoiser.architecture": architecture, "denoiser.activation": "x + x**2/5", "denoiser.hidden_units": 1}
    )
    if architecture == "no_skip":
        experiment = experiment.replace({"denoiser.skip": 0.0})
    exact, kernels = _drift(experiment, backend="numpy")
    assert kernels.exact == ("moments", "noise")
    quadrature, _ = _drift(experiment, form="hessian", backend="numpy", noise=Rule("hermite", 8))
    np.testing.assert_allclose(exact, quadrature, rtol=1e-12, atol=1e-12)


@pytest.mark.ci
def test_a_linear_path_needs_no_quadrature(three_clusters):
    linear = three_clusters.replace({"denoiser.activation": "linear"})
    path = asy.solve(linear)
    assert path.rule == "exact moments"
    quadrature = asy.solve(linear, form="hessian", tolerance=1e-6, backend="numpy")
    taus = np.linspace(0, 4, 9)
    np.testing.assert_allclose(path(taus).Q, quadrature(taus).Q, atol=3e-6)
    shared = linear.replace({"training.times": [0.3, 0.5, 0.7]})
    assert asy.solve(shared).rule == "exact moments"


def test_linear_moments_against_a_monte_carlo_average(three_clusters):
    """A, H, P, N of a linear network from their definition: two million samples of the fields."""
    experiment = _with(three_clusters, "linear", **{"denoiser.hidden_units": 2, "denoiser.skip": 0.3})
    problem = experiment.problem
    drift = Drift(problem, kernels_of(problem), Rule("hermite", 1))
    theta, q, b, kappa = drift.layout.unpack(initial_state(problem, drift))
    moments = drift.moments(theta, q, float(b), kappa)
    rng, n, Q, c = np.random.default_rng(3), 2_000_000, q[0], 1
    root = np.linalg.cholesky(Q)
    lambda0 = rng.standard_normal((n, 2)) @ root.T
    lambda1 = theta[0] @ problem.target.centroids[c] + rng.standard_normal((n, 2)) @ root.T
    alpha, beta = 0.3, 0.7
    omega = alpha * lambda0 + beta * lambda1
    error = lambda1 - b * omega - omega @ Q
    g1, g0 = (1 - b * beta) * omega + beta * error, -b * alpha * omega + alpha * error
    for name, samples in [
        ("A_1", g1[:, 0]),
        ("A_2", g1[:, 1]),
        ("P_1_2", -omega[:, 0] * omega[:, 1]),
        ("N1_1_2", g1[:, 0] * g1[:, 1]),
        ("N1_2_2", g1[:, 1] ** 2),
        ("N0_1_1", g0[:, 0] ** 2),
        ("potential", np.sum(2 * (b * omega - lambda1) * omega + (omega @ Q) * omega, axis=1)),
    ]:
        sem = samples.std() / np.sqrt(n)
        assert abs(samples.mean() - moments[c, drift.kernels.column(name)]) < 4 * sem, name


# the full process --------------------------------------------------------------------------------------------------


def _experiment(activation):
    return asy.Experiment(
        target={"weights": [0.6, 0.4], "centroids": [[2, 0], [-1, 1]], "eigenvalues": [[1.2]]},
        denoiser={
            "hidden_units": 2,
            "activation": activation,
            "skip": 0.1,
            "init": {"centroids": 0.2, "random": 0.4},
        },
        training={"times": [0.6], "learning_rate": 0.3, "weight_decay": 0.1, "tau": 2.0},
        simulation={"dimension": 400, "runs": 24, "samples": 1, "seed": 5},
    )


@cache
def _path(activation):
    return asy.solve(_experiment(activation), tolerance=1e-4)


@pytest.mark.parametrize("activation", slow_but("sigmoid"))
def test_theory_agrees_with_the_full_process(activation):
    """One without symmetry (ramps: `test_relu`); the others take minutes."""
    experiment = _experiment(activation)
    runs = asy.simulate(experiment, tau=[1.0, 2.0], workers=1, progress=False)
    verdict = Verdict.of(order_parameter_rows(_path(activation), runs))
    assert verdict.passed, str(verdict)
    # The comparison can tell activations apart.
    other = "tanh" if activation != "tanh" else "erf"
    assert not Verdict.of(order_parameter_rows(_path(other), runs)).passed
