"""How far a learned coupling is from the truth, derived: divergences by Wick averages, and averages over data."""

from __future__ import annotations

from typing import Any

import sympy as sp

from ..identity import require_zero
from ..steps import Step, equation

m, N, s, u = sp.symbols("m N s u", positive=True)
mu, a, b, C = sp.symbols("mu Delta_a Delta_b Delta_C", real=True)
sigma, gamma = sp.symbols("Sigma Gamma", positive=True)


def normal_mean(expression: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """E of a polynomial in a standard normal variable."""
    poly = sp.Poly(sp.expand(expression), symbol)
    return sum(value * (sp.factorial2(power - 1) if power else 1) for (power,), value in poly.terms() if power % 2 == 0)


def chi_square_mean(expression: sp.Expr) -> sp.Expr:
    """E of a polynomial in s ~ χ²_m: E s^k = m(m + 2)…(m + 2k − 2)."""
    poly = sp.Poly(sp.expand(expression), s)
    return sp.expand(sum(value * sp.prod(m + 2 * i for i in range(power)) for (power,), value in poly.terms()))


def divergence() -> Step:
    """KL of two couplings by orders: an orthogonal split."""
    z = sp.Symbol("z", real=True)
    x = mu + sp.sqrt(sigma) * z
    difference = a + b * x + C * x**2
    zero = normal_mean(difference, z)
    one = normal_mean(sp.expand(difference * z), z)
    two = normal_mean(sp.expand(difference * (z**2 - 1)), z) / sp.sqrt(2)
    require_zero(zero - (a + b * mu + C * mu**2 + C * sigma), "h₀")
    require_zero(one**2 - (b + 2 * C * mu) ** 2 * sigma, "H₁")
    require_zero(two**2 - 2 * C**2 * sigma**2, "H₂")
    require_zero(normal_mean(sp.expand(difference**2), z) - zero**2 - one**2 - two**2, "the orders add up")
    return Step(
        "Divergence by orders",
        "Given x_A both laws are Gaussian; what remains is E of the squared difference of the means, over Γ'. In Hermite polynomials of "
        "the white input under the averaging law it splits without cross terms: constant, linear and quadratic part, each ≥ 0. (One "
        "input and one output here; in general traces.)",
        (
            equation(sp.Symbol("K_0"), (a + b * mu + C * mu**2 + C * sigma) ** 2 / (2 * gamma)),
            equation(sp.Symbol("K_1"), (b + 2 * C * mu) ** 2 * sigma / (2 * gamma)),
            equation(sp.Symbol("K_2"), C**2 * sigma**2 / gamma),
        ),
    )


def negentropy() -> Step:
    """Distance of a coupling from every Gaussian."""
    z, noise = sp.symbols("z epsilon", real=True)
    output = C * z**2 + sp.sqrt(gamma) * noise
    mean = C
    variance = normal_mean(sp.expand(normal_mean(sp.expand((output - mean) ** 2), z)), noise)
    require_zero(variance - gamma - 2 * C**2, "variance of the output")
    require_zero(normal_mean(sp.expand(z * (C * z**2 - mean)), z), "no correlation with the input")
    return Step(
        "Gaussian floor",
        "The Gaussian of the same moments has the variance Γ + 2C²Σ² in the output, uncorrelated with the input; the divergence from it "
        "is half the logarithm of the ratio of the determinants. No model of orders k ≤ 2 gets below.",
        (equation(sp.Symbol("KL_floor"), sp.log(1 + 2 * C**2 * sigma**2 / gamma) / 2),),
    )


def feature_norms() -> tuple[Any, Any, Any]:
    """|ψ_j|² of order 0, 1, 2 as functions of s = |u|²."""
    return sp.Integer(1), s, (s**2 - 2 * s + m) / 2


def trace_coefficients() -> tuple[Any, Any, Any]:
    """c_j of t_j = F_j/N + c_j/N² + …: E|ψ_j|²|ψ|² − F_j."""
    norms = feature_norms()
    whole = sum(norms)
    return tuple(sp.factor(chi_square_mean(norm * whole) - chi_square_mean(norm)) for norm in norms)  # type: ignore[return-value]


def traces() -> Step:
    """Mean inverse Gram matrix at large N."""
    norms = feature_norms()
    require_zero(sp.expand(sum(norms) - (1 + m / 2 + s**2 / 2)), "|ψ|²")
    counts = (1, m, m * (m + 1) / 2)
    for norm, count in zip(norms, counts, strict=True):
        require_zero(chi_square_mean(norm) - count, "F_j")
    found = trace_coefficients()
    expected = (m * (m + 3) / 2, m * (m**2 + 7 * m + 8) / 2, m * (m**3 + 12 * m**2 + 35 * m + 32) / 4)
    for one, other in zip(found, expected, strict=True):
        require_zero(one - other, "c_j")
    return Step(
        "Traces at large N",
        "(Ψ'Ψ)^(−1) = 1/N − (Ψ'Ψ/N − 1)/N + (Ψ'Ψ/N − 1)²/N − …: the second-order term averages to E|ψ_j|²|ψ|² − F_j, moments of χ² with m "
        "degrees of freedom, since |ψ|² = 1 + m/2 + s²/2 depends on s = |u|² alone.",
        tuple(
            equation(sp.Symbol(f"t_{j}"), count / N + value / N**2)
            for j, (count, value) in enumerate(zip(counts, expected, strict=True))
        ),
    )


def whitened() -> Step:
    """The same with empirically whitened inputs."""
    c = trace_coefficients()
    pairs = m * (m + 1) / 2
    t1, t2 = m / N + c[1] / N**2, pairs / N + c[2] / N**2
    first = t1 * (1 - 1 / N) + 2 * t2 / N - 3 / N**2 * chi_square_mean(s**2 - s)
    second = t2 * (1 + (m - pairs) / (N * pairs)) - chi_square_mean((s - 1) ** 3 - m + 1) / N**2

    def order_two(expression: sp.Expr) -> sp.Expr:
        return sp.limit(sp.expand(sp.together(expression) * N**2 - 0), N, sp.oo)

    one, two = m * (m + 1) * (m + 2) / 2, m * (m + 2) * (m + 3) ** 2 / 4
    require_zero(order_two(first - m / N) - one, "t̂₁")
    require_zero(order_two(second - pairs / N) - two, "t̂₂")
    return Step(
        "Traces with whitened inputs",
        "The reverse divergence averages with the learned law of the inputs: features are whitened by the empirical covariance. To first "
        "order in its error the traces change as shown in the deterministic equivalent; inserting the exact t_j gives these, and "
        "t_0 = 1/N exactly.",
        (
            equation(sp.Symbol("that_0"), 1 / N),
            equation(sp.Symbol("that_1"), m / N + one / N**2),
            equation(sp.Symbol("that_2"), pairs / N + two / N**2),
        ),
    )


def averages() -> Step:
    """Averages over data, with linear features alone the known law of Gaussians."""
    r, F = sp.symbols("r F", positive=True)
    # With F = 1 + m linear features 1 + Σt is (1 + 1/N)(N − 2)/(N − m − 2): the output's part of E KL of a Gaussian in d = m + r.
    factor = r * N / (N - (1 + m) - r - 1) * (1 + 1 / N) * (N - 2) / (N - m - 2)
    gaussian = (m + r) * (N + 1) / (N - m - r - 2) - m * (N + 1) / (N - m - 2)
    require_zero(sp.simplify(factor - gaussian), "linear features")
    digammas = sp.Symbol("ell")
    return Step(
        "Averages over data",
        "Least squares leaves errors of covariance Γ ⊗ (Ψ'Ψ)^(−1), independent of Γ̂, which is Wishart with N − F degrees of freedom: given "
        "the features all is known, and nothing depends on the truth. ℓ is a sum of digamma functions. (With linear features alone this "
        "is the divergence of a Gaussian in m + r dimensions; checked.)",
        (
            equation(
                sp.Symbol("KL_target_learned"),
                sp.Symbol("KL_inputs")
                + (digammas - r + r * N / (N - F - r - 1) * (1 + sp.Symbol("t_0") + sp.Symbol("t_1") + sp.Symbol("t_2"))) / 2,
            ),
            equation(
                sp.Symbol("KL_learned_target"),
                sp.Symbol("KL_inputs")
                + (-digammas - r * F / N + r * (sp.Symbol("that_0") + sp.Symbol("that_1") + sp.Symbol("that_2"))) / 2,
            ),
        ),
    )  # fmt: skip


def banana_average() -> Step:
    """E KL of one learned coupling constant."""
    n = sp.Symbol("N", positive=True)
    # E 1/Σx⁴ = ∫φ^N ds; φ = 1 − 3s + 105 s²/2 − 10395 s³/6 …, ln φ by cumulants.
    moments = [sp.factorial2(4 * k - 1) for k in range(1, 4)]
    k1, k2 = moments[0], moments[1] - moments[0] ** 2
    k3 = moments[2] - 3 * moments[1] * moments[0] + 2 * moments[0] ** 3
    v = sp.Symbol("v", positive=True)
    # s = v/(N k₁): exponent −v + k₂v²/(2Nk₁²) − k₃v³/(6N²k₁³).
    correction = 1 + k2 * v**2 / (2 * n * k1**2) - k3 * v**3 / (6 * n**2 * k1**3) + k2**2 * v**4 / (8 * n**2 * k1**4)
    mean = sp.expand(sp.integrate(sp.expand(correction * sp.exp(-v)), (v, 0, sp.oo)) / (n * k1))
    series = (1 + sp.Rational(32, 3) / n - sp.Rational(32, 3) / n**2) / (2 * n)
    require_zero(sp.expand(sp.Rational(3, 2) * mean - series), "large N")
    t = sp.Symbol("t", positive=True)
    x = 1 / (32 * t)
    phi = sp.sqrt(2 * x / sp.pi) * sp.exp(x) * sp.besselk(sp.Rational(1, 4), x)
    return Step(
        "Banana",
        "Given x_1 the error of the most likely c is Gaussian with variance 1/Σx_1⁴, and the divergence is (3/2)(ĉ − c)² in both "
        "directions: an integral of the Laplace transform of x⁴. It is finite from N = 5 on.",
        (
            equation(sp.Function("phi")(t), phi),
            equation(sp.Symbol("E_KL"), sp.Rational(3, 2) * sp.Integral(sp.Function("phi")(t) ** n, (t, 0, sp.oo))),
            equation(sp.Symbol("E_KL_large_N"), series),
        ),
    )


def equivalent() -> Step:
    """The deterministic equivalent at given norm, and its expansion."""
    k = sp.Symbol("epsilon", positive=True)  # 1/N
    e = (s - m) / sp.sqrt(2 * m)
    # To first order in 1/N: B = 1/N, b = 1/N, q = |ψ|²/N.
    q = k * (1 + e**2 + s + s**2 * (m - 1) / (2 * m))
    require_zero(sp.expand(q / k - sum(feature_norms())), "q at leading order is |ψ|²/N")
    weights = (1, s / m, s**2 / (m * (m + 2)))
    for weight in weights:
        require_zero(sp.simplify(chi_square_mean(weight) - 1), "weights are normalised")
    c = trace_coefficients()
    # t_1 = m b_1, b_1 = (1/N)(1 + ⟨(s/m) q⟩)
    first = m * k * (1 + chi_square_mean(sp.expand(weights[1] * q)))
    require_zero(sp.expand(first - (m * k + (c[1] + m) * k**2)), "second order of t₁ at N")
    big, penalty = sp.symbols("N lambda_1", positive=True)
    mean = sp.Function("avg")
    return Step(
        "Deterministic equivalent",
        "Conditioned on the norm of the input, rotations leave five numbers: a 2 × 2 block B on (1, (s − m)/√2m), b_1 of vectors and b_2 "
        "of traceless "
        "tensors. Its expansion has the exact average E|ψ_j|²|ψ|² in the second order (checked for t_1): it is too large by "
        "F_j/N² there, and by 2F_j/N² with N → N − 1, which is exact for Wishart matrices and the better choice near N = F.",
        (
            equation(
                sp.Symbol("q"), sp.Symbol("eBe") + sp.Symbol("b_1") * s + sp.Symbol("b_2") * s**2 * (m - 1) / (2 * m)
            ),
            equation(1 / sp.Symbol("b_1"), penalty + big * mean(s / m / (1 + sp.Symbol("q")))),
            equation(
                1 / sp.Symbol("b_2"), sp.Symbol("lambda_2") + big * mean(s**2 / (m * (m + 2)) / (1 + sp.Symbol("q")))
            ),
        ),
    )


def rates() -> Step:
    """Population gradient flow."""
    # Constant and trace mode of C in the raw features (1, u_a²): Gram matrix with E u_a² = 1, E u_a²u_b² = 1 + 2δ.
    gram = sp.Matrix([[1, sp.sqrt(m)], [sp.sqrt(m), m + 2]])
    found = sorted(gram.eigenvals(), key=lambda v: float(v.subs(m, 5)))
    expected = [(m + 3 - sp.sqrt((m + 3) ** 2 - 8)) / 2, (m + 3 + sp.sqrt((m + 3) ** 2 - 8)) / 2]
    for one, other in zip(found, expected, strict=True):
        require_zero(sp.simplify(one - other), "rates of constant and trace")
    la, lb = sp.symbols("lambda_a lambda_b", positive=True)
    # C_ab with C_ba equal, in the Frobenius norm: the feature √2 x_ax_b.
    require_zero(2 * la * lb - sp.expand((sp.sqrt(2) * sp.sqrt(la) * sp.sqrt(lb)) ** 2), "rate of C_ab")
    return Step(
        "Rates",
        "With Γ known the averaged loss is quadratic in (a, b, C); rates are eigenvalues of the second moments of the features: 1 for b, 2 "
        "for traceless C and these for constant and trace. With variances λ they are λ_a and 2λ_aλ_b: easy statistics are learned first "
        "where inputs are small, not because their order is low.",
        tuple(equation(sp.Symbol(f"rate_{sign}"), value) for sign, value in zip("-+", expected, strict=True)),
    )
