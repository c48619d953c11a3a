"""The derivation of interacting theories."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from asymptotics.interactions import trace_series
from derivations.identity import DerivationError
from derivations.interactions import equations, learning
from derivations.interactions.report import derivation
from derivations.interactions.slips import slips


@pytest.mark.ci
def test_chain_prints():
    chain = derivation()
    assert "Pull-back" in chain.latex()
    assert all(step.equations for step in chain)


def test_series_of_the_package():
    plain, _ = trace_series(7, 1000)
    derived = [float(value.subs(learning.m, 7)) for value in learning.trace_coefficients()]
    np.testing.assert_allclose((plain - np.array([1, 7, 28]) / 1000) * 1e6, derived, rtol=1e-8)


def test_a_full_quadratic_layer_has_no_polynomial_action():
    with pytest.raises(DerivationError, match="determinant"):
        equations.symbolic_action([[[[1, 0], [0, 0]], [[0, 0], [0, 0]]]], sp.symbols("x_1 x_2", real=True))


@pytest.mark.parametrize("slip", slips(), ids=lambda s: s.where.partition(", ")[2])
def test_slips(slip):
    printed, derived, independent = slip.check()
    assert derived == pytest.approx(independent, abs=1e-9)
    assert printed < -0.1
