r"""The linear auto-encoder f(x) = b x + Σ_γ (w_γ/√d) w_γ·x/√d near W = 0 and in one mode: growth, plateau, logistic law.

Everything is read off the engine's equations of one hidden unit on a centred target. In an eigen-direction of eigenvalue ς
that carries no mass, with s = Θ² and b fixed,

    dΘ/dτ = γ(s) Θ,  γ(0) = 2E[ςβ(1 − bβ) − bα²] − λ/2,  ds/dτ = 4E[ςβ² + α²] s (s* − s).

Above the plateau s* of the leading modes, the others are expelled: W turns into the span of the leading eigenvectors.
"""

from __future__ import annotations

from functools import lru_cache

import sympy

from ...identity import require, require_zero
from ..network.denoiser import alpha, beta, tied
from ..network.names import symbol, symmetric, varsigma
from ..training.skip import average
from ..training.update import Equations

s = sympy.Symbol("s", nonnegative=True)


@lru_cache(maxsize=1)
def rate() -> sympy.Expr:
    """γ(s): d ln|Θ|/dτ in a mode of eigenvalue ς and strength s = Θ², in b, λ, ς, E[β], E[β²], E[α²]."""
    system = Equations(tied(1, activation="linear"))
    omega = system.fields[0]
    gram = system.gram[0, 0]
    moments = {
        # Q = s: the weights lie along this mode; its field has variance (α² + ςβ²) s.
        symmetric("H0", 0, 0): system.hessian[0][0][0].subs(gram, s),
        symmetric("H1", 0, 0): system.hessian[1][0][0].subs(gram, s),
        symmetric("P", 0, 0): system.gram_derivative[0][0].subs(omega**2, (alpha**2 + varsigma * beta**2) * s),
        symbol("t"): sympy.Integer(0),
        system.rates[0]: sympy.Integer(1),
    }
    drift = sympy.expand(system.theta_drift[0].subs(moments))
    result = sympy.cancel(drift / symbol("Theta", 1))
    free = not result.has(omega, symbol("Theta", 1), *system.residual_fields)
    require(free, "the rate of a mode is free of its fields and overlaps")
    return sympy.expand(average(result))


def growth_rate() -> sympy.Expr:
    """γ(0): growth of a mode from small weights."""
    return sympy.factor_terms(rate().subs(s, 0))


@lru_cache(maxsize=1)
def plateau() -> sympy.Expr:
    """s*: where γ(s) = 0."""
    (solution,) = sympy.solve(rate(), s)
    return sympy.simplify(solution)


def saturation() -> sympy.Expr:
    """k in ds/dτ = 2 γ(s) s = k s (s* − s)."""
    k = sympy.simplify(-2 * sympy.diff(rate(), s))
    require_zero(2 * rate() - k * (plateau() - s), "2 γ(s) = k (s* − s)")
    return k
