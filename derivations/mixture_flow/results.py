"""What follows from the solution of `derivations.mixture_flow.equations`: the generated density, its error, and the baselines."""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from ..identity import require_zero
from ..steps import Step
from .equations import (
    C00,
    C01,
    C11,
    X0,
    K,
    N,
    Xbar,
    alpha,
    beta,
    d,
    eta,
    generated_variance,
    lam,
    m,
    mu,
    n,
    ridge,
    s,
    sigma,
    t,
    velocity,
    xi,
)

spread = sp.Symbol("sigma_g", positive=True)


def per_dimension(vector: sp.Expr, other: sp.Expr | None = None) -> sp.Expr:
    """Scalar product per dimension, d → ∞, of combinations of the orthogonal μ, ξ, η and a generated point's own X₀."""
    product = sp.expand(vector * (vector if other is None else other))
    lengths = {mu: m**2, xi: N, eta: n * sigma**2, X0: sp.Integer(1)}
    return sp.expand(sum(product.coeff(x, 2).subs(dict.fromkeys(lengths, 0)) * y for x, y in lengths.items()))


def estimate() -> sp.Expr:
    """μ̂ as a combination of μ, ξ and η, with σ_g left as a symbol."""
    return (K * (n * mu + eta) - spread * xi) / (N + lam)


@lru_cache(maxsize=1)
def mean_error() -> sp.Expr:
    """‖μ̂ − μ‖²/d as a function of n, K, λ, σ, m."""
    return sp.factor(per_dimension(estimate() - mu).subs(spread, sp.sqrt(generated_variance())))


@lru_cache(maxsize=1)
def distance() -> sp.Expr:
    """MW₂²/d: the two clusters are isotropic, so that W₂² adds the squared difference of their standard deviations."""
    return mean_error() + (sp.sqrt(generated_variance()) - sigma) ** 2


@lru_cache(maxsize=1)
def noise_free_error() -> sp.Expr:
    """‖μ̂ − μ‖²/d where ξ does not enter: without the skip connection, or with noises redrawn all the time."""
    return sp.factor(per_dimension(estimate().subs(xi, 0) - mu))


@lru_cache(maxsize=1)
def leading_error() -> tuple[sp.Expr, sp.Expr]:
    """lim n ‖μ̂ − μ‖²/d as n → ∞, every other parameter fixed: with K fixed noises for each sample, and without their trace."""
    learned, free = (sp.factor(sp.limit(n * error, n, sp.oo)) for error in (mean_error(), noise_free_error()))
    require_zero(learned - sigma**2 * (1 + 1 / K), "leading term of the error")
    require_zero(free - sigma**2, "leading term of the error without noises")
    return learned, free


@lru_cache(maxsize=1)
def error_coefficients() -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """Coefficients of 1/n, 1/n², 1/n³ in ‖μ̂ − μ‖²/d for K = 1."""
    x = sp.Symbol("x", positive=True)
    series = sp.series(sp.together(mean_error().subs(K, 1).subs(n, 1 / x)), x, 0, 4).removeO()
    return tuple(sp.factor(sp.expand(series).coeff(x, k)) for k in (1, 2, 3))


def optimal_ridge_polynomial() -> sp.Expr:
    """Polynomial in λ whose roots are the stationary points of ‖μ̂ − μ‖²/d for K = 1; its sign is that of the derivative."""
    numerator, denominator = sp.fraction(sp.together(mean_error().subs(K, 1).diff(lam)))
    polynomial = sp.cancel(numerator / denominator * (lam + n) ** 3 * (lam + n - 1) ** 2 / n)
    return sp.Poly(sp.expand(polynomial), lam).as_expr()


def _general_skip(x: sp.Expr) -> Step:
    """Any skip connection with its ridge-optimal v; the special cases b = 0 and the optimal b."""
    b, envelope = sp.Function("b")(t), sp.Function("E")(t)
    v = ((1 - b * beta) * Xbar - b * alpha * xi) / (N + lam)
    rate = (alpha * beta.diff(t) - alpha.diff(t) * beta) * b / alpha + alpha.diff(t) / alpha
    point = envelope * (X0 - s * xi / (N + lam)) + s * (beta * Xbar + alpha * xi) / (N + lam)
    gap = (point.diff(t) - velocity(b, v, point)).subs(envelope.diff(t), rate * envelope)
    require_zero(sp.together(gap), "solution for any skip connection")
    none = sp.dsolve(sp.Eq(envelope.diff(t), rate.subs(b, 0) * envelope), envelope).rhs
    constant = sp.solve(none.subs(alpha, 1) - 1, sp.Symbol("C1"))[0]
    none = none.subs(sp.Symbol("C1"), constant)
    require_zero(none - alpha, "no skip connection")
    best_b, _, _ = ridge()
    big_d = alpha**2 * C00 + 2 * alpha * beta * C01 + beta**2 * C11
    require_zero(sp.together(rate.subs(b, best_b) - big_d.diff(t) / (2 * big_d)), "optimal skip connection")
    require_zero(x - point.subs(envelope, sp.sqrt(big_d / C00)), "same solution")
    return Step(
        "Any skip connection",
        "For whatever b(t), with v the ridge solution at that b, the flow is solved by one exponential E; the optimal b gives"
        " E = √(D/C₀₀), and without a skip connection (b = 0) E = α: the clusters end as points, Xbar/(N + λ) and its negative.",
        (
            sp.Eq(sp.Symbol("X_t"), envelope * (X0 - s * xi / (N + lam)) + s * (beta * Xbar + alpha * xi) / (N + lam)),
            sp.Eq(envelope.diff(t), sp.factor(rate) * envelope),
            sp.Eq(sp.Symbol("E_no_skip"), none),
        ),
    )


def _angle() -> Step:
    """Every interpolant is the trigonometric one, up to the clock and a factor."""
    phi, rho = sp.Function("phi", real=True)(t), sp.Function("rho", positive=True)(t)
    b, v = sp.symbols("b_1 v", real=True)
    y = sp.Symbol("Y", real=True)
    a, c = rho * sp.cos(phi), rho * sp.sin(phi)
    # b scales as 1/ρ and v not at all, because D is homogeneous of degree two.
    drift = velocity(b / rho, v, rho * y).subs({alpha: a, beta: c}).doit()
    reduced = sp.simplify((drift - rho.diff(t) * y) / rho / phi.diff(t))
    expected = ((b - sp.sin(phi)) * y + s * v) / sp.cos(phi)
    require_zero(reduced - expected, "angle clock")
    angle = sp.Symbol("phi", real=True)
    return Step(
        "Angle clock",
        "With α = ρ cos φ, β = ρ sin φ and X = ρ Y the flow depends on the schedule through φ alone: what is generated at t = 1"
        " is the same for every interpolant, and in φ nothing is singular. b₁ is the skip connection at ρ = 1.",
        (sp.Eq(sp.Symbol("dY") / sp.Symbol("dphi"), ((b - sp.sin(angle)) * y + s * v) / sp.cos(angle)),),
    )


def _end() -> tuple[Step, Step, Step]:
    error = mean_error()
    cosine = sp.simplify(per_dimension(estimate(), mu) / sp.sqrt(m**2 * per_dimension(estimate())))
    known = (lam**2 * m**2 + K**2 * n * sigma**2 + N * generated_variance()) / (N + lam) ** 2
    require_zero(error - known, "mean error")
    x_one, hat = sp.symbols("X_1 muhat")
    first = Step(
        "Generated density",
        "At t = 1, α = 0 and β = 1: two Gaussian clusters at muhat and −muhat with standard deviation σ_g, for every"
        " interpolant. The error per dimension and the cosine follow from the lengths ‖ξ‖² = N d, ‖η‖² = nσ² d.",
        (
            sp.Eq(x_one, spread * X0 + s * hat),
            sp.Eq(hat, (K * (n * mu + eta) - spread * xi) / (N + lam)),
            sp.Eq(spread**2, generated_variance()),
            sp.Eq(sp.Symbol("error"), error),
            sp.Eq(sp.Symbol("cos"), cosine),
        ),
    )
    small = sp.Symbol("x", positive=True)
    coefficients = error_coefficients()
    second = Step(
        "Expansion in 1/n",
        "The error falls as c/n for every ridge: c_learned with K fixed noises for each sample, c_free where the noises leave no"
        " trace (fresh ones, or no skip connection). For K = 1 the whole series follows, and n MW² tends to c_MW: the"
        " mixture-Wasserstein distance (per dimension, squared) is Θ(1/n).",
        (
            sp.Eq(sp.Symbol("c_learned"), leading_error()[0]),
            sp.Eq(sp.Symbol("c_free"), leading_error()[1]),
            sp.Eq(sp.Symbol("error"), sum(c / n**k for k, c in enumerate(coefficients, 1))),
            sp.Eq(sp.Symbol("c_MW"), sp.limit(sp.simplify(distance().subs(K, 1).subs(n, 1 / small) / small), small, 0)),
        ),
    )
    polynomial = optimal_ridge_polynomial()
    at_zero = sp.factor(polynomial.subs(lam, 0))
    third = Step(
        "Optimal ridge",
        "K = 1. The sign of d(error)/dλ is that of a cubic in λ; at λ = 0 the error falls with λ iff 4σ²(n − 1) > n m².",
        (sp.Eq(sp.collect(polynomial, lam), 0), sp.Lt(at_zero, 0)),
    )
    require_zero(at_zero - (n - 1) * (n * m**2 - 4 * sigma**2 * (n - 1)), "slope at λ = 0")
    return first, second, third


def _baselines() -> tuple[Step, Step, Step]:
    # Posterior of one coordinate of μ: prior N(0, m²), n aligned samples of variance σ² with sum Xbar.
    coordinate, prior = sp.Symbol("mu_i", real=True), sp.Symbol("m", positive=True)
    samples = sp.Symbol("X_i", real=True)
    log_posterior = -(coordinate**2) / (2 * prior**2) - (n * coordinate**2 - 2 * coordinate * samples) / (2 * sigma**2)
    bayes = sp.solve(log_posterior.diff(coordinate), coordinate)[0]
    factor = sp.simplify(bayes / samples)
    error = sp.factor(sp.simplify(per_dimension(factor * (n * mu + eta) - mu)))
    require_zero(error - sigma**2 / (n + sigma**2 / m**2), "Bayes error")
    first = Step(
        "Bayes-optimal estimate",
        "In high dimension the labels are known up to one common flip, and the prior on μ is N(0, m² I): the posterior mean is"
        " linear in Xbar. The leading principal component has the same direction; its plain mean Xbar/n has the error σ²/n.",
        (sp.Eq(sp.Symbol("muhat_B"), bayes), sp.Eq(sp.Symbol("error_B"), error)),
    )
    half = noise_free_error()
    best = [
        x for x in sp.solve(sp.numer(sp.together(half.diff(lam))), lam) if sp.simplify(x - K * sigma**2 / m**2) == 0
    ]
    require_zero(half.subs(lam, best[0]) - error, "Bayes error of the best ridge")
    many = sp.limit(mean_error(), K, sp.oo)
    second = Step(
        "Removing the learned noise",
        "Without the skip connection, or with noises redrawn all the time, ξ does not enter; with K fixed noises for each sample"
        " its share falls with K, to error_infinity, half of what one fixed noise gives at λ = 0. Without ξ the best ridge gives the"
        " Bayes-optimal error itself.",
        (
            sp.Eq(sp.Symbol("error_no_skip"), half),
            sp.Eq(sp.Symbol("lambda_best"), best[0]),
            sp.Eq(sp.Symbol("error_infinity"), sp.simplify(many)),
        ),
    )
    point = spread * X0 + estimate()
    sample_minus_mean = eta / n
    data = sp.factor(per_dimension(estimate() - mu, sample_minus_mean))
    noise = sp.factor(per_dimension(point, xi / N))
    third = Step(
        "Memorisation",
        "Overlap of a generated point with the deviation of a training sample of its cluster, and with its noise: by symmetry"
        " those with η/n and ξ/N.",
        (sp.Eq(sp.Symbol("data_overlap"), data), sp.Eq(sp.Symbol("noise_overlap"), noise)),
    )
    return first, second, third


def _finite_dimension() -> Step:
    z = sp.Symbol("z", real=True)
    half = sp.integrate(sp.Abs(z) * sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi), (z, -sp.oo, sp.oo))
    length = sp.sqrt(d * per_dimension(n * mu + eta))
    shift = sp.Symbol("E") * half / length
    return Step(
        "Half-space bias",
        "At finite d, s = sign(Xbar·X₀) selects a half-space: the mean of s X₀ is E|g| along Xbar/‖Xbar‖. It moves M by n c and"
        " Q_eta by c.",
        (sp.Eq(sp.Symbol("c"), sp.simplify(shift)),),
    )


def _tweedie() -> Step:
    """n → ∞: the learned denoiser is the posterior mean of x₁ given x_t, its tanh being a sign in high dimension."""
    # One coordinate given the cluster: x_t = α x₀ + β(±μ + σ z); E[x₁|x_t] by Gaussian conditioning.
    x, centre = sp.symbols("x c", real=True)
    a, b = sp.symbols("alpha beta", positive=True)
    value = sp.Symbol("x_1", real=True)
    log_density = -((x - b * value) ** 2) / (2 * a**2) - (value - centre) ** 2 / (2 * sigma**2)
    posterior = sp.expand(sp.solve(log_density.diff(value), value)[0])
    best_b, best_v, _ = ridge()
    limit = {C01: sp.Integer(0), C11: generated_variance() * C00}
    many = sp.limit(sp.simplify(best_b.subs(limit).subs({alpha: a, beta: b}).subs(K, 1)), n, sp.oo)
    vector = sp.simplify(best_v.subs(limit).subs(Xbar, n * mu).subs(xi, 0).subs({alpha: a, beta: b}).subs(K, 1))
    direction = sp.limit(vector / mu, n, sp.oo)
    require_zero(many - posterior.coeff(x), "skip connection of the posterior mean")
    require_zero(direction - sp.simplify(posterior.coeff(centre)), "vector of the posterior mean")
    return Step(
        "Many samples",
        "As n → ∞ the learned denoiser is the posterior mean E[x₁ | x_t] of the mixture, in which tanh has become a sign.",
        (sp.Eq(sp.Symbol("b"), many), sp.Eq(sp.Symbol("v"), direction * mu)),
    )


def results(x: sp.Expr) -> tuple[Step, ...]:
    """The steps after the solution ``x`` of the flow."""
    return (_general_skip(x), _angle(), *_end(), *_baselines(), _finite_dimension(), _tweedie())
