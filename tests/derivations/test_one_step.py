"""The derivation builds (each step checks itself), agrees with the numerical room, and its slips are real."""

from __future__ import annotations

import math

import pytest
import sympy

from asymptotics.one_step.closed_forms import bandwidth, divergences, hellinger
from derivations import one_step


@pytest.fixture(scope="module")
def derivation():
    return one_step.derivation()


@pytest.mark.ci
def test_steps_print(derivation):
    titles = [step.title for step in derivation]
    assert len(titles) == 14
    assert "Two branches of the log-determinant" in titles
    assert derivation.markdown().count("###") >= 10


@pytest.mark.parametrize(("q", "ratio"), [(0.3, 0.5), (0.05, 0.9), (0.6, 0.61)])
def test_branches_are_those_of_the_room(derivation, q, ratio):
    """The derived expressions, evaluated, equal the numerical functions."""
    equations = {str(e.lhs): e.rhs for e in derivation["Two branches of the log-determinant"].equations}
    values = {one_step.q: q, one_step.gamma: ratio}
    size = 10**9
    found = divergences.log_det_rate(q, size, round(size / ratio), asymptotic=True)
    assert float(equations["Lambda_inner"].subs(values)) == pytest.approx(found, rel=1e-7)
    inner = {one_step.q: q, one_step.gamma: 0.5 * q}
    correction = float(equations["delta"].subs({**inner, one_step.d: 50}))
    n = 10**8
    d = round(0.5 * q * n)
    difference = divergences.log_det_rate(q, d, n) - divergences.log_det_rate(q, d, n, asymptotic=True)
    assert d * difference == pytest.approx(50 * correction, rel=1e-5)
    inverse = float(equations["TrSigma^{-1}/d"].subs(inner))
    assert inverse == pytest.approx((1 - 0.5 * q) / (q - 0.5 * q), rel=1e-12)


def test_averages_are_those_of_the_room(derivation):
    equations = derivation["Marchenko–Pastur averages"].equations
    kappa, ratio = 0.8, 0.4
    values = {one_step.kappa: kappa, one_step.gamma: ratio}
    c = float(equations[1].rhs.subs(values))
    assert float(equations[2].rhs.subs(values)) == pytest.approx(hellinger.inverse_moment(c, ratio), rel=1e-12)
    assert float(equations[3].rhs.subs(values)) == pytest.approx(hellinger.log_moment(c, ratio), rel=1e-12)


def test_bandwidths_are_those_of_the_room(derivation):
    equations = derivation["Bandwidths"].equations
    values = {one_step.n: 300, one_step.d: 7, one_step.sigma: 1.3}
    assert float(equations[1].rhs.subs(values)) * 1.69 == pytest.approx(
        bandwidth.amise_bandwidth(300, 7, 1.3), rel=1e-12
    )
    assert float(equations[3].rhs.subs(values)) == pytest.approx(bandwidth.mixing_bandwidth(300, 7, 1.3), rel=1e-12)
    best = bandwidth.mise_bandwidth(300, 7)
    assert float(equations[2].lhs.subs({**values, one_step.s: best})) == pytest.approx(0.0, abs=1e-11)
    assert sympy.simplify(equations[4].rhs) == 1


def test_slips_are_real(derivation):
    """Each: the derived value matches the independent one, the printed value does not."""
    assert len(derivation.slips) == 5
    for slip in derivation.slips:
        printed, derived, independent = slip.check()
        assert math.isclose(derived, independent, rel_tol=2e-4), slip.where
        assert abs(printed - independent) > 20 * abs(derived - independent), slip.where
        assert not math.isclose(printed, derived, rel_tol=1e-3), slip.where
        assert slip.where in str(slip)
