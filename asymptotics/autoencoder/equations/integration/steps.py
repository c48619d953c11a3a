"""The steps of an integration, compiled where the right-hand side is, else by a SciPy solver: dense output and errors of each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ....common.numerics.flows import dop853
from ....common.numerics.flows.panels import lobatto
from ...kernels.shared.compiled_types import COUNT, OVERFLOW
from ..derivative.arguments import stages
from ..derivative.drift import Drift
from .dormand_prince import (
    CROWDED,
    DIVERGED,
    DONE,
    EVALUATIONS,
    KNOWN,
    NO_ROOM,
    NOT_FINITE,
    NOW,
    RUNNING,
    SHORT,
    STATUS,
    STEP,
    STEPS,
    TRIALS,
    advance,
    begin,
)
from .stepping import DIVERGED as DIVERGED_BEYOND
from .stepping import StepError, finite, steps
from .trial import INSIDE

if TYPE_CHECKING:
    from scipy.integrate import OdeSolver

#: Degrees of the dense output that are stored exactly (8 nodes: polynomials of degree 7, DOP853's).
DENSE_NODES = 8
#: Nodes of all conditions up to which many steps are taken at once.
LIGHT = 20_000
#: Steps that one compiled call may take.
MANY = 64
#: Room for what several stages of a step have of their own.
PLACES = np.append(dop853.C, lobatto(DENSE_NODES)[INSIDE])
STAGES = len(PLACES)


@dataclass(frozen=True)
class Steps:
    """Steps of an integration.

    Attributes
    ----------
    knots : (steps + 1,)
    values : (steps, nodes, size)
        The dense output at Chebyshev nodes of every step.
    errors : (steps, size)
        Local error of every step as its method estimates it (0 where that does not).
    changes : (steps + 1, size)
        What other nodes change the derivative by.
    inside : (steps,)
        Largest error of the dense output between the ends of a step.
    """

    knots: np.ndarray
    values: np.ndarray
    errors: np.ndarray
    changes: np.ndarray
    inside: np.ndarray

    @classmethod
    def none(cls, size: int) -> Steps:
        """Before the first."""
        return cls(np.zeros(1), np.zeros((0, DENSE_NODES, size)), np.zeros((0, size)), np.zeros((0, size)), np.zeros(0))

    def followed_by(self, other: Steps) -> Steps:
        """These and the next ones."""
        if not len(self.values):
            return other
        return Steps(
            np.concatenate([self.knots, other.knots[1:]]),
            np.concatenate([self.values, other.values]),
            np.concatenate([self.errors, other.errors]),
            np.concatenate([self.changes, other.changes[1:]]),
            np.concatenate([self.inside, other.inside]),
        )


class Workspace:
    """Arrays of the compiled integrator, for states of one size."""

    def __init__(self, size: int) -> None:
        self.k = np.empty((len(dop853.C), size))
        self.knots, self.values = np.empty(MANY + 1), np.empty((MANY, DENSE_NODES, size))
        self.errors, self.changes, self.inside = np.empty((MANY, size)), np.zeros((MANY + 1, size)), np.empty(MANY)

    def arrays(self, count: int = MANY) -> tuple[np.ndarray, ...]:
        """What the compiled functions write the next steps in, at most ``count``."""
        return (
            self.knots[: count + 1], self.values[:count], self.errors[:count], self.changes[: count + 1],
            self.inside[:count],
        )  # fmt: skip

    def taken(self, count: int) -> Steps:
        """The steps of the last call."""
        parts = (
            self.knots[: count + 1], self.values[:count], self.errors[:count], self.changes[: count + 1],
            self.inside[:count],
        )  # fmt: skip
        return Steps(*(x.copy() for x in parts))


_REASONS = {
    DIVERGED: f"the order parameters diverge (beyond {DIVERGED_BEYOND:.0e})",
    SHORT: "Required step size is less than spacing between numbers.",
    NOT_FINITE: "a value is not finite",
    NO_ROOM: "the fields are too wide for a lattice",
}


@dataclass(frozen=True)
class Course:
    """What is integrated, and how well.

    Attributes
    ----------
    drift : Drift
    y0 : (size,)
    pieces : (n,)
        Ends of pieces of [0, τ] that no step crosses.
    rtol, atol : float, (size,)
    scale : float
        Of the problem: beside the start, what says which state has diverged.
    allowed : float
        What the derivative may be wrong by its nodes.
    max_steps : int
        No more are taken.
    """

    drift: Drift
    y0: np.ndarray
    pieces: np.ndarray
    rtol: float
    atol: np.ndarray
    scale: float
    allowed: float
    max_steps: int


def compiled_steps(course: Course) -> Iterator[Steps]:
    """Steps of DOP853 from the first to the last of ``pieces``, none of which crosses an end of one."""
    drift, rtol, atol = course.drift, course.rtol, course.atol
    functions, varies = drift.functions, drift.varies
    given = stages(drift.given, STAGES) if varies else drift.given
    work, y = Workspace(len(course.y0)), course.y0.copy()
    counts = np.zeros(7, dtype=np.int64)
    limit = DIVERGED_BEYOND * (course.scale + float(np.max(np.abs(y))))
    clock = np.array([0.0, 0.0, 0.0, course.allowed, limit, 0.0])
    usual: float | None = None
    left_over = course.max_steps
    for left, right in itertools.pairwise(course.pieces):
        clock[:3] = left, 0.0, right
        counts[:] = 0
        if varies:
            drift.fill(given, np.full(STAGES, left))
        begin(functions, rtol, clock, atol, y, work.k, counts, *work.arrays(), given, drift.nodes, drift.room)
        if not np.all(np.isfinite(work.k[0])):
            raise StepError(float(left), _REASONS[NOT_FINITE])
        if usual is not None:
            clock[STEP] = min(usual, right - left)
        # Long work is looked at between its steps.
        many = max(int(drift.nodes.mode[COUNT]), len(drift.nodes.pair_w)) * len(drift.room.mean) < LIGHT
        counts[TRIALS] = 10**9 if many and not varies else 1
        while counts[STATUS] == RUNNING:
            work.knots[0], counts[STEPS] = clock[NOW], 0
            if varies:
                drift.fill(given, clock[NOW] + PLACES * min(clock[STEP], right - clock[NOW]))
            room = work.arrays(max(1, min(MANY, left_over)))
            advance(functions, rtol, clock, atol, y, work.k, counts, *room, given, drift.nodes, drift.room)
            done = int(counts[STEPS])
            left_over -= done
            if done:
                yield work.taken(done)
                work.changes[0] = work.changes[done]
        drift.evaluations += int(counts[EVALUATIONS])
        drift.crowded += int(counts[CROWDED])
        if counts[STATUS] != DONE:
            raise StepError(float(clock[NOW]), _REASONS[int(counts[STATUS])])
        counts[KNOWN] = 0
        usual = clock[STEP] if usual is None or right - left > usual else max(usual, clock[STEP])


def solver_steps(course: Course, method: type[OdeSolver]) -> Iterator[Steps]:
    """The same by one of SciPy's solvers."""
    drift, y0, pieces, nodes = course.drift, course.y0, course.pieces, lobatto(DENSE_NODES)
    if not np.all(np.isfinite(finite(drift)(0.0, y0))):
        raise StepError(float(pieces[0]), _REASONS[NOT_FINITE])
    before = drift.nodes_error(pieces[0], y0)
    for solver in steps(method, drift, y0, pieces, scale=course.scale, rtol=course.rtol, atol=course.atol):
        dense = solver.dense_output()
        inside = solver.t_old + (solver.t - solver.t_old) * nodes
        values = np.array([dense(t) for t in inside[:-1]] + [solver.y])
        drift.nodes.mode[OVERFLOW] = 0
        after = drift.nodes_error(solver.t, solver.y)
        if drift.overflowed and np.max(np.abs(after)) > course.allowed:
            drift.crowded += 1
            raise StepError(float(solver.t), _REASONS[NO_ROOM])
        yield Steps(
            np.array([solver.t_old, solver.t]),
            values[None],
            np.zeros((1, len(y0))),
            np.stack([before, after]),
            np.zeros(1),
        )
        before = after
