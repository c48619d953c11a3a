"""The Hermite constants of an activation, derived: in general, of erf, and of a ramp."""

from __future__ import annotations

import sympy as sp

from ..identity import require_zero
from ..steps import Step
from .equations import C, Gamma, alpha, b, s, v, z


def _normal(x: sp.Expr) -> sp.Expr:
    return sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)


def constants() -> Step:
    """What of a feature is linear in x and in the noise, and what is left."""
    rest, shared, mean, square = sp.symbols("E_pair v^2 mu_0 E_square")
    variance = sp.Symbol("sigma_x", positive=True) ** 2
    # Var of α w·x + b w·ξ + vω + sη, and the covariance of two noises of one sample.
    total = alpha**2 * variance + b**2 + v**2 + s**2
    pair = alpha**2 * variance + v**2
    found = sp.solve([total - (square - mean**2), pair - (rest - mean**2)], [v**2, s**2], dict=True)[0]
    require_zero(found[s**2] - (square - rest - b**2), "s² is a difference of two copies")
    return Step(
        "Hermite constants",
        "Given the sample a feature ϱ(w·x_t) is a function of a Gaussian field of variance Γ² = e^{−2t}σ_x² + Δ. Its linear "
        "part has the slope a = E ϱ'(Γz), hence α = a e^{−t} and b = a√Δ; matching the variance, and the covariance of two "
        "noises of one sample, gives what is left: v² shared by the noises of a sample, s² not. s² is half the mean square "
        "difference of two noised copies minus b².",
        (
            sp.Eq(shared, sp.expand(found[v**2]), evaluate=False),
            sp.Eq(sp.Symbol("s^2"), sp.expand(found[s**2]), evaluate=False),
        ),
    )


def erf_constants() -> Step:
    """Closed forms for erf by Price's theorem."""
    slope = sp.integrate(2 / sp.sqrt(sp.pi) * sp.exp(-((Gamma * z) ** 2)) * _normal(z), (z, -sp.oo, sp.oo))
    require_zero(slope - 2 / sp.sqrt(sp.pi * (1 + 2 * Gamma**2)), "slope of erf")
    # ∂_C E ϱϱ' = E ϱ'ϱ'': a Gaussian integral with the precision matrix plus 2.
    covariance = sp.Matrix([[Gamma**2, C], [C, Gamma**2]])
    density = 4 / sp.pi / sp.sqrt((sp.eye(2) + 2 * covariance).det())
    product = 2 / sp.pi * sp.asin(2 * C / (1 + 2 * Gamma**2))
    require_zero(
        (sp.diff(product, C) ** 2 - density**2).subs(C, sp.Rational(3, 7) * Gamma**2), "Price's theorem for erf"
    )
    require_zero(product.subs(C, 0), "independent fields")
    return Step(
        "Closed form: erf",
        "The slope is a Gaussian integral; the covariance of two values follows from its derivative by the covariance C of the "
        "fields (Price), a two-dimensional Gaussian integral that integrates to an arcsine.",
        (
            sp.Eq(sp.Symbol("a"), slope, evaluate=False),
            sp.Eq(sp.Symbol("E_pair"), product, evaluate=False),
        ),
    )


def relu_constants() -> Step:
    """Closed forms for ReLU: the arc-cosine kernel."""
    mean = sp.integrate(Gamma * z * _normal(z), (z, 0, sp.oo))
    slope = sp.integrate(_normal(z), (z, 0, sp.oo))
    rho = sp.Symbol("rho", positive=True)
    product = Gamma**2 / (2 * sp.pi) * (sp.sqrt(1 - rho**2) + rho * (sp.pi - sp.acos(rho)))
    # ∂²_C E ϱϱ' = E δδ: the density of both fields at zero.
    second = sp.diff(product, rho, 2) / Gamma**4
    require_zero(second - 1 / (2 * sp.pi * Gamma**2 * sp.sqrt(1 - rho**2)), "Price's theorem for ReLU")
    require_zero(product.subs(rho, 1) - Gamma**2 / 2, "equal fields")
    require_zero(product.subs(rho, 0) - mean**2, "independent fields")
    return Step(
        "Closed form: ReLU",
        "Twice differentiated by the covariance the kernel is the density of both fields at zero; integrated back it is the "
        "arc-cosine kernel of the correlation ρ = C/Γ². The mean only adds an outlying eigenvalue.",
        (
            sp.Eq(sp.Symbol("a"), slope, evaluate=False),
            sp.Eq(sp.Symbol("mu_0"), mean, evaluate=False),
            sp.Eq(sp.Symbol("E_pair"), product, evaluate=False),
        ),
    )
