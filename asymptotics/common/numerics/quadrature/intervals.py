"""Bounds of a user's expression and of its slope over whole intervals: what sampling could step over is seen."""

from __future__ import annotations

import ast
from collections.abc import Callable

import numpy as np

#: An interval of numbers: arrays of lower and of upper ends.
Interval = tuple[np.ndarray, np.ndarray]


def enclose(tree: ast.expr, variable: str, low: np.ndarray, high: np.ndarray) -> tuple[Interval, Interval]:
    """Bounds of the expression and of its derivative on [low, high], every pair of ends on its own.

    They hold whatever the expression does in between (up to rounding), and shrink with the interval. At a jump the slope is
    unbounded; where the expression has no value both are.

    Parameters
    ----------
    tree : ast.expr
        From `expressions.check`, in one variable.
    variable : str
    low, high : (n,)
    """
    with np.errstate(all="ignore"):
        value, slope = _visit(tree, variable, (np.asarray(low, float), np.asarray(high, float)))
    return _whole(value), _whole(slope)


def _whole(x: Interval) -> Interval:
    return np.where(np.isnan(x[0]), -np.inf, x[0]), np.where(np.isnan(x[1]), np.inf, x[1])


def _product(x: Interval, y: Interval) -> Interval:
    # 0 times an unbounded end is 0: the end is a limit, not a value.
    ends = np.stack([np.where((a == 0) | (b == 0), 0.0, a * b) for a in x for b in y])
    return ends.min(axis=0), ends.max(axis=0)


def _inverse(x: Interval) -> Interval:
    crosses = (x[0] <= 0) & (x[1] >= 0)
    return np.where(crosses, -np.inf, 1 / x[1]), np.where(crosses, np.inf, 1 / x[0])


def _even(x: Interval, f: Callable[[np.ndarray], np.ndarray]) -> Interval:
    """Image under a function that is even and grows with |x|."""
    a, b = np.abs(x[0]), np.abs(x[1])
    nearest = np.where((x[0] <= 0) & (x[1] >= 0), 0.0, np.minimum(a, b))
    return f(nearest), f(np.maximum(a, b))


def _falling(x: Interval) -> Interval:
    return x[1], x[0]


def _cosine(x: Interval) -> Interval:
    a, b = np.cos(x[0]), np.cos(x[1])
    top = np.floor(x[1] / (2 * np.pi)) >= np.ceil(x[0] / (2 * np.pi))
    bottom = np.floor((x[1] - np.pi) / (2 * np.pi)) >= np.ceil((x[0] - np.pi) / (2 * np.pi))
    return np.where(bottom, -1.0, np.minimum(a, b)), np.where(top, 1.0, np.maximum(a, b))


def _shift(x: Interval, by: float) -> Interval:
    return x[0] + by, x[1] + by


def _power(x: Interval, n: float) -> Interval:
    if n == 0:
        return np.ones_like(x[0]), np.ones_like(x[0])
    if n < 0:
        return _inverse(_power(x, -n))
    if n == round(n) and n % 2 == 0:
        return _even(x, lambda v: v**n)
    if n == round(n):
        return x[0] ** n, x[1] ** n
    # A root has no value below 0; that it reaches there is seen at the points themselves.
    return np.maximum(x[0], 0.0) ** n, np.maximum(x[1], 0.0) ** n


def _function(name: str, x: Interval) -> tuple[Interval, Interval]:
    """Image of an interval and of the derivative on it."""
    from scipy.special import erf

    one, zero = np.ones_like(x[0]), np.zeros_like(x[0])
    if name == "exp":
        y = np.exp(x[0]), np.exp(x[1])
        return y, y
    if name == "log":
        positive = np.maximum(x[0], 0.0), x[1]
        return (np.log(positive[0]), np.log(positive[1])), _inverse(positive)
    if name == "sqrt":
        y = np.sqrt(np.maximum(x[0], 0.0)), np.sqrt(np.maximum(x[1], 0.0))
        return y, _product(_inverse(y), (0.5 * one, 0.5 * one))
    if name == "sin":
        return _cosine(_shift(x, -np.pi / 2)), _cosine(x)
    if name == "cos":
        return _cosine(x), _cosine(_shift(x, np.pi / 2))
    if name == "tan":
        y = np.tan(x[0]), np.tan(x[1])
        branch = np.floor(x[0] / np.pi + 0.5) == np.floor(x[1] / np.pi + 0.5)
        y = np.where(branch, y[0], -np.inf), np.where(branch, y[1], np.inf)
        return y, _shift(_even(y, np.square), 1.0)
    if name == "tanh":
        return (np.tanh(x[0]), np.tanh(x[1])), _falling(_even(x, lambda v: 1 / np.cosh(v) ** 2))
    if name == "sinh":
        return (np.sinh(x[0]), np.sinh(x[1])), _even(x, np.cosh)
    if name == "cosh":
        return _even(x, np.cosh), (np.sinh(x[0]), np.sinh(x[1]))
    if name == "erf":
        return (erf(x[0]), erf(x[1])), _falling(_even(x, lambda v: 2 / np.sqrt(np.pi) * np.exp(-(v**2))))
    if name == "abs":
        return _even(x, lambda v: v), (np.sign(x[0]), np.sign(x[1]))
    if name == "sign":
        jump = (x[0] <= 0) & (x[1] >= 0) & (x[0] < x[1])
        return (np.sign(x[0]), np.sign(x[1])), (zero, np.where(jump, np.inf, 0.0))
    raise ValueError(f"no bounds of {name}")


def _larger(x: Interval, dx: Interval, y: Interval, dy: Interval) -> tuple[Interval, Interval]:
    first, second = x[0] > y[1], y[0] > x[1]
    low = np.where(first, dx[0], np.where(second, dy[0], np.minimum(dx[0], dy[0])))
    high = np.where(first, dx[1], np.where(second, dy[1], np.maximum(dx[1], dy[1])))
    return (np.maximum(x[0], y[0]), np.maximum(x[1], y[1])), (low, high)


def _minus(x: Interval) -> Interval:
    return -x[1], -x[0]


def _visit(node: ast.expr, variable: str, x: Interval) -> tuple[Interval, Interval]:
    zero = np.zeros_like(x[0])
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return (zero + node.value, zero + node.value), (zero, zero)
    if isinstance(node, ast.Name):
        if node.id == variable:
            return x, (zero + 1, zero + 1)
        return (zero + np.pi, zero + np.pi), (zero, zero)
    if isinstance(node, ast.UnaryOp):
        u, du = _visit(node.operand, variable, x)
        return (_minus(u), _minus(du)) if isinstance(node.op, ast.USub) else (u, du)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        u, du = _visit(node.args[0], variable, x)
        if node.func.id in ("max", "min"):
            v, dv = _visit(node.args[1], variable, x)
            if node.func.id == "max":
                return _larger(u, du, v, dv)
            w, dw = _larger(_minus(u), _minus(du), _minus(v), _minus(dv))
            return _minus(w), _minus(dw)
        y, dy = _function(node.func.id, _whole(u))
        return _whole(y), _product(_whole(dy), du)
    if not isinstance(node, ast.BinOp):
        raise ValueError(f"no bounds of {ast.dump(node)}")
    u, du = _visit(node.left, variable, x)
    v, dv = _visit(node.right, variable, x)
    if isinstance(node.op, ast.Add):
        return (u[0] + v[0], u[1] + v[1]), (du[0] + dv[0], du[1] + dv[1])
    if isinstance(node.op, ast.Sub):
        return (u[0] - v[1], u[1] - v[0]), (du[0] - dv[1], du[1] - dv[0])
    if isinstance(node.op, ast.Mult):
        a, b = _product(du, v), _product(u, dv)
        return _product(u, v), (a[0] + b[0], a[1] + b[1])
    if isinstance(node.op, ast.Div):
        w = _inverse(v)
        quotient = _product(u, w)
        a, b = _product(du, w), _product(_product(quotient, w), dv)
        return quotient, (a[0] - b[1], a[1] - b[0])
    if np.all(v[0] == v[1]) and np.all(v[0] == v[0][:1]):
        n = float(v[0][0])
        derivative = _product(_power(u, n - 1), (zero + n, zero + n)) if n else (zero, zero)
        return _power(u, n), _product(_whole(derivative), du)
    # u**v = exp(v log u)
    logarithm, slope = _function("log", u)
    exponent = _product(v, _whole(logarithm))
    a, b = _product(dv, _whole(logarithm)), _product(v, _product(_whole(slope), du))
    y = np.exp(exponent[0]), np.exp(exponent[1])
    return y, _product(y, (a[0] + b[0], a[1] + b[1]))
