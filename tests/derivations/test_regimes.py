"""The symbolic conditions of the dynamical regimes give the tabulated times."""

from __future__ import annotations

import pytest
import sympy

from derivations import build
from derivations.autoencoder.network.names import b
from derivations.autoencoder.sampling import regimes

#: m, σ²; exact t_S, t_S and t_B of the tied net trained at t₀.
TABLE = [
    (3, 1, 0.261204, 0.183956, 0.020318),
    (2, 0.5, 0.348331, 0.308659, 0.053889),
    (1.5, 1, 0.472136, 0.525839, 0.242376),
]


@pytest.mark.parametrize(("m", "variance", "t_exact", "t_score", "t_bimodal"), TABLE)
def test_closed_forms_give_the_table(m, variance, t_exact, t_score, t_bimodal):
    at = {regimes.m: m, regimes.variance: variance}
    assert float(regimes.exact_turn()["t_S"].subs(at)) == pytest.approx(t_exact, abs=6e-7)
    example, bimodal = regimes.closed_example(), regimes.bimodal_linear()
    t_0 = example["t_0"]
    kappa = example["kappa"].subs(sympy.Symbol("t_0"), t_0).subs(at)
    assert 1 / float(kappa) == pytest.approx(t_score, abs=6e-7)
    Q = float(example["Q"].subs(regimes.beta, t_0).subs(at))
    t_B = bimodal["t_B"].subs(bimodal["a"], kappa - 1).subs(regimes.Q, Q)
    assert float(t_B) == pytest.approx(t_bimodal, abs=6e-7)


def test_derivation_prints():
    text = str(build("regimes"))
    for title in ("The odd map to third order", "Landscape", "A closed example"):
        assert title in text
    assert b not in regimes.drift_turn()["t_c"].free_symbols
