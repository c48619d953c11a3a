"""Large networks: what is said or refused beforehand, array code in pieces, points in tiles, equations by renumbering."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import asymptotics as asy
from asymptotics.autoencoder.equations.derivative.drift import Drift
from asymptotics.autoencoder.equations.integration import forecast
from asymptotics.autoencoder.equations.integration.integrate import initial_state, kernels_of
from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.quadrature.expectations import Rule
from derivations.autoencoder.engine import derive
from derivations.autoencoder.network.denoiser import tied


def units(r: int, **changes):
    return asy.example("three-clusters").replace({"denoiser.hidden_units": r, **changes})


def test_hours_are_refused_before_anything_is_derived():
    for r, times in ((64, 200), (8, 3000)):
        exp = units(r, **{"training.times": (np.arange(1, times + 1) / (times + 2)).tolist()})
        with pytest.raises(InputError, match=r"denoiser\.hidden_units, training\.times") as refused:
            asy.solve(exp)
        assert "hours" in str(refused.value) or "days" in str(refused.value)


def test_minutes_are_said(caplog):
    forecast.before_kernels(units(2).problem)
    forecast.before_solve(units(2).problem, 2)
    assert not caplog.records
    forecast.before_kernels(units(12).problem)
    forecast.before_solve(units(20).problem, 20)
    first, second = (record.getMessage() for record in caplog.records)
    assert "12 weight vectors" in first and "compiler" in first
    assert "20 weight vectors" in second and "minutes" in second


def test_large_networks_are_array_code():
    assert forecast.moments_of(2) == len(kernels_of(units(2).problem).names)
    assert forecast.compiled(12) and not forecast.compiled(20)


def test_array_code_takes_nodes_in_pieces():
    """8192 nodes in two pieces: the drift of the compiled code."""
    problem, rule = units(2).problem, Rule("sobol", 8192)
    slopes = []
    for backend in ("numba", "numpy"):
        drift = Drift(problem, kernels_of(problem, backend=backend), rule)
        slopes.append(drift(0.0, initial_state(problem, drift) + 0.1))
    assert np.allclose(*slopes, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["three-clusters", "guidance"])
def test_points_in_tiles_flow_as_they_do_alone(name):
    problem = asy.example(name).problem
    rng, module = np.random.default_rng(0), kernels_of(problem).module
    n, J, L = len(module.ENCODERS), len(module.TERMS), problem.denoiser.labels or 0
    z, steps = rng.standard_normal((130, n)), 9
    now, coupling = rng.uniform(0.2, 0.8, (5, steps)), rng.standard_normal((n, J))
    gain, growth, guidance = rng.uniform(0.1, 0.4, steps), rng.uniform(0.9, 1.1, steps), rng.uniform(0, 1, steps)
    told, kappa = np.eye(1, L).ravel()[:L], rng.standard_normal(module.PARAMETERS)
    for flow in (
        lambda z, out: module.euler(z, gain, growth, now, told, guidance, coupling, kappa, out),
        lambda z, out: module.runge_kutta(z, gain, growth, 0.3, now, told, guidance, coupling, kappa, out),
    ):
        together, alone = np.empty((130, J)), np.empty((130, J))
        flow(z, together)
        for k in range(130):
            flow(np.ascontiguousarray(z[k : k + 1]), alone[k : k + 1])
        assert np.allclose(together, alone, rtol=0, atol=1e-14) and together.std() > 0.01


def test_every_pair_is_derived_as_the_first_is_renumbered():
    """The drift of q of the last pair of four units, derived by itself."""
    system = derive(tied(4, activation="tanh"))
    for a, c in ((1, 3), (3, 3)):
        own = system.average(system._gram_increment(a, c))
        assert sympy.expand(own - system.gram_drift[a, c]) == 0
    assert sympy.expand(system.average(system._theta_increment(2)) - system.theta_drift[2]) == 0
