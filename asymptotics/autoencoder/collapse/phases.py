"""Phases of collapse over two of an experiment's numbers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.input.checks import array, fail
from ...common.output.results import Result, dataframe
from ..model.problem import Problem
from .collapse_map import CollapseMap


@dataclass(frozen=True)
class PhaseDiagram(Result):
    """Limits Λ of the chain from Λ₀ (NaN: it alternates), (len(y), len(x)), the number of stable fixed points, and the two axes."""

    names: tuple[str, str]
    x: np.ndarray
    y: np.ndarray
    limit: np.ndarray
    stable: np.ndarray
    start: float

    def to_dataframe(self) -> Any:
        """One row a point of the diagram as a pandas DataFrame: both parameters, limit, number of stable fixed points."""
        first, second = (axis.ravel() for axis in np.meshgrid(self.x, self.y))
        limit, stable = self.limit.ravel(), self.stable.ravel()
        return dataframe({self.names[0]: first, self.names[1]: second, "limit": limit, "stable": stable}, self.names[0])


#: Axes of a phase diagram: what may be varied, and where it sits.
AXES = {"stop": "sampling", "tau": "training", "original": "generations", "epsilon": "sampling"}


def phase_diagram(problem: Problem, x: tuple[str, Any], y: tuple[str, Any]) -> PhaseDiagram:
    """Limit of the collapse map from Λ₀ over two parameters of the problem.

    Parameters
    ----------
    problem : Problem
    x, y : (name, values)
        Names from stop (t_f), tau, original (φ), epsilon (a factor on the problem's ε, or ε = factor × (1 − t) if that is 0).
    """
    for name, _ in (x, y):
        if name not in AXES:
            fail("axis", name, "one of " + ", ".join(AXES))
    xs, ys = array(x[0], x[1], ndim=1), array(y[0], y[1], ndim=1)
    limit, stable = np.empty((len(ys), len(xs))), np.empty((len(ys), len(xs)), dtype=int)
    shape = problem.sampling.epsilon
    shape = "1 - t" if shape.strip() in ("0", "0.0") else shape
    for j, second in enumerate(ys):
        for i, first in enumerate(xs):
            changed = problem
            for name, value in ((x[0], float(first)), (y[0], float(second))):
                setting: Any = f"{value!r}*({shape})" if name == "epsilon" else value
                table = getattr(changed, AXES[name]).replace(**{name: setting})
                changed = dataclasses.replace(changed, **{AXES[name]: table})
            f = CollapseMap(changed)
            limit[j, i] = f.limit()
            stable[j, i] = sum(p.stable for p in f.fixed_points(401))
    return PhaseDiagram((x[0], y[0]), xs, ys, limit, stable, problem.target.mean_eigenvalue)
