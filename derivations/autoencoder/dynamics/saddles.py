r"""The drift at vanishing overlap: in which power of Θ the target is felt first, and with what coefficient.

At Θ = 0 the field λ₁ has the bulk's law. A direction u in which the target's cumulant κ_k differs from the bulk's by Δκ_k
changes λ₁'s cumulants by Δκ_k Θᵏ, and expectations by Edgeworth's series E f = E₀ exp(Σ_k Δκ_k Θᵏ ∂ᵏ/k!) f. The flow of Θ at
fixed Q is −½ ∂E[ℓ]/∂Θ, so that relative to a direction of the bulk

    dΘ/dτ = (rate of a bulk direction) Θ − ½ (Δκ_k/k!) k Θ^{k−1} E₀[∂ᵏℓ/∂λ₁ᵏ]

to leading order, with k the first order in which Δκ_k is not zero: power 0 for a mean (k = 1: nothing is a saddle), 1 for a
variance (k = 2: a rate), 2 and more for higher ones (escape takes a power of d, not ln d).
"""

from __future__ import annotations

from functools import lru_cache

import sympy

from ...identity import require_zero
from ...steps import Derivation, Step, equation
from ..network.denoiser import Denoiser, alpha, beta, local_field, tied
from ..network.names import symbol, symmetric, varsigma
from ..training.moments import expectation
from ..training.update import Equations

Theta, m, k = sympy.symbols("Theta m k", real=True)


def potential_in_channels(system: Equations) -> sympy.Expr:
    """ℓ in λ₀, λ₁ and Q: fields and residual fields by their definitions."""
    return _in_channels(system, system.potential)


def along(system: Equations, order: int, vector: int = 0) -> sympy.Expr:
    """−½ k/k! ∂ᵏℓ/∂λ₁ᵏ for λ₁ of one vector: its average times Δκ_k Θ^{k−1} is the leading term of dΘ/dτ.

    Parameters
    ----------
    system : Equations
        Its activation chosen, and smooth.
    order : int
        k ≥ 1.
    vector : int
        Which of the stacked vectors.
    """
    if order < 1:
        raise ValueError(f"order = {order}: must be at least 1")
    if system.has_kink and order > 1:
        raise ValueError(f"order = {order}: needs an activation whose slope has no jump")
    field = system.channel_fields[1][vector]
    derivative = sympy.diff(potential_in_channels(system), field, order)
    return -sympy.Rational(1, 2) * sympy.Integer(order) / sympy.factorial(order) * derivative


@lru_cache(maxsize=4)
def symmetric_pair(order: int) -> sympy.Expr:
    """κ_k of ±m with equal weights: the k-th derivative of log cosh(ms) at s = 0."""
    s = sympy.Symbol("s", real=True)
    return sympy.simplify(sympy.diff(sympy.log(sympy.cosh(m * s)), s, order).subs(s, 0))


@lru_cache(maxsize=1)
def _cubic() -> tuple[Equations, sympy.Symbol]:
    """σ(ω) = ω − kω³ with one unit; and k."""
    system = Equations(Denoiser("cubic", ("w",), (("w", local_field("w") - k * local_field("w") ** 3),), (k,)))
    return system, system.denoiser.parameters[0]


@lru_cache(maxsize=1)
def example() -> sympy.Expr:
    """The coefficient of Θ³ for σ(ω) = ω − kω³, to first order in k, and a target ±m with ς_u = 1 − m²: the bulk's variance 1."""
    system, strength = _cubic()
    Q = symmetric("Q", 0, 0)
    fields = tuple(channel[0] for channel in system.channel_fields)
    term = sympy.expand(along(system, 4) * symmetric_pair(4))
    value = sympy.expand(expectation(term, fields, (0, 0), sympy.diag(Q, Q)))
    return sympy.factor(value.coeff(strength, 1) * k)


def derivation() -> Derivation:
    """The printable derivation, each order checked against the engine's equations."""
    return Derivation(
        "saddles: the drift at vanishing overlap", (_edgeworth(), _flow(), _first(), _second(), _fourth())
    )


def _edgeworth() -> Step:
    E, E0, kappa, order = sympy.Function("E"), sympy.Function("E_0"), sympy.Function("Delta_kappa"), sympy.Symbol("n")
    f = sympy.Symbol("f")
    weight = kappa(order) * Theta**order / sympy.factorial(order) * sympy.Symbol("d_lambda1") ** order
    return Step(
        "Edgeworth",
        "lambda1 is a sum over directions. One direction u whose cumulants differ from the bulk's by Delta_kappa_n changes the "
        "cumulants of lambda1 by Delta_kappa_n Theta^n, and averages by the exponential of these derivatives; E_0 is the bulk's.",
        (equation(E(f), E0(sympy.exp(sympy.Sum(weight, (order, 1, sympy.oo))) * f)),),
    )


def _flow() -> Step:
    tau, kappa, E0 = sympy.Symbol("tau"), sympy.Symbol("Delta_kappa_n"), sympy.Function("E_0")
    n, rate = sympy.Symbol("n"), sympy.Symbol("r_bulk")
    drift = rate * Theta - kappa / sympy.factorial(n) * n * Theta ** (n - 1) / 2 * E0(
        sympy.Symbol("d^n ell/d lambda1^n")
    )
    return Step(
        "Leading power",
        "Theta moves along -1/2 of the gradient of E[ell] at fixed Q. With n the first order in which the cumulants differ, "
        "relative to a direction of the bulk. For n >= 3 and r_bulk = 0 a start Theta ~ d^(-1/2) takes tau ~ d^((n-2)/2) to "
        "leave, not ln d (heuristic).",
        (equation(sympy.Derivative(sympy.Function("Theta")(tau), tau), drift),),
    )


def _first() -> Step:
    system = Equations(tied(1))
    require_zero(
        along(system, 1) - _in_channels(system, system.gradient[1][0]),
        "order 1 is the engine's gradient g_1: dTheta/dtau = A t",
    )
    return Step(
        "Order 1: a mean",
        "The term is t A(0) with A = E[g_1], as in the engine's equations: where the mean and A(0) are not zero (biases, ReLU, "
        "sigmoid) nothing is a saddle, and the power is 0.",
        (equation(symbol("A", 1), sympy.Function("E_0")(system.gradient[1][0])),),
    )


def _second() -> Step:
    system = Equations(tied(1))
    require_zero(
        along(system, 2) - _in_channels(system, system.hessian[1][0][0]),
        "order 2 is the engine's Hessian h_1 of channel 1",
    )
    rate = sympy.diff(system.theta_drift[0].subs(symbol("t"), 0), symbol("Theta", 1))
    require_zero(
        sympy.diff(rate, varsigma) - system.rates[0] * symmetric("H1", 0, 0), "the rate is linear in the variance"
    )
    return Step(
        "Order 2: a variance",
        "The term is Delta_kappa_2 H_1 Theta: with it the rate of the direction is the engine's, at its own variance "
        "varsigma + m^2 (power 1: a saddle that runs leave in ln d).",
        (equation(sympy.Symbol("r_u"), rate),),
    )


def _fourth() -> Step:
    require_zero(symmetric_pair(4) + 2 * m**4, "the fourth cumulant of +-m is -2 m^4")
    return Step(
        "Order 4: an example",
        "A target +-m along u with variance 1 - m^2 around: mean and variance are the bulk's, and the third cumulant is zero. "
        "With sigma(omega) = omega - k omega^3, to first order in k (power 3):",
        (
            equation(sympy.Symbol("Delta_kappa_4"), symmetric_pair(4)),
            equation(sympy.Symbol("coefficient"), example()),
        ),
    )


def _in_channels(system: Equations, expression: sympy.Expr) -> sympy.Expr:
    of_fields = {
        omega: alpha * l0 + beta * l1 for omega, l0, l1 in zip(system.fields, *system.channel_fields, strict=True)
    }
    of_residuals = dict(zip(system.residual_fields, system.residual_definition, strict=True))
    return expression.subs(of_residuals).subs(of_fields).doit()
