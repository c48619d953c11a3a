"""A training whose controls are constant on pieces, or splines: its objective and the exact gradient by all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ...equations.derivative.coefficients import Coefficients
from ...equations.integration.stepping import StepError
from ...model.problem import Problem
from ..adjoint import AdjointDrift, Tape
from ..gradient import hit
from ..objectives.trained import Hitting, Objective
from ..setting import Setting
from ..sweep import COARSE, FINE, Segment, Sweep, Tableau
from ..worths import Worths
from .controls import Control, LearningRate

#: Longest step, in units of 1/(the rates' factor, s or s(1 + s)/2): what the method of each order resolves to about 1e-7.
LONGEST = {id(COARSE): 0.15, id(FINE): 0.2}


@dataclass(frozen=True)
class Evaluation:
    """One protocol carried out.

    Attributes
    ----------
    value : float
    gradient : (n,)
        By the entries of all controls, control by control, piece by piece (of a spline: coefficient by coefficient).
    state : (size,)
        At the end.
    """

    value: float
    gradient: np.ndarray
    state: np.ndarray


@dataclass
class Varied(Segment):
    """A part of the training on which controls vary: its coefficients are others at every stage of a step.

    Attributes
    ----------
    enter : callable
        τ → the coefficients and the factor on the rates.
    give : callable
        Takes the worths of the coefficients at τ.
    """

    enter: Callable[[float], tuple[Coefficients, float]]
    give: Callable[[Worths, Coefficients, float], None]

    def scale_at(self, tau: float) -> float:
        return self.enter(tau)[1]

    def record(self, y: np.ndarray, tau: float) -> Tape:
        given, scale = self.enter(tau)
        return self.drift.at(given).record(y, scale, tau)

    def pull(self, tape: Tape, worth: np.ndarray) -> np.ndarray:
        given, _ = self.enter(tape.tau)
        drift = self.drift.at(given)
        out = drift.pull(tape, worth)
        self.give(drift.worths, given, tape.tau)
        return out


class Protocols:
    """All protocols of some controls on one problem.

    Parameters
    ----------
    setting : Setting
    objective : Objective
    controls : sequence of Control
    horizon : float
        n/d.
    method : Tableau
        Steps of order 5 (search) or 8 (answers).
    refine : int
        Steps are this many times shorter.
    """

    def __init__(
        self,
        setting: Setting,
        objective: Objective,
        controls: Sequence[Control],
        horizon: float,
        method: Tableau = FINE,
        refine: int = 1,
    ) -> None:
        self.setting, self.objective, self.controls, self.horizon = setting, objective, tuple(controls), horizon
        self.method, self.refine = method, refine
        problem: Problem = setting.problem
        #: τ per n/d at the learning rate of the experiment.
        self.clock = 2 * problem.training.learning_rate / problem.training.batch
        drift = setting.drift()
        self.start = setting.start(drift)
        self.base: AdjointDrift = setting.adjoint(drift)
        self.schedule = None if any(isinstance(c, LearningRate) for c in controls) else drift.coefficients.rate_schedule
        given = drift.coefficients
        #: Where something of the experiment's own jumps.
        self.pieces = given.pieces if given.moving is not None or self.schedule is not None else np.zeros(0)
        self.evaluations = 0
        #: Whether some control is no constant on the parts.
        self.varied = any(c.basis == "spline" for c in self.controls)

    def factor(self, tau: float) -> float:
        """s(τ) of the experiment's own schedule."""
        return 1.0 if self.schedule is None else float(self.schedule(tau))

    # the vector of all controls --------------------------------------------------------------------------------

    @property
    def sizes(self) -> list[int]:
        """Entries of every control's part of the vector."""
        return [c.count * c.size for c in self.controls]

    def split(self, u: np.ndarray) -> list[np.ndarray]:
        """The values (pieces or coefficients, size) of every control."""
        parts = np.split(u, np.cumsum(self.sizes)[:-1])
        return [x.reshape(c.count, c.size) for c, x in zip(self.controls, parts, strict=True)]

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of the vector."""
        low = np.concatenate([np.full(n, c.low) for c, n in zip(self.controls, self.sizes, strict=True)])
        high = np.concatenate([np.full(n, c.high) for c, n in zip(self.controls, self.sizes, strict=True)])
        return low, high

    def knots(self) -> np.ndarray:
        """Ends (in n/d) of all parts of the horizon on which nothing jumps."""
        return (
            np.unique(np.concatenate([np.linspace(0, 1, c.pieces + 1) for c in self.controls]).round(12)) * self.horizon
        )

    def places(self, knots: np.ndarray) -> list[np.ndarray]:
        """Which piece of every control each part belongs to."""
        middle = (knots[1:] + knots[:-1]) / 2 / self.horizon
        return [np.minimum((middle * c.pieces).astype(int), c.pieces - 1) for c in self.controls]

    def along(self, values: Sequence[np.ndarray], x: np.ndarray) -> list[np.ndarray]:
        """What every control is at shares x of the horizon, (len(x), size)."""
        return [c.along.rows(x) @ v for c, v in zip(self.controls, values, strict=True)]

    # evaluation ------------------------------------------------------------------------------------------------

    def _carried_out(
        self, values: Sequence[np.ndarray], knots: np.ndarray, places: Sequence[np.ndarray]
    ) -> tuple[Sweep, list[list[np.ndarray]], float, np.ndarray, list[np.ndarray]]:
        """The flow, the values of the controls on every part, the objective, the worth of the end, and what splines are worth.

        (The last are zeros before the flow is taken backwards.)
        """
        self.evaluations += 1
        used: list[list[np.ndarray]] = []
        segments: list[Segment] = []
        gradients = [np.zeros_like(v) for v in values]
        for j, (left, right) in enumerate(pairwise(knots)):
            first, last = float(left) * self.clock, float(right) * self.clock
            here = [where[j] for where in places]
            if self.varied:
                segment, scale = self._varied(values, here, first, last, gradients)
                drift = self.base
                used.append([])
            else:
                current = [v[k] for v, k in zip(values, here, strict=True)]
                given, scale = self._entered(current)
                drift = self.base if given is self.base.given else self.base.at(given)
                used.append(current)
            pace = max(scale, scale * (1 + scale) / 2)
            if self.schedule is not None:
                pace = max(1.0, float(np.max(self.schedule(np.linspace(first, last, 9)))))
            count = self.refine * max(1, int(np.ceil((last - first) * pace / LONGEST[id(self.method)])))
            inner = self.pieces[(self.pieces > first) & (self.pieces < last)]
            ends = np.unique(np.concatenate([np.linspace(first, last, count + 1), inner]))
            if self.varied:
                segments.append(replace(segment, ends=ends))
            else:
                segments.append(Segment(drift, scale if self.schedule is None else self.factor, ends))
        sweep = Sweep(segments, self.method)
        end = sweep.forward(self.start)
        if isinstance(self.objective, Hitting):
            sweep, end = hit(self.setting, sweep, self.objective)
        value, worth = self.objective.gradient(self.setting, end)
        if isinstance(self.objective, Hitting):
            final = sweep.segments[sweep.segment_of(-1)]
            speed = final.record(end, sweep.taus[-1]).slope
            worth, value = -worth / (worth @ speed) / self.clock, sweep.taus[-1] / self.clock
        return sweep, used, float(value), worth, gradients

    def _entered(self, values: Sequence[np.ndarray]) -> tuple[Coefficients, float]:
        """The coefficients and the factor on the rates with one value of every control."""
        given, scale = self.base.given, 1.0
        for control, value in zip(self.controls, values, strict=True):
            given, scale = control.enter(given, scale, value, self.setting.problem)
        return given, scale

    def _varied(
        self,
        values: Sequence[np.ndarray],
        places: Sequence[int],
        first: float,
        last: float,
        gradients: Sequence[np.ndarray],
    ) -> tuple[Varied, float]:
        """The part of the training from τ = ``first`` to ``last``, and the largest factor on the rates there."""
        length, problem = self.horizon * self.clock, self.setting.problem

        def rows(tau: float) -> list[np.ndarray]:
            # Of a control that is constant on pieces the piece of this part, also at its very end.
            return [
                np.eye(c.count)[k] if c.basis == "constant" else c.along.row(min(max(tau / length, 0.0), 1.0))
                for c, k in zip(self.controls, places, strict=True)
            ]

        def current(tau: float) -> list[np.ndarray]:
            return [row @ v for row, v in zip(rows(tau), values, strict=True)]

        def enter(tau: float) -> tuple[Coefficients, float]:
            given, scale = self._entered(current(tau))
            return given, scale if self.schedule is None else self.factor(tau)

        def give(worths: Worths, given: Coefficients, tau: float) -> None:
            for out, row, control, value in zip(gradients, rows(tau), self.controls, current(tau), strict=True):
                out += np.outer(row, control.pull(worths, given, value, problem))

        inside = np.linspace(first, last, 9)
        most = max(self._entered(current(float(tau)))[1] for tau in inside)
        return Varied(self.base, 1.0, inside, enter, give), most

    def __call__(self, u: np.ndarray) -> Evaluation:
        """The objective of a protocol, and its gradient.

        Raises
        ------
        StepError
            Where the training diverges.
        ComputationError
            Where a time that is to be hit is not reached.
        """
        knots, values, problem = self.knots(), self.split(u), self.setting.problem
        places = self.places(knots)
        sweep, used, value, worth, gradients = self._carried_out(values, knots, places)

        def visit(j: int) -> None:
            drift = sweep.segments[j].drift
            for k, control in enumerate(self.controls):
                gradients[k][places[k][j]] += control.pull(drift.worths, drift.given, used[j][k], problem)
            drift.worths.wipe()

        self.base.worths.wipe()
        sweep.backward(worth, None if self.varied else visit)
        return Evaluation(value, np.concatenate([g.ravel() for g in gradients]), sweep.states[-1])

    def switched(self, values: np.ndarray, knots: np.ndarray) -> tuple[float, np.ndarray]:
        """The objective where the one control has ``values`` between ``knots``, and its derivatives by the inner knots.

        d𝒥/dx = p·(F before − F after): what the Hamiltonian jumps by.
        """
        sweep, _, value, worth, _ = self._carried_out([values], knots, [np.arange(len(values))])
        costates = sweep.costates(worth)
        out = np.zeros(len(knots) - 2)
        for k in range(1, len(costates) - 1):
            left, right = sweep.segment_of(k - 1), sweep.segment_of(k)
            if left == right:
                continue
            y, tau = sweep.states[k], sweep.taus[k]
            before, after = (sweep.segments[j].record(y, tau).slope for j in (left, right))
            out[left] = self.clock * costates[k] @ (before - after)
        return value, out

    def value(self, u: np.ndarray) -> float:
        """The objective alone; infinity where the training diverges."""
        knots = self.knots()
        try:
            return self._carried_out(self.split(u), knots, self.places(knots))[2]
        except StepError:
            return float("inf")
