"""Time-dependent learning rates: bursts of any width and jumps, against closed forms and time shifts."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import asymptotics as asy
from asymptotics.autoencoder.equations.derivative.drift import Drift
from asymptotics.autoencoder.equations.integration.integrate import SolveError, initial_state, kernels_of
from asymptotics.autoencoder.finite_size import reduced_chain
from asymptotics.autoencoder.model.functions.rate_schedule import RateSchedule
from asymptotics.autoencoder.process.training.setup import sgd_problem
from asymptotics.common.numerics.quadrature.expectations import Rule

BASE = asy.example("three-clusters")
#: One time t = .7, Λ = 1: dκ = .58, b∞ = .7/.58; b(4) = b∞ (1 − exp(−.58 ∫s dτ)).
KAPPA, LIMIT = 0.7**2 + 0.3**2, 0.7 / (0.7**2 + 0.3**2)

AREAS = {
    "1 + 282.09479*exp(-((tau-2.345)/0.001)**2)": 4 + 282.09479e-3 * np.sqrt(np.pi),
    "1 + 1e4*exp(-((tau-1.234567)/1e-6)**2)": 4 + 1e-2 * np.sqrt(np.pi),
    "1 + 0.9*exp(-((tau-2)/0.01)**2)": 4 + 0.009 * np.sqrt(np.pi),
    "20*exp(-((tau-0.5)/0.003)**2) + 15*exp(-((tau-3.3)/0.01)**2) + 0.2": 0.8 + 0.21 * np.sqrt(np.pi),
    "1 + 1000*exp(-abs(tau-1.3333)/1e-6)": 4.002,
    "max(0, sign(tau-1.7))": 2.3,
    "2*max(0, sign(1-tau)) + 0.5*max(0, sign(tau-3))": 2.5,
    "0.5 + 0.5*sign(sin(2*pi*tau))": 2.0,
    "max(0, 1-abs(tau-2)/0.0005)*500": 0.25,
    "sqrt(tau)": 16 / 3,
    "abs(sin(tau))": 3 + np.cos(4),
    "1 + sin(40*tau)": 4 + (1 - np.cos(160)) / 40,
    "0": 0.0,
}


@pytest.mark.parametrize("text", [pytest.param(x, marks=[pytest.mark.slow] * ("1e4" in x)) for x in AREAS])
def test_nothing_is_stepped_over(text):
    path = asy.solve(BASE.replace({"training.schedule": text}), progress=False)
    exact = LIMIT * (1 - np.exp(-KAPPA * AREAS[text]))
    assert path(4.0).b == pytest.approx(
        exact, abs=max(2 * 1e-6, path.error_estimate if path.error_estimate < 1e-5 else 0)
    )
    assert path.problem.training.rate_schedule().integral(4.0) == pytest.approx(AREAS[text], abs=2e-8)


@pytest.mark.parametrize(
    "method", ["LSODA", *(pytest.param(m, marks=pytest.mark.slow) for m in ("Radau", "BDF", "RK45"))]
)
@pytest.mark.parametrize(
    "text",
    [
        "1 + 282.09479*exp(-((tau-2.345)/0.001)**2)",
        "max(0, sign(tau-1.7))",
        pytest.param("max(0, sin(3*tau))", marks=pytest.mark.slow),
    ],
)
def test_methods_agree(text, method):
    changed = BASE.replace({"training.schedule": text})
    ours, other = asy.solve(changed, progress=False), asy.solve(changed, progress=False, method=method)
    for name in ("Q", "Theta", "b"):
        bound = ours.error_estimate + other.error_estimate
        assert np.max(np.abs(getattr(ours(4.0), name) - getattr(other(4.0), name))) < bound < 1e-4


def test_a_burst_against_small_fixed_steps():
    text = "0.5 + 8*exp(-((tau-1)/0.02)**2)"
    changed = BASE.replace({"training.schedule": text, "training.tau": 2.0})
    path = asy.solve(changed, progress=False)
    problem = changed.problem
    drift = Drift(problem, kernels_of(problem), Rule("hermite", 48))
    own = solve_ivp(drift, (0, 2), initial_state(problem, drift), max_step=4e-3, rtol=1e-8, atol=1e-9)
    assert np.max(np.abs(own.y[:, -1] - path.state(2.0))) < 1e-5


def test_a_late_start_is_a_shift_of_time():
    # Nothing happens before the jump: path, covariance and O(1/d) bias are those of the plain training, later.
    late = asy.solve(BASE.replace({"training.schedule": "max(0, sign(tau-1.7))"}), progress=False)
    plain = asy.solve(BASE.replace({"training.tau": 2.3}), progress=False)
    assert late.state(4.0) == pytest.approx(plain.state(2.3), abs=2e-6)
    assert late.covariance(4.0, 1.0) == pytest.approx(plain.covariance(2.3, 1.0), abs=3e-3)
    assert late.bias(4.0, 1) == pytest.approx(plain.bias(2.3, 1), abs=3e-2)
    assert late.loss(4.0)[1] == pytest.approx(plain.loss(2.3)[1], abs=1e-4)
    assert late.loss(1.0)[1] == pytest.approx(plain.loss(0.0)[1], abs=1e-4)


@pytest.mark.parametrize("width", [3e-2, 1e-4, 1e-6])
def test_sgd_sums_the_area_whatever_the_width(width):
    # Also of a burst between two steps, which lie 2η/d = 4e-3 apart here.
    text = f"1 + {0.5 / width / np.sqrt(np.pi)}*exp(-((tau-2.3451)/{width})**2)"
    setup = sgd_problem(BASE.replace({"training.schedule": text}).problem, dimension=50)
    step = 2 * setup.learning_rate / setup.dimension
    assert np.sum(setup.factors(0, setup.steps)) * step == pytest.approx(4.5, rel=1e-6)


def test_runs_with_a_burst_agree():
    changed = BASE.replace({"training.schedule": "1 + 28.209479*exp(-((tau-2.345)/0.01)**2)"})
    path = asy.solve(changed, progress=False)
    runs = reduced_chain.simulate(changed.problem, dimension=1000, runs=4, tau=[4.0], workers=1, progress=False)
    assert runs.b.mean() == pytest.approx(path(4.0).b + path.bias(4.0, 1000)[-1], abs=5e-3)
    assert path(4.0).b == pytest.approx(LIMIT * (1 - np.exp(-KAPPA * 4.5)), abs=1e-5)


@pytest.mark.parametrize("text", ["100*max(0, sign(1-tau))"])
def test_divergence_ends_early_with_the_partial_path(text):
    with pytest.raises(SolveError, match="diverge") as caught:
        asy.solve(BASE.replace({"training.schedule": text}), progress=False, tolerance=1e-3)
    partial = caught.value.partial
    assert partial is not None and np.all(np.isfinite(partial.values))
    assert partial.tau_max < 2.5


def test_what_cannot_be_followed_is_refused():
    with pytest.raises(asy.InputError, match=r"training\.schedule = .*cannot be followed"):
        RateSchedule("1 + sin(1e6*tau)/2", 4.0)
    # A dip below zero that no grid of points meets.
    with pytest.raises(asy.InputError, match=">= 0"):
        RateSchedule("1 - 3*exp(-((tau-1.23456)/1e-5)**2)", 4.0)
