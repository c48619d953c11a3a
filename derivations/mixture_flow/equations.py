"""A binary Gaussian mixture learned by a flow from n samples: from the ridge problem to the generated density.

Cui, Krzakala, Vanden-Eijnden, Zdeborová, arXiv 2310.03575. Every equation of a step is the outcome of a SymPy operation (solve,
diff, dsolve, limit, series) on the previous ones; `require_zero` stops the derivation where an identity does not hold.
"""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from ..identity import require_zero
from ..steps import Step

n, K, lam, sigma, m, d = sp.symbols("n K lambda sigma m d", positive=True)
t = sp.Symbol("t", nonnegative=True)
s = sp.Symbol("s", real=True)
alpha = sp.Function("alpha", positive=True)(t)
beta = sp.Function("beta", positive=True)(t)
C00, C11 = sp.symbols("C_00 C_11", positive=True)
C01 = sp.Symbol("C_01", real=True)
X0, Xbar, xi, eta, mu = sp.symbols("X_0 Xbar xi eta mu", real=True)
#: Number of pairs (sample, noise).
N = n * K


def determinant() -> sp.Expr:
    """D = α² C₀₀ + 2αβ C₀₁ + β² C₁₁ at any dimension."""
    return alpha**2 * C00 + 2 * alpha * beta * C01 + beta**2 * C11


def wronskian() -> sp.Expr:
    """W = α β̇ − α̇ β."""
    return alpha * beta.diff(t) - alpha.diff(t) * beta


@lru_cache(maxsize=1)
def ridge() -> tuple[sp.Expr, sp.Expr, Step]:
    """(b, v) that minimise the loss at any dimension, with the step that derives them."""
    b, v, total = sp.symbols("b v N", real=True)
    # The loss in one coordinate, for three explicit pairs with signs h² = 1, in terms of sums over the pairs.
    x0, x1, h = (sp.symbols(f"{name}_1:4", real=True) for name in ("x", "z", "h"))
    a, c = sp.symbols("a c", real=True)
    explicit = sum((b * (a * p + c * q) + r * v - q) ** 2 for p, q, r in zip(x0, x1, h, strict=True))
    explicit = sp.expand(explicit).subs({r**2: 1 for r in h})
    g = [[sum(p * q for p, q in zip(u, w, strict=True)) for w in (x0, x1)] for u in (x0, x1)]
    noise, data = (sum(r * p for r, p in zip(h, u, strict=True)) for u in (x0, x1))

    def loss(g00: sp.Expr, g01: sp.Expr, g11: sp.Expr, xs: sp.Expr, zs: sp.Expr, count: sp.Expr | int) -> sp.Expr:
        quadratic = b**2 * (a**2 * g00 + 2 * a * c * g01 + c**2 * g11) - 2 * b * (a * g01 + c * g11) + g11
        return quadratic + count * v**2 + 2 * v * (b * (a * xs + c * zs) - zs)

    require_zero(sp.expand(explicit - loss(g[0][0], g[0][1], g[1][1], noise, data, 3)), "loss in terms of sums")
    g00, g01, g11 = sp.symbols("G_00 G_01 G_11", real=True)
    full = loss(g00, g01, g11, xi, Xbar, total) + lam * v**2
    best_v = sp.solve(full.diff(v), v)[0]
    # Sum over coordinates: the products of the two sums become their scalar products P.
    p00, p01, p11 = sp.symbols("P_00 P_01 P_11", real=True)
    reduced = sp.expand(full.subs(v, best_v)).subs({xi**2: p00, Xbar**2: p11}).subs(xi * Xbar, p01)
    best_b = sp.solve(reduced.diff(b), b)[0]
    overlaps = {g00: C00 + p00 / (total + lam), g01: C01 + p01 / (total + lam), g11: C11 + p11 / (total + lam)}
    best_b = sp.simplify(best_b.subs(overlaps))
    require_zero(best_b - (a * C01 + c * C11) / (a**2 * C00 + 2 * a * c * C01 + c**2 * C11), "ridge solution b")
    require_zero(reduced.diff(b, 2).subs(overlaps) - 2 * (a**2 * C00 + 2 * a * c * C01 + c**2 * C11), "curvature in b")
    back = {a: alpha, c: beta, total: N}
    names = sp.symbols("b v")
    step = Step(
        "Ridge problem",
        "With the sign pattern h^μ = s^μ the loss Σ ‖b y + h v − x₁‖² + λ‖v‖² (v = w/√d, so that λ‖v‖² = λ‖w‖²/d) is quadratic in"
        " b and v. Setting its gradient to zero, v first, gives the minimiser at any dimension; Xbar stands for K Σ s x₁, ξ for"
        " Σ s x₀, and C_ab = Σ x_a·x_b − (Σ s x_a)·(Σ s x_b)/(N + λ) over the N = nK pairs.",
        (
            sp.Eq(names[1], best_v.subs(b, names[0]).subs(back)),
            sp.Eq(names[0], best_b.subs(back)),
            sp.Eq(sp.Symbol("D"), determinant()),
        ),
    )
    return best_b.subs(back), best_v.subs(b, best_b).subs(back), step


def asymptotic_overlaps() -> dict[sp.Symbol, sp.Expr]:
    """C₀₀, C₀₁, C₁₁ per dimension as d → ∞, by the law of large numbers."""
    # ‖x₀‖²/d → 1, x₀·x₁/d → 0, ‖x₁‖²/d → m² + σ²; ‖ξ‖²/d → N; K X̄ = K(nμ + η) with ‖η‖²/d → nσ², η·μ/d → 0.
    length = sp.expand((K * (n * mu + eta)) ** 2).subs({mu**2: m**2, eta**2: n * sigma**2}).subs(mu * eta, 0)
    return {
        C00: sp.factor(N - N / (N + lam)),
        C01: sp.Integer(0),
        C11: sp.factor(N * (m**2 + sigma**2) - length / (N + lam)),
    }


def generated_variance() -> sp.Expr:
    """σ_g² = C₁₁/C₀₀."""
    c = asymptotic_overlaps()
    return sp.factor(c[C11] / c[C00])


def velocity(b: sp.Expr, v: sp.Expr, x: sp.Expr) -> sp.Expr:
    """(β̇ − α̇ β/α)(b X + s v) + (α̇/α) X."""
    return (beta.diff(t) - alpha.diff(t) * beta / alpha) * (b * x + s * v) + alpha.diff(t) / alpha * x


def asymptotic_steps(overlaps: dict[sp.Symbol, sp.Expr]) -> tuple[Step, Step]:
    """Overlaps and denoiser as d → ∞."""
    ell, big_s = lam + n - 1, lam * (m**2 + sigma**2) + (n - 1) * sigma**2
    require_zero(overlaps[C00].subs(K, 1) - n * ell / (n + lam), "C00")
    require_zero(overlaps[C11].subs(K, 1) - n * big_s / (n + lam), "C11")
    first = Step(
        "Overlaps in high dimension",
        "n and K stay finite while d → ∞, so that the scalar products per dimension lose their fluctuations. Their ratio is the"
        " variance of a generated cluster; for K = 1 it is S/L with L = λ + n − 1, S = λ(m² + σ²) + (n − 1)σ².",
        (
            sp.Eq(C00 / d, overlaps[C00]),
            sp.Eq(C01 / d, 0),
            sp.Eq(C11 / d, overlaps[C11]),
            sp.Eq(sp.Symbol("sigma_g") ** 2, generated_variance()),
        ),
    )
    best_b, best_v, _ = ridge()
    spread = sp.Symbol("sigma_g", positive=True)
    b = sp.simplify(best_b.subs({C01: 0, C11: spread**2 * C00}))
    v = sp.expand(sp.simplify(best_v.subs({C01: 0, C11: spread**2 * C00})).subs(Xbar, K * (n * mu + eta)))
    parts = [sp.factor(v.coeff(x)) for x in (mu, xi, eta)]
    e2 = alpha**2 + spread**2 * beta**2
    for part, expected in zip(
        parts, (N * alpha**2 / e2, -alpha * beta * spread**2 / e2, K * alpha**2 / e2), strict=True
    ):
        require_zero(part - expected / (N + lam), "components of v")
    w_m, w_xi, w_eta = sp.symbols("w_m w_xi w_eta")
    second = Step(
        "Denoiser in high dimension",
        "The skip connection and the components of v = w/√d along μ, ξ and η, where Xbar = K(nμ + η).",
        (sp.Eq(sp.Symbol("b"), b), *(sp.Eq(x, y) for x, y in zip((w_m, w_xi, w_eta), parts, strict=True))),
    )
    return first, second


def equations_of_motion() -> tuple[Step, Step]:
    """The flow's drift without a pole, and the equations of the order parameters."""
    best_b, best_v, _ = ridge()
    x = sp.Symbol("X", real=True)
    drift = velocity(best_b, best_v, x)
    big_d = determinant()
    rate, data, noise = (sp.simplify(drift.diff(y).subs({X0: 0})) for y in (x, Xbar, xi))
    require_zero(rate - big_d.diff(t) / (2 * big_d), "rate")
    w = wronskian()
    regular = (
        s * w / ((N + lam) * big_d) * (alpha * C00 + beta * C01),
        -s * w / ((N + lam) * big_d) * (alpha * C01 + beta * C11),
    )
    require_zero(data - regular[0], "gain of the data")
    require_zero(noise - regular[1], "gain of the noise")
    symbol_d = sp.Function("D")(t)
    symbol_w = sp.Symbol("W")
    pole_free = Step(
        "Drift without a pole",
        "Inserting the ridge solution into the velocity (β' − α'β/α) f + (α'/α) X, primes being d/dt, the terms in 1/α cancel at"
        " any dimension: the flow is regular up to t = 1. W = αβ' − α'β; s = sign(v·X) stays what it was at t = 0.",
        (
            sp.Eq(
                sp.Symbol("Xdot"),
                symbol_d.diff(t) / (2 * symbol_d) * x
                + s
                * symbol_w
                / ((N + lam) * symbol_d)
                * ((alpha * C00 + beta * C01) * Xbar - (alpha * C01 + beta * C11) * xi),
            ),
        ),
    )
    # X = s(Mμ + Q^ξ ξ + Q^η η) + X^⊥ and s² = 1: compare the coefficients of independent vectors.
    big_m, q_xi, q_eta, perp = (sp.Function(name)(t) for name in ("M", "Q_xi", "Q_eta", "X_perp"))
    spread = sp.Symbol("sigma_g", positive=True)
    inserted = drift.subs(x, s * (big_m * mu + q_xi * xi + q_eta * eta) + perp).subs(Xbar, K * (n * mu + eta))
    inserted = sp.expand(inserted.subs({C01: 0, C11: spread**2 * C00}))
    e2 = alpha**2 + spread**2 * beta**2
    equations = []
    for function, vector, forcing in (
        (big_m, mu, w * N * alpha / ((N + lam) * e2)),
        (q_xi, xi, -w * spread**2 * beta / ((N + lam) * e2)),
        (q_eta, eta, w * K * alpha / ((N + lam) * e2)),
        (perp, None, sp.Integer(0)),
    ):
        right = inserted.coeff(vector).subs(s, 1) if vector is not None else inserted.coeff(perp) * perp
        tidy = e2.diff(t) / (2 * e2) * function + forcing
        require_zero(right - tidy, f"equation of {function}")
        equations.append(sp.Eq(function.diff(t), tidy))
    return pole_free, Step(
        "Equations of motion",
        "The coefficients of μ, ξ, η and the part X_perp orthogonal to them, as d → ∞. D per dimension is proportional to"
        " α² + σ_g² β².",
        tuple(equations),
    )


@lru_cache(maxsize=1)
def solution() -> tuple[sp.Expr, Step, Step]:
    """X_t at any dimension for an arbitrary interpolant, with the steps that solve for it."""
    big_d, w = determinant(), wronskian()
    envelope_function, symbol_d = sp.Function("E")(t), sp.Function("D", positive=True)(t)
    homogeneous = sp.dsolve(
        sp.Eq(envelope_function.diff(t), symbol_d.diff(t) / (2 * symbol_d) * envelope_function), envelope_function
    )
    constant = sp.solve(homogeneous.rhs.subs(symbol_d, C00) - 1, sp.Symbol("C1"))[0]
    envelope = homogeneous.rhs.subs(sp.Symbol("C1"), constant)
    first = Step(
        "Homogeneous solution",
        "The common linear part integrates for every schedule; D = C₀₀ and E = 1 at t = 0.",
        (sp.Eq(envelope_function, envelope),),
    )
    envelope = envelope.subs(symbol_d, big_d)
    # Variation of constants, X = √D Y: each forcing over √D must have a primitive (p α + q β)/√D with constants p, q.
    p, q = sp.symbols("p q")
    primitives = []
    a, c, a_dot, c_dot = sp.symbols("a c a_dot c_dot")
    for gain in (alpha * C00 + beta * C01, -(alpha * C01 + beta * C11)):
        gap = ((p * alpha + q * beta) / sp.sqrt(big_d)).diff(t) * big_d ** sp.Rational(3, 2) - w * gain
        gap = gap.subs({alpha.diff(t): a_dot, beta.diff(t): c_dot}).subs({alpha: a, beta: c})
        conditions = sp.Poly(sp.expand(sp.simplify(gap)), a, c, a_dot, c_dot).coeffs()
        found = sp.solve(conditions, [p, q], dict=True)[0]
        primitives.append(sum(found[x] * y for x, y in ((p, alpha), (q, beta))) / sp.sqrt(big_d))
    particular = sum(
        sp.sqrt(big_d) * (primitive - primitive.subs({alpha: 1, beta: 0})) * vector
        for primitive, vector in zip(primitives, (Xbar, xi), strict=True)
    )
    x = sp.expand(envelope * X0) + s / (N + lam) * particular
    best_b, best_v, _ = ridge()
    require_zero(sp.together(x.diff(t) - velocity(best_b, best_v, x)), "solution of the flow")
    require_zero(x.subs({alpha: 1, beta: 0}) - X0, "initial condition")
    second = Step(
        "Solution for every interpolant",
        "Variation of constants: d/dt(β/√D) and d/dt(α/√D) are the two forcings over √D, whatever α and β are and at any"
        " dimension. The result is substituted back into the flow with the exact ridge solution.",
        (
            sp.Eq(
                sp.Symbol("X_t"),
                envelope_function * X0 + s / (N + lam) * (beta * Xbar + (alpha - envelope_function) * xi),
            ),
        ),
    )
    require_zero(x - (envelope * X0 + s / (N + lam) * (beta * Xbar + (alpha - envelope) * xi)), "boxed form")
    return x, first, second


@lru_cache(maxsize=1)
def order_parameters() -> dict[str, sp.Expr]:
    """M, Q_ξ, Q_η, perp (and b, w components) as functions of α, β, n, K, λ, σ, m, from the derivation."""
    a, c = sp.symbols("alpha beta", nonnegative=True)
    x, _, _ = solution()
    limit = {C01: sp.Integer(0), C11: generated_variance() * C00}
    x = sp.expand(x.subs(limit).subs(Xbar, K * (n * mu + eta)).subs({alpha: a, beta: c}))
    best_b, best_v, _ = ridge()
    v = sp.expand(best_v.subs(limit).subs(Xbar, K * (n * mu + eta)).subs({alpha: a, beta: c}))
    return {
        "M": sp.simplify(x.coeff(mu) / s),
        "Q_xi": sp.simplify(x.coeff(xi) / s),
        "Q_eta": sp.simplify(x.coeff(eta) / s),
        "perp": sp.simplify(x.coeff(X0)),
        "b": sp.simplify(best_b.subs(limit).subs({alpha: a, beta: c})),
        "w_m": sp.simplify(v.coeff(mu)),
        "w_xi": sp.simplify(v.coeff(xi)),
        "w_eta": sp.simplify(v.coeff(eta)),
    }
