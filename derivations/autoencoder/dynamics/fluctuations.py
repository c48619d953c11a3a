r"""Fluctuations of the order parameters at finite d: what one SGD step does at random, and the drift's Jacobian.

One step moves an order parameter y by (2η/d) Y, a random increment that the engine computes. Around the solution of
dy/dτ = E[Y] = f(y), at second order in 1/√d (van Kampen's system-size expansion),

    Cov(y_τ) = C_τ/d,    dC/dτ = J C + C Jᵀ + 2η Cov(Y),    J = ∂f/∂y.

Y is a polynomial in Gaussian variables once the fields (ω, e) on which g depends are known; J follows from f's moments by
the theorems of Bonnet and Price on derivatives of Gaussian expectations.

Source: C. W. Gardiner, *Stochastic Methods*, sec. 7.2 (linear noise); R. Price, IRE Trans. Inf. Theory 4 (1958) 69.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import sympy

from ...identity import require_zero
from ...steps import Derivation, Derived, Step, equation
from ..network.denoiser import tied
from ..network.names import d, eta, symbol, tau, varsigma
from ..training.update import Equations
from .linear_noise import COEFFICIENTS, Expansion


def _increments(f: Expansion) -> Step:
    rows = [equation(symbol("Y_Theta", a + 1), x) for a, x in enumerate(f.system.theta_increment)]
    rows += [equation(symbol("Y_q", a + 1, c + 1), x) for (a, c), x in f.system.gram_increment.items()]
    return Step(
        "Random increments",
        "One step changes an order parameter by (2 eta/d) Y, with Y before any average: g and P are functions of the sample's "
        "fields, z_c_b and zu_c the inner products of the sample with w_b and u on the atom. The squares g g come from the "
        "step's own norm; they fluctuate at the same order as the rest.",
        tuple(rows),
    )


def _linear_noise() -> Step:
    """One step of a scalar recursion, expanded: the covariance's rate of change."""
    J, C, noise, y, xi = sympy.symbols("J C CovY y xi")
    h = 2 * eta / d
    # y -> y + h (f + J (y - m) + xi); with Var y = C/d and Var xi = CovY the next variance is
    after = sympy.expand(((1 + h * J) * (y / sympy.sqrt(d)) + h * xi) ** 2)
    variance = after.coeff(y, 2) * C + after.coeff(xi, 2) * noise
    rate = sympy.limit(sympy.expand((variance * d - C) / h), d, sympy.oo)
    dC = sympy.Derivative(sympy.Function("C")(tau), tau)
    return Step(
        "Linear noise approximation",
        "Linearise the recursion around the solution: deviations of order 1/sqrt(d) are carried by 1 + (2 eta/d) J and fed by "
        "(2 eta/d)(Y - E Y), independent from step to step. The limit for a scalar; for a vector J C + C J^T.",
        (equation(dC, rate),),
    )


def gaussian_exponential() -> tuple[sympy.Expr, tuple[sympy.Symbol, ...]]:
    """E[exp(s·x)] for x ~ N(m, C) in two dimensions, and the symbols (m1, m2, C11, C12, C22, s1, s2)."""
    m1, m2, c11, c12, c22, s1, s2 = variables = sympy.symbols("m_1 m_2 C_11 C_12 C_22 s_1 s_2", real=True)
    return sympy.exp(s1 * m1 + s2 * m2 + (c11 * s1**2 + 2 * c12 * s1 * s2 + c22 * s2**2) / 2), variables


def _price() -> Step:
    value, (m1, _, c11, c12, _, s1, s2) = gaussian_exponential()
    # Exponentials span the functions that matter: ∂_x1 is multiplication by s1.
    require_zero(value.diff(m1) - s1 * value, "Price: dE/dm")
    require_zero(value.diff(c11) - s1**2 * value / 2, "Price: dE/dC11")
    require_zero(value.diff(c12) - s1 * s2 * value, "Price: dE/dC12")
    E = sympy.Function("E")
    F = sympy.Function("F")(*sympy.symbols("x_1 x_2"))
    x1, x2 = F.args
    return Step(
        "Theorems of Bonnet and Price",
        "Derivatives of a Gaussian expectation by mean and covariance are expectations of derivatives; checked on F = exp(s.x), "
        "whose expectation is exp(s.m + s.C s/2).",
        (
            equation(sympy.Derivative(E(F), m1), E(sympy.Derivative(F, x1))),
            equation(sympy.Derivative(E(F), c11), E(sympy.Derivative(F, (x1, 2))) / 2),
            equation(sympy.Derivative(E(F), c12), E(sympy.Derivative(F, x1, x2))),
        ),
    )


def _by_parts() -> Step:
    """Price's derivative without differentiating F: the regression form, needed at a kink."""
    x, m, s = sympy.Symbol("x", real=True), sympy.Symbol("m", real=True), sympy.Symbol("s", positive=True)
    density = sympy.exp(-((x - m) ** 2) / (2 * s)) / sympy.sqrt(2 * sympy.pi * s)
    z = (x - m) / sympy.sqrt(s)
    require_zero(density.diff(m) / density - z / sympy.sqrt(s), "by parts: derivative in m")
    require_zero(density.diff(s) / density - (z**2 - 1) / (2 * s), "by parts: derivative in s")
    E, F, zed = sympy.Function("E"), sympy.Function("F"), sympy.Symbol("z")
    return Step(
        "By parts",
        "The same derivatives fall on the Gaussian weight: Hermite polynomials of the nodes times F, whatever F's kinks. In the "
        "fields omega this form is used for all activations; in e, Q, b and kappa F is differentiated symbolically.",
        (
            equation(sympy.Derivative(E(F(x)), m), E(F(x) * zed) / sympy.sqrt(s)),
            equation(sympy.Derivative(E(F(x)), s), E(F(x) * (zed**2 - 1)) / (2 * s)),
        ),
    )


def _jacobian(f: Expansion) -> Step:
    theta, gram = f.drift_derivatives
    rows = [equation(sympy.Derivative(sympy.Function("f_Theta_1")(x), x), value) for x, value in theta[0].items()]
    rows += [equation(sympy.Derivative(sympy.Function("f_q_1_1")(x), x), value) for x, value in gram[0, 0].items()]
    return Step(
        "Jacobian of the drift",
        "The drift depends on the order parameters directly and through its moments; the moments through the fields' means and "
        "covariances, which are linear in Theta(s) and q(s). First factors, for Theta_1 and q_11:",
        tuple(rows),
    )


def _skip(f: Expansion) -> Step:
    if not f.system.denoiser.skip:
        return Step("Skip connection", "There is none.")
    traces = sympy.Integer(1), sympy.Symbol("trSigma_over_d"), sympy.Symbol("trSigma2_over_d")
    terms = sympy.Poly(f.skip_variance, varsigma).terms()
    variance = sympy.Add(*[coefficient * traces[power] for (power,), coefficient in terms])
    return Step(
        "Fluctuation of the skip connection",
        "-1/2 d loss/d b = c00 x0.x0 + c01 x0.x1 + c11 x1.x1 at order d. For clusters of equal trace its relative fluctuations are "
        "of order 1/sqrt(d): Var b = B/d^2, and b's noise does not reach the other order parameters at order 1/d. A coordinate of "
        "eigenvalue varsigma has the variance below; over the coordinates it averages to VarY_b = Var(-1/2 d loss/d b)/d.",
        (
            *[equation(n, c) for n, c in zip(COEFFICIENTS, f.skip_increment, strict=True)],
            equation(sympy.Symbol("Var_coordinate"), f.skip_variance),
            equation(sympy.Symbol("VarY_b"), variance),
        ),
    )


def _bias() -> Step:
    """Second order of the recursion's mean, for a scalar."""
    h, t, J, f0 = sympy.symbols("h tau J f")
    y = sympy.Function("y")
    # One Euler step of length h against the flow's own Taylor series: the flow is ahead by h²/2 y''.
    ahead = sympy.series(y(t + h), h, 0, 3).removeO().doit() - y(t) - h * y(t).diff(t)
    require_zero(ahead.coeff(h, 2) - y(t).diff(t, 2) / 2, "second order of an Euler step")
    m1, C, f1 = sympy.symbols("m_1 C f_1")
    curvature = sympy.Symbol("d2f")
    rate = J * m1 + curvature * C / 2 + f1 - eta * J * f0
    return Step(
        "Bias of the mean at order 1/d",
        "E y = y_infinity + m_1/d: carried by J, fed by the drift's curvature over the fluctuations, by the O(1/d) part f_1 of the "
        "mean increment (the squared step beyond its extensive norm), and by the step's length h = 2 eta/d: "
        "h y''/2 = (eta/d) J f.",
        (equation(sympy.Derivative(sympy.Function("m_1")(tau), tau), rate),),
    )


class Fluctuations(Derived, Expansion):
    """The symbolic side of the linear noise approximation of a derived `System`; prints its derivation."""

    @cached_property
    def derivation(self) -> Derivation:
        """The printable derivation."""
        steps = (_increments(self), _linear_noise(), _price(), _by_parts(), _jacobian(self), _skip(self), _bias())
        return Derivation(f"finite-d fluctuations of the {self.system.denoiser.name} auto-encoder", steps)


@lru_cache(maxsize=64)
def fluctuations(system: Equations) -> Fluctuations:
    """The symbolic side of the fluctuations of a derived system."""
    return Fluctuations(system)


def derivation() -> Derivation:
    """The fluctuations of the tied auto-encoder with one hidden unit, whose activation is left open."""
    return fluctuations(Equations(tied(1))).derivation
