"""Activations ϱ of the features: by name or as an expression in x, with their smoothed Hermite coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..common.input.checks import InputError, closest
from ..common.input.expressions import to_function, to_sympy

if TYPE_CHECKING:
    import sympy

#: Nodes of the smoothed coefficients of functions without a closed form; four times as many where there is a kink.
NODES = 60


def _relu(x: ArrayLike) -> Any:
    return np.maximum(x, 0.0)


def _erf(x: ArrayLike) -> Any:
    # Here and below: reading an experiment does not load SciPy.
    from scipy.special import erf

    return erf(x)


def _sigmoid(x: ArrayLike) -> Any:
    from scipy.special import expit

    return expit(x)


def _softplus(x: ArrayLike) -> Any:
    return np.logaddexp(0.0, x)


def _linear(x: ArrayLike) -> Any:
    return np.asarray(x, dtype=float)


#: erf is the error function itself, as in an expression (not erf(x/√2)).
NAMED: dict[str, Callable[[Any], Any]] = {
    "tanh": np.tanh,
    "erf": _erf,
    "relu": _relu,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "linear": _linear,
}
#: Where an expression is looked at for kinks: beyond this no preactivation of order-one data reaches.
REACH = 100.0


@dataclass(frozen=True)
class Activation:
    """A function ϱ with the places of its kinks and jumps.

    Parameters
    ----------
    name : str
        A name in `NAMED` or an expression in x.
    function : callable
        ϱ on arrays.
    kinks : tuple of float
    """

    name: str
    function: Callable[[Any], Any]
    kinks: tuple[float, ...] = ()

    def __call__(self, x: ArrayLike) -> Any:
        return self.function(x)

    def smoothed(self, at: np.ndarray, width: np.ndarray, orders: int) -> tuple[np.ndarray, np.ndarray]:
        r"""Coefficients c_k = E[ϱ(h + ςz) He_k(z)]/√k!, k = 0 … ``orders``, and E ϱ², z ~ N(0, 1).

        Parameters
        ----------
        at : ndarray
            h, any shape.
        width : ndarray
            ς > 0, broadcast against h.
        orders : int

        Returns
        -------
        coefficients : ndarray, shape (orders + 1, *h.shape)
        square : ndarray, shape of h
        """
        at, width = np.broadcast_arrays(np.asarray(at, dtype=float), np.asarray(width, dtype=float))
        if self.name == "relu":
            return _smoothed_relu(at, width, orders)
        if self.name == "erf":
            return _smoothed_erf(at, width, orders, self)
        z, w = _rule(4 * NODES if self.kinks else NODES)
        basis = _hermite(z, orders)
        coefficients = np.zeros((orders + 1, *at.shape))
        square = np.zeros(at.shape)
        for node, weight, polynomials in zip(z, w, basis.T, strict=True):
            value = self(at + width * node)
            square += weight * value**2
            for k in range(orders + 1):
                coefficients[k] += weight * polynomials[k] * value
        return coefficients, square


@lru_cache(maxsize=8)
def _rule(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    from scipy.special import roots_hermitenorm

    z, w = roots_hermitenorm(nodes)
    keep = w > 1e-18 * w.sum()
    return z[keep], w[keep] / w.sum()


def _hermite(z: np.ndarray, orders: int) -> np.ndarray:
    """He_k(z)/√k! for k = 0 … orders, shape (orders + 1, *z.shape)."""
    rows = [np.ones_like(z), z]
    for k in range(1, orders):
        rows.append((z * rows[k] - np.sqrt(k) * rows[k - 1]) / np.sqrt(k + 1))
    return np.array(rows[: orders + 1])


def _smoothed_relu(h: np.ndarray, width: np.ndarray, orders: int) -> tuple[np.ndarray, np.ndarray]:
    """From c_k = ς^k g^(k)(h)/√k! with g(h) = E ϱ(h + ςz)."""
    y = h / width
    density, below = np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi), 0.5 * (1 + _erf(y / np.sqrt(2)))
    rows = [width * (y * below + density), width * below]
    # g'' is a Gaussian: its derivatives are (−1)^j He_j times it
    polynomials = _hermite(y, max(1, orders))
    for k in range(2, orders + 1):
        rows.append(width * density * (-1) ** k * polynomials[k - 2] / np.sqrt(k * (k - 1)))
    return np.array(rows[: orders + 1]), width**2 * ((1 + y**2) * below + y * density)


def _smoothed_erf(h: np.ndarray, width: np.ndarray, orders: int, self: Activation) -> tuple[np.ndarray, np.ndarray]:
    spread = np.sqrt(0.5 + width**2)
    y, ratio = h / spread, width / spread
    density = 2 * np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi)
    polynomials = _hermite(y, max(1, orders))
    rows = [_erf(y / np.sqrt(2))]
    for k in range(1, orders + 1):
        rows.append(ratio**k * density * (-1) ** (k - 1) * polynomials[k - 1] / np.sqrt(k))
    z, w = _rule(NODES)
    square = np.zeros(h.shape)
    for node, weight in zip(z, w, strict=True):
        square += weight * self(h + width * node) ** 2
    return np.array(rows[: orders + 1]), square


@lru_cache(maxsize=64)
def activation(name: str, key: str = "activation") -> Activation:
    """The activation of a name or an expression in x (``"x/sqrt(1 + x**2)"``).

    Raises
    ------
    InputError
        If it is neither, or has no finite value somewhere.
    """
    if name in NAMED:
        return Activation(name, NAMED[name], (0.0,) if name == "relu" else ())
    allowed = f"one of {', '.join(NAMED)} or an expression in x"
    try:
        expression = to_sympy(name, ("x",), key)
    except InputError as error:
        if isinstance(name, str) and name.isidentifier() and name != "x":
            raise InputError(f"{key} = {name!r}: must be {allowed}{closest(name, list(NAMED))}") from None
        raise error from None
    if not expression.free_symbols:
        raise InputError(f"{key} = {name!r}: must be {allowed} (it does not depend on x)")
    function = to_function(expression, ("x",))
    grid = np.linspace(-REACH, REACH, 40001)
    with np.errstate(all="ignore"):
        bad = grid[~np.isfinite(function(grid))]
    if bad.size and np.abs(bad).min() < 10.0:
        raise InputError(f"{key} = {name!r}: has no finite value at x = {bad[np.abs(bad).argmin()]:.4g}")
    return Activation(name, function, _kinks(expression, grid + 1e-7))


def _kinks(expression: sympy.Expr, grid: np.ndarray) -> tuple[float, ...]:
    """Where an argument of |·|, sign, max or min changes its sign."""
    import sympy
    from scipy.optimize import brentq

    arguments = [a.args[0] for a in expression.atoms(sympy.Abs, sympy.sign)]
    for extremum in expression.atoms(sympy.Max, sympy.Min):
        parts = list(extremum.args)
        arguments += [a - b for i, a in enumerate(parts) for b in parts[:i]]
    found = []
    for argument in arguments:
        inner = to_function(argument, ("x",))
        values = inner(grid)
        for i in np.flatnonzero(values[:-1] * values[1:] < 0):
            found.append(brentq(lambda x, f=inner: float(f(x)), grid[i], grid[i + 1]))
    return tuple(sorted(set(np.round(found, 14).tolist())))
