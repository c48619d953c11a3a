"""One mode of a linear diffusion model: optimum, sampler, losses and training, each step verified by SymPy.

Everything is diagonal in the eigenbasis of the empirical covariance Σ₀, so that the steps are about one mode with eigenvalue λ⁰;
that the optimum is diagonal there is derived with full matrices. Source: Merger and Goldt 2025 (arXiv 2505.24769).
"""

from __future__ import annotations

import sympy as sp

from ..identity import require_zero
from ..steps import Step, equation

d, N = sp.symbols("d N", positive=True)
lam0, lam, c = sp.symbols("lambda_0 lambda c", positive=True)
abar, beta, tau, eta = sp.symbols("alphabar beta tau eta", positive=True)
mu, mu0, w, b = sp.symbols("mu mu_0 w b", real=True)
s, s0, v, sigma2 = sp.symbols("s s_0 v sigma2", positive=True)
gamma = sp.Symbol("gamma", positive=True)


def mean_of(expression: sp.Expr, moments: dict[tuple[sp.Symbol, int], sp.Expr]) -> sp.Expr:
    """Expectation of a polynomial in independent variables with the given moments (variable, power)."""
    variables = sorted({x for x, _ in moments}, key=str)
    total = sp.Integer(0)
    for powers, coefficient in sp.Poly(sp.expand(expression), *variables).terms():
        term = coefficient
        for x, power in zip(variables, powers, strict=True):
            term *= moments[(x, power)] if power else 1
        total += term
    return total


def mode_loss(power: sp.Expr, centre: sp.Expr) -> sp.Expr:
    """⟨(ε − w(x_t + b))²⟩ of one mode, for clean data with variance ``power`` and mean ``centre``."""
    x, e = sp.symbols("x epsilon", real=True)
    noised = sp.sqrt(abar) * x + sp.sqrt(1 - abar) * e
    moments = {(x, 1): centre, (x, 2): power + centre**2, (e, 1): 0, (e, 2): 1}
    return mean_of((e - w * (noised + b)) ** 2, moments)


def optimum() -> tuple[Step, sp.Expr, sp.Expr]:
    """Bias and weight of one mode with the ridge ᾱcw², and the matrix statement."""
    loss = mode_loss(lam0, mu0) + abar * c * w**2
    (bias,) = sp.solve(sp.diff(loss, b), b)
    (weight,) = sp.solve(sp.diff(loss.subs(b, bias), w), w)
    weight = sp.simplify(weight)
    second = abar * (lam0 + c) + 1 - abar
    require_zero(weight - sp.sqrt(1 - abar) / second, "the optimal weight")

    # With full matrices: ∇_W of Tr[W C Wᵀ − 2√(1−ᾱ) W] vanishes at √(1−ᾱ) C⁻¹, for a general symmetric Σ₀ in two dimensions
    p, q, r = sp.symbols("p q r", real=True)
    entries = sp.Matrix(2, 2, sp.symbols("w_11 w_12 w_21 w_22", real=True))
    matrix = abar * (sp.Matrix([[p, q], [q, r]]) + c * sp.eye(2)) + (1 - abar) * sp.eye(2)
    total = (entries * matrix * entries.T - 2 * sp.sqrt(1 - abar) * entries).trace()
    at = dict(zip(list(entries), list(sp.sqrt(1 - abar) * matrix.inv()), strict=True))
    for entry in entries:
        require_zero(sp.diff(total, entry).subs(at), "the matrix optimum")
    step = Step(
        "Optimum",
        "The loss is quadratic: average over noise and data, differentiate with respect to b and w. A ridge ᾱ_t c w² gives "
        "exactly Σ₀ + c in the place of Σ₀ (a ridge r free of t would give c_t = r/ᾱ_t). With matrices the gradient 2(W C − "
        "√(1−ᾱ)) vanishes at W = √(1−ᾱ) C⁻¹, C = ᾱ(Σ₀ + c) + 1 − ᾱ, which is diagonal where Σ₀ is.",
        (sp.Eq(b, bias), sp.Eq(w, sp.sqrt(1 - abar) / second)),
    )
    return step, bias, weight


def sampler() -> list[Step]:
    """The reverse process of one mode, its telescoped solution, and the choices of the noise."""
    before = sp.Symbol("alphabar_p", positive=True)  # ᾱ_{t−1}
    after = before * (1 - beta)
    s_t, s_p = after * s0 + 1 - after, before * s0 + 1 - before
    gain = (1 - beta / sp.sqrt(1 - after) * (sp.sqrt(1 - after) / s_t)) / sp.sqrt(1 - beta)
    require_zero(gain - sp.sqrt(1 - beta) * s_p / s_t, "the gain")
    # distance of the mean from √ᾱ_t μ₀ is multiplied by the gain
    m = sp.Symbol("m", real=True)
    moved = (m - beta / s_t * (m - sp.sqrt(after) * mu0)) / sp.sqrt(1 - beta) - sp.sqrt(before) * mu0
    require_zero(moved - gain * (m - sp.sqrt(after) * mu0), "the mean's recursion")
    # P_t = √ᾱ_t s₀/s_t solves P_t = a_t P_{t−1}, P_0 = 1
    require_zero(sp.sqrt(after) * s0 / s_t - gain * sp.sqrt(before) * s0 / s_p, "the product")
    # v₀ as a function of (t, v_t) is the same before and after a step
    past = sp.Symbol("S", positive=True)
    here = s0**2 * (after * v / s_t**2 + past + sigma2 * before / s_p**2)
    there = s0**2 * (before * (gain**2 * v + sigma2) / s_p**2 + past)
    require_zero(here - there, "the telescoped variance")
    # exact variance: v_t = s_t is preserved, and the sum telescopes for any v_T
    exact = beta * s_p / s_t
    require_zero(gain**2 * s_t + exact - s_p, "the exact variance")
    require_zero(
        s0**2 * exact * before / s_p**2 - s0 * ((1 - after) / s_t - (1 - before) / s_p), "the continuous-time variance"
    )
    # probability flow: ẋ = ½(1/s − 1)x β̂ moves v as s: ṡ = β̂(1 − s) reversed
    clock = sp.Symbol("t", positive=True)
    path, variance = sp.Function("s")(clock), sp.Function("v")(clock)
    flow = sp.Eq(variance.diff(clock), variance * path.diff(clock) / path)
    solved = sp.dsolve(flow, variance)
    require_zero(sp.simplify(solved.rhs / path).diff(clock), "the flow")

    abar_T, s_T, v_T = sp.symbols("alphabar_T s_T v_T", positive=True)
    t = sp.Symbol("t", integer=True, positive=True)
    T = sp.Symbol("T", integer=True, positive=True)
    sigma_t, alphas, seconds = (sp.IndexedBase(x, positive=True) for x in ("sigma2", "alphabar", "s"))
    total = s0**2 * (abar_T * v_T / s_T**2 + sp.Sum(sigma_t[t] * alphas[t - 1] / seconds[t - 1] ** 2, (t, 1, T)))
    return [
        Step(
            "Sampler of one mode",
            "With s_t = ᾱ_t s₀ + 1 − ᾱ_t, s₀ = λ⁰ + c, one reverse step multiplies u − √ᾱ_t μ₀ by a_t and adds the variance "
            "σ_t². The gain is that of the true Gaussian posterior mean: only variances can be wrong.",
            (
                sp.Eq(sp.Symbol("a_t"), sp.sqrt(1 - beta) * sp.Symbol("s_{t-1}") / sp.Symbol("s_t")),
                sp.Eq(sp.Symbol("v_{t-1}"), sp.Symbol("a_t") ** 2 * sp.Symbol("v_t") + sp.Symbol("sigma_t") ** 2),
            ),
        ),
        Step(
            "Generated mean and variance",
            "The product of the gains telescopes to √ᾱ_t s₀/s_t (induction over t), so that the recursion is solved exactly.",
            (sp.Eq(sp.Function("E")(sp.Symbol("u_0")), mu0 * (1 - abar_T * s0 / s_T)), sp.Eq(sp.Symbol("v_0"), total)),
        ),
        Step(
            "Choices of the noise",
            "σ_t² = β_t s_{t−1}/s_t keeps v_t = s_t exactly; for any v_T its sum telescopes to the "
            "continuous-time result. σ_t² = β_t is that "
            "choice for s₀ = 1, β̃_t = β_t(1−ᾱ_{t−1})/(1−ᾱ_t) that for s₀ = 0. The probability flow scales v as s.",
            (
                sp.Eq(sp.Symbol("v_0"), s0 * (1 - abar_T) / s_T + s0**2 * abar_T * v_T / s_T**2),
                sp.Eq(sp.Symbol("v_flow"), v_T * s0 / s_T),
                sp.Eq(sp.Function("sigma2_t")(equation(s0, 1)), sp.simplify(exact.subs(s0, 1))),
                sp.Eq(sp.Function("sigma2_t")(equation(s0, 0)), sp.simplify(exact.subs(s0, 0))),
            ),
        ),
    ]


def losses(bias: sp.Expr, weight: sp.Expr) -> tuple[Step, sp.Expr, sp.Expr]:
    """Train and test loss of one mode at the optimum; δ² is the squared error of the mean."""
    delta = sp.Symbol("delta", real=True)
    second = abar * (lam0 + c) + 1 - abar
    train = sp.simplify(mode_loss(lam0, mu0).subs(b, bias).subs(w, weight))
    test = sp.simplify(mode_loss(lam, mu0 + delta).subs(b, bias).subs(w, weight))
    require_zero(train - (1 - (1 - abar) / second - c * abar * (1 - abar) / second**2), "the training loss")
    require_zero(test - train - abar * (1 - abar) * (lam - lam0 + delta**2) / second**2, "the test loss")
    C, Sigma, Sigma0 = sp.symbols("C Sigma Sigma_0")
    trace = sp.Function("Tr")
    step = Step(
        "Losses",
        "Put the optimum into the loss of the training data and of fresh data, where Σ_νν + δ_ν² stands for λ⁰_ν. Summed over "
        "modes these are traces; the gap has c_t = c + (1−ᾱ)/ᾱ, not c: C = ᾱ(Σ₀ + c_t).",
        (
            sp.Eq(sp.Symbol("L_train"), d - (1 - abar) * trace(1 / C) - c * abar * (1 - abar) * trace(C**-2)),
            sp.Eq(
                sp.Symbol("L_test") - sp.Symbol("L_train"),
                abar * (1 - abar) * trace((Sigma - Sigma0 + sp.Symbol("delta") ** 2) * C**-2),
            ),
        ),
    )
    return step, train, test


def training() -> tuple[list[Step], sp.Expr]:
    """Gradient flow and descent of one mode, its loss and the best time to stop."""
    root = sp.sqrt(1 - abar)
    slope = 2 * s * w - 2 * root
    second = abar * (lam0 + c) + 1 - abar
    full = sp.diff(mode_loss(lam0, mu0).subs(b, -sp.sqrt(abar) * mu0) + abar * c * w**2, w)
    require_zero(full - slope.subs(s, second), "the gradient")
    path = sp.Function("w")
    start = sp.Symbol("w_0", real=True)
    flow = sp.dsolve(sp.Eq(path(tau).diff(tau), -slope.subs(w, path(tau))), path(tau), ics={path(0): start}).rhs
    require_zero(flow - (root / s + (start - root / s) * sp.exp(-2 * s * tau)), "gradient flow")
    k = sp.Symbol("k", integer=True, nonnegative=True)
    step = sp.Function("w_k")
    descent = sp.rsolve(step(k + 1) - step(k) + eta * slope.subs(w, step(k)), step(k), {step(0): 0})
    wanted = root / s * (1 - (1 - 2 * eta * s) ** k)
    for count in range(4):
        require_zero((descent - wanted).subs(k, count), "gradient descent")
    # stability: |1 − 2ηs| < 1
    limit = sp.solve(sp.Eq(2 * eta * s - 1, 1), eta)[0]
    # test loss of one mode with power p = ᾱ(Σ_νν + δ²) + 1 − ᾱ; stationary in τ
    power = sp.Symbol("p", positive=True)
    weight = flow.subs(start, 0)
    test = 1 - 2 * root * weight + weight**2 * power
    decay = sp.Symbol("q", positive=True)  # e^{−2sτ}
    stationary = sp.factor(sp.diff(test, tau).subs(sp.exp(-2 * s * tau), decay).subs(sp.exp(-4 * s * tau), decay**2))
    roots = [r for r in sp.solve(stationary, decay) if r != 0]
    best = sp.simplify(-sp.log(roots[0]) / (2 * s))
    require_zero(sp.exp(-2 * s * best) - (1 - s / power), "the best stopping time")
    steps = [
        Step(
            "Gradient flow",
            "With the bias at its optimum dw/dτ = −2(s w − √(1−ᾱ)), s = ᾱ(λ⁰ + c) + 1 − ᾱ; as matrices W(τ) = W* + (W(0) − "
            "W*)e^{−2τC}. Descent with step η has (1 − 2ηs)^k for the exponential and is stable for η below 1/s_max.",
            (sp.Eq(path(tau), flow), sp.Eq(step(k), wanted), sp.Lt(eta, limit)),
        ),
        Step(
            "Early stopping of one mode",
            "The test loss of a mode is 1 − 2√(1−ᾱ) w + p w², p = ᾱ(Σ_νν + δ_ν²) + 1 − ᾱ; it is least where e^{−2sτ} = 1 − s/p, "
            "and falls for ever if s ≥ p. Null modes (λ⁰ = 0, c = 0) are slowest, with rate 2(1−ᾱ).",
            (sp.Eq(sp.Function("L_test")(tau), test), sp.Eq(sp.Symbol("tau_star"), best)),
        ),
    ]
    return steps, best
