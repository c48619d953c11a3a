"""The skip connection in closed form, and the sources' formulae that differ."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import sympy

from .errors import require_zero
from .steps import Slip, Step

tau, kappa = sympy.symbols("tau kappa", positive=True)
Lambda = sympy.Symbol("Lambda", nonnegative=True)
b0, b_inf = sympy.symbols("b_0 b_infinity", real=True)
E_alpha2, E_beta2, E_beta = sympy.symbols("E_alpha2 E_beta2 E_beta", positive=True)


@lru_cache(maxsize=1)
def closed_form() -> sympy.Expr:
    r"""b_τ = b_∞ + (b₀ − b_∞) e^{−κτ}, κ = Λ E[β²] + E[α²], b_∞ = Λ E[β]/κ, by ``dsolve``.

    The formula printed in the talk, b_∞ [1 − (1 − b₀) e^{−κτ}], gives b_∞ b₀ at τ = 0 instead of b₀: it is right for
    b₀ = 0 alone. See `slips`.
    """
    b = sympy.Function("b")
    equation = sympy.Eq(b(tau).diff(tau), Lambda * E_beta - (Lambda * E_beta2 + E_alpha2) * b(tau))
    solution = sympy.dsolve(equation, b(tau), ics={b(0): b0})
    return sympy.simplify(solution.rhs)


def parameters() -> dict[sympy.Symbol, sympy.Expr]:
    """κ and b_∞ in terms of Λ and the averages of the schedule."""
    rate = Lambda * E_beta2 + E_alpha2
    return {kappa: rate, b_inf: Lambda * E_beta / rate}


def step() -> Step:
    """The step of a derivation that shows the closed form."""
    rate, limit = parameters()[kappa], parameters()[b_inf]
    require_zero(
        closed_form() - (limit + (b0 - limit) * sympy.exp(-rate * tau)), "b relaxes to its limit exponentially"
    )
    require_zero(closed_form().subs(tau, 0) - b0, "b(0) = b0")
    b = sympy.Function("b")
    return Step(
        "Skip connection in closed form",
        "The equation of b is linear and closed (data prediction); dsolve gives b_infinity + (b_0 - b_infinity) exp(-kappa tau).",
        (
            sympy.Eq(kappa, rate),
            sympy.Eq(b_inf, limit),
            sympy.Eq(b(tau), b_inf + (b0 - b_inf) * sympy.exp(-kappa * tau)),
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


def slips() -> tuple[Slip, ...]:
    """The talk's b_τ, and two places of the published theory notebook."""
    values = {
        Lambda: 0.8,
        E_beta: 0.5,
        E_beta2: sympy.Rational(1, 3),
        E_alpha2: sympy.Rational(1, 3),
        b0: 0.4,
        tau: 0.5,
    }
    rate, limit = parameters()[kappa], parameters()[b_inf]
    printed = limit * (1 - (1 - b0) * sympy.exp(-rate * tau))

    def talk() -> tuple[float, float, float]:
        direct = integrate(lambda _, y: 0.8 * 0.5 - (0.8 / 3 + 1 / 3) * y, 0.4, 0.5)
        return float(printed.subs(values)), float(closed_form().subs(values)), direct

    def notebook_noise() -> tuple[float, float, float]:
        from .denoiser import alpha, beta, local_field, sigma, tied
        from .engine import b, derive

        at = {alpha: 0.3, beta: 0.7, b: 0.5}
        system = derive(tied(1))
        # The coefficients of σ in the gradients along x₁ and x₀, by the engine; their product multiplies σ² in second order.
        activation = sigma(local_field("w_1"))
        slope = activation.diff(local_field("w_1"))
        free = [sympy.expand(system.gradient[c][0]).subs(slope, 0).coeff(activation, 1) for c in (1, 0)]
        independent = float((-free[0] * free[1]).subs(at))
        return (1 - 0.5 * 0.7) ** 0.5 * 0.3, (1 - 0.5 * 0.7) * 0.5 * 0.3, independent

    def variance() -> tuple[float, float, float]:
        # α = 1 − t, β = t, ε = 0: Δ = (b − 1)/(1 − t); X outside the span of w obeys dX = Δ X dt.
        b, stop = 0.6, 0.9
        growth = integrate(lambda t, x: (b - 1) / (1 - t) * x, 1.0, stop)
        return (1 - stop) ** (1 - b), (1 - stop) ** (2 * (1 - b)), growth**2

    return (
        Slip(
            "Talk (PIRSA 25040092), closed form of the skip connection",
            sympy.Eq(sympy.Symbol("b_tau"), b_inf * (1 - (1 - b0) * sympy.exp(-kappa * tau))),
            sympy.Eq(sympy.Symbol("b_tau"), b_inf + (b0 - b_inf) * sympy.exp(-kappa * tau)),
            talk,
            "The printed form gives b_infinity b_0 at tau = 0; it is right for b_0 = 0. Check: Lambda = .8, b_0 = .4, tau = .5, "
            "E over t in [0, 1] of the linear interpolant; independently by Runge-Kutta on the update's equation.",
        ),
        Slip(
            "Published theory notebook (AE_diffusion), second-order update of q",
            "(1 - b beta)**b alpha",
            "(1 - b beta) b alpha",
            notebook_noise,
            "A power instead of a product (.002 at most in the reference example). Check: alpha = .3, beta = .7, b = .5; "
            "independently as the product of the coefficients of sigma in the engine's gradients.",
        ),
        Slip(
            "Published theory notebook (AE_diffusion), sampling cell",
            "variance outside the span = exp(integral of Delta)",
            "variance outside the span = exp(2 integral of Delta)",
            variance,
            "The factor of the standard deviation is used as a variance. Check: alpha = 1 - t, beta = t, epsilon = 0, b = .6, "
            "t = .9; independently by Runge-Kutta on dX = Delta X dt, squared.",
        ),
    )
