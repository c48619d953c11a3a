"""Functions in an experiment file: of the time t (through t, α, β and their derivatives), and of the training time τ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ...common.input import expressions
from ...common.input.checks import array, fail
from ...common.numerics.interpolants import Interpolant
from .rate_schedule import RateSchedule, rate_schedule

if TYPE_CHECKING:
    import sympy

#: What a function of the time may contain.
TIME = ("t", "alpha", "beta", "alpha_dot", "beta_dot")
#: Head of a table of a function of τ.
TABLE = ("tau", "time")


def constant(text: Any) -> float | None:
    """The number that a text is, None where it is none."""
    try:
        return None if isinstance(text, bool) else float(text)
    except (TypeError, ValueError):
        return None


@dataclass(frozen=True)
class OfTime:
    """A checked expression in t, alpha, beta, alpha_dot and beta_dot.

    Parameters
    ----------
    text : str or float
    key : str
        What a user calls it.
    """

    text: Any
    key: str

    def __post_init__(self) -> None:
        expressions.check(self.text, TIME, self.key)

    def __call__(self, interpolant: Interpolant, t: Any) -> np.ndarray:
        """Its values at the times ``t``; not finite where it is singular."""
        number = constant(self.text)
        if number is not None:
            return np.full(np.shape(t), number)
        return _compiled(self.text, self.key)(*schedule_rows(interpolant, t))

    def symbolic(self) -> sympy.Expr:
        """In the symbols of `derivations.schedule`."""
        from derivations import schedule

        return schedule.own(expressions.to_sympy(self.text, TIME, self.key), TIME)


@lru_cache(maxsize=256)
def _compiled(text: Any, key: str) -> Callable[..., np.ndarray]:
    order = ("alpha", "beta", "alpha_dot", "beta_dot", "t")
    return expressions.to_function(expressions.to_sympy(text, TIME, key), order)


def schedule_rows(interpolant: Interpolant, t: Any) -> np.ndarray:
    """α, β, α̇, β̇ and t at the times t, (5, …)."""
    t = np.asarray(t, dtype=np.float64)
    return np.stack([*(f(t) for f in (interpolant.alpha, interpolant.beta)), *_dots(interpolant, t), t])


def _dots(interpolant: Interpolant, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return interpolant.alpha_dot(t), interpolant.beta_dot(t)


@dataclass(frozen=True)
class OfTau:
    """A checked function of the training time: an expression in tau, or a table of values between which it is linear.

    Parameters
    ----------
    text : str or sequence
        An expression; or ``[["tau", "time"], [0.0, 0.3], [4.0, 0.7]]``.
    key : str
    tau : float
        End of the training.
    """

    text: Any
    key: str
    tau: float

    def __post_init__(self) -> None:
        if isinstance(self.text, str):
            expressions.check(self.text, ["tau"], self.key)
            return
        knots = self.knots
        if len(knots) < 2 or np.any(np.diff(knots[:, 0]) <= 0) or knots[0, 0] > 0 or knots[-1, 0] < self.tau:
            fail(self.key, self.text, f"rows of rising tau from 0 to at least {self.tau:g}, two at least")

    @cached_property
    def knots(self) -> np.ndarray:
        """The rows of a table, (n, 2)."""
        return array(self.key, [list(row) for row in self.text[1:]], shape=(None, 2))

    @cached_property
    def _schedule(self) -> RateSchedule:
        return rate_schedule(self.text, self.tau, self.key)

    @cached_property
    def pieces(self) -> np.ndarray:
        """Ends of pieces of [0, τ] that no step of an integrator should cross."""
        if isinstance(self.text, str):
            return self._schedule.pieces
        inner = self.knots[:, 0]
        return np.array([0.0, *inner[(inner > 0) & (inner < self.tau)], self.tau])

    def __call__(self, tau: Any) -> np.ndarray:
        """Its values at τ."""
        if isinstance(self.text, str):
            return self._schedule(tau)
        return np.interp(tau, self.knots[:, 0], self.knots[:, 1])

    def within(self, low: float, high: float) -> None:
        """Fail unless it is finite and in [low, high] for all τ."""
        values = self(np.unique(np.concatenate([np.linspace(0.0, self.tau, 513), self.pieces])))
        if not np.all(np.isfinite(values) & (values >= low) & (values <= high)):
            fail(self.key, self.text, f"finite and in [{low:g}, {high:g}] for all tau in [0, {self.tau:g}]")


def is_table(value: Any) -> bool:
    """Whether this is a table of a function of τ, by its head."""
    rows = isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0
    return rows and isinstance(value[0], Sequence) and tuple(value[0]) == TABLE
