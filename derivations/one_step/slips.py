"""Where the source of the one-step model and its code differ from the derivation, each with a check."""

from __future__ import annotations

import math

import mpmath

from ..steps import Slip

Check = tuple[float, float, float]


def _mise(width: mpmath.mpf, n: int, d: int) -> mpmath.mpf:
    """Relative squared error of a kernel estimate, term by term from overlaps of Gaussians."""
    half = mpmath.mpf(d) / 2

    def overlap(first: mpmath.mpf, second: mpmath.mpf) -> mpmath.mpf:
        """∫ N(0, first) N(0, second), over ∫ N(0, 1)²."""
        return ((first + second) / 2) ** -half

    spread = 1 + width
    return overlap(width, width) / n + (1 - mpmath.mpf(1) / n) * overlap(spread, spread) - 2 * overlap(spread, 1) + 1


def _optimal_width() -> Check:
    n, d = 10**4, 100
    printed = float(n ** (-2 / d))
    # derived: root of the stationarity condition; independent: golden-section search on the error itself
    p = d / 2 + 1

    def condition(s: mpmath.mpf) -> mpmath.mpf:
        return (1 / s + mpmath.mpf(1) / 2) ** p / n + (1 - mpmath.mpf(1) / n) * ((1 + s / 2) / (1 + s)) ** p - 1

    with mpmath.workdps(50):
        derived = float(mpmath.findroot(condition, (1, 3), solver="bisect", maxsteps=400))
        low, high = mpmath.mpf("0.5"), mpmath.mpf(5)
        golden = (mpmath.sqrt(5) - 1) / 2
        for _ in range(120):
            first, second = high - golden * (high - low), low + golden * (high - low)
            if _mise(first, n, d) < _mise(second, n, d):
                high = second
            else:
                low = first
        return printed, derived, float((low + high) / 2)


def _log_det(q: float, ratio: float, eta: float = 1e-9, nodes: int = 300) -> float:
    """(1/d) ln|η + K Kᵀ| from the self-consistent equations with quadrature and Newton's method: no branch formula."""
    # Chebyshev rule of the second kind for the Marchenko–Pastur law, D = (1 − q)γ/x
    angles = [math.pi * k / nodes for k in range(1, nodes)]
    support = [1 + ratio + 2 * math.sqrt(ratio) * math.cos(angle) for angle in angles]
    weights = [2 / nodes * math.sin(angle) ** 2 / x for angle, x in zip(angles, support, strict=True)]
    law = [(w, (1 - q) * ratio / x) for w, x in zip(weights, support, strict=True)]

    def equations(log_e: mpmath.mpf, log_t: mpmath.mpf) -> tuple[float, float]:
        e, t = math.exp(log_e), math.exp(log_t)
        right_t = math.fsum(w * v / (eta * (1 + e * v) + q / (1 + t)) for w, v in law)
        right_e = math.fsum(w / (eta * (1 + t) + q / (1 + e * v)) for w, v in law)
        return right_t / t - 1, right_e / e - 1

    start = (-0.5 * math.log(eta), -0.5 * math.log(eta))
    with mpmath.workprec(53):
        root = mpmath.findroot(equations, start, solver="mdnewton", tol=1e-20, maxsteps=60)
    e, t = math.exp(root[0]), math.exp(root[1])
    return math.fsum(w * math.log(eta * (1 + t) * (1 + e * v) + q) for w, v in law) - eta * e * t


def _variance_part(q: float, ratio: float, d: int = 100) -> float:
    """(d/2)(m − 1 − Λ) with Λ of the inner branch."""
    odds = math.log((1 - q) / (1 - ratio))
    return d / 2 * (q + (1 - q) * ratio / (1 - ratio) - 1 - (odds + math.log(ratio) - odds / ratio))


def _monotone() -> Check:
    """Sign of the change of the variance part with d/n between d/n = 1/30 and 1/5 at q = 0.02: +1 as printed."""
    q, low, high = 0.02, 1 / 30, 1 / 5
    derived = _variance_part(q, high) - _variance_part(q, low)
    parts = [50 * (q + (1 - q) * r / (1 - r) - 1 - _log_det(q, r)) for r in (high, low)]
    return 1.0, math.copysign(1.0, derived), math.copysign(1.0, parts[0] - parts[1])


def _order_of_factors() -> Check:
    slope = mpmath.matrix([[0.9, 0.4], [0.1, 0.5]])
    printed = float((slope.T * slope)[0, 0])
    derived = float((slope * slope.T)[0, 0])

    # variance of the first coordinate of θy over the unit circle measure of an isotropic y: ⟨(θy)²⟩ = 2⟨(θu)²⟩
    def first(angle: float) -> float:
        return (slope[0, 0] * mpmath.cos(angle) + slope[0, 1] * mpmath.sin(angle)) ** 2

    independent = float(2 * mpmath.quad(first, [0, 2 * mpmath.pi]) / (2 * mpmath.pi))
    return printed, derived, independent


def _zeroed_determinant() -> Check:
    """H² of N(0, q) against N(0, 1) in 100 dimensions, q as at g = 1: ln|Σ| = −68 is below the code's cut at −25."""
    q, d = 1 / (1 + math.exp(-4) * math.expm1(4)), 100
    printed = 1.0  # a determinant set to 0 leaves no overlap
    derived = 1 - (2 * math.sqrt(q) / (1 + q)) ** (d / 2)
    one = mpmath.quad(
        lambda v: mpmath.sqrt(mpmath.npdf(v, 0, math.sqrt(q)) * mpmath.npdf(v)), [-mpmath.inf, 0, mpmath.inf]
    )
    return printed, derived, float(1 - one**d)


def _rounded_self_terms() -> Check:
    """E_OG − E_TG in one dimension, over ∫p_O²: O = N(0, 1), G = N(9, 1), T two kernels of width 1/2 at 0 and −4.6.

    The kernels' self-overlaps add up to ∫p_O²; what is left is of the order 1e-9 of it.
    """
    points, width, centre = (0.0, -4.6), 0.25, 9.0

    def overlap(distance: float, variance: float) -> float:
        """∫ of the product of two Gaussians, over ∫p_O²; ``variance`` is the sum of theirs."""
        return math.sqrt(2 / variance) * math.exp(-(distance**2) / (2 * variance))

    og = overlap(centre, 2.0)
    tg = sum(overlap(centre - x, 1 + width) for x in points) / 2
    between = overlap(points[1] - points[0], 2 * width) / 2
    derived = 2 * tg - 2 * og - between
    own = sum(overlap(0.0, 2 * width) for _ in points) / 4
    with mpmath.workprec(24):  # as in single precision
        one = mpmath.mpf(1)
        first = (one + one) - 2 * mpmath.mpf(og)
        second = ((mpmath.mpf(own) + mpmath.mpf(between)) + one) - 2 * mpmath.mpf(tg)
        printed = float(first - second)

    # independently: the two integrals of squares, without overlaps, in 50 digits
    def density(x: mpmath.mpf, mean: float, variance: float) -> mpmath.mpf:
        return mpmath.exp(-((x - mpmath.mpf(mean)) ** 2) / (2 * mpmath.mpf(variance))) / mpmath.sqrt(
            2 * mpmath.pi * variance
        )

    def difference(x: mpmath.mpf) -> mpmath.mpf:
        g = density(x, centre, 1.0)
        kernels = sum(density(x, point, width) for point in points) / 2
        return (density(x, 0.0, 1.0) - g) ** 2 - (kernels - g) ** 2

    with mpmath.workdps(50):
        whole = mpmath.quad(difference, [-30, -8, -5.5, -4.6, -3.5, -1, 0, 1, 3, 6, 9, 12, 30])
        independent = float(whole * mpmath.sqrt(4 * mpmath.pi))
    return printed, derived, independent


def slips() -> tuple[Slip, ...]:
    """The differences, most consequential first."""
    source = "Halder 2024 (arXiv 2411.17807)"
    return (
        Slip(
            f"{source}, code: E_OG < E_TG",
            "sums of overlaps in single precision, self-overlaps included",
            "self-overlaps cancel analytically; the rest is compared by logarithms",
            _rounded_self_terms,
            "Near n = d the deciding overlaps are 1e-8 to 1e-18 of the self-overlaps, which single precision rounds at 1e-7.",
        ),
        Slip(
            f"{source}, code: generated covariance",
            "theta^T theta",
            "theta theta^T",
            _order_of_factors,
            "The covariance of theta y is theta theta^T; the two have equal spectra, but other overlaps with data.",
        ),
        Slip(
            f"{source}, code: Hellinger distance",
            "determinants below e^-25 are set to 0, so H^2 = 1",
            "1 - (2 sqrt(q)/(1 + q))^(d/2) for n -> infinity",
            _zeroed_determinant,
            "At the default noise ln|Sigma| is near -68 in 100 dimensions.",
        ),
        Slip(
            f"{source}, section 2.2",
            "the mixing time gives the kernel width of least squared error, n^(-2/d)",
            "they agree only for n^(2/d) >> 1",
            _optimal_width,
            "d = 100, n = 10^4. At the published width the error is twice that of the zero function.",
        ),
        Slip(
            f"{source}, section 3.1 and the sentence below (B.17)",
            "'is an increasing function of' d/n",
            "for d/n < q, and everywhere only if q > 0.1873",
            _monotone,
            "Sign of the change of the variance part from d/n = 1/30 to 1/5 at q = 0.02. The text at hand has lost the"
            " formulae of (B.10)-(B.17): only the statement is compared.",
        ),
    )
