"""Adjoints of kernels, against derivatives done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asymptotics.common.numerics.code import slopes
from asymptotics.common.numerics.code.closed_forms import arcsine_ratio, both_positive, gaussian_at, positive, schur
from asymptotics.common.numerics.code.reverse import adjoint_source


def made(source: str, *active: str, scalars: tuple[str, ...] = ()):
    """The adjoint of ``kernel`` as a function."""
    names = {"math": math, "np": np}
    exec(adjoint_source(source, [*active, *scalars], ["out"], scalars), names)
    return names["kernel_adjoint"]


def test_sum_over_nodes_of_a_product() -> None:
    """out_i = Σ_k w_k sin(a_i z_k + b)²: d/da_i = Σ w 2 sin cos z, d/db = Σ w 2 sin cos."""
    source = (
        "def kernel(z, w, a, b, out):\n"
        "    for i in range(a.shape[0]):\n"
        "        s = 0.0\n"
        "        for k in range(w.shape[0]):\n"
        "            x = math.sin(a[i] * z[k] + b)\n"
        "            s += w[k] * (x * x)\n"
        "        out[i] = s\n"
    )
    rng = np.random.default_rng(0)
    z, w, a, worth = rng.standard_normal((4, 3))
    bar_a, bar_b = np.zeros(3), np.zeros(1)
    made(source, "a", scalars=("b",))(z, w, a, 0.3, worth, bar_a, bar_b)
    inner = a[:, None] * z + 0.3
    twice = np.sin(2 * inner)  # 2 sin cos
    np.testing.assert_allclose(bar_a, worth * ((twice * z) @ w), rtol=1e-13)
    np.testing.assert_allclose(bar_b, [worth @ (twice @ w)], rtol=1e-13)


def test_sums_that_are_used_afterwards() -> None:
    """out = (Σ_h t_h exp(x_h))³: d/dx_h = 3(Σ)² t_h exp(x_h), d/dt_h = 3(Σ)² exp(x_h)."""
    source = (
        "def kernel(t, x, out):\n"
        "    G = 0.0\n"
        "    for h in range(t.shape[0]):\n"
        "        g = math.exp(x[h])\n"
        "        G = G + t[h] * g\n"
        "    out[0] = G ** 3\n"
    )
    t, x = np.array([0.3, 0.7]), np.array([0.2, -0.4])
    bar_t, bar_x = np.zeros(2), np.zeros(2)
    made(source, "t", "x")(t, x, np.ones(1), bar_t, bar_x)
    total = 3 * (t @ np.exp(x)) ** 2
    np.testing.assert_allclose(bar_t, total * np.exp(x), rtol=1e-14)
    np.testing.assert_allclose(bar_x, total * t * np.exp(x), rtol=1e-14)


CLOSED = {
    "positive": (positive, (0.4, 1.3)),
    "gaussian_at": (gaussian_at, (0.4, 1.3)),
    "arcsine_ratio": (arcsine_ratio, (0.5, 1.3, 0.8)),
    "schur": (schur, (0.5, 0.4, 0.7, 1.3)),
    "both_positive": (both_positive, (0.4, -0.2, 1.3, 0.8, 0.5)),
}


@pytest.mark.parametrize("name", CLOSED)
def test_slopes_of_closed_forms(name: str) -> None:
    """Every partial derivative against a difference of fourth order of the function itself."""
    function, at = CLOSED[name]
    for k, text in enumerate(slopes.SLOPES[name]):
        got = eval(text.format(*map(repr, at)), vars(slopes))
        h = 1e-3

        def moved(e: float, k: int = k) -> float:
            return function(*(x + e * (i == k) for i, x in enumerate(at)))

        wanted = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h)
        assert got == pytest.approx(wanted, rel=1e-9)


def test_what_is_no_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="no derivative of math\\.gamma"):
        made("def kernel(x, out):\n    out[0] = math.gamma(x[0])\n", "x")
