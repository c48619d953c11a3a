"""A training whose controls are constant on pieces: its objective and the exact gradient by all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..equations.stepping import StepError
from ..model.problem import Problem
from .adjoint import AdjointDrift
from .controls import Control, LearningRate
from .gradient import hit
from .objectives import Hitting, Objective
from .setting import Setting
from .sweep import COARSE, FINE, Segment, Sweep, Tableau

#: Longest step, in units of 1/(the rates' factor, s or s(1 + s)/2): what the method of each order resolves to about 1e-7.
LONGEST = {id(COARSE): 0.15, id(FINE): 0.2}


@dataclass(frozen=True)
class Evaluation:
    """One protocol carried out.

    Attributes
    ----------
    value : float
    gradient : (n,)
        By the entries of all controls, control by control, piece by piece.
    state : (size,)
        At the end.
    """

    value: float
    gradient: np.ndarray
    state: np.ndarray


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

    def factor(self, tau: float) -> float:
        """s(τ) of the experiment's own schedule."""
        return 1.0 if self.schedule is None else float(self.schedule(tau))

    # the vector of all controls --------------------------------------------------------------------------------

    @property
    def sizes(self) -> list[int]:
        """Entries of every control's part of the vector."""
        return [c.pieces * c.size for c in self.controls]

    def split(self, u: np.ndarray) -> list[np.ndarray]:
        """The values (pieces, size) of every control."""
        parts = np.split(u, np.cumsum(self.sizes)[:-1])
        return [x.reshape(c.pieces, c.size) for c, x in zip(self.controls, parts, strict=True)]

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of the vector."""
        low = np.concatenate([np.full(n, c.low) for c, n in zip(self.controls, self.sizes, strict=True)])
        high = np.concatenate([np.full(n, c.high) for c, n in zip(self.controls, self.sizes, strict=True)])
        return low, high

    def knots(self) -> np.ndarray:
        """Ends (in n/d) of all parts of the horizon on which nothing changes."""
        return (
            np.unique(np.concatenate([np.linspace(0, 1, c.pieces + 1) for c in self.controls]).round(12)) * self.horizon
        )

    def places(self, knots: np.ndarray) -> list[np.ndarray]:
        """Which piece of every control each part belongs to."""
        middle = (knots[1:] + knots[:-1]) / 2 / self.horizon
        return [np.minimum((middle * c.pieces).astype(int), c.pieces - 1) for c in self.controls]

    # evaluation ------------------------------------------------------------------------------------------------

    def _carried_out(
        self, values: Sequence[np.ndarray], knots: np.ndarray, places: Sequence[np.ndarray]
    ) -> tuple[Sweep, list[list[np.ndarray]], float, np.ndarray]:
        """The flow, the values of the controls on every part, the objective, and the worth of the end."""
        self.evaluations += 1
        problem, segments, used = self.setting.problem, [], []
        for j, (left, right) in enumerate(pairwise(knots)):
            given, scale = self.base.given, 1.0
            current = [v[where[j]] for v, where in zip(values, places, strict=True)]
            for control, value in zip(self.controls, current, strict=True):
                given, scale = control.enter(given, scale, value, problem)
            drift = self.base if given is self.base.given else self.base.at(given)
            used.append(current)
            first, last = float(left) * self.clock, float(right) * self.clock
            pace = max(scale, scale * (1 + scale) / 2)
            if self.schedule is not None:
                pace = max(1.0, float(np.max(self.schedule(np.linspace(first, last, 9)))))
            count = self.refine * max(1, int(np.ceil((last - first) * pace / LONGEST[id(self.method)])))
            inner = self.pieces[(self.pieces > first) & (self.pieces < last)]
            ends = np.unique(np.concatenate([np.linspace(first, last, count + 1), inner]))
            segments.append(Segment(drift, scale if self.schedule is None else self.factor, ends))
        sweep = Sweep(segments, self.method)
        end = sweep.forward(self.start)
        if isinstance(self.objective, Hitting):
            sweep, end = hit(self.setting, sweep, self.objective)
        value, worth = self.objective.gradient(self.setting, end)
        if isinstance(self.objective, Hitting):
            final = sweep.segments[sweep.segment_of(-1)]
            speed = final.drift.record(end, final.scale_at(sweep.taus[-1]), sweep.taus[-1]).slope
            worth, value = -worth / (worth @ speed) / self.clock, sweep.taus[-1] / self.clock
        return sweep, used, float(value), worth

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
        sweep, used, value, worth = self._carried_out(values, knots, places)
        gradients = [np.zeros_like(v) for v in values]

        def visit(j: int) -> None:
            drift = sweep.segments[j].drift
            for k, control in enumerate(self.controls):
                gradients[k][places[k][j]] += control.pull(drift.worths, drift.given, used[j][k], problem)
            drift.worths.wipe()

        self.base.worths.wipe()
        sweep.backward(worth, visit)
        return Evaluation(value, np.concatenate([g.ravel() for g in gradients]), sweep.states[-1])

    def switched(self, values: np.ndarray, knots: np.ndarray) -> tuple[float, np.ndarray]:
        """The objective where the one control has ``values`` between ``knots``, and its derivatives by the inner knots.

        d𝒥/dx = p·(F before − F after): what the Hamiltonian jumps by.
        """
        sweep, _, value, worth = self._carried_out([values], knots, [np.arange(len(values))])
        costates = sweep.costates(worth)
        out = np.zeros(len(knots) - 2)
        for k in range(1, len(costates) - 1):
            left, right = sweep.segment_of(k - 1), sweep.segment_of(k)
            if left == right:
                continue
            y, tau = sweep.states[k], sweep.taus[k]
            before, after = (
                sweep.segments[j].drift.record(y, sweep.segments[j].scale_at(tau), tau).slope for j in (left, right)
            )
            out[left] = self.clock * costates[k] @ (before - after)
        return value, out

    def value(self, u: np.ndarray) -> float:
        """The objective alone; infinity where the training diverges."""
        knots = self.knots()
        try:
            return self._carried_out(self.split(u), knots, self.places(knots))[2]
        except StepError:
            return float("inf")
