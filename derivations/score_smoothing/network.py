"""The smoothed score as a network: three neurons, their cost, and the score-matching loss that is left."""

from __future__ import annotations

import sympy as sp

from ..identity import require_zero
from ..steps import Step, equation
from .equations import delta, gap, gaussian, kappa, normal_cdf, t, u, x


def neurons() -> Step:
    """Three ReLU neurons and their path norm (Δ = 1)."""
    low, high = -(1 - delta), 1 - delta
    a1, a2, a3, c0 = sp.symbols("a_1 a_2 a_3 c_0", real=True)
    # Pieces of f = a1 [x − low]₊ + a2 [low − x]₊ + a3 [x − high]₊ + c0.
    left, middle = a2 * (low - x) + c0, a1 * (x - low) + c0
    right = middle + a3 * (x - high)
    wanted = ((left, (-1 - x) / t), (middle, delta / (1 - delta) * x / t), (right, (1 - x) / t))
    equations = [e for piece, target in wanted for e in sp.Poly(sp.expand(piece - target), x).all_coeffs()]
    found = sp.solve(equations, [a1, a2, a3, c0], dict=True)[0]
    k = 1 / ((1 - delta) * t)
    for symbol, value in ((a1, k - 1 / t), (a2, 1 / t), (a3, -k), (c0, -delta / t)):
        require_zero(found[symbol] - value, f"neuron {symbol}")
    norm = sp.simplify(found[a1] + found[a2] - found[a3])
    require_zero(norm - 2 * k, "path norm")
    # Balancing: a²/2 + w²/2 at fixed product is least at |a| = |w|.
    weight, product = sp.symbols("w P", positive=True)
    cost = (product / weight) ** 2 / 2 + weight**2 / 2
    best = sp.solve(sp.diff(cost, weight), weight)[0]
    require_zero(cost.subs(weight, best) - product, "balanced neuron")
    jumps = sp.simplify((delta / (1 - delta) + 1) / t * 2)
    require_zero(jumps - norm, "total variation of the slope")
    return Step(
        "Three neurons",
        "Matching coefficients on the three pieces (Δ = 1) gives the smoothed score as three ReLU neurons; the "
        "weight-decay cost of a neuron with product P = |a w| is least when balanced, where it is P, so that half the "
        "squared weights is the total variation ∫|f''| of the slope.",
        (
            equation(a1, found[a1]),
            equation(a2, found[a2]),
            equation(a3, found[a3]),
            equation(c0, found[c0]),
            equation(sp.Symbol("R"), norm),
        ),
    )


def loss() -> Step:
    """Score-matching loss of the smoothed score."""
    n = sp.Symbol("n", positive=True)
    # At x = Δ − √t u, inside the gap (u > κ): the difference of the smoothed and the piecewise-linear score.
    place = gap - sp.sqrt(t) * u
    width = kappa * sp.sqrt(t)
    difference = sp.simplify((width / (gap - width) * place - (gap - place)) / t)
    square = sp.simplify(t * difference**2)
    require_zero(square - (gap / (gap - width)) ** 2 * (u - kappa) ** 2, "squared difference")
    g = sp.integrate((u - kappa) ** 2 * gaussian(0, 1, u), (u, kappa, sp.oo))
    closed = (1 + kappa**2) * normal_cdf(-kappa) - kappa * gaussian(0, 1, kappa)
    require_zero(g - closed, "G")
    require_zero(sp.diff(closed, kappa, 2) - 2 * normal_cdf(-kappa), "G''")
    total = 2 * (n - 1) / n * sp.Function("G")(kappa) / (1 - kappa * sp.sqrt(t) / gap) ** 2
    return Step(
        "Loss",
        "Each of the n points carries 1/n of the mass, and 2(n − 1) of the half-Gaussians reach into a gap. In the "
        "scaled distance u the squared error is (u − κ)² times a factor that tends to one: with δ = κ√t the loss "
        "stays of order one as t → 0, and it is *larger* than its limit at every t > 0.",
        (equation(sp.Function("G")(kappa), closed), equation(sp.Symbol("L_t"), total)),
    )
