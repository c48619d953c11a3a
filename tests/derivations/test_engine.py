"""The engine against independent computations: finite differences, Monte-Carlo SGD steps, hand-derived formulae."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
import sympy

from derivations import Denoiser, architecture, build, derive, local_field, sigma
from derivations.autoencoder.network.denoiser import alpha, beta
from derivations.autoencoder.network.names import Lambda, b


def test_potential_of_tied_network_is_that_of_the_paper():
    system = derive(architecture("tied", 2))
    w1, w2 = (local_field(v) for v in ("w_1", "w_2"))
    Q11, Q12, Q22 = (sympy.Symbol(f"Q_{i}", real=True) for i in ("1_1", "1_2", "2_2"))
    l1 = [sympy.Symbol(f"lambda1_w_{k}", real=True) for k in (1, 2)]
    l0 = [sympy.Symbol(f"lambda0_w_{k}", real=True) for k in (1, 2)]
    omega = [alpha * x + beta * y for x, y in zip(l0, l1, strict=True)]
    s1, s2 = sigma(w1), sigma(w2)
    expected = sum(2 * (b * o - x) * s for o, x, s in zip(omega, l1, (s1, s2), strict=True))
    expected += Q11 * s1**2 + 2 * Q12 * s1 * s2 + Q22 * s2**2
    derived = system.potential.subs(dict(zip(system.residual_fields, system.residual_definition, strict=True)))
    assert sympy.expand(derived - expected) == 0


def test_gradient_and_hessian_of_tied_network_match_the_published_form():
    """g₁ = (1−bβ)σ + βF, g₀ = −bασ + αF, ∂g₁/∂λ₁ = diag(2β(1−bβ)D + β²εσ″) − β² Q∘DDᵀ, with F = εD."""
    system = derive(architecture("tied", 2))
    omega = system.fields
    Q = system.gram
    s = [sigma(o) for o in omega]
    D = [x.diff(o) for x, o in zip(s, omega, strict=True)]
    D2 = [x.diff(o, 2) for x, o in zip(s, omega, strict=True)]
    eps = [e - sum(Q[a, c] * s[c] for c in range(2)) for a, e in enumerate(system.residual_fields)]
    for a in range(2):
        F = eps[a] * D[a]
        assert sympy.expand(system.gradient[1][a] - ((1 - b * beta) * s[a] + beta * F)) == 0
        assert sympy.expand(system.gradient[0][a] - (-b * alpha * s[a] + alpha * F)) == 0
        for c in range(2):
            first = -(beta**2) * Q[a, c] * D[a] * D[c]
            if a == c:
                first += 2 * beta * (1 - b * beta) * D[a] + beta**2 * eps[a] * D2[a]
            assert sympy.expand(system.hessian[1][a][c] - first) == 0
            assert sympy.expand(system.gram_derivative[a][c] + s[a] * s[c]) == 0


@pytest.mark.parametrize("predicts", ["data", "noise", "velocity"])
def test_bulk_and_skip_drift(predicts):
    """bulk/d = (y₁ − bβ)² Λ + (y₀ − bα)², db/dτ = βΛ(y₁ − bβ) + α(y₀ − bα)."""
    system = derive(architecture("tied", 1, predicts=predicts))
    y0, y1 = system.denoiser.target()
    Lam = Lambda
    assert sympy.expand(system.bulk - ((y1 - b * beta) ** 2 * Lam + (y0 - b * alpha) ** 2)) == 0
    assert sympy.expand(system.skip_drift - (beta * Lam * (y1 - b * beta) + alpha * (y0 - b * alpha))) == 0


def _numeric(system, values):
    """All second-order ingredients as numbers."""
    table = {sympy.Symbol(k, real=True): v for k, v in values.items()}
    return lambda e: float(e.subs(table))


@pytest.mark.parametrize(
    "make",
    [
        lambda: architecture("tied", 2, activation="tanh"),
        lambda: architecture("untied", 1, activation="tanh", shift="1/2"),
        lambda: Denoiser(
            "gated",
            ("u", "v", "g"),
            [("u", sympy.tanh(local_field("v")) * (1 + sympy.tanh(local_field("g"))) / 2)],
        ),
    ],
)
def test_gradient_is_that_of_the_loss_in_r_d(make):
    """∇_w ‖x₁ − f(x_t)‖² by finite differences in R^d equals −2 Σ_c g_c x_c/√d − 2 Σ_b P̂_ab w_b/d at finite d."""
    denoiser = make()
    system = derive(denoiser)
    d, rng = 6, np.random.default_rng(3)
    p = system.p
    W, x0, x1 = rng.standard_normal((p, d)), rng.standard_normal(d), rng.standard_normal(d)
    al, be, skip = 0.4, 0.8, 0.3
    phi = [sympy.lambdify(denoiser.fields, f) for f in denoiser.phi]

    def loss(weights):
        x = al * x0 + be * x1
        fields = weights @ x / np.sqrt(d)
        f = skip * x + sum(weights[u] * g(*fields) for u, g in zip(denoiser.decoders, phi, strict=True)) / np.sqrt(d)
        return np.sum((x1 - f) ** 2)

    lam0, lam1 = W @ x0 / np.sqrt(d), W @ x1 / np.sqrt(d)
    Q = W @ W.T / d
    values = {"alpha": al, "beta": be, "b": skip}
    values |= {f"Q_{i + 1}_{j + 1}": Q[i, j] for i in range(p) for j in range(i, p)}
    values |= {str(o): al * lam0[a] + be * lam1[a] for a, o in enumerate(system.fields)}
    # Exactly at finite d, the residual along decoder u is (x₁ − b x_t)·u/√d.
    values |= {
        str(e): lam1[u] - skip * (al * lam0[u] + be * lam1[u])
        for e, u in zip(system.residual_fields, system.decoder_vectors, strict=True)
    }
    number = _numeric(system, values)
    for a in range(p):
        expected = sum(-2 * number(system.gradient[c][a]) * x / np.sqrt(d) for c, x in ((0, x0), (1, x1)))
        expected = expected - 2 * sum(number(system.gram_derivative[a][c]) * W[c] for c in range(p)) / d
        measured = np.empty(d)
        for i in range(d):
            step = np.zeros((p, d))
            step[a, i] = 1e-5
            measured[i] = (loss(W + step) - loss(W - step)) / 2e-5
        np.testing.assert_allclose(measured, expected, atol=2e-8)


def test_equations_have_the_general_form():
    """dΘ = A tᵀ + BΘ − λΘ/2 and dq = X + Xᵀ + 2ηp_s N − λq with X = A mᵀ + Bq (ρ = 1)."""
    system = derive(architecture("tied", 2))
    unit = {r: 1 for r in system.rates}
    s = sympy.Symbol
    vs, mass, eta, lam = (sympy.Symbol(n, positive=True) for n in ("varsigma", "p_s", "eta", "lambda"))

    def sym(stem, i, j):
        return sympy.Symbol(f"{stem}_{min(i, j) + 1}_{max(i, j) + 1}", real=True)

    def B(i, j):
        return vs * sym("H1", i, j) + sym("H0", i, j) + sym("P", i, j)

    A, m, theta = ([s(f"{n}_{k}", real=True) for k in (1, 2)] for n in ("A", "m", "Theta"))
    for a in range(2):
        expected = A[a] * s("t", real=True) + sum(B(a, c) * theta[c] for c in range(2)) - lam * theta[a] / 2
        assert sympy.expand(system.theta_drift[a].subs(unit) - expected) == 0
        for c in range(a, 2):
            X = A[a] * m[c] + sum(B(a, e) * sym("q", e, c) for e in range(2))
            XT = A[c] * m[a] + sum(B(c, e) * sym("q", e, a) for e in range(2))
            N = vs * sym("N1", a, c) + sym("N0", a, c)
            expected = X + XT + 2 * eta * mass * N - lam * sym("q", a, c)
            assert sympy.expand(system.gram_drift[a, c].subs(unit) - expected) == 0


def test_derivation_prints_every_step():
    system = derive(architecture("untied", 1))
    text = str(system)
    for title in ("Model", "Bulk and potential", "Stein's lemma", "Order-parameter equations"):
        assert title in text
    assert r"}{\mathrm d\tau}" in system.latex()
    steps = list(system.derivation)
    assert len(steps) > 5 and all(step._repr_latex_().startswith("$") for step in steps)
    assert system._repr_latex_()


@cache
def reported():
    chains = derive(architecture("tied", 1)).derivation, *(build(x) for x in ("collapse", "fluctuations", "sampling"))
    return [slip for chain in chains for slip in chain.slips]


@pytest.mark.parametrize("k", range(4))
def test_slips_of_the_sources_are_slips(k):
    """What is shown is what is evaluated, and a check in which ours is replaced by the printed formula fails."""
    slip = reported()[k]
    assert (slip.printed.rhs, slip.derived.rhs) == (slip.check.printed, slip.check.derived)
    printed, derived, independent = slip.check()
    assert derived == pytest.approx(independent, rel=1e-9)
    assert abs(printed - independent) > 1e-3 * abs(independent)
    _, mutant, again = dataclasses.replace(slip.check, derived=slip.check.printed)()
    assert again == independent
    assert mutant != pytest.approx(independent, rel=1e-3)


def test_slips_name_their_places():
    places = " ".join(slip.where for slip in reported())
    assert len(reported()) == 4
    for place in ("transcript of the slides", "update_m_k", "update_q2", "computing variance"):
        assert place in places


def test_closed_form_of_b_returns_its_initial_value():
    from derivations.autoencoder.training import skip

    form = skip.closed_form()
    assert sympy.simplify(form.subs(skip.tau, 0) - skip.b0) == 0
    rate, limit = skip.parameters()[skip.kappa], skip.parameters()[skip.b_inf]
    assert sympy.simplify(form - (limit + (skip.b0 - limit) * sympy.exp(-rate * skip.tau))) == 0


@pytest.mark.parametrize(
    "bad",
    [
        lambda: Denoiser("x", ("u", "u"), [("u", local_field("u"))]),
        lambda: Denoiser("x", ("u",), [("v", local_field("u"))]),
        lambda: Denoiser("x", ("u",), [("u", sympy.Symbol("y"))]),
        lambda: Denoiser("x", ("u",), []),
        lambda: Denoiser("x", ("u",), [("u", local_field("u"))], predicts="score"),
        lambda: architecture("tied", 1, activation="sine"),
    ],
)
def test_bad_declarations_are_refused(bad):
    with pytest.raises(ValueError, match=r"must|has the symbol"):
        bad()
