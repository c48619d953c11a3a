"""The linear one-step denoiser: from least squares to the averaged log-determinant and its branches."""

from __future__ import annotations

import sympy
from sympy import Eq, Function, Symbol, exp, log, oo, sqrt, symbols

from ..identity import require_zero
from ..steps import Step

a, b, sigma, d, n, h, s = symbols("a b sigma d n h s", positive=True)
q, gamma = symbols("q gamma", positive=True)
c, kappa = symbols("c kappa", positive=True)
x, y, z = symbols("x y z", real=True)


def regression() -> Step:
    """θ₁ = aσ²/(a²σ² + b²) by minimising the squared error; q is the squared correlation."""
    theta = Symbol("theta_1", real=True)
    # centred x = σu, y = aσu + bz with independent unit variances: the loss is a quadratic form in θ
    loss = sympy.expand((sigma - theta * a * sigma) ** 2 + (theta * b) ** 2)
    (best,) = sympy.solve(sympy.diff(loss, theta), theta)
    total = a**2 * sigma**2 + b**2
    fraction = sympy.simplify(best**2 * total / sigma**2)
    residual = sympy.factor(loss.subs(theta, best))
    require_zero(residual - sigma**2 * (1 - fraction), "residual variance")
    t, scale = symbols("T lambda", positive=True)
    physical = sympy.simplify(fraction.subs({a: exp(-t), b: sqrt(scale * (1 - exp(-2 * t)))}))
    require_zero(physical - sigma**2 / (sigma**2 + scale * (exp(2 * t) - 1)), "signal fraction")
    return Step(
        "Regression and signal fraction",
        "With y = a x + b z the squared error of x̂ = θ₀ + θ₁ y is a parabola in θ₁. At its minimum the generated variance"
        " s θ₁², s = a²σ² + b², is q σ², and (1 − q) σ² remains unexplained.",
        (
            Eq(theta, best),
            Eq(q, fraction),
            Eq(q, sigma**2 / (sigma**2 + scale * (exp(2 * t) - 1))),
            Eq(Symbol("r"), residual),
        ),
    )


def trace() -> Step:
    """m = q + (1 − q) d/(n − d − 2) from the mean of an inverse chi-square."""
    k, u = symbols("k u", positive=True)
    density = u ** (k / 2 - 1) * exp(-u / 2) / (2 ** (k / 2) * sympy.gamma(k / 2))
    inverse = sympy.simplify(
        sympy.integrate((density / u).subs(k, k + 2), (u, 0, oo), conds="none").subs(k, k - 2).rewrite(sympy.gamma)
    )
    inverse = sympy.simplify(sympy.gammasimp(inverse))
    require_zero(inverse - 1 / (k - 2), "mean of an inverse chi-square")
    m = q + (1 - q) * d * inverse.subs(k, n - d)
    limit = sympy.limit(m.subs(d, gamma * n), n, oo)
    require_zero(limit - (q + (1 - q) * gamma / (1 - gamma)), "limit of the trace")
    return Step(
        "Mean trace",
        "With n samples Σ_G/σ² = K Kᵀ, K = √q + √(1 − q) G V^{−1/2}, V Wishart with n − 1 degrees of freedom. A diagonal entry of"
        " V^{−1} is 1/χ² with n − d degrees of freedom, of mean 1/(n − d − 2).",
        (
            Eq(sympy.Integral(density / u, (u, 0, oo)), inverse),
            Eq(Symbol("m"), m),
            Eq(Symbol("m_infinity"), sympy.simplify(limit)),
        ),
    )


def marchenko_pastur() -> Step:
    """⟨1/(x + c)⟩ and ⟨ln(x + c)⟩ in closed form; moments ⟨1/x⟩, ⟨1/x²⟩ by expansion."""
    stieltjes = Symbol("S", positive=True)
    equation = gamma * c * stieltjes**2 + (1 - gamma + c) * stieltjes - 1
    c_of_kappa = kappa * (1 - gamma / (1 + kappa))
    s_of_kappa = kappa / (c_of_kappa * (1 + kappa))
    require_zero(equation.subs({stieltjes: s_of_kappa, c: c_of_kappa}), "Stieltjes transform in kappa")
    ratio = 1 - gamma / (1 + kappa)
    logarithm = log(1 + kappa) - (1 - gamma) / gamma * log(ratio) - 1 / (1 + kappa)
    require_zero(
        sympy.diff(logarithm, kappa) - s_of_kappa * sympy.diff(c_of_kappa, kappa), "derivative of the logarithm"
    )
    require_zero(sympy.limit(logarithm - log(kappa), kappa, oo), "logarithm at infinity")
    require_zero(sympy.limit(log(c_of_kappa) - log(kappa), kappa, oo), "c at infinity")
    moments = inverse_moments()
    return Step(
        "Marchenko–Pastur averages",
        "The eigenvalues x of V/n follow the Marchenko–Pastur law, whose Stieltjes transform S(c) = ⟨1/(x + c)⟩ solves a"
        " quadratic, rational in κ. The average of ln(x + c) is the function whose derivative in c is S and which tends to ln c.",
        (
            Eq(equation, 0),
            Eq(c, c_of_kappa),
            Eq(stieltjes, s_of_kappa),
            Eq(Function("L")(c), logarithm),
            Eq(Symbol("<1/x>"), moments[0]),
            Eq(Symbol("<1/x^2>"), moments[1]),
        ),
    )


def inverse_moments() -> tuple[sympy.Expr, sympy.Expr]:
    """⟨1/x⟩ and ⟨1/x²⟩ from S(c) = ⟨1/x⟩ − c⟨1/x²⟩ + …, put into the quadratic."""
    first, second = symbols("m_1 m_2")
    series = first - c * second
    residual = sympy.expand(gamma * c * series**2 + (1 - gamma + c) * series - 1)
    solution = sympy.solve([residual.coeff(c, 0), residual.coeff(c, 1)], [first, second], dict=True)[0]
    return sympy.factor(solution[first]), sympy.factor(solution[second])


def free_energy() -> Step:
    """The functional whose stationary point is (1/d) ln|η + Σ_G|, and its two equations."""
    e, t, eta, weight = symbols("e e_tilde eta D", positive=True)
    integrand = log(eta * (1 + t) * (1 + e * weight) + q)
    by_e = sympy.diff(integrand, e) - eta * t
    by_t = sympy.diff(integrand, t) - eta * e
    right_t = weight / (eta * (1 + e * weight) + q / (1 + t))
    right_e = 1 / (eta * (1 + t) + q / (1 + e * weight))
    require_zero(by_e - eta * (right_t - t), "stationarity in e")
    require_zero(by_t - eta * (right_e - e), "stationarity in e tilde")
    # at η = 1 both integrands are one Stieltjes transform at k
    k = (1 + t) * e * (1 - q) * gamma / (1 + t + q)
    density = {weight: (1 - q) * gamma / x, eta: 1}
    big = 1 + t + q
    require_zero(right_e.subs(density) - (1 + (e * (1 - q) * gamma - k) / (x + k)) / big, "e as a Stieltjes transform")
    require_zero(right_t.subs(density) - (1 - q) * gamma * (1 + t) / big / (x + k), "e tilde as a Stieltjes transform")
    average = Function("avg")
    return Step(
        "Free energy of the log-determinant",
        "The deterministic equivalent of (1/d) ln|η + K Kᵀ| is stationary in e and ẽ, with D = (1 − q)γ/x: the"
        " self-consistent equations are its derivatives. At η = 1, where the Hellinger distance needs it, each average is one"
        " Stieltjes transform of the Marchenko–Pastur law.",
        (
            Eq(Symbol("F"), average(integrand) - eta * e * t),
            Eq(e, average(right_e)),
            Eq(t, average(right_t)),
            Eq(Symbol("k"), k),
        ),
    )


def branches() -> Step:
    """Λ for γ < q and γ > q, from the limit η → 0 of the free energy."""
    e, p = symbols("e p", positive=True)
    mean_d = (1 - q) * gamma * inverse_moments()[0]
    # regular branch: e stays finite, e = (1 + e⟨D⟩)/q
    (regular,) = sympy.solve(Eq(e, (1 + e * mean_d) / q), e)
    require_zero(regular - (1 - gamma) / (q - gamma), "trace of the inverse")
    # singular branch: e, ẽ ~ η^{−1/2} with η e ẽ = p; ⟨D/(pD + q)⟩ = 1 is a Stieltjes transform at c = p(1 − q)γ/q
    c0 = (1 - q) * gamma
    stieltjes = q / c0
    condition = gamma * (p * c0 / q) * stieltjes**2 + (1 - gamma + p * c0 / q) * stieltjes - 1
    (product,) = sympy.solve(condition, p)
    require_zero(product - (1 - q / gamma), "order parameter")
    shift = sympy.simplify(product * c0 / q)
    root = gamma / q - 1  # κ at that shift
    require_zero(root * (1 - gamma / (1 + root)) - shift, "kappa on the singular branch")
    at_shift = log(1 + root) - (1 - gamma) / gamma * log(1 - gamma / (1 + root)) - 1 / (1 + root)
    at_zero = -(1 - gamma) / gamma * log(1 - gamma) - 1
    value = log(q) + at_shift - at_zero - product
    printed = log((1 - q) * gamma / (1 - gamma)) - log((1 - q) / (1 - gamma)) / gamma
    # positive parameters (γ = 1/(1 + u), q = γ/(1 + w)) let the logarithms split into those of factors
    u, w = symbols("u w", positive=True)
    difference = (value - printed).subs(q, gamma / (1 + w)).subs(gamma, 1 / (1 + u))
    split = difference.replace(log, lambda argument: sympy.expand_log(log(sympy.factor(argument)), force=True))
    require_zero(sympy.expand(split), "inner branch")
    slope = sympy.simplify(sympy.diff(printed, gamma))
    require_zero(sympy.limit(slope, gamma, q), "slope where the branches join")
    # real Gaussian G: E Tr A^{2k} → τ^k with A = √((1−q)/q) G V^{−1/2}, τ = ⟨D⟩/q; E ln|1 + A|² = −Σ τ^k/k
    tau, k = Symbol("tau", positive=True), Symbol("k", integer=True, positive=True)
    series = sympy.summation(tau**k / k, (k, 1, oo)).args[0][0]
    correction = sympy.factor(1 - mean_d / q)
    require_zero(-series - log(1 - tau), "sum of the loops")
    return Step(
        "Two branches of the log-determinant",
        "As η → 0, e stays finite while γ < q and gives (1/d) Tr Σ_G^{−1}, which closes at γ = q, that is at n* = d/q. For"
        " γ > q the product η e ẽ → p > 0 takes over. The branches join with equal value and slope. The loops of length 2k add"
        " −τ^k/k to ln|Σ_G| for γ < q, with τ = ⟨D⟩/q.",
        (
            Eq(Symbol("TrSigma^{-1}/d"), sympy.factor(regular)),
            Eq(p, sympy.simplify(product)),
            Eq(Symbol("Lambda_outer"), log(q)),
            Eq(Symbol("Lambda_inner"), printed),
            Eq(Symbol("delta"), log(correction) / d),
        ),
    )


def series() -> Step:
    """E ln|Σ_G| at finite size: exact averages of the power sums of H = G V^{−1/2}, and the mean trace with the start's variance."""
    m, k = symbols("m k", positive=True)  # m = n − d − 2

    def power_sum(order: int) -> sympy.Expr:
        return sympy.prod([(d + 2 * j) / (m - 2 * j) for j in range(order)])

    # order 2: E_G Tr (GA)² = Tr A²; order 4: (Tr A²)² + 2 Tr A⁴, A² = V^{−1}, with the inverse Wishart averages
    inverse = 1 / ((m + 1) * m * (m - 2))
    require_zero(power_sum(1) - d / m, "second power sum")
    squares = inverse * ((m - 1) * d**2 + 2 * d) + 2 * inverse * (m * d + d**2)
    require_zero(power_sum(2) - squares, "fourth power sum")
    # d = 1: H = g/√V, E g^{2k} = (2k − 1)!!, E V^{−k} from the χ² density with m + 2 degrees of freedom
    for order in (1, 2, 3, 4):
        chi = sympy.gamma(m / 2 + 1 - order) / (2**order * sympy.gamma(m / 2 + 1))
        require_zero(
            sympy.gammasimp(power_sum(order).subs(d, 1) - sympy.factorial2(2 * order - 1) * chi), "one dimension"
        )
        tau = sympy.limit(power_sum(order).subs({d: gamma * n, m: n - gamma * n}), n, oo)
        require_zero(tau - (gamma / (1 - gamma)) ** order, "limit of the power sums")
    w, j = (1 - q) / q, Symbol("j", integer=True, nonnegative=True)
    general = sympy.Product((d + 2 * j) / (n - d - 2 - 2 * j), (j, 0, k - 1))
    total = sympy.Sum(w**k / k * general, (k, 1, Symbol("k_max")))
    # the start: ŝ/s = 1 + q(v̂ − 1); conditional on the noisy data, E over the residuals, then over V (E Tr V f = (νd − 2) E f
    # for f of degree −1)
    nu, t = symbols("nu t", positive=True)
    product = q * (q * nu * d**2 + (1 - q) * d * (nu * d - 2) * t) + 4 * q * (1 - q) * d
    product += (1 - q) * (nu * d * q * d + (1 - q) * (nu * d + 2) * d * t)
    whole = (1 - q) * (q + (1 - q) * t) + q * product / (nu * d**2)
    extra = 2 * q * (1 - q) / (nu * d) * (2 * q + (1 - 2 * q) * t)
    require_zero(whole - (q + (1 - q) * t + extra), "trace with the start's variance")
    return Step(
        "Finite size",
        "H = G V^{−1/2} keeps its law under rotations from one side, so that its power sums have Schur-function averages"
        " (here checked for the second and fourth, and all in one dimension). The expansion of ln|1 + √w H|, w = (1 − q)/q,"
        " is asymptotic: cut at its smallest term. The start's variance ŝ adds E ln ŝ/s and a correlation with the fit.",
        (
            Eq(Symbol("E Tr H^{2k}"), general),
            Eq(Symbol("E ln|K K^T|"), d * log(q) - total),
            Eq(Symbol("m"), q + (1 - q) * t + extra),
        ),
    )
