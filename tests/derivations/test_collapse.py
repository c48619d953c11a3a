"""The collapse map: closed forms against quadrature and step-by-step products in plain floats."""

from __future__ import annotations

import math

import pytest
import sympy

from derivations.autoencoder.sampling import collapse
from derivations.autoencoder.training import skip


@pytest.mark.parametrize("schedule", list(collapse.SCHEDULES))
@pytest.mark.parametrize("b", [0.3, 1.4])
def test_variance_against_runge_kutta(schedule, b):
    alpha, beta = (sympy.lambdify(collapse.t, x) for x in collapse.SCHEDULES[schedule])
    stop, h = 0.8, 1e-5

    def delta(t):
        da, db = (alpha(t + h) - alpha(t - h)) / (2 * h), (beta(t + h) - beta(t - h)) / (2 * h)
        return b * (db - da * beta(t) / alpha(t)) + da / alpha(t)

    direct = skip.integrate(lambda t, v: 2 * delta(max(t, h)) * v, 1.0, stop, steps=2000)
    closed = float(collapse.variance(schedule).subs({collapse.b: b, collapse.t_f: stop}))
    assert closed == pytest.approx(direct, rel=1e-4)


def test_euler_variance_is_the_published_number():
    """b = .699287 after 99 steps of 1/100: v = .075785."""
    value = float(collapse.euler_variance().subs({collapse.N: 100, collapse.m: 99, collapse.b: 0.6992870509}))
    direct = math.prod((1 + 0.01 * (0.6992870509 - 1) / (1 - 0.01 * k)) ** 2 for k in range(99))
    assert value == pytest.approx(direct, rel=1e-10)
    assert value == pytest.approx(0.075785, abs=1e-6)


def test_map_is_the_composition():
    values = {
        skip.Lambda: 0.4, skip.E_beta: 0.5, skip.E_beta2: 0.33, skip.E_alpha2: 0.33, skip.b0: 0.2, skip.tau: 3.0,
        collapse.t_f: 0.9,
    }  # fmt: skip
    b = skip.integrate(lambda _, y: 0.4 * 0.5 - (0.4 * 0.33 + 0.33) * y, 0.2, 3.0)
    assert float(collapse.collapse_map().subs(values)) == pytest.approx(0.1 ** (2 - 2 * b), rel=1e-6)


def test_pitchfork_at_half_time():
    found = collapse.half_time()
    assert sympy.simplify(found["critical"] - (1 - sympy.exp(-1))) == 0

    # Iterate the map itself beyond and before the critical t_f.
    def limit(stop, Lambda=1.05, steps=4000):
        for _ in range(steps):
            b = 2 * Lambda / (1 + Lambda)
            Lambda = (1 - stop) ** (2 - 2 * b)
        return Lambda

    assert limit(0.62) == pytest.approx(1.0, abs=1e-4)
    beyond = limit(0.66)
    assert beyond > 1.5
    assert limit(0.66, 1 / 1.05) == pytest.approx(1 / beyond, rel=1e-6)
    # Near the bifurcation the branch is the cubic's.
    ell = 1.002
    x = math.log(limit(1 - math.exp(-ell), 1.2, 200_000))
    predicted = float(found["branch"].subs(found["ell"], ell))
    assert x**2 == pytest.approx(predicted, rel=0.02)


def test_slope_against_finite_differences():
    values = {skip.E_beta: 0.6, skip.E_beta2: 0.36, skip.E_alpha2: 0.16, collapse.t_f: 0.8}

    def log_v(Lambda):
        b = Lambda * 0.6 / (Lambda * 0.36 + 0.16)
        return (2 - 2 * b) * math.log(0.2)

    direct = (log_v(0.3 * math.exp(1e-5)) - log_v(0.3 * math.exp(-1e-5))) / 2e-5
    assert float(collapse.slope_at_fixed_point().subs({**values, skip.Lambda: 0.3})) == pytest.approx(direct, rel=1e-6)


def test_critical_fraction_makes_a_fixed_point():
    v, wanted, Lambda_0 = 0.02, 0.5, 1.0
    symbol_v = next(x for x in collapse.critical_fraction().free_symbols if x.name == "v")
    phi = float(collapse.critical_fraction().subs({symbol_v: v, skip.Lambda: wanted, collapse.Lambda_0: Lambda_0}))
    assert phi * Lambda_0 + (1 - phi) * v == pytest.approx(wanted)


def test_derivation_prints():
    found = collapse.derivation()
    assert "Pitchfork" in str(found) and r"\tanh" in found.latex()
    assert len(found.steps) == 8
