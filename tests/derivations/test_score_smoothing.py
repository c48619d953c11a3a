"""The derivation of score smoothing: its equations against the package's numbers, which share no code with it."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from asymptotics.score_smoothing import (
    EmpiricalScore,
    GeneratedLaw,
    OrnsteinUhlenbeck,
    PiecewiseLinearScore,
    SmoothedScore,
    metastability_exponent,
    three_neurons,
)
from asymptotics.score_smoothing.networks.variational import gap_loss, smoothed_loss
from derivations import score_smoothing as source
from derivations.identity import DerivationError, require_zero
from derivations.score_smoothing import derivation
from derivations.steps import Derivation


@pytest.fixture(scope="module")
def chain() -> Derivation:
    return derivation()


def value(expression, **values):
    names = {s: values[s.name] for s in expression.free_symbols if s.name in values}
    return float(expression.subs(names))


X = [-1.7, -0.6, -0.05, 0.2, 0.93, 1.4]


def test_scores(chain):
    exact, piecewise = (e.rhs for e in chain["Empirical score"].equations)
    smoothed = chain["Local averaging is the smoothed score"].equations[0].rhs
    for x in X:
        at = {"x": x, "Delta": 1.0, "t": 0.04, "delta": 0.1}
        assert value(exact, **at) == pytest.approx(float(EmpiricalScore(2)(x, 0.04)), abs=1e-11)
        assert value(piecewise, **at) == pytest.approx(float(PiecewiseLinearScore(2)(x, 0.04)), abs=1e-11)
        assert value(smoothed, **at) == pytest.approx(float(SmoothedScore(2, 0.5)(x, 0.04)), abs=1e-11)


def test_flow_map(chain):
    in_gap, in_ball = (e.rhs for e in chain["Flow map"].equations)
    at = {"Delta": 1.0, "kappa": 0.5, "t": 0.2, "s": 0.01}
    score = SmoothedScore(2, 0.5)
    for z in (-0.7, 0.3):
        assert value(in_gap, z=z, **at) == pytest.approx(float(score.flow(z, 0.2, 0.01)), rel=1e-12)
    for z in (0.9, 1.6):
        assert value(in_ball, z=z, **at) == pytest.approx(float(score.flow(z, 0.2, 0.01)), rel=1e-12)


def test_density_and_masses(chain):
    r, _, atom, mass, early = (e.rhs for e in chain["Generated density"].equations)
    at = {"Delta": 1.0, "kappa": 0.5, "t_0": 0.2}
    law = GeneratedLaw(2, 0.5, 0.2)
    assert value(r, **at) == pytest.approx(1 / law.ratio, rel=1e-12)
    assert value(atom, **at) == pytest.approx(law.ball_masses()[0], rel=1e-12)
    assert value(mass, **at) == pytest.approx(law.gap_mass(), rel=1e-12)
    assert value(early, **at) == pytest.approx(GeneratedLaw(2, 0.5, 1e-9).gap_mass(), rel=1e-9)


def test_neurons_and_loss(chain):
    *neurons, norm = (e.rhs for e in chain["Three neurons"].equations)
    net = three_neurons(0.03, 0.2)
    signed = net.a * np.abs(net.w)
    np.testing.assert_allclose([value(e, t=0.03, delta=0.2) for e in neurons], [*signed, net.c], rtol=1e-12)
    assert value(norm, t=0.03, delta=0.2) == pytest.approx(net.path_norm)
    g, total = (e.rhs for e in chain["Loss"].equations)
    assert value(g, kappa=1.3) == pytest.approx(float(gap_loss(1.3)), rel=1e-12)
    number = total.subs(sp.Function("G")(source.kappa), float(gap_loss(1.3)))
    assert value(number, kappa=1.3, n=5, Delta=0.25, t=1e-3) == pytest.approx(smoothed_loss(5, 1.3, 1e-3), rel=1e-12)


def test_other_steps(chain):
    gamma = chain["Circle: metastability"].equations[0].rhs
    assert value(gamma, alpha=np.pi / 8) == pytest.approx(metastability_exponent(8), rel=1e-12)
    critical = chain["The shape of the kernel matters"].equations[1].rhs
    assert value(critical, Delta=1.0) == pytest.approx(np.sqrt(2 / np.pi))
    sup = chain["Box average of the exact score"].equations[1].rhs
    assert value(sup, t=0.01, w=0.7) == pytest.approx(0.01 * np.log(2) / 1.4)
    width = chain["Ornstein–Uhlenbeck process"].equations[2].rhs
    assert value(width, kappa=0.5, t=0.3) == pytest.approx(0.5 * np.sqrt(1 - np.exp(-0.6)))
    score = OrnsteinUhlenbeck(SmoothedScore(2, 0.5))
    inside = np.exp(-0.3) - 0.99 * value(width, kappa=0.5, t=0.3)
    assert float(score(inside, 0.3)) == pytest.approx((np.exp(-0.3) - inside) / (1 - np.exp(-0.6)))


def test_it_prints(chain):
    assert [s.title for s in chain][:3] == [
        "Empirical score",
        "Local averaging is the smoothed score",
        "Box average of the exact score",
    ]
    assert "Flow map" in str(chain)
    assert r"\tanh" in chain.latex()
    assert chain.markdown().startswith("# score_smoothing")


def test_a_false_identity_is_refused():
    with pytest.raises(DerivationError, match="slope"):
        require_zero(source.delta / (source.gap - source.delta) - 1, "slope")
