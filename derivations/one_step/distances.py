"""Distances of what the one-step denoiser generates: divergences, overlaps, bandwidths, late times and several steps."""

from __future__ import annotations

import sympy
from sympy import Eq, Rational, Symbol, exp, log, oo, pi, sqrt, symbols

from ..identity import require_zero
from ..steps import Step
from .equations import d, gamma, h, inverse_moments, n, q, s, sigma, x


def divergences() -> Step:
    """KL between one-dimensional Gaussians by integration; slope of the variance part; second-order expansion."""
    v, mu = symbols("v mu", positive=True)
    generated = exp(-((x - mu) ** 2) / (2 * v)) / sqrt(2 * pi * v)
    log_ratio = sympy.expand(-((x - mu) ** 2) / (2 * v) - log(v) / 2 + x**2 / 2)
    forward = sympy.simplify(sympy.integrate(generated * log_ratio, (x, -oo, oo)))
    require_zero(forward - (v - 1 - log(v) + mu**2) / 2, "divergence of Gaussians")
    inner = log((1 - q) * gamma / (1 - gamma)) - log((1 - q) / (1 - gamma)) / gamma
    m = q + (1 - q) * gamma / (1 - gamma)
    slope = sympy.diff(m - 1 - inner, gamma)
    simple = (1 - q) / (1 - gamma) ** 2 - log((1 - q) / (1 - gamma)) / gamma**2
    require_zero(slope - simple, "slope of the variance part")
    first, second = inverse_moments()
    mean_d, mean_d2 = (1 - q) * gamma * first, ((1 - q) * gamma) ** 2 * second
    square = q**2 + 4 * q * mean_d + mean_d2 + mean_d**2  # K = √q + B, B = √(1−q) G V^{−1/2}, free of signs
    truncated = square - 2 * (q + mean_d) + 1
    odds = gamma / (1 - gamma)
    quadratic = (1 - q) ** 2 + (1 - q) * (4 * q - 2) * odds + (1 - q) ** 2 * odds**2 * (2 - gamma) / (1 - gamma)
    require_zero(truncated - quadratic, "second-order expansion")
    floor = sympy.series(q - 1 - log(q), q, 1, 3).removeO()
    require_zero(floor - (q - 1) ** 2 / 2, "floor near q = 1")
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
    require_zero(sympy.powdenest(coefficient / target, force=True) - 1, "Bhattacharyya coefficient")
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
    require_zero(
        sympy.powdenest(product / (exp(-(m**2) / (2 * (v1 + v2))) / sqrt(2 * pi * (v1 + v2))), force=True) - 1,
        "product of Gaussians",
    )
    # per dimension, in units of ∫p² = (4π)^{−1/2} and of σ
    mise = s ** (-d / 2) / n + (1 - 1 / n) * (1 + s) ** (-d / 2) - 2 * (1 + s / 2) ** (-d / 2) + 1
    bias = sympy.series((1 + s) ** (-d / 2) - 2 * (1 + s / 2) ** (-d / 2) + 1, s, 0, 3).removeO()
    require_zero(bias - d * (d + 2) * s**2 / 16, "squared bias")
    asymptotic = s ** (-d / 2) / n + d * (d + 2) * s**2 / 16
    amise = (4 / ((d + 2) * n)) ** (2 / (d + 4))
    stationary = sympy.diff(asymptotic, s) * s ** (d / 2 + 1)
    require_zero(sympy.powsimp(sympy.expand(stationary.subs(s, Symbol("u", positive=True) ** (2 / (d + 4)))).subs(
        Symbol("u", positive=True), 4 / ((d + 2) * n)), force=True), "asymptotic optimum")  # fmt: skip
    power = d / 2 + 1
    condition = ((1 / s + Rational(1, 2)) ** power / n + (1 - 1 / n) * ((1 + s / 2) / (1 + s)) ** power) - 1
    gradient = sympy.diff(mise, s) * (-2 / d) * (1 + s / 2) ** power
    rewritten = condition.subs((1 / s + Rational(1, 2)) ** power, (1 + s / 2) ** power * s**-power)
    rewritten = rewritten.subs(((1 + s / 2) / (1 + s)) ** power, (1 + s / 2) ** power * (1 + s) ** -power)
    require_zero(sympy.expand(sympy.powsimp(sympy.expand(gradient - rewritten))), "condition of the exact optimum")
    alpha = Symbol("alpha", positive=True)
    (mixing,) = sympy.solve(Eq(exp(2 * alpha), 1 + sigma**2 / s), s)
    mixing = sympy.simplify(mixing.subs(alpha, log(n) / d))
    large = Symbol("N", positive=True)  # n^{2/d}
    require_zero(
        sympy.limit(sigma**2 / (large - 1) / (sigma**2 / large), large, oo) - 1, "leading term of the mixing width"
    )
    return Step(
        "Bandwidths",
        "Overlaps of Gaussians give the exact mean integrated squared error of a kernel estimate with variance s = h²/σ²; at"
        " small s it is minimised by the classical rule. The mixing time equates the weight of a sample with that of all others,"
        " n = e^{αd}. The two agree only where n^{2/d} ≫ 1. At h² = σ² n^{−2/d} the self-overlaps add up to exactly ∫p².",
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
    require_zero(curvature - (1 - exp(-2 * t) * shift**2 / variance) / variance, "curvature at the centre")
    u = Symbol("u", positive=True)  # e^{2t}
    (threshold,) = sympy.solve(Eq(1, largest / u / (1 - 1 / u)), u)
    require_zero(threshold - (1 + largest), "threshold")
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
    require_zero(relative - sympy.cos(phi_next - phi), "gain of a step")
    require_zero(sympy.diff(log(sympy.cos(phi)), phi, 2) + 1 / sympy.cos(phi) ** 2, "concavity of ln cos")
    k, full = symbols("k phi_T", positive=True)
    u = Symbol("u", positive=True)
    expansion = sympy.series(exp(2 / u * log(sympy.cos(full * u))), u, 0, 2).removeO()
    require_zero(sympy.expand(expansion - (1 - full**2 * u)), "many steps")
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
