"""How E_t averages at one τ: times, probabilities and weights of the loss put together; and their checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ....common.input.checks import InputError, array, fail
from ..functions.of_time import OfTau, OfTime
from ..functions.table import TauTable, frozen, is_table

#: What a user calls them.
WEIGHTS, PROBABILITIES = "training.weights", "training.time_probabilities"


@dataclass(frozen=True)
class TimeAverage:
    """How E_t averages at one τ: E_t f = Σ_i first_i f(t_i), and a noise that is made time by time takes ``second``.

    Attributes
    ----------
    times : (n,)
        In rising order, each once.
    first : (n,)
        Σ p w: of all that is linear in the gradient. One sample at all times is averaged with these before it is squared.
    second : (n,)
        Σ p w²: of the squares of the gradient, where every step takes one time (of one fixed time: the square of ``first``).
    """

    times: np.ndarray
    first: np.ndarray
    second: np.ndarray

    @classmethod
    def of(cls, times: np.ndarray, p: np.ndarray, w: np.ndarray, shared: bool) -> TimeAverage:
        """From the times as they are given, each with its probability and its weight.

        ``shared``: one sample serves all times, so that its gradients are averaged before they are squared.
        """
        there, index = np.unique(times, return_inverse=True)
        first = np.bincount(index, p * w)
        return cls(there, first, first**2 if shared else np.bincount(index, p * w**2))


def checked_weights(weights: object, count: int | None, tau: float) -> Any:
    """Weights of the loss: an expression, a list, or a table along τ, for so many times (None: a quadrature)."""
    if weights is None:
        return None
    if isinstance(weights, str):
        OfTime(weights, WEIGHTS)
        return weights
    if count is None:
        fail(WEIGHTS, weights, "an expression in t where training.quadrature is given")
    if is_table(weights):
        OfTau(frozen(weights), WEIGHTS, tau, count).within(0.0, np.inf)
        return frozen(weights)
    values = array(WEIGHTS, weights, ndim=1)
    if len(values) != count or np.any(values < 0) or not np.any(values > 0):
        fail(WEIGHTS, weights, f"{count} numbers >= 0, one for each time and not all 0, or an expression in t")
    return values


def checked_probabilities(given: object, count: int | None, tau: float, average: str) -> Any:
    """Probabilities of so many times: a list, or a table along τ."""
    if given is None:
        return None
    if average != "random" or count is None:
        raise InputError(f'{PROBABILITIES}: must be left out unless average = "random" and times are given')
    allowed = f"{count} numbers >= 0, one for each time, that sum to 1"
    if is_table(given):
        rows = TauTable(given, tau, PROBABILITIES, count).knots[:, 1:]
        if np.any(rows < 0) or np.any(np.abs(rows.sum(axis=1) - 1) > 1e-8):
            fail(PROBABILITIES, given, f"in every row {allowed}")
        return frozen(given)
    p = array(PROBABILITIES, given, ndim=1)
    if len(p) != count or np.any(p < 0) or abs(p.sum() - 1) > 1e-8:
        fail(PROBABILITIES, given, allowed)
    return p / p.sum()
