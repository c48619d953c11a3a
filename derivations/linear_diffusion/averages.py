"""Averages over data sets for linear diffusion models: divergences, deterministic equivalents, optimal ridge, d_eff.

Source: Merger and Goldt 2025 (arXiv 2505.24769); the averages without regularisation are those of the Wishart distribution.
"""

from __future__ import annotations

import sympy as sp

from ..identity import require_zero
from ..steps import Step
from .modes import N, c, d, gamma, lam, lam0, mean_of, mu, mu0

rho, rho_N = sp.symbols("rho rho_N")


def _gaussian_kl(mean_p: sp.Expr, var_p: sp.Expr, mean_q: sp.Expr, var_q: sp.Expr) -> sp.Expr:
    """KL(N(mean_p, var_p)‖N(mean_q, var_q)) from the moments of ln p − ln q."""
    x = sp.Symbol("x", real=True)

    def log_density(mean: sp.Expr, var: sp.Expr) -> sp.Expr:
        return -sp.log(2 * sp.pi * var) / 2 - (x - mean) ** 2 / (2 * var)

    difference = sp.expand(log_density(mean_p, var_p) - log_density(mean_q, var_q))
    return mean_of(difference, {(x, 1): mean_p, (x, 2): var_p + mean_p**2})


def divergences() -> tuple[list[Step], sp.Expr, sp.Expr]:
    """Both divergences, their averages for c = 0 and the limits d → ∞."""
    forward = sp.expand_log(_gaussian_kl(mu0, lam0 + c, mu, lam))
    reverse = sp.expand_log(_gaussian_kl(mu, lam, mu0, lam0 + c))
    delta = mu - mu0
    ratio = sp.log(lam) - sp.log(lam0 + c)
    printed = (ratio - 1 + (lam0 + c + delta**2) / lam) / 2, (-ratio - 1 + (lam + delta**2) / (lam0 + c)) / 2
    require_zero(forward - printed[0], "KL(generated‖target)")
    require_zero(reverse - printed[1], "KL(target‖generated)")

    # moments of χ² with n degrees of freedom: E x^z = 2^z Γ(n/2+z)/Γ(n/2), from its density
    x, n, z = sp.symbols("x n z", positive=True)
    density = x ** (n / 2 - 1) * sp.exp(-x / 2) / (2 ** (n / 2) * sp.gamma(n / 2))
    moment = sp.simplify(sp.integrate(x**z * density, (x, 0, sp.oo), conds="none"))
    log_moment = sp.simplify(sp.diff(moment, z).subs(z, 0))
    require_zero(log_moment - (sp.digamma(n / 2) + sp.log(2)), "E ln χ²")
    inverse_moment = sp.simplify(sp.gammasimp(moment.subs(z, -1)))
    require_zero(inverse_moment - 1 / (n - 2), "E 1/χ²")
    # Bartlett: |N Σ₀|/|Σ| is a product of independent χ² with N−1, N−2, …, N−d degrees of freedom; a diagonal entry of a white
    # inverse Wishart matrix with N−1 degrees of freedom is 1/χ² with N−1−(d−1) of them.
    i = sp.Symbol("i", integer=True, positive=True)
    ell = sp.Sum(log_moment.subs(n, N - i), (i, 1, d)) - d * sp.log(N)
    trace = d * N * inverse_moment.subs(n, N - d)
    # averages: E δᵀΣ⁻¹δ = d/N, E Tr Σ⁻¹Σ₀ = d(N−1)/N; δ and Σ₀ are independent
    mean_forward = (-sp.Symbol("ell") - d + d * (N - 1) / N + d / N) / 2
    mean_reverse = (sp.Symbol("ell") - d + (1 + 1 / N) * trace) / 2
    require_zero(mean_forward + sp.Symbol("ell") / 2, "the cancellation of trace and mean")
    require_zero(mean_reverse - (sp.Symbol("ell") - d + d * (N + 1) / (N - d - 2)) / 2, "the reverse average")

    # d → ∞ at γ = d/N: ψ(z) → ln z makes ℓ/d the integral of ln(1 − γu) over u in (0, 1)
    y = sp.Symbol("y", positive=True)
    integral = sp.integrate(sp.log(1 - y), (y, 0, gamma)) / gamma
    phi = 1 + (1 - gamma) / gamma * sp.log(1 - gamma)
    require_zero(sp.series(integral + phi, gamma, 0, 6).removeO(), "the limit")
    limit_forward, limit_reverse = phi / 2, (gamma / (1 - gamma) - phi) / 2
    series = [sp.series(q, gamma, 0, 3).removeO() for q in (limit_forward, limit_reverse)]
    require_zero(series[0] - gamma / 4 - gamma**2 / 12, "the first limit's series")
    require_zero(series[1] - gamma / 4 - 5 * gamma**2 / 12, "the second limit's series")
    steps = [
        Step(
            "Divergences",
            "Expectation of the difference of log-densities of two Gaussians, mode by mode; summed over modes λ⁰ → Σ₀, λ → Σ.",
            (sp.Eq(sp.Function("KL")(rho_N, rho), printed[0]), sp.Eq(sp.Function("KL")(rho, rho_N), printed[1])),
        ),
        Step(
            "Average over data sets without regularisation",
            "N Σ₀ is a Wishart matrix with N − 1 degrees of freedom: its determinant over |Σ| is a product of independent χ² "
            "variables, its inverse has mean Σ⁻¹/(N−d−2). Trace and mean terms of the first divergence cancel: it is −ℓ/2, "
            "whatever Σ.",
            (
                sp.Eq(sp.Symbol("ell"), ell),
                sp.Eq(sp.Function("E")(sp.Function("KL")(rho_N, rho)), sp.simplify(mean_forward)),
                sp.Eq(
                    sp.Function("E")(sp.Function("KL")(rho, rho_N)),
                    (sp.Symbol("ell") - d + d * (N + 1) / (N - d - 2)) / 2,
                ),
            ),
        ),
        Step(
            "Limits per dimension",
            "At γ = d/N and d → ∞, ψ(z) → ln z; both divergences per dimension start as γ/4: the totals are "
            "d²/4N to leading order.",
            (
                sp.Eq(sp.Function("KL")(rho_N, rho) / d, limit_forward),
                sp.Eq(sp.Function("KL")(rho, rho_N) / d, limit_reverse),
                sp.Eq(sp.Symbol("series_1"), series[0]),
                sp.Eq(sp.Symbol("series_2"), series[1]),
            ),
        ),
    ]
    return steps, limit_forward, limit_reverse


def equivalents() -> tuple[Step, dict[str, sp.Expr]]:
    """Traces as derivatives of the log-determinant's equivalent, for a spectrum of two atoms of any multiplicity."""
    kappa, chat, n = sp.symbols("kappa chat n", positive=True)
    l1, l2, m1, m2 = sp.symbols("lambda_1 lambda_2 m_1 m_2", positive=True)
    atoms = ((l1, m1), (l2, m2))

    def df(j: int) -> sp.Expr:
        return sum(m * (x / (x + kappa)) ** j for x, m in atoms)

    # ln|S_n + ĉ| as a function of ĉ and κ, stationary in κ
    potential = (m1 + m2) * sp.log(chat) + sum(m * sp.log(1 + x / kappa) for x, m in atoms)
    potential += n * (sp.log(kappa / chat) + chat / kappa - 1)
    stationary = sp.diff(potential, kappa)
    fixed = kappa * (1 - df(1) / n)
    require_zero(stationary.subs(chat, fixed), "the fixed point")
    slope = 1 / sp.diff(fixed, kappa)
    require_zero(slope - 1 / (1 - df(2) / n), "κ′")
    # κ is stationary: total derivatives of the potential are partial ones, and ĉ = κ(1 − df₁/n)
    trace = sp.diff(potential, chat)
    require_zero((trace - kappa / chat * sum(m / (x + kappa) for x, m in atoms)).subs(chat, fixed), "Tr (S+ĉ)⁻¹")
    # response to λ: E[(S+ĉ)⁻¹]_νν = (1 − λ ∂_λ ln|S+ĉ| / m)/ĉ
    sigma = sum(x * (m - x * sp.diff(potential, x)) / chat for x, m in atoms)
    require_zero((sigma - kappa / chat * df(1)).subs(chat, fixed), "Tr Σ(S+ĉ)⁻¹")
    # squared resolvent: −d/dĉ along the fixed point
    a = slope * sum(m * x / (x + kappa) ** 2 for x, m in atoms)
    squared = -sp.diff((kappa / chat * df(1)).subs(chat, fixed), kappa) * slope
    require_zero(squared - (kappa / fixed) ** 2 * a, "Tr Σ(S+ĉ)⁻²")
    own = (
        trace + chat * slope * sp.diff((kappa / chat * sum(m / (x + kappa) for x, m in atoms)).subs(chat, fixed), kappa)
    ).subs(chat, fixed)
    require_zero(own - a, "Tr S(S+ĉ)⁻²")
    trace_of, S, Sigma = sp.Function("Tr"), sp.Symbol("S"), sp.Symbol("Sigma")
    nu = sp.Symbol("nu", integer=True, positive=True)
    dd = sp.Symbol("d", integer=True, positive=True)
    lam_nu = sp.IndexedBase("lambda", positive=True)
    total = sp.Sum(lam_nu[nu] / (lam_nu[nu] + kappa), (nu, 1, dd))
    step = Step(
        "Deterministic equivalents",
        "Σ₀ = ϱ S_n with n = N − 1 degrees of freedom and ϱ = n/N; ĉ = c/ϱ. ln|S_n + ĉ| is stationary in κ at the fixed point, "
        "and all traces are its derivatives with respect to ĉ and to the eigenvalues of Σ (verified for a spectrum of two "
        "atoms).",
        (
            sp.Eq(chat, kappa * (1 - total / n)),
            sp.Eq(trace_of(1 / (S + chat)), kappa / chat * sp.Sum(1 / (lam_nu[nu] + kappa), (nu, 1, dd))),
            sp.Eq(trace_of(Sigma / (S + chat)), kappa / chat * total),
            sp.Eq(trace_of(Sigma / (S + chat) ** 2), (kappa / chat) ** 2 * sp.Symbol("A")),
            sp.Eq(trace_of(S / (S + chat) ** 2), sp.Symbol("A")),
            sp.Eq(
                sp.Symbol("A"), sp.Symbol("kappa_prime") * sp.Sum(lam_nu[nu] / (lam_nu[nu] + kappa) ** 2, (nu, 1, dd))
            ),
        ),
    )
    return step, {"fixed": fixed, "sigma_squared": (kappa / chat) ** 2 * a, "empirical_squared": a}


def optimal_regularisation() -> Step:
    """Stationarity of both averaged divergences in c."""
    f = sp.Function("F")  # E ln|Σ₀ + c|
    g = sp.Function("G")  # E Tr Σ(Σ₀ + c)⁻¹
    inverse = sp.Function("Tr")(1 / sp.Symbol("Sigma"))
    forward = (-f(c) + c * inverse) / 2
    reverse = (f(c) + (1 + 1 / N) * g(c)) / 2
    return Step(
        "Optimal regularisation",
        "F = E ln|Σ₀+c| has F′ = E Tr(Σ₀+c)⁻¹, G = E Tr Σ(Σ₀+c)⁻¹ has G′ = −E Tr Σ(Σ₀+c)⁻². The averages of "
        "both divergences are stationary where",
        (sp.Eq(2 * sp.diff(forward, c), 0), sp.Eq(2 * sp.diff(reverse, c), 0)),
    )


def effective_dimension() -> tuple[Step, sp.Expr]:
    """E‖Σ₀ − Σ‖² by Isserlis' theorem, for a diagonal Σ of three eigenvalues."""
    values = sp.symbols("lambda_1:4", positive=True)
    trace, square = sum(values), sum(x**2 for x in values)
    # one sample: E (x_i x_j − Σ_ij)² = Σ_ii Σ_jj + Σ_ij², by pairing x_i x_j x_i x_j
    single = sum(x * y for x in values for y in values) + square
    known = sp.factor(single / N)
    # centred and divided by N: fluctuation of a Wishart matrix with N − 1 degrees of freedom, and the bias −Σ/N
    centred = single * (N - 1) / N**2 + square / N**2
    p = sp.Symbol("p", positive=True)
    require_zero(known / square - (1 + trace**2 / square) / N, "the known-mean distance")
    require_zero(centred / square - (1 + trace**2 / square * (1 - 1 / N)) / N, "the centred distance")
    step = Step(
        "Effective dimension",
        "Pairings of four Gaussian factors give E‖Σ₀−Σ‖² = ((Tr Σ)² + Tr Σ²)/N; centring takes one degree of "
        "freedom and adds the bias Σ/N. With "
        "p = (Tr Σ)²/Tr Σ² the relative squared distance r = ‖Σ₀−Σ‖²/‖Σ‖² is on average d_eff/N, d_eff = 1 + p.",
        (sp.Eq(sp.Function("E")(sp.Symbol("r")), (1 + p * (1 - 1 / N)) / N), sp.Eq(sp.Symbol("d_eff"), 1 + p)),
    )
    return step, (1 + p * (1 - 1 / N)) / N
