"""The fixed point of the collapse map as an objective: where generations end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....common.input.checks import ComputationError
from ...collapse.collapse_map import CollapseMap
from ...model.problem import Problem
from ..differences import differentiate
from ..setting import Setting
from .trained import Objective


@dataclass(frozen=True)
class Collapsed(Objective):
    """Λ* = f(Λ*), the fixed point that the chain of generations ends at: a function of the problem, not of the state.

    dΛ*/du = ∂_u f/(1 − ∂_Λ f), which diverges where two fixed points meet.
    """

    def value(self, setting: Setting, problem: Problem, y: np.ndarray) -> float:
        return fixed_point(problem)


def fixed_point(problem: Problem) -> float:
    """Λ*.

    Raises
    ------
    ComputationError
        If the chain does not end at one positive finite value.
    """
    value = CollapseMap(problem).limit()
    if not (np.isfinite(value) and value > 0):
        raise ComputationError(f"collapse: generations do not end at a fixed point (their limit is {value:g})")
    return value


def moved(problem: Problem, other: Problem, Lambda: float) -> float:
    """What Λ* of ``problem`` becomes for a neighbouring problem, to first order."""
    of = CollapseMap(problem)
    slope = differentiate(lambda x: float(of(x[0])), np.array([Lambda]))[0]
    if slope >= 1:
        raise ComputationError("collapse: the fixed point is not stable; it has no derivative here")
    return Lambda + (float(CollapseMap(other)(Lambda)) - float(of(Lambda))) / (1 - slope)
