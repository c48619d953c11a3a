"""The linear one-step denoiser: from least squares and Gaussian overlaps to branches, floors, bandwidths and the k-step law."""

from __future__ import annotations

import sympy
from sympy import Eq, Function, Rational, Symbol, exp, log, oo, pi, sqrt, symbols

from ..steps import Derivation, Step
from .slips import slips

a, b, sigma, d, n, h, s = symbols("a b sigma d n h s", positive=True)
q, gamma = symbols("q gamma", positive=True)
c, kappa = symbols("c kappa", positive=True)
x, y, z = symbols("x y z", real=True)


def _confirm(expression: sympy.Expr, what: str) -> None:
    """Raise unless SymPy reduces ``expression`` to zero."""
    if sympy.simplify(expression) != 0:
        raise ArithmeticError(f"{what}: {expression} does not vanish")


def regression() -> Step:
    """θ₁ = aσ²/(a²σ² + b²) by minimising the squared error; q is the squared correlation."""
    theta = Symbol("theta_1", real=True)
    # centred x = σu, y = aσu + bz with independent unit variances: the loss is a quadratic form in θ
    loss = sympy.expand((sigma - theta * a * sigma) ** 2 + (theta * b) ** 2)
    (best,) = sympy.solve(sympy.diff(loss, theta), theta)
    total = a**2 * sigma**2 + b**2
    fraction = sympy.simplify(best**2 * total / sigma**2)
    residual = sympy.factor(loss.subs(theta, best))
    _confirm(residual - sigma**2 * (1 - fraction), "residual variance")
    t, scale = symbols("T lambda", positive=True)
    physical = sympy.simplify(fraction.subs({a: exp(-t), b: sqrt(scale * (1 - exp(-2 * t)))}))
    _confirm(physical - sigma**2 / (sigma**2 + scale * (exp(2 * t) - 1)), "signal fraction")
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
    _confirm(inverse - 1 / (k - 2), "mean of an inverse chi-square")
    m = q + (1 - q) * d * inverse.subs(k, n - d)
    limit = sympy.limit(m.subs(d, gamma * n), n, oo)
    _confirm(limit - (q + (1 - q) * gamma / (1 - gamma)), "limit of the trace")
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
    _confirm(equation.subs({stieltjes: s_of_kappa, c: c_of_kappa}), "Stieltjes transform in kappa")
    ratio = 1 - gamma / (1 + kappa)
    logarithm = log(1 + kappa) - (1 - gamma) / gamma * log(ratio) - 1 / (1 + kappa)
    _confirm(sympy.diff(logarithm, kappa) - s_of_kappa * sympy.diff(c_of_kappa, kappa), "derivative of the logarithm")
    _confirm(sympy.limit(logarithm - log(kappa), kappa, oo), "logarithm at infinity")
    _confirm(sympy.limit(log(c_of_kappa) - log(kappa), kappa, oo), "c at infinity")
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
    _confirm(by_e - eta * (right_t - t), "stationarity in e")
    _confirm(by_t - eta * (right_e - e), "stationarity in e tilde")
    # at η = 1 both integrands are one Stieltjes transform at k
    k = (1 + t) * e * (1 - q) * gamma / (1 + t + q)
    density = {weight: (1 - q) * gamma / x, eta: 1}
    big = 1 + t + q
    _confirm(right_e.subs(density) - (1 + (e * (1 - q) * gamma - k) / (x + k)) / big, "e as a Stieltjes transform")
    _confirm(right_t.subs(density) - (1 - q) * gamma * (1 + t) / big / (x + k), "e tilde as a Stieltjes transform")
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
    _confirm(regular - (1 - gamma) / (q - gamma), "trace of the inverse")
    # singular branch: e, ẽ ~ η^{−1/2} with η e ẽ = p; ⟨D/(pD + q)⟩ = 1 is a Stieltjes transform at c = p(1 − q)γ/q
    c0 = (1 - q) * gamma
    stieltjes = q / c0
    condition = gamma * (p * c0 / q) * stieltjes**2 + (1 - gamma + p * c0 / q) * stieltjes - 1
    (product,) = sympy.solve(condition, p)
    _confirm(product - (1 - q / gamma), "order parameter")
    shift = sympy.simplify(product * c0 / q)
    root = gamma / q - 1  # κ at that shift
    _confirm(root * (1 - gamma / (1 + root)) - shift, "kappa on the singular branch")
    at_shift = log(1 + root) - (1 - gamma) / gamma * log(1 - gamma / (1 + root)) - 1 / (1 + root)
    at_zero = -(1 - gamma) / gamma * log(1 - gamma) - 1
    value = log(q) + at_shift - at_zero - product
    printed = log((1 - q) * gamma / (1 - gamma)) - log((1 - q) / (1 - gamma)) / gamma
    # positive parameters (γ = 1/(1 + u), q = γ/(1 + w)) let the logarithms split into those of factors
    u, w = symbols("u w", positive=True)
    difference = (value - printed).subs(q, gamma / (1 + w)).subs(gamma, 1 / (1 + u))
    split = difference.replace(log, lambda argument: sympy.expand_log(log(sympy.factor(argument)), force=True))
    _confirm(sympy.expand(split), "inner branch")
    slope = sympy.simplify(sympy.diff(printed, gamma))
    _confirm(sympy.limit(slope, gamma, q), "slope where the branches join")
    # real Gaussian G: E Tr A^{2k} → τ^k with A = √((1−q)/q) G V^{−1/2}, τ = ⟨D⟩/q; E ln|1 + A|² = −Σ τ^k/k
    tau, k = Symbol("tau", positive=True), Symbol("k", integer=True, positive=True)
    series = sympy.summation(tau**k / k, (k, 1, oo)).args[0][0]
    correction = sympy.factor(1 - mean_d / q)
    _confirm(-series - log(1 - tau), "sum of the loops")
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
    _confirm(power_sum(1) - d / m, "second power sum")
    squares = inverse * ((m - 1) * d**2 + 2 * d) + 2 * inverse * (m * d + d**2)
    _confirm(power_sum(2) - squares, "fourth power sum")
    # d = 1: H = g/√V, E g^{2k} = (2k − 1)!!, E V^{−k} from the χ² density with m + 2 degrees of freedom
    for order in (1, 2, 3, 4):
        chi = sympy.gamma(m / 2 + 1 - order) / (2**order * sympy.gamma(m / 2 + 1))
        _confirm(sympy.gammasimp(power_sum(order).subs(d, 1) - sympy.factorial2(2 * order - 1) * chi), "one dimension")
        tau = sympy.limit(power_sum(order).subs({d: gamma * n, m: n - gamma * n}), n, oo)
        _confirm(tau - (gamma / (1 - gamma)) ** order, "limit of the power sums")
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
    _confirm(whole - (q + (1 - q) * t + extra), "trace with the start's variance")
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


def divergences() -> Step:
    """KL between one-dimensional Gaussians by integration; slope of the variance part; second-order expansion."""
    v, mu = symbols("v mu", positive=True)
    generated = exp(-((x - mu) ** 2) / (2 * v)) / sqrt(2 * pi * v)
    log_ratio = sympy.expand(-((x - mu) ** 2) / (2 * v) - log(v) / 2 + x**2 / 2)
    forward = sympy.simplify(sympy.integrate(generated * log_ratio, (x, -oo, oo)))
    _confirm(forward - (v - 1 - log(v) + mu**2) / 2, "divergence of Gaussians")
    inner = log((1 - q) * gamma / (1 - gamma)) - log((1 - q) / (1 - gamma)) / gamma
    m = q + (1 - q) * gamma / (1 - gamma)
    slope = sympy.diff(m - 1 - inner, gamma)
    simple = (1 - q) / (1 - gamma) ** 2 - log((1 - q) / (1 - gamma)) / gamma**2
    _confirm(slope - simple, "slope of the variance part")
    first, second = inverse_moments()
    mean_d, mean_d2 = (1 - q) * gamma * first, ((1 - q) * gamma) ** 2 * second
    square = q**2 + 4 * q * mean_d + mean_d2 + mean_d**2  # K = √q + B, B = √(1−q) G V^{−1/2}, free of signs
    truncated = square - 2 * (q + mean_d) + 1
    odds = gamma / (1 - gamma)
    quadratic = (1 - q) ** 2 + (1 - q) * (4 * q - 2) * odds + (1 - q) ** 2 * odds**2 * (2 - gamma) / (1 - gamma)
    _confirm(truncated - quadratic, "second-order expansion")
    floor = sympy.series(q - 1 - log(q), q, 1, 3).removeO()
    _confirm(floor - (q - 1) ** 2 / 2, "floor near q = 1")
    return Step(
        "Divergences",
        "Integrating a Gaussian against a logarithm of Gaussians gives KL(G‖O) per eigenvalue v and shift μ; summed over the"
        " spectrum, (d/2)(m − 1 − Λ) and the mean part. On the inner branch its slope in γ can be negative, so that it is not"
        " increasing everywhere. Expanding to second order in Σ_G − 1 is accurate for q → 1 only.",
        (
            Eq(Symbol("KL"), forward),
            Eq(Symbol("slope"), simple),
            Eq(Symbol("second_order"), quadratic),
            Eq(Symbol("KL_floor"), d / 2 * (q - 1 - log(q))),
        ),
    )


def overlap() -> Step:
    """Bhattacharyya coefficient by integration, and its limit for n → ∞."""
    v, mu = symbols("v mu", positive=True)
    product = exp(-((x - mu) ** 2) / (4 * v) - x**2 / 4) / sqrt(2 * pi * sqrt(v))
    coefficient = sympy.simplify(sympy.integrate(product, (x, -oo, oo)))
    target = sqrt(2 * sqrt(v) / (1 + v)) * exp(-(mu**2) / (4 * (1 + v)))
    _confirm(sympy.powdenest(coefficient / target, force=True) - 1, "Bhattacharyya coefficient")
    floor = 1 - (2 * sqrt(q) / (1 + q)) ** (d / 2)
    return Step(
        "Hellinger distance",
        "∫√(p_G p_O) of one eigenvalue; over the spectrum the logarithms add. For n → ∞ every eigenvalue is q, and a distance"
        " remains.",
        (Eq(Symbol("BC"), target), Eq(Symbol("H2_infinity"), floor)),
    )


def bandwidths() -> Step:
    """Exact squared error of the kernel estimate, its asymptotic minimum, the stationarity condition, and the mixing time."""
    m = Symbol("m", real=True)
    v1, v2 = symbols("v_1 v_2", positive=True)
    pair = exp(-(x**2) / (2 * v1) - (x - m) ** 2 / (2 * v2)) / (2 * pi * sqrt(v1 * v2))
    product = sympy.simplify(sympy.integrate(pair, (x, -oo, oo)))
    _confirm(
        sympy.powdenest(product / (exp(-(m**2) / (2 * (v1 + v2))) / sqrt(2 * pi * (v1 + v2))), force=True) - 1,
        "product of Gaussians",
    )
    # per dimension, in units of ∫p² = (4π)^{−1/2} and of σ
    mise = s ** (-d / 2) / n + (1 - 1 / n) * (1 + s) ** (-d / 2) - 2 * (1 + s / 2) ** (-d / 2) + 1
    bias = sympy.series((1 + s) ** (-d / 2) - 2 * (1 + s / 2) ** (-d / 2) + 1, s, 0, 3).removeO()
    _confirm(bias - d * (d + 2) * s**2 / 16, "squared bias")
    asymptotic = s ** (-d / 2) / n + d * (d + 2) * s**2 / 16
    amise = (4 / ((d + 2) * n)) ** (2 / (d + 4))
    stationary = sympy.diff(asymptotic, s) * s ** (d / 2 + 1)
    _confirm(sympy.powsimp(sympy.expand(stationary.subs(s, Symbol("u", positive=True) ** (2 / (d + 4)))).subs(
        Symbol("u", positive=True), 4 / ((d + 2) * n)), force=True), "asymptotic optimum")  # fmt: skip
    power = d / 2 + 1
    condition = ((1 / s + Rational(1, 2)) ** power / n + (1 - 1 / n) * ((1 + s / 2) / (1 + s)) ** power) - 1
    gradient = sympy.diff(mise, s) * (-2 / d) * (1 + s / 2) ** power
    rewritten = condition.subs((1 / s + Rational(1, 2)) ** power, (1 + s / 2) ** power * s**-power)
    rewritten = rewritten.subs(((1 + s / 2) / (1 + s)) ** power, (1 + s / 2) ** power * (1 + s) ** -power)
    _confirm(sympy.expand(sympy.powsimp(sympy.expand(gradient - rewritten))), "condition of the exact optimum")
    alpha = Symbol("alpha", positive=True)
    (mixing,) = sympy.solve(Eq(exp(2 * alpha), 1 + sigma**2 / s), s)
    mixing = sympy.simplify(mixing.subs(alpha, log(n) / d))
    large = Symbol("N", positive=True)  # n^{2/d}
    _confirm(
        sympy.limit(sigma**2 / (large - 1) / (sigma**2 / large), large, oo) - 1, "leading term of the mixing width"
    )
    return Step(
        "Bandwidths",
        "Overlaps of Gaussians give the exact mean integrated squared error of a kernel estimate with variance"
        " s = h²/σ²; at small s it is minimised by the classical rule. The mixing time equates the weight of a sample"
        " with that of all others, n = e^{αd}. The two agree only where n^{2/d} ≫ 1."
        " At h² = σ² n^{−2/d} the self-overlaps add up to exactly ∫p².",
        (
            Eq(Symbol("MISE"), mise),
            Eq(s, amise),
            Eq(condition, 0),
            Eq(h**2, mixing),
            Eq(Symbol("self"), sympy.simplify((s ** (-d / 2) / n).subs(s, n ** (-2 / d)))),
        ),
    )


def late_time() -> Step:
    """t_S: curvature of ln p_t at the centre of a two-point mixture."""
    shift, variance, largest, t = symbols("m Delta lambda_max t", positive=True)
    shrunk = exp(-t) * shift
    density = exp(-((x - shrunk) ** 2) / (2 * variance)) + exp(-((x + shrunk) ** 2) / (2 * variance))
    curvature = sympy.simplify(-sympy.diff(log(density), x, 2).subs(x, 0))
    _confirm(curvature - (1 - exp(-2 * t) * shift**2 / variance) / variance, "curvature at the centre")
    u = Symbol("u", positive=True)  # e^{2t}
    (threshold,) = sympy.solve(Eq(1, largest / u / (1 - 1 / u)), u)
    _confirm(threshold - (1 + largest), "threshold")
    return Step(
        "Late times",
        "The diffused density is curved downwards at its centre in the direction of the largest eigenvalue iff t > t_S, where"
        " e^{−2t} λ_max = 1 − e^{−2t}.",
        (Eq(Symbol("curvature"), curvature), Eq(Symbol("t_S"), log(threshold) / 2)),
    )


def several_steps() -> Step:
    """A deterministic step multiplies the relative standard deviation by cos(φ' − φ); equal angles are the best."""
    phi, phi_next, radius, radius_next = symbols("phi phi_next r r_next", positive=True)
    a0, b0 = radius * sympy.cos(phi) / sigma, radius * sympy.sin(phi)
    a1, b1 = radius_next * sympy.cos(phi_next) / sigma, radius_next * sympy.sin(phi_next)
    total = a0**2 * sigma**2 + b0**2
    gain = a1 * (a0 * sigma**2 / total) + b1 * (b0 / total)  # y' = a' x̂ + b' ε̂ per unit of y
    relative = sympy.simplify(gain * sqrt(total) / radius_next)
    _confirm(relative - sympy.cos(phi_next - phi), "gain of a step")
    _confirm(sympy.diff(log(sympy.cos(phi)), phi, 2) + 1 / sympy.cos(phi) ** 2, "concavity of ln cos")
    k, full = symbols("k phi_T", positive=True)
    u = Symbol("u", positive=True)
    expansion = sympy.series(exp(2 / u * log(sympy.cos(full * u))), u, 0, 2).removeO()
    _confirm(sympy.expand(expansion - (1 - full**2 * u)), "many steps")
    return Step(
        "Several steps",
        "With φ_t = arctan(b/(aσ)), a step from φ to φ' multiplies the standard deviation, in units of that of a forward"
        " trajectory, by cos(φ' − φ). As ln cos is concave, equal angles maximise the product; one step gives q = cos² φ_T.",
        (
            Eq(Symbol("gain"), sympy.cos(phi_next - phi)),
            Eq(Symbol("q_k"), sympy.cos(full / k) ** (2 * k)),
            Eq(Symbol("q_k"), expansion.subs(u, 1 / k)),
        ),
    )


def derivation() -> Derivation:
    """All steps, each checked by SymPy while it is built, and the places where the source differs."""
    return Derivation(
        "Linear one-step denoiser",
        (
            regression(),
            trace(),
            marchenko_pastur(),
            free_energy(),
            branches(),
            series(),
            divergences(),
            overlap(),
            bandwidths(),
            late_time(),
            several_steps(),
        ),
        slips(),
    )
