"""A SciPy solver taken through pieces of τ: nothing is stepped over, and a trial that runs away is only a trial."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scipy.integrate import OdeSolver

#: A state beyond this, in units of the problem's own scale, has diverged; no fixed nodes follow it there, and steps shrink.
DIVERGED = 1e6
#: A step that failed is tried again this much shorter, this many times.
SHORTER, TRIALS = 0.1, 8

Function = Callable[[float, np.ndarray], np.ndarray]


class StepError(Exception):
    """The integration cannot go on at ``tau``, and why."""

    def __init__(self, tau: float, reason: str) -> None:
        super().__init__(reason)
        self.tau, self.reason = tau, reason


def finite(drift: Function) -> Function:
    """The drift, not-a-number where a trial state leaves what has one: step controls reject that and go on shorter."""

    def guarded(tau: float, y: np.ndarray) -> np.ndarray:
        if not np.all(np.isfinite(y)):
            return np.full_like(y, np.nan)
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                return drift(tau, y)
        except np.linalg.LinAlgError:
            # Decompositions of covariances that a far trial has made infinite.
            return np.full_like(y, np.nan)

    return guarded


def pieces_of(drift: Any, tau: float) -> np.ndarray:
    """Ends of the pieces of [0, τ] on which what moves along τ is tame (`rate_schedule`)."""
    pieces = drift.coefficients.pieces
    return np.append(pieces[pieces < tau], tau)


def steps(
    method: type[OdeSolver], drift: Function, y0: np.ndarray, pieces: np.ndarray, *, scale: float = 1.0, **options: Any
) -> Iterator[Any]:
    """The solver after each of its steps from the first to the last of ``pieces``, none of which crosses an end of one.

    Parameters
    ----------
    method : type
        One of SciPy's `OdeSolver`.
    drift : callable
    y0 : (n,)
    pieces : (m,)
    scale : float
        Of the problem: beside the start, what says which state is too large.
    **options
        Tolerances of the solver.

    Raises
    ------
    StepError
        Where the state diverges, or no step is short enough.
    """
    guarded, limit = finite(drift), DIVERGED * (scale + float(np.max(np.abs(y0))))
    y, usual = y0, None
    for left, right in itertools.pairwise(pieces):
        tau = left
        trial = None if usual is None else min(usual, right - left)
        trials = 0

        def inside(tau: float, y: np.ndarray, end: float = right) -> np.ndarray:
            # At its end a piece has the values before a jump.
            return guarded(min(tau, float(np.nextafter(end, 0.0))), y)

        solver = _start(method, inside, tau, y, right, trial, options)
        while True:
            before, message = (solver.t, solver.y.copy()), None
            try:
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                    message = solver.step()
            except (np.linalg.LinAlgError, ValueError, ZeroDivisionError) as error:
                # An implicit method's own algebra on a trial that is not finite.
                message = str(error)
            if message is None and np.all(np.isfinite(solver.y)):
                if np.max(np.abs(solver.y)) > limit:
                    raise StepError(float(solver.t), f"the order parameters diverge (beyond {limit:.0e})")
                yield solver
                tau, y, trials = solver.t, solver.y, 0
                if solver.status != "running":
                    break
                continue
            tau, y = before
            trials += 1
            length = (trial if trial is not None else right - tau) * SHORTER**trials
            if trials > TRIALS or length < 1e-14 * max(right, 1e-300):
                raise StepError(float(tau), message or "a value is not finite")
            solver = _start(method, inside, tau, y, right, min(length, right - tau), options)
        proposed = float(getattr(solver, "h_abs", 0.0) or solver.step_size or right - left)
        usual = proposed if usual is None or right - left > usual else max(usual, proposed)


def _start(
    method: type[OdeSolver], drift: Function, tau: float, y: np.ndarray, end: float, first: float | None,
    options: Mapping[str, Any],
) -> OdeSolver:  # fmt: skip
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return method(drift, tau, y, end, first_step=first, **options)
