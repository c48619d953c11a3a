"""A training whose controls are constant on pieces: its objective and the exact gradient by all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..equations.stepping import StepError
from ..model.problem import Problem
from .adjoint import AdjointDrift
from .controls import Control, LearningRate
from .gradient import hit
from .objectives import Hitting, Objective
from .setting import Setting
from .sweep import COARSE, FINE, Segment, Sweep, Tableau

#: Longest step, in units of 1/(the rates' factor s(1 + s)/2): what the method of each order resolves to about 1e-7.
LONGEST = {id(COARSE): 0.25, id(FINE): 0.4}


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
    taus, costates : (steps + 1,), (steps + 1, size)
        Along the way, by the reference clock τ = 2η_ref n/d.
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
        self.evaluations = 0

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
        return np.unique(np.concatenate([np.linspace(0, 1, c.pieces + 1) for c in self.controls]).round(12)) * self.horizon

    def places(self, knots: np.ndarray) -> list[np.ndarray]:
        """Which piece of every control each part belongs to."""
        middle = (knots[1:] + knots[:-1]) / 2 / self.horizon
        return [np.minimum((middle * c.pieces).astype(int), c.pieces - 1) for c in self.controls]

    # evaluation ------------------------------------------------------------------------------------------------

    def __call__(
        self, u: np.ndarray, knots: np.ndarray | None = None, places: Sequence[np.ndarray] | None = None
    ) -> Evaluation:
        """The objective of a protocol, and its gradient.

        Parameters
        ----------
        u : (n,)
        knots, places : optional
            Other ends of the parts of the horizon, and the piece of every control that each belongs to.

        Raises
        ------
        StepError
            Where the training diverges.
        """
        self.evaluations += 1
        if knots is None or places is None:
            knots = self.knots()
            places = self.places(knots)
        values, problem = self.split(u), self.setting.problem
        segments, used = [], []
        for j, (left, right) in enumerate(zip(knots[:-1], knots[1:], strict=True)):
            given, scale = self.base.given, 1.0
            current = [v[where[j]] for v, where in zip(values, places, strict=True)]
            for control, value in zip(self.controls, current, strict=True):
                given, scale = control.enter(given, scale, value, problem)
            drift = self.base if given is self.base.given else self.base.at(given)
            used.append(current)
            ends = np.array([left, right]) * self.clock
            pace = scale * (1 + scale) / 2
            if self.schedule is not None:
                pace = max(1.0, float(np.max(self.schedule(np.linspace(*ends, 9)))))
            count = self.refine * max(1, int(np.ceil((ends[1] - ends[0]) * pace / LONGEST[id(self.method)])))
            segments.append(
                Segment(drift, scale if self.schedule is None else self.schedule, np.linspace(*ends, count + 1))
            )
        sweep = Sweep(segments, self.method)
        end = sweep.forward(self.start)
        if isinstance(self.objective, Hitting):
            sweep, end = hit(self.setting, sweep, self.objective)
        value, worth = self.objective.gradient(self.setting, end)
        if isinstance(self.objective, Hitting):
            last = sweep.segments[sweep.segment_of(-1)]
            speed = last.drift.record(end, last.scale_at(sweep.taus[-1])).slope
            worth, value = -worth / (worth @ speed) / self.clock, sweep.taus[-1] / self.clock
        gradients = [np.zeros_like(v) for v in values]

        def visit(j: int) -> None:
            worths = segments[j].drift.worths
            for k, control in enumerate(self.controls):
                given = segments[j].drift.given
                gradients[k][places[k][j]] += control.pull(worths, given, used[j][k], problem)
            worths.clear()

        self.base.worths.clear()
        sweep.backward(worth, visit)
        return Evaluation(float(value), np.concatenate([g.ravel() for g in gradients]), end)

    def value(self, u: np.ndarray) -> float:
        """The objective; infinity where the training diverges."""
        try:
            return self(u).value
        except StepError:
            return float("inf")
