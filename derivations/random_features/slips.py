"""Where the published code of random-feature score models differs from the derivation, each with a check.

Code: the first authors' repository of arXiv 2505.17638 (``Theory/src``, commit 6a4c59a). Two of its scripts do not start
(``argparse`` is not imported; ``args.seed`` does not exist), which no check can show.
"""

from __future__ import annotations

import math
import random

import mpmath

from ..steps import Slip

Check = tuple[float, float, float]
#: Order of the Hermite series that the constants are summed from, and nodes of its coefficients.
ORDERS, NODES = 41, 400


def _normal_nodes() -> list[tuple[float, float]]:
    """The trapezoid rule for a standard normal variable: for analytic functions it converges exponentially."""
    step = 20 / NODES
    points = [-10 + step * (k + 0.5) for k in range(NODES)]
    return [(x, step * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)) for x in points]


def _by_series(variance: float, t: float) -> tuple[float, float, float]:
    """a, v², s² of tanh from its Hermite coefficients c_k: v² = Σ_{k>1} c_k² ρ^k, s² = Σ_{k>1} c_k² (1 − ρ^k)."""
    decay = math.exp(-2 * t)
    total = decay * variance + 1 - decay
    root, rho = math.sqrt(total), decay * variance / total
    coefficients = [0.0] * ORDERS
    for z, w in _normal_nodes():
        before, here = 1.0, z
        value = w * math.tanh(root * z)
        coefficients[0] += value
        for k in range(1, ORDERS):
            coefficients[k] += value * here
            before, here = here, (z * here - math.sqrt(k) * before) / math.sqrt(k + 1)
    v2 = math.fsum(c * c * rho**k for k, c in enumerate(coefficients) if k > 1)
    s2 = math.fsum(c * c * (1 - rho**k) for k, c in enumerate(coefficients) if k > 1)
    # (1 − ρ): the noise's linear part is b², not s²
    return coefficients[1] / root, v2, s2


def _by_pairs(variance: float, t: float) -> tuple[float, float, float]:
    """The same from the definitions, by quadrature over two fields."""
    decay = math.exp(-2 * t)
    noise = 1 - decay
    total = decay * variance + noise
    root = math.sqrt(total)
    nodes = [(x, w) for x, w in _normal_nodes()[::2]]
    weight = math.fsum(w for _, w in nodes)
    nodes = [(x, w / weight) for x, w in nodes if w > 1e-14]
    square = math.fsum(w * math.tanh(root * x) ** 2 for x, w in nodes)
    slope = math.fsum(w / math.cosh(root * x) ** 2 for x, w in nodes)
    shared, own = math.sqrt(decay * variance), math.sqrt(noise)
    product = math.fsum(w * math.fsum(w2 * math.tanh(shared * x + own * x2) for x2, w2 in nodes) ** 2 for x, w in nodes)
    v2 = product - slope**2 * decay * variance
    return slope, v2, square - slope**2 * total - v2


def _variance_squared() -> Check:
    """v² at t = 0.01 for Tr Σ/d = 1.5, of which the code takes the square."""
    return _by_pairs(1.5**2, 0.01)[1], _by_pairs(1.5, 0.01)[1], _by_series(1.5, 0.01)[1]


def _monte_carlo() -> Check:
    """s² at t = 0.01, which the code's own seed gives as 0.00261 from 5·10⁵ draws."""
    return 0.00261, _by_pairs(1.0, 0.01)[2], _by_series(1.0, 0.01)[2]


def _mean_kept() -> Check:
    """v² of a ReLU at t = 0.05, from which the code does not take the squared mean of the activation."""
    rho = math.exp(-0.1)
    kernel = (math.sqrt(1 - rho**2) + rho * (math.pi - math.acos(rho))) / (2 * math.pi)
    mean = 1 / (2 * math.pi)
    # independently: c_{2j}² = ((2j − 3)!!)²/(2π(2j)!) of its Hermite series, by recursion from c_2² = 1/4π
    square, v2 = 1 / (4 * math.pi), 0.0
    for j in range(1, 400):
        v2 += square * rho ** (2 * j)
        square *= (2 * j - 1) ** 2 / ((2 * j + 1) * (2 * j + 2))
    return kernel - rho / 4, kernel - rho / 4 - mean, v2


def _noise_term() -> Check:
    """Mean diagonal of the noise term b²WWᵀ/d at t = 0.3 in d = 40: the code divides by d twice."""
    d, t = 40, 0.3
    noise = 1 - math.exp(-2 * t)
    b2 = _by_pairs(1.0, t)[0] ** 2 * noise
    # independently: the part of a feature's variance that is linear in the noise, averaged over drawn weights
    draw = random.Random(0)
    rows = [[draw.gauss(0, 1) / math.sqrt(d) for _ in range(d)] for _ in range(400)]
    slope = _by_series(1.0, t)[0]
    drawn = math.fsum((slope * math.sqrt(noise) * w) ** 2 for row in rows for w in row) / len(rows)
    # fluctuates by √(2/(400 d)), one per cent: shown for the same weights
    norms = math.fsum(w * w for row in rows for w in row) / len(rows)
    return b2 * norms / d, b2 * norms, drawn


def _top_edge(psi_p: float, psi_n: float, t: float) -> float:
    """Upper edge of U for Σ = 1, tanh, m = ∞: where u(q), with θ eliminated, is stationary."""
    slope, v2, s2 = _by_pairs(1.0, t)
    alpha2, b2 = slope**2 * math.exp(-2 * t), slope**2 * (1 - math.exp(-2 * t))

    def height(q: float) -> float:
        """u(q) at real q < 0 on the branch from u = ∞."""
        # D = 1/θ solves a quadratic equation; D → 1 for q → 0.
        rest, shared = 1 / (psi_p * q) + b2, 1 + v2 * psi_p * q / psi_n
        linear = alpha2 - shared * rest - alpha2 / psi_n
        square = linear**2 + 4 * rest * shared * alpha2
        if square < 0:
            return math.inf
        theta = -2 * rest / (linear + math.sqrt(square))
        h = theta * alpha2 + b2
        return s2 + theta * v2 + h / (1 + psi_p * q * h) - 1 / q

    # From far above: u falls with |q| until the edge.
    q, factor = -1e-4, 1.02
    while height(q * factor) < height(q):
        q *= factor
    low, high = q / factor, q * factor
    for _ in range(80):
        one, two = low + 0.382 * (high - low), low + 0.618 * (high - low)
        if height(one) < height(two):
            high = two
        else:
            low = one
    return height((low + high) / 2)


def _step_size() -> Check:
    """Largest stable step of gradient descent at ψ = (100, 1), t = 0.01; the code's is 0.02."""
    edge = _top_edge(100.0, 1.0, 0.01)

    def diverges(step: float) -> bool:
        a = 0.0
        for _ in range(2000):
            a -= step * (edge * a + 1)
            if abs(a) > 1e3 / edge:
                return True
        return False

    low, high = 0.0, 0.1
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if diverges(middle) else (middle, high)
    return 0.02, 2 / edge, low


def _recorded_time() -> Check:
    """Training time after the first recorded epoch (step 0.02), which the code calls 0."""
    step, rate = 0.02, 1e-3
    weight = -step * 1.0
    # independently: the time at which gradient flow has that weight
    return 0.0, step, float(-mpmath.log(1 + rate * weight) / rate)


def _test_law() -> Check:
    """Variance of x_t at t = 0.1 for Tr Σ/d = 1.5; the code's error on the score draws from N(0, 1)."""
    decay = math.exp(-0.2)
    draw = random.Random(1)
    count = 200_000
    sample = [
        math.sqrt(decay) * math.sqrt(1.0 if k % 2 else 2.0) * draw.gauss(0, 1) + math.sqrt(1 - decay) * draw.gauss(0, 1)
        for k in range(count)
    ]
    return 1.0, decay * 1.5 + 1 - decay, math.fsum(x * x for x in sample) / count


def slips() -> tuple[Slip, ...]:
    """All of them."""
    where = "Code of Bonnaire et al. 2025 (Theory/src)"
    return (
        Slip(
            f"{where}: sigma_xv in Gamma_t^2",
            "variance (Tr Σ/d)²",
            "variance Tr Σ/d",
            _variance_squared,
            "Harmless where Tr Σ = d; the defaults λ = 1, 2 have 1.5, and v² comes out half as large again.",
        ),
        Slip(
            f"{where}: comparison matrix",
            "b²WWᵀ/d with W divided by √d before",
            "b²WWᵀ",
            _noise_term,
            "The noise term is lost: invisible in the top bulk at small t, gross at t = 0.3.",
        ),
        Slip(
            f"{where}: constants by Monte Carlo",
            "s² = 0.00261",
            "s² by quadrature",
            _monte_carlo,
            "s² is a small difference of averages; it sets the atom and the saturation of the memorisation time.",
        ),
        Slip(
            f"{where}: mean of the activation",
            "v² with μ₀²",
            "v² without",
            _mean_kept,
            "Nothing for odd activations; v² of any other is wrong, and μ₀² of an even one is taken for what noises share.",
        ),
        Slip(
            f"{where}: step of gradient descent",
            "0.02 at all sizes",
            "below 2/u_max",
            _step_size,
            "Marginal at ψ = (64, 1), divergent at (100, 1).",
        ),
        Slip(
            f"{where}: recorded time",
            "epoch × step",
            "(epoch + 1) × step",
            _recorded_time,
            "The loss is recorded after the step.",
        ),
        Slip(
            f"{where}: error on the score",
            "x ~ N(0, 1)",
            "x_t ~ N(0, e^{−2t}Σ + Δ)",
            _test_law,
            "The same only for Σ = 1.",
        ),
    )
