r"""Dynamical regimes: when the sampling flow of a trained network bifurcates, from the expansion of its odd map z₀ → z_t.

One tied unit: dZ = (ΔZ + ΓQσ(Z)) dt with σ odd, Z₀ ~ N(0, Q). All conditions follow from the series of the map to third order and
from the learned score; for several units the same with matrices. Every statement is checked where it is made.

Source: speciation and clones of the exact score, G. Biroli, T. Bonnaire, V. de Bortoli, M. Mézard, arXiv 2402.18491; the
conditions for trained networks are ours.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy

from ...identity import require, require_zero
from ...steps import Derivation, Step, equation
from ..network.denoiser import PREDICTIONS, alpha, alpha_dot, beta, beta_dot
from ..network.names import b
from . import algebra as sampling

t, s, z, z0, y = sympy.symbols("t s z z_0 y", real=True)
Q, kappa, eps = sympy.symbols("Q kappa epsilon", positive=True)
s1, s3 = sympy.symbols("sigma_1 sigma_3", real=True)
m, variance = sympy.symbols("m sigma^2", positive=True)
LINEAR = {alpha: 1 - t, beta: t, alpha_dot: -1, beta_dot: 1}


@lru_cache(maxsize=1)
def third_order() -> dict[str, sympy.Expr]:
    """z_t = G z₀ + c z₀³/6 + O(z₀⁵): Ġ = (Δ + ΓQσ′)G and ċ = (Δ + ΓQσ′)c + ΓQσ‴G³, from the flow order by order.

    c = σ‴ Q G ∫ΓG² solves the second, checked by differentiation.
    """
    G, c, gamma, delta = (sympy.Function(name)(t) for name in ("G", "c", "Gamma", "Delta"))
    image = G * z0 + c * z0**3 / 6
    sigma = s1 * z + s3 * z**3 / 6
    flow = sympy.series((delta * z + gamma * Q * sigma).subs(z, image), z0, 0, 4).removeO()
    flow = sympy.expand(flow)
    first, third = flow.coeff(z0, 1), 6 * flow.coeff(z0, 3)
    integral = sympy.Integral((gamma * G**2).subs(t, s), (s, 0, t))
    closed = s3 * Q * G * integral
    rest = closed.diff(t).doit() - third.subs(c, closed)
    rest = rest.subs(G.diff(t), first)
    require(sympy.simplify(sympy.expand(rest)) == 0, "c = sigma''' Q G int Gamma G^2 solves the third order")
    return {"image": image, "first": first, "third": third, "c": closed, "G": G, "gamma": gamma, "delta": delta}


@lru_cache(maxsize=1)
def curvature() -> sympy.Expr:
    """(log p_t)″(0) in terms of G and c: log p_t(z_t(z₀)) = log p₀(z₀) − log ∂z_t/∂z₀ to second order in z₀, z₀ = z/G."""
    G, c = sympy.symbols("G c", real=True)
    log_p = -(z0**2) / (2 * Q) - sympy.log(G + c * z0**2 / 2)
    second = sympy.series(log_p, z0, 0, 3).removeO().coeff(z0, 2)
    return sympy.factor(2 * second / G**2)


@lru_cache(maxsize=1)
def bimodal_linear() -> dict[str, sympy.Expr]:
    """t_B of the linear schedule without noise: Q²|σ‴|∫ΓG² = 1 for σ′ = 1, σ‴ = −2, a = b + Q − 1.

    With s = −ln(1 − t): Γ dt = ds, G = e^{as}; 1 − (1 + a/Q²)^{−1/(2a)}, and s = 1/(2Q²) for a → 0.
    """
    a = sympy.Symbol("a", real=True, nonzero=True)
    gamma, delta = (x.subs(LINEAR).subs(sampling.epsilon, 0) for x in sampling.Drift().predicting(PREDICTIONS["data"]))
    require_zero(sympy.simplify(gamma - 1 / (1 - t)), "Gamma = 1/(1 - t)")
    require_zero(sympy.simplify(delta - (b - 1) / (1 - t)), "Delta = (b - 1)/(1 - t)")
    left = 2 * Q**2 * sympy.integrate(sympy.exp(2 * a * s), (s, 0, y), conds="none")
    solution = sympy.log(1 + a / Q**2) / (2 * a)
    at = {a: sympy.Rational(7, 5), Q: sympy.Rational(6, 5)}
    found = left.subs(y, solution).subs(at)
    require(abs(sympy.N(found - 1, 30)) < 1e-20, "2 Q^2 int exp(2 a s) = 1 at the time of bimodality")
    t_B = 1 - (1 + a / Q**2) ** (-1 / (2 * a))
    require_zero(sympy.limit(solution, a, 0) - 1 / (2 * Q**2), "the limit a -> 0")
    return {"a": a, "s_B": solution, "t_B": t_B}


@lru_cache(maxsize=1)
def score_turn() -> dict[str, sympy.Expr]:
    """Curvature of the learned score at z = 0 in the span, −(y₁ − βκ)/(α(αy₁ − βy₀)): (βκ − 1)/α² for data."""
    x, f = sampling.x, sampling.f
    score = sampling.estimates()[sampling.score]
    along = sympy.simplify(score.subs(f, kappa * x) / x)
    data = sympy.simplify(along.subs({sampling.y0: 0, sampling.y1: 1}))
    require_zero(sympy.simplify(data - (beta * kappa - 1) / alpha**2), "the score's curvature for a data prediction")
    return {"general": sympy.factor(along), "data": (beta * kappa - 1) / alpha**2}


@lru_cache(maxsize=1)
def exact_turn() -> dict[str, sympy.Expr]:
    """The exact score of ½N(βm, S) + ½N(−βm, S), S = α² + β²σ², at 0: (β²m² − S)/S², zero for α² = β²(m² − σ²)."""
    x = sympy.Symbol("x", real=True)
    spread = alpha**2 + beta**2 * variance
    density = sum(sympy.exp(-((x - sign * beta * m) ** 2) / (2 * spread)) for sign in (1, -1))
    second = sympy.simplify(sympy.log(density).diff(x, 2).subs(x, 0))
    claimed = (beta**2 * m**2 - spread) / spread**2
    require_zero(sympy.simplify(second - claimed), "the exact score's curvature between two clusters")
    linear = 1 / (1 + sympy.sqrt(m**2 - variance))
    at = {m: 3, variance: 1}
    left = (claimed.subs(LINEAR).subs(t, linear)).subs(at)
    require(abs(sympy.N(left, 30)) < 1e-20, "t_S of the exact score, linear schedule")
    return {"curvature": claimed, "t_S": linear}


@lru_cache(maxsize=1)
def drift_turn() -> dict[str, sympy.Expr]:
    """Constant ε, linear schedule: the drift's slope Δ + Γ(κ − b) at 0 vanishes at t_c = (1 + ε − κ)/(1 − κ + κε)."""
    gamma, delta = (x.subs(LINEAR) for x in sampling.Drift().predicting(PREDICTIONS["data"]))
    slope = sympy.factor(sympy.simplify((delta + gamma * (kappa - b)).subs(sampling.epsilon, eps)))
    t_c = (1 + eps - kappa) / (1 - kappa + kappa * eps)
    require_zero(sympy.simplify(slope.subs(t, t_c)), "the drift's slope vanishes at t_c")
    start = sympy.simplify(slope.subs(t, 0))
    require_zero(sympy.expand(start - (kappa - 1 - eps)), "the drift's slope at the start")
    return {"slope": slope, "t_c": t_c, "start": start}


@lru_cache(maxsize=1)
def landscape() -> dict[str, sympy.Expr]:
    """(b − 1)z + Qσ(z) = −Q ∇V with V = (1 − b)/2 zᵀQ⁻¹z − Σ ln cosh z_γ for tanh: checked for two units."""
    q11, q12, q22 = sympy.symbols("Q_11 Q_12 Q_22", real=True)
    metric = sympy.Matrix([[q11, q12], [q12, q22]])
    fields = sympy.Matrix(sympy.symbols("z_1 z_2", real=True))
    quadratic = (fields.T * metric.inv() * fields)[0]
    V = (1 - b) / 2 * quadratic - sum(sympy.log(sympy.cosh(x)) for x in fields)
    gradient = sympy.Matrix([V.diff(x) for x in fields])
    flow = (b - 1) * fields + metric * fields.applyfunc(sympy.tanh)
    for entry in (flow + metric * gradient).applyfunc(lambda e: sympy.simplify(e.rewrite(sympy.exp))):
        require_zero(entry, "the flow is the gradient flow of V")
    hessian = sympy.hessian(V, list(fields)).subs(dict.fromkeys(fields, 0))
    # At the origin V″ = (1 − b)Q⁻¹ − 1, singular where an eigenvalue of Q is 1 − b.
    claimed = (1 - b) * metric.inv() - sympy.eye(2)
    for entry in sympy.simplify(hessian - claimed):
        require_zero(entry, "the Hessian of V at the origin")
    return {"V": V, "hessian": claimed.det()}


@lru_cache(maxsize=1)
def closed_example() -> dict[str, sympy.Expr]:
    """Tied tanh at the time where α² = β is Bayes-optimal for ±m, σ²: E[x₁|x] = bx + Θ tanh(Θ x), Θ = m/(1 + t₀σ²).

    E[x₁|x] = βσ²x/S + (mα²/S) tanh(βmx/S), S = α² + β²σ²; with α² = β both factors are m/(1 + βσ²).
    """
    x = sympy.Symbol("x", real=True)
    spread = alpha**2 + beta**2 * variance
    weight = [sympy.exp(-((x - sign * beta * m) ** 2) / (2 * spread)) for sign in (1, -1)]
    means = [sign * m + beta * variance / spread * (x - sign * beta * m) for sign in (1, -1)]
    posterior = sum(w * value for w, value in zip(weight, means, strict=True)) / sum(weight)
    theta, skip = m / (1 + beta * variance), variance / (1 + beta * variance)
    network = skip * x + theta * sympy.tanh(theta * x)
    at: dict[Any, Any] = {m: sympy.Rational(3, 2), variance: sympy.Rational(4, 5), beta: sympy.Rational(1, 3)}
    at |= {alpha: sympy.sqrt(at[beta])}
    for point in (sympy.Rational(2, 5), sympy.Rational(-7, 4)):
        require(
            abs(sympy.N((posterior - network).subs(at).subs(x, point), 30)) < 1e-20, "the network is the posterior mean"
        )
    solved = [root for root in sympy.solve((1 - t) ** 2 - t, t) if root < 1]
    t0 = solved[0]
    k = sympy.together((skip + theta**2).subs(beta, sympy.Symbol("t_0")))
    return {"t_0": t0, "Theta": theta, "b": skip, "Q": theta**2, "kappa": k}


def derivation() -> Derivation:
    """Expansion, bimodality, the score's and the drift's turn, landscape, the exact score, a closed example."""
    order, bimodal, score, exact, drift = third_order(), bimodal_linear(), score_turn(), exact_turn(), drift_turn()
    ground, example = landscape(), closed_example()
    sign, gamma, G = sympy.Symbol("abs_sigma_3"), order["gamma"], order["G"]
    condition = Q**2 * sign * sympy.Integral(gamma * G**2, t)
    steps = (
        Step(
            "The odd map to third order",
            "z_t = G z0 + c z0^3/6 + ..., put into dz/dt = Delta z + Gamma Q sigma(z) with sigma = sigma_1 z + sigma_3 z^3/6 + ...; c is "
            "the solution of its equation that vanishes at the start.",
            (
                equation(sympy.Symbol("z_t"), order["image"]),
                equation(sympy.Derivative(G, t), order["first"]),
                equation(sympy.Derivative(sympy.Function("c")(t), t), order["third"]),
                equation(sympy.Function("c")(t), order["c"]),
            ),
        ),
        Step(
            "Bimodality of the law of the fields (epsilon = 0)",
            "The density of z_t is that of z0 over dz_t/dz0: its curvature at 0 changes sign where 1/Q + c/G = 0, for any schedule. "
            "For several units -(1 + E), E the integral of M^T (Gamma grad^2 tr(C phi')) M, has a positive eigenvalue.",
            (
                equation(sympy.Symbol("curvature"), curvature()),
                equation(condition, sympy.Integer(1)),
            ),
        ),
        Step(
            "The linear schedule",
            "With sigma_1 = 1, sigma_3 = -2 (tanh) and a = b + Q - 1 the integral is elementary in s = -ln(1 - t); never if a <= -Q^2.",
            (equation(sympy.Symbol("s_B"), bimodal["s_B"]), equation(sympy.Symbol("t_B"), bimodal["t_B"])),
        ),
        Step(
            "The learned score turns",
            "At z = 0 the prediction is kappa x along the eigenvectors of b + C phi'(0); the score -x0/alpha has these slopes, for any "
            "prediction and for data: t_S where beta kappa = 1. Time-conditioned: beta_t kappa_t = 1, which may be left again.",
            (equation(sympy.Symbol("curvature"), score["general"]), equation(sympy.Symbol("curvature"), score["data"])),
        ),
        Step(
            "The exact score between two clusters",
            "Clusters +-m of variance sigma^2: the curvature at 0, and t_S of the linear schedule (m > sigma).",
            (equation(sympy.Symbol("curvature"), exact["curvature"]), equation(sympy.Symbol("t_S"), exact["t_S"])),
        ),
        Step(
            "The drift turns",
            "Constant epsilon, linear schedule: stable at the start for kappa < 1 + epsilon, unstable from t_c on where kappa > 1.",
            (equation(sympy.Symbol("slope"), drift["slope"]), equation(sympy.Symbol("t_c"), drift["t_c"])),
        ),
        Step(
            "Landscape",
            "Linear schedule, epsilon = 0: dz/ds = (b - 1) z + Q tanh(z) is the gradient flow of V in the metric Q (two units). The "
            "origin loses a direction, in training time, where an eigenvalue of Q passes 1 - b.",
            (equation(sympy.Symbol("V"), ground["V"]), equation(sympy.Symbol("detV"), ground["hessian"])),
        ),
        Step(
            "A closed example",
            "Where alpha^2 = beta, tied tanh is the posterior mean of two clusters +-m (eta -> 0, lambda = 0, tau -> infinity): linear "
            "schedule at t_0.",
            (
                equation(sympy.Symbol("t_0"), example["t_0"]),
                equation(sympy.Symbol("Theta"), example["Theta"]),
                equation(b, example["b"]),
                equation(kappa, example["kappa"]),
            ),
        ),
    )
    return Derivation("dynamical regimes of a trained network", steps)
