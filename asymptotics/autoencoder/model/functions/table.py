"""Tables along the training: values at some τ, linear between them, with a jump where a τ is repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import array, fail

#: What the head of a table begins with.
HEAD = "tau"


def is_table(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether this is such a table, by its head ``["tau", ...]``."""
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) == 0:
        return False
    head = value[0]
    return not isinstance(head, str) and isinstance(head, Sequence) and len(head) > 0 and head[0] == HEAD


def frozen(value: Sequence[Any]) -> tuple[Any, ...]:
    """The table as tuples, which can be kept by their value."""
    return tuple(tuple(row) for row in value)


class TauTable:
    """A function of τ on [0, ``tau``] from a table.

    Parameters
    ----------
    rows : sequence
        A head ``["tau", name, …]`` and rows ``[τ, value, …]`` of rising τ from 0 to at least ``tau``; a repeated τ is a jump.
    tau : float
    key : str
        What a user calls it.
    columns : int
        Values a row.
    """

    def __init__(self, rows: Sequence[Any], tau: float, key: str, columns: int = 1) -> None:
        body = [list(row) if isinstance(row, Sequence) and not isinstance(row, str) else row for row in rows[1:]]
        knots = array(key, body if body else np.zeros((0, 1 + columns)), shape=(None, 1 + columns))
        steps = np.diff(knots[:, 0])
        twice = np.any((steps[1:] == 0) & (steps[:-1] == 0)) if len(steps) > 1 else False
        if len(knots) < 2 or np.any(steps < 0) or twice or knots[0, 0] != 0 or knots[-1, 0] < tau:
            allowed = f"a head and rows of rising tau from 0 to at least {tau:g} (one tau twice: a jump), {columns} values each"
            fail(key, [list(rows[0]), *body], allowed)
        self.knots, self.tau, self.key = knots, tau, key

    @property
    def pieces(self) -> np.ndarray:
        """The τ at which it has a kink or a jump, and both ends."""
        inner = self.knots[:, 0]
        return np.unique(np.array([0.0, *inner[(inner > 0) & (inner < self.tau)], self.tau]))

    def __call__(self, tau: ArrayLike) -> np.ndarray:
        """Values at τ, (…,), or (…, columns) where there are several; at a jump those after it."""
        x, values = self.knots[:, 0], self.knots[:, 1:]
        tau = np.minimum(np.asarray(tau, dtype=np.float64), x[-1])
        right = np.clip(np.searchsorted(x, tau, side="right"), 1, len(x) - 1)
        length = x[right] - x[right - 1]
        share = np.divide(tau - x[right - 1], length, out=np.ones_like(tau), where=length > 0)[..., None]
        found = (1 - share) * values[right - 1] + share * values[right]
        return np.asarray(found[..., 0] if values.shape[1] == 1 else found)
