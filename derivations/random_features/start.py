"""What a random start adds to the losses, derived: leaving one sample with all its noises out."""

from __future__ import annotations

import sympy as sp

from ..identity import require_zero
from ..steps import Step
from .equations import alpha, b, fixed_point, lam, psi_n, psi_p, q, s, sigma, theta, theta_d, v


def random_start() -> Step:
    """Traces of U, Ũ and U_∞ with the resolvent."""
    tau_w, g, n = sp.symbols("tau_w g n", positive=True)
    # One sample with two noises: φ_k = g + e_k; g'R₋g = nτ_w, e_k'R₋e_l = n(g/ψ_n)δ_kl, and R = R₋ − R₋Φ(nm + Φ'R₋Φ)⁻¹Φ'R₋.
    count = 2
    gram = n * count * sp.eye(count) + n * tau_w * sp.ones(count, count) + n * g / psi_n * sp.eye(count)
    ones = sp.ones(count, 1)
    own = n * tau_w - (n * tau_w) ** 2 * (ones.T * gram.inv() * ones)[0]
    factor = 1 / (1 + tau_w + g / (count * psi_n))
    require_zero(sp.simplify(own - n * tau_w * (1 - factor * tau_w)), "a sample's own form in R")
    # With the noise averaged exactly U_∞ is U: the fixed point gives the same trace, 1 − λq.
    first, second, _ = (sp.limit(e.subs(theta_d, 1), sp.Symbol("m", positive=True), sp.oo) for e in fixed_point())
    h = theta * alpha**2 * sigma + b**2
    k = 1 / (1 / (psi_p * q) + h)
    at = (alpha**2 * sigma * k + v**2 * psi_p * q) / psi_n
    trace = (psi_n * at * (1 - theta * at) + b**2 * k) / psi_p + s**2 * q
    # On the solution θ = 1/(1 + τ_w), and λ from the first equation.
    require_zero(sp.simplify(second - (1 + at - 1 / theta)), "1/θ at m = ∞")
    strength = sp.solve(first, lam)[0]
    difference = (trace - (1 - strength * q)).subs(v**2, sp.Symbol("V"))
    shared = sp.solve((1 + at - 1 / theta).subs(v**2, sp.Symbol("V")), sp.Symbol("V"))[0]
    require_zero(sp.simplify(difference.subs(sp.Symbol("V"), shared)), "U_∞ = U at m = ∞")
    average = sp.Function("avg")
    kk = sp.Function("k")(sigma)
    return Step(
        "Random start",
        "A start A(0) of independent weights of variance ω/p relaxes as exp(−Uτ); its cross terms with what is learned vanish on "
        "average, and each loss gains Δω tr X exp(−2Uτ) with X = U, the population's, or the noise-averaged matrix of the same "
        "points. Leaving out a sample with its m noises gives its own form in R as nτ_w(1 − θτ_w); at m = ∞ the last trace is that "
        "of U, 1 − λq (checked with the fixed point).",
        (
            sp.Eq(sp.Symbol("tr_U"), 1 - lam * q, evaluate=False),
            sp.Eq(
                sp.Symbol("tr_Utilde"),
                (alpha**2 * average(sigma * kk) + b**2 * average(kk)) / psi_p + (v**2 + s**2) * q,
                evaluate=False,
            ),
            sp.Eq(
                sp.Symbol("tr_U_oo"),
                (psi_n * tau_w * (1 - theta * tau_w) + b**2 * average(kk)) / psi_p + s**2 * q,
                evaluate=False,
            ),
        ),
    )
