"""Functions in an experiment file: of the time t (through t, α, β and their derivatives), and of the training time τ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.input import expressions
from ....common.input.checks import fail
from ....common.numerics.interpolants import Interpolant
from .rate_schedule import RateSchedule, rate_schedule
from .table import TauTable

if TYPE_CHECKING:
    import sympy

#: What a function of the time may contain.
TIME = ("t", "alpha", "beta", "alpha_dot", "beta_dot")


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

    def __call__(self, interpolant: Interpolant, t: ArrayLike) -> np.ndarray:
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
def _compiled(text: object, key: str) -> Callable[..., np.ndarray]:
    order = ("alpha", "beta", "alpha_dot", "beta_dot", "t")
    return expressions.to_function(expressions.to_sympy(text, TIME, key), order)


def schedule_rows(interpolant: Interpolant, t: ArrayLike) -> np.ndarray:
    """α, β, α̇, β̇ and t at the times t, (5, …)."""
    t = np.asarray(t, dtype=np.float64)
    return np.stack([*(f(t) for f in (interpolant.alpha, interpolant.beta)), *_dots(interpolant, t), t])


def _dots(interpolant: Interpolant, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return interpolant.alpha_dot(t), interpolant.beta_dot(t)


@dataclass(frozen=True)
class OfTau:
    """A checked function of the training time: an expression in tau, or a table (`TauTable`).

    Parameters
    ----------
    text : str or tuple
    key : str
    tau : float
        End of the training.
    columns : int
        Values that a row of a table has beside τ.
    """

    text: Any
    key: str
    tau: float
    columns: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.text, str):
            expressions.check(self.text, ["tau"], self.key)
        _ = self.function

    @cached_property
    def function(self) -> RateSchedule | TauTable:
        """What computes it."""
        if isinstance(self.text, str):
            return rate_schedule(self.text, self.tau, self.key)
        return TauTable(self.text, self.tau, self.key, self.columns)

    @property
    def pieces(self) -> np.ndarray:
        """Ends of pieces of [0, τ] that no step of an integrator should cross."""
        return self.function.pieces

    def __call__(self, tau: ArrayLike) -> np.ndarray:
        """Its values at τ."""
        return self.function(tau)

    def within(self, low: float, high: float) -> None:
        """Fail unless it is finite and in [low, high] for all τ."""
        values = self(np.unique(np.concatenate([np.linspace(0.0, self.tau, 513), self.pieces])))
        if isinstance(self.function, TauTable):
            values = np.concatenate([values.ravel(), self.function.knots[:, 1:].ravel()])
        if not np.all(np.isfinite(values) & (values >= low) & (values <= high)):
            fail(self.key, self.text, f"finite and in [{low:g}, {high:g}] for all tau in [0, {self.tau:g}]")
