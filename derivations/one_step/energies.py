"""The law of the relative distance, derived: energies of trained and of fresh points, and two sums of them."""

from __future__ import annotations

import sympy as sp

from ..identity import require_zero
from ..steps import Step, equation

gamma, q, s, c, h = sp.symbols("gamma q s c h", positive=True)
x, e, tilde = sp.symbols("x e etilde", positive=True)
t, outside = sp.symbols("t eta", positive=True)


def determinant() -> Step:
    """The logarithm of a determinant of information plus noise is stationary."""
    f = 1 + s * x
    information, noise = q * f / c, (1 - q) * gamma * f / (x * c)
    # One eigenvalue of V/n; averages are linear.
    value = sp.log(c) + sp.log((1 + tilde) * (1 + e * noise) + information) - e * tilde
    first = 1 / (1 + tilde + information / (1 + e * noise))
    second = noise / (1 + e * noise + information / (1 + tilde))
    require_zero(sp.simplify(sp.diff(value, tilde) + e - first), "e")
    require_zero(sp.simplify(sp.diff(value, e) + tilde - second), "ẽ")
    inner = (1 + tilde) * (1 + e * noise) + information
    # By stationarity the derivatives are the explicit ones.
    by_s = ((1 + tilde) * e * (1 - q) * gamma + q * x) / (c * inner)
    require_zero(sp.simplify(sp.diff(value, s) - by_s), "∂L/∂s'")
    by_c = sp.diff(value, c)

    expected = (1 - (e * noise * (1 + tilde) + information) / inner) / c
    require_zero(sp.simplify(by_c - expected), "∂L/∂c")
    mean = sp.Function("avg")
    return Step(
        "Determinant of information plus noise",
        "ln|K(1 + s'V/n)K' + c|/d (K' the transpose) with K = √q + √(1−q) GV^(−1/2) is, per eigenvalue x of V/n, the stationary value in e "
        "and ẽ of this function; its derivatives are the explicit ones, ∂L/∂c = e/c. (avg: Marchenko–Pastur.)",
        (
            equation(sp.Symbol("A"), information),
            equation(sp.Symbol("D"), noise),
            equation(
                sp.Symbol("L"),
                sp.log(c) + mean(sp.log((1 + tilde) * (1 + e * sp.Symbol("D")) + sp.Symbol("A"))) - e * tilde,
            ),
        ),
    )


def trained_points() -> Step:
    """Cumulants of the energy of a training point: a saddle over its place in the frame of the regression."""
    variance, ratio = sp.symbols("c s_t", positive=True)
    L = sp.Function("L")(variance, ratio)
    by_c, by_s = sp.symbols("L_c L_s", positive=True)
    # Per n/2: γ = d/n.
    free = t * (1 - outside) - gamma * sp.log(t) + (1 - gamma) * sp.log(outside)
    # c = h² + s(1−q)η^⊥, s' = s/t.
    of_outside = sp.diff(free, outside) - gamma * by_c * s * (1 - q)
    of_t = sp.diff(free, t) + gamma * by_s * s / t**2
    kappa = sp.Symbol("kappa", positive=True)
    tilt = sp.Symbol("s_prime", positive=True)
    solved_outside = (1 - gamma) / (t * (1 + kappa))
    solved_t = gamma * (1 - tilt * by_s) + (1 - gamma) / (1 + kappa)
    values = {s: tilt * t, by_c: kappa / (gamma * tilt * (1 - q))}
    at_outside = sp.simplify(of_outside.subs(values).subs(outside, solved_outside))
    require_zero(at_outside, "stationary in η^⊥")
    at_t = sp.simplify(of_t.subs(values).subs(outside, solved_outside) * t)
    require_zero(sp.simplify(at_t - (t - solved_t)), "stationary in t")
    # Nothing tilted: t = 1, η^⊥ = 1 − γ.
    require_zero(solved_t.subs({tilt: 0, kappa: 0}) - 1, "t at s = 0")
    return Step(
        "Energy of a training point",
        "x = Ku + x^⊥ with u = V^(1/2)η, η part of a unit vector in R^n, and x^⊥ of variance (1−q)η^⊥, η^⊥ = 1 − |η|². The length is fixed "
        "by a multiplier t, η integrates to the determinant at s' = s/t and c = h² + s(1−q)η^⊥, and both saddles are explicit at given s', "
        "with κ = γ s'(1−q)∂L/∂c.",
        (
            equation(
                2 / sp.Symbol("n") * sp.Function("psi")(s),
                free - (1 - gamma) * sp.log(1 - gamma) - gamma - gamma * (L - sp.Symbol("L_0")),
            ),
            equation(t, solved_t),
            equation(outside, solved_outside),
        ),
    )


def two_sums() -> Step:
    """The comparison, and what decides it to leading order."""
    d, radius = sp.symbols("d r", positive=True)
    # A fresh standard normal point: E e^{−sε} of ε = x²/(2(q + h²)) per coordinate, isotropic Σ_G = q.
    z = sp.Symbol("z", real=True)
    width = q + h
    mean = sp.integrate(sp.exp(-s * z**2 / (2 * width) - z**2 / 2) / sp.sqrt(2 * sp.pi), (z, -sp.oo, sp.oo))
    require_zero(sp.simplify(mean - sp.sqrt(width / (width + s))), "mean of a fresh point")
    # The exact law against one typical training point at h² = 1: ½ ln 2 of both cancels.
    exponent = -sp.log(q + 1) / 2 + sp.log(q + 1) / 2 + radius / (2 * (q + 1))
    require_zero(exponent - radius / (2 * (q + 1)), "exponent of OG/TG")
    transform = sp.Function("E")(sp.Symbol("lambda"))
    return Step(
        "Two sums of random energies",
        "E_OG < E_TG where OG exceeds TG, sums of n_O and n terms e^(−ε); given Σ_G the energies are independent, and the law of a sum is "
        "inverted from the n-th power of the transform of one term. With the exact law as underlying density OG has no sum, and "
        "ln(OG/TG)/d is half the mean energy of a training point, r/(2(q+1)) > 0 for an isotropic Σ_G = q and |x|² = dr: P → 1 at every "
        "n ∝ d, and no transition.",
        (
            equation(transform, sp.Symbol("E_one") ** sp.Symbol("n")),
            equation(sp.Symbol("ln(OG/TG)") / d, radius / (2 * (q + 1))),
        ),
    )
