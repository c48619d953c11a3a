"""Bounds over intervals hold whatever is sampled inside them, and shrink with the interval."""

import ast

import numpy as np
import pytest

from asymptotics.common.input import expressions
from asymptotics.common.numerics.quadrature.intervals import enclose

TEXTS = [
    "1 + 282*exp(-((tau-2.345)/0.01)**2)", "max(0, sign(tau-1.7))", "abs(sin(3*tau)) + cos(tau)**3", "tau**1.5*(4-tau)",
    "1/(1+tau) - 2**(-tau)", "tanh((tau-2)*5) + erf(tau-1)", "min(tau, 2) * sinh(tau/2) / cosh(tau)", "log(1+tau)*sqrt(tau)",
    "tau**tau", "tan(tau/4)", "-(tau-2)**3", "(tau+1)**(-2)",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_bounds_hold_and_shrink(text):
    tree = expressions.check(text, ["tau"], "text")
    f = expressions.to_function(expressions.to_sympy(text, ["tau"], "text"), ["tau"])
    rng = np.random.default_rng(1)
    low = rng.uniform(0.01, 3.9, 200)
    high = low + 10 ** rng.uniform(-6, 0, 200) * (4 - low)
    (below, above), (falling, rising) = enclose(tree, "tau", low, high)
    inside = low[:, None] + (high - low)[:, None] * rng.uniform(0, 1, 50)
    values = f(inside)
    slack = 1e-9 * (1 + np.abs(values))
    assert np.all(values >= below[:, None] - slack) and np.all(values <= above[:, None] + slack)
    # secants lie between the bounds of the slope
    chords = (f(high) - f(low)) / (high - low)
    slack = 1e-6 * (1 + np.abs(chords)) + 1e-13 * np.max(np.abs(values)) / (high - low)
    assert np.all(chords >= falling - slack) and np.all(chords <= rising + slack)
    if "sign" not in text:
        short = high - low < 1e-4
        assert np.all((above - below)[short] < 1e-2 * (1 + np.abs(rising) + np.abs(falling))[short])


def test_no_value_no_bounds():
    (low, high), _ = enclose(ast.parse("1/(tau-2)", mode="eval").body, "tau", np.array([1.0]), np.array([3.0]))
    assert low == -np.inf and high == np.inf
