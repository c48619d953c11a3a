"""Derivatives of cheap explicit maps by differences of fourth order, one-sided where a bound stands in the way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...common.input.checks import InputError

#: Step, in units of 1 + |x|: errors h⁴ and ε/h are both of the order 1e-12.
STEP = 1e-3
#: Places (in steps) and weights of the formulae: central, and forwards.
CENTRAL = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))
FORWARD = ((0, -25 / 12), (1, 4.0), (2, -3.0), (3, 4 / 3), (4, -1 / 4))


def differentiate(function: Callable[[np.ndarray], float], y: np.ndarray) -> np.ndarray:
    """The gradient of a function of several variables that is defined around y."""
    out = np.empty_like(y)
    for k in range(len(y)):
        h = STEP * (1.0 + abs(float(y[k])))
        total = 0.0
        for place, weight in CENTRAL:
            x = y.copy()
            x[k] += place * h
            total += weight * function(x)
        out[k] = total / h
    return out


def rate(function: Callable[[float], dict[str, np.ndarray]], size: float) -> dict[str, np.ndarray]:
    """d/de of named arrays at e = 0, where ``function`` may refuse one side by an `InputError`.

    Parameters
    ----------
    function : callable
        From e to arrays by name.
    size : float
        Of what e is added to.
    """
    h = STEP * size if size > 0 else STEP
    refused: InputError | None = None
    for formula, step in ((CENTRAL, h), (FORWARD, h / 4), (FORWARD, -h / 4)):
        try:
            values = [(function(place * step), weight / step) for place, weight in formula]
        except InputError as error:
            refused = error
            continue
        return {name: np.asarray(sum(w * v[name] for v, w in values)) for name in values[0][0]}
    raise refused if refused is not None else InputError("no neighbouring value is allowed")
