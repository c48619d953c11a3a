"""Where the talks on interacting theories say less, or else, than what follows; each with a check."""

from __future__ import annotations

import math

from ..steps import Slip

Check = tuple[float, float, float]
NODES, REACH = 400, 10.0


def _nodes() -> list[tuple[float, float]]:
    """The trapezoid rule for a standard normal variable: for analytic functions it converges exponentially."""
    step = 2 * REACH / NODES
    points = [-REACH + step * (k + 0.5) for k in range(NODES)]
    return [(x, step * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)) for x in points]


def _raw_orders() -> Check:
    """The banana c = 0.7 against ĉ = 0.9: order three of raw monomials, the part of k > 2, and the divergence by quadrature."""
    c, other = 0.7, 0.9
    third = (c - other) * 3 * c
    nodes = _nodes()
    direct = math.fsum(
        w * v * ((e + (c - other) * x * x) ** 2 - e * e) / 2 for x, w in nodes for e, v in nodes[::4] for v in [4 * v]
    )
    return third, 1.5 * (c - other) ** 2, direct


def _moment_matched() -> Check:
    """x_2 = x_1² + ε, x_1 of s.d. 1.2 against 1: the rest after matched Gaussians, the part of k > 2, and KL minus KL of the inputs."""
    v = 1.2**2
    inputs = (v - 1 - math.log(v)) / 2
    # Moment-matched Gaussians: diag(v, 1 + 2v²), mean (0, v), against diag(1, 3), mean (0, 1).
    ratio = (1 + 2 * v * v) / 3
    gaussians = inputs + (ratio - 1 - math.log(ratio) + (v - 1) ** 2 / 3) / 2
    nodes = _nodes()
    # Given x_1 the two laws are equal.
    root = math.sqrt(v)
    direct = math.fsum(w * (-x * x / 2 - math.log(root) + v * x * x / 2) for x, w in nodes)
    return inputs - gaussians, 0.0, direct - inputs


def slips() -> tuple[Slip, ...]:
    """Both ways of splitting a divergence that are not what a part should be."""
    return (
        Slip(
            "Talk of 12.08.2025: the part k > 2 of a divergence, by orders of the action",
            "sum of A^(k) differences times moments, order by order",
            "Hermite orders under the averaging law",
            _raw_orders,
            "The part is not defined in the talk. Orders of raw monomials have signs, depend on the origin, and are of order N^(-1/2) in a "
            "sum of order 1/N; the third is negative here, although the divergence is all of k > 2.",
        ),
        Slip(
            "Talk of 12.08.2025: the part k > 2 of a divergence, beyond matched Gaussians",
            "divergence minus that of the Gaussians of equal moments",
            "Hermite orders under the averaging law",
            _moment_matched,
            "The rest after the Gaussians of equal moments can be negative: here both laws have the same interaction and differ in the "
            "variance of the input alone.",
        ),
    )
