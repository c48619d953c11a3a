"""Random increments and derivatives of the drift: against one step of SGD on vectors, and against numerical derivatives."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from derivations import Denoiser, architecture, derive, local_field
from derivations.autoencoder.dynamics.fluctuations import fluctuations, gaussian_exponential
from derivations.autoencoder.dynamics.linear_noise import NORMS, Increment
from derivations.autoencoder.network.names import eta, lam, mass, symbol, symmetric, varsigma

ALPHA, BETA, B = 0.3, 0.7, 0.4


def sample(d: int, p: int):
    """Weights, a direction and (x₀, x₁) with exactly |x|² = d and x₀ ⟂ x₁: norms at their leading order."""
    rng = np.random.default_rng(0)
    W, u = rng.standard_normal((p, d)), np.zeros(d)
    u[0] = 1.0
    x0, x1 = rng.standard_normal((2, d))
    x1 += 2.0 * u
    x1 -= (x1 @ x0) / (x0 @ x0) * x0
    return W, u, x0 * np.sqrt(d / (x0 @ x0)), x1 * np.sqrt(d / (x1 @ x1))


def loss(W, b, x0, x1):
    """Untied: f(x) = b x + u tanh(v·x/√d)/√d."""
    d = len(x0)
    x = ALPHA * x0 + BETA * x1
    return np.sum((x1 - b * x - W[0] * np.tanh(W[1] @ x / np.sqrt(d)) / np.sqrt(d)) ** 2)


def test_increments_are_those_of_a_step_in_many_dimensions():
    d, rate, decay = 4000, 0.2, 0.3
    system = derive(architecture("untied", 1, activation="tanh"))
    f = fluctuations(system)
    W, u, x0, x1 = sample(d, 2)
    slope = np.empty_like(W)
    x = ALPHA * x0 + BETA * x1
    omega = W @ x / np.sqrt(d)
    residual = x1 - B * x - W[0] * np.tanh(omega[1]) / np.sqrt(d)
    slope[0] = -2 * residual * np.tanh(omega[1]) / np.sqrt(d)
    slope[1] = -2 * (residual @ W[0]) / np.sqrt(d) * (1 - np.tanh(omega[1]) ** 2) * x / np.sqrt(d)
    after = W - rate * (slope + decay / d * W)
    # The same increments from the symbolic side, with the sample's own fields.
    l0, l1, Q = W @ x0 / np.sqrt(d), W @ x1 / np.sqrt(d), W @ W.T / d
    values = {"alpha": ALPHA, "beta": BETA, "b": B}
    at = {sympy.Symbol(k, real=True): v for k, v in values.items()}
    at |= dict(zip(system.fields, omega, strict=True))
    at |= {system.residual_fields[0]: float(-B * ALPHA * l0[0] + (1 - B * BETA) * l1[0])}
    at |= {system.gram[a, c]: Q[a, c] for a in range(2) for c in range(2)}
    numbers = {symbol("g", c, a + 1): float(system.gradient[c][a].subs(at)) for c in (0, 1) for a in (0, 1)}
    numbers |= {symmetric("P", a, c): float(system.gram_derivative[a][c].subs(at)) for a in (0, 1) for c in (0, 1)}
    numbers |= {symbol("z", c, a + 1): (l0, l1)[c][a] for c in (0, 1) for a in (0, 1)}
    numbers |= {symbol("zu", 0): x0 @ u, symbol("zu", 1): x1 @ u}
    numbers |= {symbol("Theta", a + 1): W[a] @ u / np.sqrt(d) for a in (0, 1)}
    numbers |= {symmetric("q", a, c): Q[a, c] for a in (0, 1) for c in (0, 1)}
    numbers |= {eta: rate, lam: decay, mass: 1.0, varsigma: 1.0} | dict.fromkeys(system.rates, 1.0)
    step = d / (2 * rate)
    assert len(f.theta_increment) == 2 and len(f.gram_increment) == 3
    for a, row in enumerate(f.theta_increment):
        expected = step * (after[a] - W[a]) @ u / np.sqrt(d)
        assert float(total(row).subs(numbers)) == pytest.approx(expected, rel=1e-9)
    squares = []
    for (a, c), row in f.gram_increment.items():
        expected = step * (after[a] @ after[c] - W[a] @ W[c]) / d
        assert float(total(row).subs(numbers)) == pytest.approx(expected, abs=20 / d)
        squares.append(float(total(Increment({}, {}, row.square, sympy.Integer(0))).subs(numbers)))
    assert max(squares) > 100 / d  # they are no small correction


def total(row):
    def g(c, a):
        return symbol("g", c, a + 1)

    out = row.constant + sum(x * g(c, a) * z for (c, a, z), x in row.overlap.items())
    out += sum(x * symmetric("P", *k) for k, x in row.gram.items())
    return out + sum(x * g(c, a) * g(c, e) for (c, a, e), x in row.square.items())


def test_the_skip_connections_increment():
    """−½ ∂_b loss of a network whose weights are zero, by central differences."""
    d = 50
    rng = np.random.default_rng(1)
    x0, x1 = rng.standard_normal((2, d))
    f = fluctuations(derive(architecture("untied", 1, activation="tanh")))
    h = 1e-4
    W = np.zeros((2, d))
    numerical = -(loss(W, B + h, x0, x1) - loss(W, B - h, x0, x1)) / (4 * h)
    at = {sympy.Symbol(k, real=True): v for k, v in {"alpha": ALPHA, "beta": BETA, "b": B}.items()}
    norms = dict(zip(NORMS, (x0 @ x0, x0 @ x1, x1 @ x1), strict=True))
    value = sum(float(c.subs(at)) * norms[n] for c, n in zip(f.skip_increment, NORMS, strict=True))
    assert value == pytest.approx(numerical, rel=1e-8)


@pytest.mark.parametrize("predicts", ["data", "noise", "velocity"])
def test_printed_variance_of_the_skip_connections_step_is_that_of_drawn_samples(predicts):
    """Tr Σ/d and Tr Σ²/d differ by a factor of three: 0.1.0 printed c₀₁² Tr Σ²/d."""
    d, count = 60, 40_000
    spread = np.repeat([0.05, 4.0], d // 2)
    f = fluctuations(derive(architecture("tied", 1, predicts=predicts)))
    step = f.derivation["Fluctuation of the skip connection"]
    y0, y1 = {"data": (0.0, 1.0), "noise": (1.0, 0.0), "velocity": (-1.2, 0.9)}[predicts]
    # Times at which the cross term x₀·x₁ weighs most.
    al, be, skip = (0.15, 0.9, 0.05) if predicts == "noise" else (0.9, 0.15, 0.05)
    rng = np.random.default_rng(7)
    x0, x1 = rng.standard_normal((count, d)), rng.standard_normal((count, d)) * np.sqrt(spread)
    x = al * x0 + be * x1
    slope = np.sum((y0 * x0 + y1 * x1 - skip * x) * x, axis=1)  # −½ ∂_b ‖y − b x‖²
    at = {"alpha": al, "beta": be, "alpha_dot": -1.2, "beta_dot": 0.9, "b": skip}
    coefficients = [
        float(e.rhs.subs({sympy.Symbol(k, real=True): v for k, v in at.items()})) for e in step.equations[:3]
    ]
    names = dict(zip((e.lhs for e in step.equations[:3]), coefficients, strict=True))
    names |= {sympy.Symbol("trSigma_over_d"): spread.mean(), sympy.Symbol("trSigma2_over_d"): np.mean(spread**2)}
    printed = float(step.equations[-1].rhs.subs(names))
    measured = slope.var() / d
    error = measured * np.sqrt(2 / count) * 1.5  # the slope's fourth cumulant included
    assert printed == pytest.approx(measured, abs=4 * error)
    wrong = printed + coefficients[1] ** 2 * (np.mean(spread**2) - spread.mean())
    assert abs(wrong - measured) > 20 * error
    # What the numerical room evaluates is this very expression.
    from asymptotics.autoencoder.kernels.written.increments import compile_fluctuations

    system = derive(architecture("tied", 1, activation="tanh", predicts=predicts))
    kernels = compile_fluctuations(("statements", predicts), lambda: system)
    values = kernels.module.skip_variance(*coefficients, np.array([0.05, 4.0]))
    assert values.mean() == pytest.approx(printed, rel=1e-12)


@pytest.mark.parametrize("name, activation", [("tied", "erf"), ("untied_bias", "tanh"), ("scaled", "softplus")])
def test_explicit_derivatives_are_complete(name, activation):
    """Every derivative by e, Q, b, κ at fixed fields, those left out included, against central differences."""
    f = fluctuations(derive(architecture(name, 2, activation=activation)))
    s = f.system
    variables = {f"e_{j}": x for j, x in enumerate(s.residual_fields)}
    variables |= {f"Q_{a + 1}_{c + 1}": s.gram[a, c] for a, c in f.pairs} | {"b": sympy.Symbol("b", real=True)}
    variables |= {f"kappa_{k}": x for k, x in enumerate(s.denoiser.parameters)}
    arguments = sorted(set().union(*(x.free_symbols for x in f.functions.values())) | set(variables.values()), key=str)
    functions = sympy.lambdify(arguments, list(f.functions.values()), ["scipy", "numpy"])
    point = np.random.default_rng(2).normal(size=len(arguments)) * 0.7
    for label, variable in variables.items():
        step = 1e-5 * np.array([x == variable for x in arguments])
        numerical = (np.array(functions(*(point + step))) - np.array(functions(*(point - step)))) / 2e-5
        symbolic = [
            float(f.explicit[n].get(label, sympy.Integer(0)).subs(dict(zip(arguments, point, strict=True))))
            for n in f.functions
        ]
        assert np.allclose(symbolic, numerical, atol=1e-8)


def test_price_and_bonnet_on_exponentials_by_quadrature():
    value, (m1, m2, c11, c12, c22, s1, s2) = gaussian_exponential()
    at = {m1: 0.3, m2: -0.2, c11: 0.8, c12: 0.3, c22: 0.5, s1: 0.7, s2: -0.4}
    x, w = np.polynomial.hermite_e.hermegauss(40)
    w = w / w.sum()
    root = np.linalg.cholesky(np.array([[0.8, 0.3], [0.3, 0.5]]))
    z = np.stack(np.meshgrid(x, x, indexing="ij"), -1) @ root.T + [0.3, -0.2]
    integral = np.einsum("i,j,ij->", w, w, np.exp(0.7 * z[..., 0] - 0.4 * z[..., 1]))
    assert float(value.subs(at)) == pytest.approx(integral, rel=1e-12)


def test_kinks_moved_by_scalars():
    assert fluctuations(derive(architecture("untied_bias", 2, activation="relu"))).shifts == (0, 1)
    scale, v = sympy.Symbol("a", real=True), local_field("v")
    inside = Denoiser("gain", ("u", "v"), (("u", sympy.Max(0, scale * v + v**2)),), parameters=(scale,))
    with pytest.raises(ValueError, match="moves a kink"):
        fluctuations(derive(inside)).explicit  # noqa: B018


def test_it_prints():
    text = str(fluctuations(derive(architecture("tied", 2))))
    for title in (
        "Random increments",
        "Linear noise approximation",
        "Theorems of Bonnet and Price",
        "Bias of the mean",
    ):
        assert title in text
    step = fluctuations(derive(architecture("tied", 2))).derivation["Linear noise approximation"]
    J, C, noise = sympy.symbols("J C CovY")
    assert sympy.simplify(step.equations[0].rhs - (2 * J * C + 2 * eta * noise)) == 0
    assert "\\frac" in fluctuations(derive(architecture("tied", 1))).derivation.latex()
