"""The derivation of the mixture flow: what it gives, against the package's numbers, and its checks."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from asymptotics.mixture_flow.equations.order_parameters import final_state, order_parameters
from asymptotics.mixture_flow.equations.rates import error_expansion
from derivations.identity import DerivationError, require_zero
from derivations.mixture_flow import equations as mixture_flow
from derivations.mixture_flow import results as mixture_flow_results
from derivations.mixture_flow import slips as mixture_flow_slips
from derivations.mixture_flow.report import derivation
from derivations.steps import Derivation

SIGMA = mixture_flow.sigma
VALUES = {"n": 5, "K": 2, "sigma": 0.7, "lambda": 0.3, "m": 1.4}
ARGUMENTS = {"samples": 5, "noises": 2, "cluster_std": 0.7, "ridge": 0.3, "centroid_norm": 1.4}


def number(expression, **more):
    values = VALUES | more
    return float(expression.subs({x: values[x.name] for x in expression.free_symbols}))


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.7, 0.3), (0.2, 0.9), (0.0, 1.0)])
@pytest.mark.ci
def test_order_parameters_are_the_package_s(alpha, beta):
    exact = order_parameters(alpha, beta, **ARGUMENTS)
    for name, expression in mixture_flow.order_parameters().items():
        expected = float(getattr(exact, name))
        assert number(expression, alpha=alpha, beta=beta, C_00=3.7) == pytest.approx(expected, abs=1e-13), name


def test_error_distance_and_expansion():
    end = final_state(**ARGUMENTS)
    assert number(mixture_flow_results.mean_error()) == pytest.approx(float(end.mean_error), rel=1e-13)
    assert number(mixture_flow_results.distance()) == pytest.approx(float(end.mw2_squared), rel=1e-12)
    coefficients = [number(c) for c in mixture_flow_results.error_coefficients()]
    np.testing.assert_allclose(coefficients, error_expansion(0.7, 0.3, 1.4), rtol=1e-12)


def test_optimal_ridge_is_a_root_of_the_derived_polynomial():
    from asymptotics.mixture_flow.equations.rates import optimal_ridge

    best, _ = optimal_ridge(8, 1.5)
    polynomial = mixture_flow_results.optimal_ridge_polynomial()
    assert number(polynomial, n=8, sigma=1.5, m=1, **{"lambda": best}) == pytest.approx(0, abs=1e-9)


def test_finite_dimensional_solution_numerically():
    """The symbolic X_t against an independent high-precision integration of the raw flow, at made-up overlaps."""
    import mpmath

    x, _, _ = mixture_flow.solution()
    schedule = {
        mixture_flow.alpha: sp.cos(sp.pi * mixture_flow.t / 2),
        mixture_flow.beta: sp.sin(sp.pi * mixture_flow.t / 2) ** 2,
    }
    numbers = {
        "C_00": 4.1,
        "C_01": -0.37,
        "C_11": 2.9,
        "n": 3,
        "K": 1,
        "lambda": 0.4,
        "X_0": 0.8,
        "Xbar": 2.2,
        "xi": -1.3,
        "s": 1,
    }
    b, v, _ = mixture_flow.ridge()
    point = sp.Symbol("X")
    drift = mixture_flow.velocity(b, v, point).subs(schedule).doit()

    def fill(expression):
        return expression.subs({y: numbers[y.name] for y in expression.free_symbols if y.name in numbers})

    slope = sp.lambdify((mixture_flow.t, point), fill(drift), "mpmath")
    exact = sp.lambdify(mixture_flow.t, fill(x.subs(schedule)), "mpmath")
    path = mpmath.odefun(slope, 0, mpmath.mpf("0.8"), tol=mpmath.mpf("1e-12"))
    assert float(path(0.9) - exact(0.9)) == pytest.approx(0, abs=1e-9)


@pytest.mark.ci
def test_chain_and_slips():
    chain = derivation()
    assert isinstance(chain, Derivation)
    titles = [step.title for step in chain]
    assert titles[:3] == ["Ridge problem", "Overlaps in high dimension", "Denoiser in high dimension"]
    assert "Solution for every interpolant" in titles
    assert len(chain["Equations of motion"].equations) == 4
    text = str(chain)
    assert all(title in text for title in titles) and "σ" in text
    assert r"\dot" in chain.latex() or r"\frac{d}{d t}" in chain.latex()
    assert len(chain.slips) == 6


def real(slip):
    """What makes a slip one: ours agrees with an independent number, the printed form does not."""
    printed, derived, independent = slip.check()
    return derived == pytest.approx(independent, rel=1e-6) and abs(printed - independent) > 1e-3


@pytest.mark.parametrize("k", range(6))
def test_slips_are_real_and_fail_if_ours_were_the_printed_form(k, monkeypatch):
    slip = mixture_flow_slips.slips()[k]
    assert real(slip), slip.where
    printed, _, independent = slip.check()
    # The printed form in place of ours: its check fails, and the independent number does not follow.
    monkeypatch.setattr(mixture_flow_slips, "_number", lambda *_, **__: printed)
    mixture_flow_slips.explicit.cache_clear()
    assert not real(slip), slip.where
    assert slip.check()[2] == pytest.approx(independent, rel=1e-13)


def test_what_stands_in_a_transcript_alone_says_so():
    by_source = {"transcript": 0, "code": 0}
    for slip in mixture_flow_slips.slips():
        transcript = slip.where.startswith(mixture_flow_slips.TRANSCRIPT)
        by_source["transcript" if transcript else "code"] += 1
        assert transcript == ("paper" in slip.explanation), slip.where
        assert transcript or "SPOC-group/Diffusion_GMM" in slip.where
    assert by_source == {"transcript": 2, "code": 4}
    rate = mixture_flow_slips.slips()[0]
    assert "Theta_n(1/n)" in rate.explanation and "2310.03575" in rate.explanation and rate.derived.rhs == 2 * SIGMA**2


def test_explicit_vectors_know_none_of_the_formulae():
    """n = 2 by hand: b(½) from the normal equations with fractions, against the same with explicit vectors."""
    from fractions import Fraction

    lam, std, scale = Fraction(1, 2), Fraction(3, 2), Fraction(5, 2)
    # y = (x₀ + x₁)/2: Σ‖y‖² = 2(1 + 1 + 9/4)/4, ‖Σy‖² = (2 + 4 + 2·9/4)/4; Σ y·x₁ = 2(1 + 9/4)/2, Σy·Σx₁ = (4 + 2·9/4)/2.
    square = Fraction(2) * (2 + std**2) / 4 - (2 + 4 + 2 * std**2) / 4 / scale
    target = (1 + std**2) - (4 + 2 * std**2) / 2 / scale
    b, v = mixture_flow_slips.Explicit(2, float(std), float(lam)).denoiser(0.5, 0.5)
    assert b == pytest.approx(float(target / square), rel=1e-14)
    assert v[0] == pytest.approx(float((2 - 2 * (target / square) / 2) / scale), rel=1e-14)


def test_published_euler_loops_are_reproduced():
    checks = {slip.where.split(", ", 1)[1]: slip.check()[0] for slip in derivation().slips[2:]}
    assert checks["Theory.ipynb, summary_stats, Euler loop"] == pytest.approx(0.97284, abs=5e-6)
    assert checks["Simulations.py, time grid"] == pytest.approx(1.4785, abs=5e-5)


@pytest.mark.parametrize("noises", [1, 2, 5])
def test_leading_error_is_the_large_n_limit(noises):
    """n ‖μ̂ − μ‖²/d of the numerical room at n = 10⁸ against the derived limits."""
    learned, free = mixture_flow_results.leading_error()
    arguments = ARGUMENTS | {"samples": 1e8, "noises": noises}
    for expression, kind in ((learned, {}), (free, {"skip": False}), (free, {"fresh_noise": True})):
        measured = 1e8 * float(final_state(**arguments, **kind).mean_error)
        assert number(expression, K=noises) == pytest.approx(measured, rel=1e-6)


def test_a_false_identity_stops_the_derivation():
    with pytest.raises(DerivationError, match="wrong"):
        require_zero(sp.Symbol("x") + 1, "wrong")
