"""Random-feature score models, derived: from Hermite constants and a linear pencil to losses along gradient flow.

Sources: Bonnaire, Urfin, Biroli and Mézard 2025 (arXiv 2505.17638); George, Veiga and Macris 2025 (arXiv 2502.00336). Their
displayed equations were not available: normalisations are ours, and slips are those of the published code.
"""

from __future__ import annotations

import sympy as sp

from ..identity import require_zero
from ..steps import Step

psi_p, psi_n, alpha, b, v, s = sp.symbols("psi_p psi_n alpha b v s", positive=True)
sigma, q, theta, theta_d, lam, m = sp.symbols("sigma q theta theta_d lambda m", positive=True)
Gamma, C, Delta, u, tau = sp.symbols("Gamma C Delta u tau", positive=True)
epsilon, y = sp.symbols("epsilon y", positive=True)
z = sp.Symbol("z", real=True)


def pencil() -> Step:
    """The Schur complement of a linear pencil is U."""
    c, o, ot, w, wt, x, xt = sp.symbols("c O O' w w' Y Y'", commutative=False)
    # Rows of the pencil applied to (x₁, x₂, x₃, x₄) = ·x₁ give (c + U)x₁ and zeros.
    third = wt
    second = ot + x * third
    fourth = xt * second + b**2 * third
    first = c + o * second + w * fourth
    wanted = c + (o + w * xt) * (ot + x * wt) + b**2 * w * wt
    require_zero(sp.expand(first - wanted), "Schur complement")
    blocks = sp.Matrix([[c, o, 0, w], [ot, -1, x, 0], [0, xt, b**2, -1], [wt, 0, -1, 0]])
    return Step(
        "Linear pencil",
        "With O = vΩ/√n and Y = αXᵀ/√n (primes are transposes) the inverse of this matrix of blocks of sizes p, n, d, d has "
        "the resolvent of U = (O + wY')(O' + Yw') + b²ww' + s² in its corner: eliminating the blocks one by one.",
        (blocks,),
    )


def dyson() -> Step:
    """The Dyson equation in blocks."""
    h = theta * alpha**2 * sigma + b**2
    # Self-energies η from the variances of Ω, X and w; G₂₂ = −θ.
    eta_33, eta_44 = -(alpha**2) * sigma * theta, psi_p * q
    inverse = sp.Matrix([[b**2 - eta_33, -1], [-1, -eta_44]]).inv()
    k = 1 / (1 / (psi_p * q) + h)
    require_zero(inverse[0, 0] - k, "G₃₃")
    require_zero(inverse[1, 1] + h / (1 + psi_p * q * h), "G₄₄")
    mean = sp.Function("avg")
    kk, hh = sp.Function("k")(sigma), sp.Function("H")(sigma)
    return Step(
        "Dyson equation",
        "G = (pencil − η)⁻¹ with η₁₁ = v² tr G₂₂ + tr G₄₄, η₂₂ = (v²ψ_p q + α²⟨σG₃₃⟩)/ψ_n, η₃₃ = α²σ tr G₂₂, η₄₄ = ψ_p q, "
        "G₂₂ = −θ: the 2 × 2 inverse gives k and H, the first two rows two scalar equations (m = ∞; avg is the average over "
        "the eigenvalues σ of Σ).",
        (
            sp.Eq(sp.Function("H")(sigma), h, evaluate=False),
            sp.Eq(sp.Function("k")(sigma), k, evaluate=False),
            sp.Eq(1 / q, lam + s**2 + v**2 * theta + mean(hh / (1 + psi_p * q * hh)), evaluate=False),
            sp.Eq(1 / theta, 1 + (alpha**2 * mean(sigma * kk) + v**2 * psi_p * q) / psi_n, evaluate=False),
        ),
    )


def fixed_point(noises: sp.Expr = m) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """Right-hand side minus left-hand side of the equations for one eigenvalue σ: of 1/q, 1/θ and 1/θ_d."""
    bar = theta / noises + (1 - 1 / noises) * theta_d
    h = theta * alpha**2 * sigma + bar * b**2
    k = 1 / (1 / (psi_p * q) + h)
    g = b**2 * k + s**2 * psi_p * q
    return (
        lam + theta * v**2 + bar * s**2 + h / (1 + psi_p * q * h) - 1 / q,
        1 + (alpha**2 * sigma * k + v**2 * psi_p * q + g / noises) / psi_n - 1 / theta,
        1 + g / (noises * psi_n) - 1 / theta_d,
    )


def noises() -> Step:
    """Finitely many noises: two independent Wishart parts."""
    bar = theta / m + (1 - 1 / m) * theta_d
    # C₁ = α²wΣw' + v² + C₂/m with C₂ = b²ww' + s²: the weight of b²ww' and s² in θC₁ + (1 − 1/m)θ_dC₂
    require_zero(theta / m + (m - 1) / m * theta_d - bar, "weight of a noise")
    equations = fixed_point()
    # m → ∞: θ_d = 1 solves its equation, and the others are those of the Dyson equation.
    last = sp.limit(equations[2].subs(theta_d, 1), m, sp.oo)
    require_zero(last, "θ_d at m = ∞")
    first = sp.limit(equations[0].subs(theta_d, 1), m, sp.oo)
    h = theta * alpha**2 * sigma + b**2
    require_zero(first - (lam + s**2 + theta * v**2 + h / (1 + psi_p * q * h) - 1 / q), "1/q at m = ∞")
    return Step(
        "Finitely many noises",
        "U is a sum of two independent Wishart matrices: n samples with C₁ = α²wΣw' + v² + C₂/m, and n(m − 1) with C₂ = b²ww' + "
        "s², weight 1 − 1/m. Each has its own factor, 1/θ = 1 + Tr C₁R/n; b² and s² appear with θ̄.",
        (
            sp.Eq(sp.Symbol("thetabar"), bar, evaluate=False),
            sp.Eq(sp.S.Zero, equations[0], evaluate=False),
            sp.Eq(sp.S.Zero, equations[1], evaluate=False),
            sp.Eq(sp.S.Zero, equations[2], evaluate=False),
        ),
    )


def generating_function() -> Step:
    """Train and test loss from one function."""
    root, mu, r_u = sp.symbols("Delta_r mu U", positive=True)
    a, r_v = sp.symbols("A V", real=True)
    # One mode: L + ridge = 1 + 2√Δ A V + Δ A²(U + λ), least at A*.
    objective = 1 + 2 * root * a * r_v + root**2 * a**2 * (r_u + lam)
    best = sp.solve(sp.diff(objective, a), a)[0]
    phi = sp.simplify(objective.subs(a, best))
    require_zero(phi - (1 - r_v**2 / (r_u + lam)), "value of the ridge objective")
    train = objective.subs(lam, 0).subs(a, best)
    require_zero(train - (phi - lam * sp.diff(phi, lam)), "train loss")
    tilde = sp.Symbol("Utilde", positive=True)
    quadratic = root**2 * best**2 * tilde
    shifted = phi.subs(lam, lam + mu * tilde)
    require_zero(quadratic - sp.diff(shifted, mu).subs(mu, 0), "quadratic part of the test loss")
    bar, kbar = sp.symbols("thetabar kbar")
    return Step(
        "Generating function",
        "The value φ of the ridge objective gives the train loss by its derivative in λ (envelope theorem), and the quadratic "
        "part of the test loss by the shift λ → λ + μŨ, in which the population enters c₀ and H without θ's. By the Dyson "
        "equation wᵀ(U + λ)⁻¹w is k; a noise shared with U counts with θ̄.",
        (
            sp.Eq(sp.Function("phi")(lam), bar - bar**2 * b**2 * kbar, evaluate=False),
            sp.Eq(
                sp.Symbol("L_train"),
                sp.Function("phi")(lam) - lam * sp.Derivative(sp.Function("phi")(lam), lam),
                evaluate=False,
            ),
            sp.Eq(
                sp.Symbol("L_test"),
                1 - 2 * b**2 * bar * kbar + sp.Derivative(sp.Function("phi")(sp.Symbol("mu")), sp.Symbol("mu")),
                evaluate=False,
            ),
        ),
    )


def two_points() -> Step:
    """Responses between two points: derivatives of products become divided differences."""
    q1, q2, h1, h2 = sp.symbols("q_1 q_2 H_1 H_2", positive=True)
    k1, k2 = (1 / (1 / (psi_p * x) + h) for x, h in ((q1, h1), (q2, h2)))
    u1, u2 = (1 / (1 + psi_p * x * h) for x, h in ((q1, h1), (q2, h2)))
    change = u1 * u2 * (psi_p * (q1 - q2) - psi_p**2 * q1 * q2 * (h1 - h2))
    require_zero(k1 - k2 - change, "divided difference of k")
    inner = u1 * u2 * (h1 - h2) - psi_p * h1 * h2 * u1 * u2 * (q1 - q2)
    require_zero(h1 * u1 - h2 * u2 - inner, "divided difference of H/(1 + ψqH)")
    require_zero((1 / q1 - 1 / q2) - (-(q1 - q2) / (q1 * q2)), "divided difference of 1/q")
    delta_q, delta_h = sp.symbols("delta_q delta_H")
    return Step(
        "Two-point responses",
        "For two values of c₀ every unknown is an upper triangular 2 × 2 matrix; its corner obeys the linearised equations with "
        "each derivative of a product replaced by its divided difference (checked). At equal points they are the derivatives, "
        "and the Jacobian of Newton's method.",
        (
            sp.Eq(
                sp.Symbol("delta_k"),
                sp.Symbol("u_1") * sp.Symbol("u_2") * (psi_p * delta_q - psi_p**2 * q1 * q2 * delta_h),
                evaluate=False,
            ),
            sp.Eq(
                sp.Symbol("delta_q") / (q1 * q2),
                psi_p * h1 * h2 * sp.Symbol("u_1") * sp.Symbol("u_2") * delta_q
                - sp.Symbol("delta_c")
                - sp.Symbol("u_1") * sp.Symbol("u_2") * delta_h,
                evaluate=False,
            ),
        ),
    )


def flow() -> Step:
    """Gradient flow as a filter of U."""
    f = (1 - sp.exp(-u * tau)) / u
    require_zero(2 * f - u * f**2 - f.subs(tau, 2 * tau), "2f − uf² is f at twice the time")
    # Ȧ = −(A U + Vᵀ)/…: one mode in the unit of τ
    path = sp.Function("A")
    solution = sp.dsolve(sp.Eq(path(tau).diff(tau), -u * path(tau) - 1), path(tau), ics={path(0): 0}).rhs
    require_zero(solution + f, "gradient flow of one mode")
    return Step(
        "Gradient flow",
        "From A(0) = 0 every mode of U relaxes as f_τ(u); the train loss contains 2f − uf², which is f at twice the time, so "
        "that it is a single contour integral of 1 − φ; V does not commute with U, so that the test loss is a double one.",
        (
            sp.Eq(sp.Function("f_tau")(u), f, evaluate=False),
            sp.Eq(
                2 * sp.Function("f_tau")(u) - u * sp.Function("f_tau")(u) ** 2, sp.Function("f_2tau")(u), evaluate=False
            ),
        ),
    )


def kernel_limit() -> Step:
    """p/d → ∞: a 2 × 2 matrix, and what its eigenvalues say of memorisation."""
    top = alpha**2 * sigma + b**2
    matrix = sp.Matrix([[top, alpha * sp.sqrt(sigma * epsilon)], [alpha * sp.sqrt(sigma * epsilon), epsilon]])
    require_zero(matrix.det() - epsilon * b**2, "determinant")
    # ε → 0 (n ≫ d): one fast and one slow eigenvalue.
    trace = matrix.trace()
    slow = (trace - sp.sqrt(trace**2 - 4 * matrix.det())) / 2
    leading = sp.simplify(sp.diff(slow, epsilon).subs(epsilon, 0))
    require_zero(leading - b**2 / top, "slow eigenvalue")
    # Final filter [M⁻¹]₁₁ = 1/b²; the fast one alone leaves 1/(α²σ + b²).
    require_zero(matrix.inv()[0, 0] - 1 / b**2, "memorised")
    filter_ = 1 / top + (1 / b**2 - 1 / top) * y
    e2 = sp.Symbol("e2", positive=True)  # e^{−2t}
    a = sp.Symbol("a", positive=True)
    values = {alpha: a * sp.sqrt(e2), b: a * sp.sqrt(Delta)}
    test = sp.simplify((1 - 2 * b**2 * filter_ + b**2 * filter_**2 * top).subs(values))
    gamma = Delta + e2 * sigma
    expected = e2 * sigma / gamma + (e2 * sigma) ** 2 / (Delta * gamma) * y**2
    require_zero(test - expected, "test loss on and after the plateau")
    require_zero(test.subs(y, 1) - e2 * sigma / Delta, "memorised test loss")
    score = sp.simplify((a**2 * filter_).subs(values))
    require_zero(score.subs(y, 0) - 1 / gamma, "the plateau is the linear optimum")
    require_zero(score.subs(y, 1) - 1 / Delta, "all weight on the own sample")
    return Step(
        "Kernel limit",
        "For p/d → ∞ U/ψ_p acts on each mode of the sample covariance as a 2 × 2 matrix with ε = v²/ψ_n. For n ≫ d its slow "
        "eigenvalue u₋ carries memorisation, y = 1 − exp(−u₋τ): test loss and linear part of the score interpolate between the "
        "optimum of a linear diffusion model (y = 0) and 1/Δ, all weight on the own sample (y = 1).",
        (
            sp.Eq(sp.Symbol("M"), matrix, evaluate=False),
            sp.Eq(sp.Symbol("u_-"), epsilon * b**2 / top, evaluate=False),
            sp.Eq(sp.Symbol("L_test"), expected, evaluate=False),
            sp.Eq(sp.Symbol("B_t"), sp.simplify((1 + e2 * sigma / Delta * y) / gamma), evaluate=False),
        ),
    )


def times() -> Step:
    """τ_mem and n*."""
    ratio = sp.Symbol("r", positive=True)  # Δ/(Δ + e^{−2t}σ)
    rate = s**2 + psi_p / psi_n * v**2 * ratio
    star = sp.solve(sp.Eq(rate - s**2, s**2), psi_n)[0]
    require_zero(star - psi_p * v**2 / s**2 * ratio, "n*")
    few = sp.limit(psi_p / psi_n * sp.cancel(1 / rate.subs(s, 0)), psi_p, sp.oo)
    require_zero(few - 1 / (v**2 * ratio), "τ_mem is proportional to n/p")
    return Step(
        "Times",
        "At finite ψ_p the slow eigenvalue is u₋ = s² + ψ_pε r, r = Δ/(Δ + e^{−2t}σ): the time of memorisation grows in proportion to n "
        "until the two terms are equal at n*, above which s² relaxes without learning anything of the data: overfitting "
        "vanishes. Directions of high variance memorise last.",
        (
            sp.Eq(sp.Symbol("tau_mem"), 1 / rate, evaluate=False),
            sp.Eq(sp.Symbol("psi_n^*"), star, evaluate=False),
        ),
    )
