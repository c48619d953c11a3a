"""The skip connection: its equation, from the part of the loss of order d, and its solution in closed form."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import sympy

from ...identity import require_zero
from ...steps import Step, equation
from ...vectors import VectorSum
from ..network.denoiser import PREDICTIONS, Target, alpha, alpha_dot, beta, beta_dot
from ..network.names import Lambda, b, tau

kappa = sympy.Symbol("kappa", positive=True)
b0, b_inf = sympy.symbols("b_0 b_infinity", real=True)
E_alpha2, E_beta2, E_beta = sympy.symbols("E_alpha2 E_beta2 E_beta", positive=True)

#: Averages over the training times that have a symbol of their own.
AVERAGES = {alpha**2: E_alpha2, beta**2: E_beta2, beta: E_beta}


def bulk(target: Target = PREDICTIONS["data"]) -> sympy.Expr:
    """The part of order d of ‖y₀x₀ + y₁x₁ − b x_t‖², over d, by the inner products x₀·x₀ = d, x₁·x₁ = dΛ."""
    residual = VectorSum({"x0": target[0] - b * alpha, "x1": target[1] - b * beta})
    squares: dict[tuple[object, object], sympy.Expr] = {("x0", "x0"): sympy.Integer(1), ("x1", "x1"): Lambda}
    return residual.dot(residual, lambda m, n: squares.get((m, n), sympy.Integer(0)))


def drift(bulk: sympy.Expr, of: sympy.Symbol = b) -> sympy.Expr:
    """db/dτ of the update Δb = −(η/d²) ∂_b loss with dτ = 2η/d, where loss = bulk × d: −½ ∂_b bulk."""
    eta, d = sympy.symbols("eta d", positive=True)
    increment = -(eta / d**2) * sympy.diff(d * bulk, of)
    return increment / (2 * eta / d)


def average(expression: sympy.Expr) -> sympy.Expr:
    """E_t, term by term: a symbol of `AVERAGES` where there is one, else ``E(…)``."""
    total = sympy.Integer(0)
    for term in sympy.Add.make_args(sympy.expand(expression)):
        constant, varying = term.as_independent(alpha, beta, alpha_dot, beta_dot, as_Add=False)
        known = sympy.Integer(1) if varying == 1 else AVERAGES.get(varying)
        total += constant * (sympy.Function("E")(varying) if known is None else known)
    return total


def rates(bulk: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """(h, κ) of db/dτ = h − κ b at one time t.

    Raises
    ------
    ValueError
        If it is not linear in b.
    """
    slope = sympy.Poly(drift(bulk), b)
    if slope.degree() > 1:
        raise ValueError(f"db/dtau = {slope.as_expr()}: must be linear in b")
    return slope.coeff_monomial(1), -slope.coeff_monomial(b)


def coefficients(bulk: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """(h, κ) averaged over the training times."""
    source, rate = rates(bulk)
    return average(source), average(rate)


@lru_cache(maxsize=1)
def exponential() -> sympy.Expr:
    """b_∞ + (b₀ − b_∞) e^{−κτ}, compared with what ``dsolve`` finds for db/dτ = κ (b_∞ − b)."""
    function = sympy.Function("b")
    equation = sympy.Eq(function(tau).diff(tau), kappa * (b_inf - function(tau)))
    solution = sympy.dsolve(equation, function(tau), ics={function(0): b0}).rhs
    shown = b_inf + (b0 - b_inf) * sympy.exp(-kappa * tau)
    require_zero(solution - shown, "b relaxes to its limit exponentially")
    return shown


def closed_form(target: Target = PREDICTIONS["data"]) -> sympy.Expr:
    r"""b_τ in Λ, τ, b₀ and the averages of the schedule: b_∞ + (b₀ − b_∞) e^{−κτ}, by ``dsolve``.

    For a data prediction κ = Λ E[β²] + E[α²] and b_∞ = Λ E[β]/κ.
    """
    values = parameters(target)
    return exponential().subs(values, simultaneous=True)


def parameters(target: Target = PREDICTIONS["data"]) -> dict[sympy.Symbol, sympy.Expr]:
    """κ and b_∞ in terms of Λ and the averages of the schedule."""
    source, rate = coefficients(bulk(target))
    return {kappa: rate, b_inf: source / rate}


def step(bulk_of: sympy.Expr | None = None) -> Step:
    """The step of a derivation that shows equation and solution; ``bulk_of`` is the bulk that a derivation found by itself."""
    given = bulk() if bulk_of is None else bulk_of
    source, rate = coefficients(given)
    function = sympy.Function("b")
    return Step(
        "Skip connection in closed form",
        "b moves by −(η/d²) times the slope of the loss in b, the loss being d times the bulk; per d tau = 2 eta/d "
        "this is −½ times the slope of the bulk in b, averaged over the training times. The equation is linear and closed; "
        "dsolve gives b_infinity + (b_0 - b_infinity) exp(-kappa tau).",
        (
            equation(sympy.Symbol("L_bulk") / sympy.Symbol("d", positive=True), given),
            equation(sympy.Derivative(function(tau), tau), average(drift(given)).subs(b, function(tau))),
            equation(kappa, rate),
            equation(b_inf, source / rate),
            equation(function(tau), exponential()),
        ),
    )


def integrate(slope: Callable[[float, float], float], start: float, end: float, steps: int = 4000) -> float:
    """Runge–Kutta of order 4 in plain floats: an evaluation that knows no closed form."""
    y, h = start, end / steps
    for k in range(steps):
        x = k * h
        k1 = slope(x, y)
        k2 = slope(x + h / 2, y + h * k1 / 2)
        k3 = slope(x + h / 2, y + h * k2 / 2)
        k4 = slope(x + h, y + h * k3)
        y += h * (k1 + 2 * k2 + 2 * k3 + k4) / 6
    return y
