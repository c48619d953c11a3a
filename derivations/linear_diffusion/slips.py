"""Where the published slides on linear diffusion models differ from the derivation, each with a check.

Source: Merger and Goldt 2025 (arXiv 2505.24769).
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import sympy as sp

from ..steps import Slip
from .modes import abar, b, c, lam, lam0, mode_loss, w


def slips() -> tuple[Slip, ...]:
    """Where the published slides differ from the derivation, with numbers."""

    def null_directions() -> tuple[float, float, float]:
        points = sp.Matrix([[1, 0, 2, 5, 1], [0, 3, 1, 1, 2], [4, 1, 0, 2, 7]])
        mean = sp.ones(1, 3) * points / 3
        centred = points - sp.ones(3, 1) * mean
        return 5 - 3.0, 5 - 3 + 1.0, float(5 - (centred.T * centred).rank())

    def gap() -> tuple[float, float, float]:
        numbers = {lam: sp.Rational(3, 2), lam0: sp.Rational(1, 2), c: sp.Rational(1, 100), abar: sp.Rational(9, 10)}
        ratio = (1 - abar) / abar
        printed = ratio * (lam - lam0) / (lam0 + c) ** 2
        derived = ratio * (lam - lam0) / (lam0 + c + ratio) ** 2
        # independently: minimise the training loss numerically, then take the difference of the two losses
        plain = mode_loss(lam0, sp.Integer(0)).subs(b, 0)
        fresh = mode_loss(lam, sp.Integer(0)).subs(b, 0)
        at = sp.nsolve(sp.diff(plain + abar * c * w**2, w).subs(numbers), w, 0.3)
        difference = (fresh - plain).subs(numbers).subs(w, at)
        return float(printed.subs(numbers)), float(derived.subs(numbers)), float(difference)

    def leading_order() -> tuple[float, float, float]:
        # Two dimensions, so that the factor d counts. Eigenvalues of N Σ₀: density (x y)^((n−3)/2) e^{−(x+y)/2} |x − y|.
        size, n = 8, 7
        power = mpmath.mpf(n - 3) / 2

        def average(f: Callable[[mpmath.mpf, mpmath.mpf], mpmath.mpf]) -> mpmath.mpf:
            def inner(x: mpmath.mpf) -> mpmath.mpf:
                def integrand(y: mpmath.mpf) -> mpmath.mpf:
                    return f(x, y) * (x * y) ** power * (x - y)

                return mpmath.exp(-x / 2) * mpmath.quad(lambda y: integrand(y) * mpmath.exp(-y / 2), [0, x])

            return mpmath.quad(inner, [0, 5, 15, 40, 100])

        def divergence(x: mpmath.mpf, y: mpmath.mpf) -> mpmath.mpf:
            # the error of the mean has the average square d/N
            return (-mpmath.log(x * y / size**2) - 2 + (x + y) / size + mpmath.mpf(2) / size) / 2

        with mpmath.workdps(15):
            independent = average(divergence) / average(lambda x, y: mpmath.mpf(1))
        ell = sum(sp.digamma(sp.Rational(size - i, 2)) + sp.log(sp.Rational(2, size)) for i in (1, 2))
        return 2 / (4 * size), float(-ell / 2), float(independent)

    def dropped_term() -> tuple[float, float, float]:
        size, ridge = 6, mpmath.mpf("0.5")  # d = 1, Σ = 1
        half = mpmath.mpf(size - 1) / 2

        def average(f: sp.Expr) -> mpmath.mpf:
            def integrand(x: mpmath.mpf) -> mpmath.mpf:
                return f(x / size) * x ** (half - 1) * mpmath.exp(-x / 2) / (2**half * mpmath.gamma(half))

            return mpmath.quad(integrand, [0, 1, 5, 20, 100])

        log = average(lambda y: -mpmath.log(y + ridge))
        full = average(lambda y: (-mpmath.log(y + ridge) - 1 + y + ridge + mpmath.mpf(1) / size) / 2)
        return float(log), float((log + ridge) / 2), float(full)

    return (
        Slip(
            "Slides of Merger and Goldt, number of directions with Σ₀e = 0",
            "d - N",
            "d - N + 1",
            null_directions,
            "The mean is estimated too: N points span N − 1 directions about it (here d = 5, N = 3).",
        ),
        Slip(
            "Slides of Merger and Goldt, test loss ~ Tr (Σ−Σ₀)(Σ₀+c)⁻² + const.",
            "(Sigma_0 + c)^-2",
            "(Sigma_0 + c + (1-alphabar)/alphabar)^-2",
            gap,
            "The diffusion noise regularises as well, and the constant is the training loss, which depends on Σ₀ and c.",
        ),
        Slip(
            "Slides of Merger and Goldt, December 2025, summary: N > d, DKL decays with d/(4N)",
            "d/(4N)",
            "-ell/2 = d^2/(4N) + ...",
            leading_order,
            "d/(4N) is the leading order per dimension; the divergence itself is d times that, and more where N is not "
            "large (here d = 2, N = 8).",
        ),
        Slip(
            "Slides of Merger and Goldt, DKL(ρ_N|ρ) ~ ln |Σ|/|Σ₀+c|",
            "ln |Sigma|/|Sigma_0+c|",
            "(ln |Sigma|/|Sigma_0+c| + c Tr Sigma^-1)/2",
            dropped_term,
            "A factor 1/2 is missing, and the trace term leaves c Tr Σ⁻¹ behind (here d = 1, N = 6, c = 1/2, averaged over data sets).",
        ),
    )
