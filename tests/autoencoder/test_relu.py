"""Kinks and erf: closed forms, regression form, four ReLU units to a stated error, the full process."""

from __future__ import annotations

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.autoencoder.comparison import order_parameter_rows
from asymptotics.autoencoder.equations.derivative.drift import Drift
from asymptotics.autoencoder.equations.integration.integrate import initial_state, kernels_of
from asymptotics.common.numerics.quadrature.expectations import Rule
from asymptotics.common.output.verdict import Verdict

CENTRED = {
    "target": {"centroids": [[0.0, 0.0]], "eigenvalues": [[1.7]]},
    "denoiser": {
        "hidden_units": 2,
        "skip": 0.3,
        "init": {"Theta": [[0.5, 0.1], [-0.2, 0.6]], "Q": [[0.8, 0.2], [0.2, 0.9]]},
    },
    "training": {"times": [0.6], "learning_rate": 0.3, "weight_decay": 0.1, "tau": 2.0},
}


@pytest.fixture(scope="module")
def four_units():
    return asy.example("relu-four-units")


def _drift(experiment, form, rule):
    """In arrays, which need no compiler (what is compiled is the same: `test_activations`)."""
    problem = experiment.problem
    drift = Drift(problem, kernels_of(problem, form=form, backend="numpy"), rule)
    y = initial_state(problem, drift)
    return np.append(drift(0.0, y), drift.loss(y)), drift.kernels


def _agrees_with_scrambled_points(experiment, closed):
    """Against the mean over ten scramblings of the Sobol' points in the regression form, with its standard error."""
    sampled = np.array([_drift(experiment, "regression", Rule("sobol", 2**15, seed=k))[0] for k in range(10)])
    sem = sampled.std(axis=0, ddof=1) / np.sqrt(len(sampled))
    assert np.max(sem) < 1e-4
    assert np.all(np.abs(sampled.mean(axis=0) - closed) < 5 * sem + 1e-9)


# forms that must agree ---------------------------------------------------------------------------------------------


def test_regression_and_hessian_forms_agree_for_tanh(three_clusters):
    experiment = three_clusters.replace({"denoiser.init.random": 0.3})
    forms = [_drift(experiment, form, Rule("hermite", 96))[0] for form in ("hessian", "regression")]
    np.testing.assert_allclose(forms[0], forms[1], atol=1e-9)


@pytest.mark.parametrize("hidden", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_erf_units_in_closed_form_equal_gauss_hermite(three_clusters, hidden):
    change = {"denoiser.activation": "erf", "denoiser.hidden_units": hidden, "denoiser.init.random": 0.3}
    closed, kernels = _drift(three_clusters.replace(change), "auto", Rule("hermite", 1))
    assert kernels.exact == ("moments",)
    quadrature, _ = _drift(three_clusters.replace(change), "hessian", Rule("hermite", 120))
    np.testing.assert_allclose(closed, quadrature, atol=1e-8)


def test_two_ramps_in_closed_form_equal_the_regression_form(three_clusters):
    """The regression form samples no delta function."""
    change = {"denoiser.activation": "relu", "denoiser.hidden_units": 2, "denoiser.init.random": 0.4}
    closed, kernels = _drift(three_clusters.replace(change), "auto", Rule("hermite", 1))
    assert kernels.exact == ("moments",) and not kernels.kink
    _agrees_with_scrambled_points(three_clusters.replace(change), closed)


@pytest.mark.slow
def test_three_centred_ramps_in_closed_form_equal_the_regression_form():
    experiment = asy.Experiment(**CENTRED).replace(
        {
            "denoiser.activation": "relu",
            "denoiser.hidden_units": 3,
            "denoiser.init.Theta": [[0.5, 0.1], [-0.2, 0.6], [0.1, 0.2]],
            "denoiser.init.Q": [[0.8, 0.2, -0.1], [0.2, 0.9, 0.3], [-0.1, 0.3, 0.7]],
        }
    )
    closed, kernels = _drift(experiment, "auto", Rule("hermite", 1))
    assert kernels.exact == ("moments",)
    _agrees_with_scrambled_points(experiment, closed)


@pytest.mark.parametrize("activation", ["erf", "relu"])
def test_centred_fields_have_the_arcsine_and_arc_cosine_kernels(activation):
    """P_ab = −E[σ_a σ_b]: (2/π) arcsin (Williams 1997); √(ab)(√(1−ρ²) + ρ(π − arccos ρ))/2π (Cho and Saul 2009)."""
    problem = asy.Experiment(**CENTRED).replace({"denoiser.activation": activation}).problem
    drift = Drift(problem, kernels_of(problem, backend="numpy"), Rule("hermite", 1))
    theta, q = problem.initial_overlaps()
    moments = drift.moments(theta, q, 0.3, np.empty(0))[0]
    omega = (0.4**2 + 0.6**2 * 1.7) * q[0]
    for name, (a, c) in (("P_1_1", (0, 0)), ("P_1_2", (0, 1)), ("P_2_2", (1, 1))):
        if activation == "erf":
            wanted = 2 / np.pi * np.arcsin(omega[a, c] / np.sqrt((1 + omega[a, a]) * (1 + omega[c, c])))
        else:
            rho = omega[a, c] / np.sqrt(omega[a, a] * omega[c, c])
            angle = np.arccos(min(rho, 1.0))
            wanted = np.sqrt(omega[a, a] * omega[c, c]) * (np.sin(angle) + rho * (np.pi - angle)) / (2 * np.pi)
        assert moments[drift.kernels.column(name)] == pytest.approx(-wanted, abs=1e-13)


# whole paths -------------------------------------------------------------------------------------------------------


@pytest.mark.slow  # quick: the two forms of one drift, above
def test_two_ramps_are_solved_without_nodes(three_clusters):
    experiment = three_clusters.replace({"denoiser.activation": "relu", "denoiser.init.random": 0.2})
    path = asy.solve(experiment, tolerance=1e-8)
    assert path.rule == "exact moments"
    sampled = asy.solve(experiment, form="regression", tolerance=2e-4)
    assert "split" in sampled.rule
    taus = np.linspace(0, 4, 9)
    for name in ("Q", "Theta", "b"):
        gap = np.max(np.abs(getattr(path(taus), name) - getattr(sampled(taus), name)))
        assert gap < sampled.error_estimate < 1e-3


@pytest.mark.ci
def test_four_ramps_reach_a_thousandth_and_know_it(four_units):
    taus = np.linspace(0, 4, 33)
    fine = asy.solve(four_units, rule=Rule("sobol", 2**17, seed=9), rtol=3e-6, atol=3e-6)(taus)
    for tolerance in (3e-3, 3e-4):
        path = asy.solve(four_units, tolerance=tolerance)
        error = max(np.max(np.abs(getattr(path(taus), n) - getattr(fine, n))) for n in ("Q", "Theta", "b"))
        assert error < tolerance
        assert error < path.error_estimate < 3 * tolerance


@pytest.mark.ci
def test_four_ramps_agree_with_the_full_process(four_units):
    experiment = four_units.replace({"simulation.dimension": 400, "simulation.samples": 1, "training.tau": 2.0})
    runs = asy.simulate(experiment, tau=[1.0, 2.0], workers=1, progress=False, runs=24)
    path = asy.solve(experiment, tolerance=3e-4)
    verdict = Verdict.of(order_parameter_rows(path, runs))
    assert verdict.passed, str(verdict)
    wrong = asy.solve(experiment.replace({"training.weight_decay": 0.3}), tolerance=1e-3)
    assert not Verdict.of(order_parameter_rows(wrong, runs)).passed
