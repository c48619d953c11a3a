"""The derivation of random-feature score models against the package's numbers, which share no code with it."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from asymptotics.random_features import Model, Points, hermite_constants
from asymptotics.random_features.losses.kernel import corner
from asymptotics.random_features.resolvents.equations import Source, derivative, tangent
from derivations.identity import DerivationError, require_zero
from derivations.random_features import equations as source
from derivations.random_features.report import derivation
from derivations.random_features.slips import slips


@pytest.fixture(scope="module")
def chain():
    return derivation()


NUMBERS = {"psi_p": 3.0, "psi_n": 1.7, "alpha": 0.55, "b": 0.21, "v": 0.13, "s": 0.08, "sigma": 1.3}
MODEL = Model(3.0, 1.7, 0.25, 0.55**2, 0.21**2, 0.13**2, 0.08**2, np.array([1.3]), np.array([1.0]))
UNKNOWNS = {"q": 2.3, "theta": 0.61, "theta_d": 0.83}


def test_fixed_point_and_its_jacobian():
    """The package's hand-written equations and responses are the derived ones, differentiated by SymPy."""
    symbols = (source.q, source.theta, source.theta_d)
    derived = [sp.sympify(e).subs(source.m, 4) for e in source.fixed_point()]
    values = {**NUMBERS, **UNKNOWNS, "lambda": 0.37}

    def number(expression):
        return float(expression.subs({s: values[s.name] for s in expression.free_symbols}))

    points = Points(MODEL, *(np.array([v]) for v in UNKNOWNS.values()))
    np.testing.assert_allclose(points.residual(np.array([0.37]))[0], [number(e) for e in derived], rtol=1e-12)
    jacobian = [[number(sp.diff(e, x)) for x in symbols] for e in derived]
    np.testing.assert_allclose(tangent(points)[0][0], jacobian, rtol=1e-11)


def test_generating_function_by_differences():
    """∂φ/∂λ from the linear response against a difference of two solved points."""
    from asymptotics.random_features.resolvents.equations import solve_real

    up, down = (solve_real(MODEL, 0.1 + h) for h in (1e-5, -1e-5))
    slope = derivative(solve_real(MODEL, 0.1), (Source(1.0),))[0, 0]
    assert slope == pytest.approx(float(up.phi[0] - down.phi[0]) / 2e-5, rel=1e-7)


@pytest.mark.parametrize("name", ["erf", "relu"])
def test_closed_constants(chain, name):
    title = {"erf": "Closed form: erf", "relu": "Closed form: ReLU"}[name]
    t, variance = 0.2, 1.4
    decay, noise = np.exp(-2 * t), 1 - np.exp(-2 * t)
    total = decay * variance + noise
    values = {"Gamma": np.sqrt(total), "C": decay * variance, "rho": decay * variance / total}
    found = {
        e.lhs.name: float(e.rhs.subs({s: values[s.name] for s in e.rhs.free_symbols})) for e in chain[title].equations
    }
    c = hermite_constants(name, t, variance)
    assert c.a == pytest.approx(found["a"], rel=1e-12)
    assert c.v2 + c.alpha2 * variance + c.mean**2 == pytest.approx(found["E_pair"], rel=1e-12)


def test_kernel_matrix(chain):
    matrix, slow = chain["Kernel limit"].equations[0].rhs, chain["Kernel limit"].equations[1].rhs
    values = {"alpha": 0.55, "b": 0.21, "sigma": 1.3, "epsilon": 0.13**2 / 1.7}
    m = np.array(matrix.subs({s: values[s.name] for s in matrix.free_symbols}), dtype=float)
    rates, vectors = np.linalg.eigh(m)
    expected = (vectors[0] ** 2) @ ((1 - np.exp(-rates * 5.0)) / rates)
    found = corner(MODEL, np.array([1.3]), np.array([5.0]))[0, 0]
    assert complex(found) == pytest.approx(expected, rel=1e-12)
    # The slow rate is that of the memory bulk for n ≫ d.
    small = {**values, "epsilon": 1e-7}
    m = np.array(matrix.subs({s: small[s.name] for s in matrix.free_symbols}), dtype=float)
    rate = float(slow.subs({s: small[s.name] for s in slow.free_symbols}))
    assert np.linalg.eigvalsh(m)[0] == pytest.approx(rate, rel=1e-5)


@pytest.mark.parametrize("slip", slips(), ids=lambda s: s.where.partition(": ")[2])
def test_slips(slip):
    printed, derived, independent = slip.check()
    assert derived == pytest.approx(independent, rel=4e-3)
    assert abs(printed - derived) > 0.1 * abs(derived)


def test_what_the_note_found_in_the_code():
    assert {s.where.partition(": ")[2]: s for s in slips()}["sigma_xv in Gamma_t^2"].check()[:2] == pytest.approx(
        (0.0629, 0.0417), rel=2e-3
    )


def test_prints(chain):
    text = chain.latex()
    assert "Dyson" in text
    assert all(step.equations for step in chain)


def test_a_wrong_identity_is_an_error():
    with pytest.raises(DerivationError):
        require_zero(source.sigma - 1, "one")
