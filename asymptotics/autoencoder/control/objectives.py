"""What a training is for: functions of the order parameters at its end, with their gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...common.input.checks import number
from ..equations.layout import Layout
from ..equations.loss_terms import averaged_unpredicted
from ..equations.path import OrderParameters
from ..model.problem import Problem
from ..observables.errors import centroid_cosines
from .differences import differentiate
from .setting import Setting

#: A user's objective.
StateFunction = Callable[[OrderParameters], float]


def order_parameters(problem: Problem, layout: Layout, y: np.ndarray, tau: float) -> OrderParameters:
    """A packed state as its user sees it."""
    theta, q, b, kappa = layout.unpack(y)
    Theta = theta.sum(axis=0)
    M = Theta @ problem.target.centroids.T
    return OrderParameters(tau, q.sum(axis=0), Theta, M, float(b), kappa, q, theta)


@dataclass(frozen=True)
class Objective(ABC):
    """A function Φ of the state at the end of a training, to be made small.

    Attributes
    ----------
    name : str
    """

    name: str
    #: Whether one run's order parameters have a value of it.
    measurable = True

    @abstractmethod
    def value(self, setting: Setting, problem: Problem, y: np.ndarray) -> float:
        """Φ of a packed state, for a problem that is the setting's or a neighbour of it."""

    def gradient(self, setting: Setting, y: np.ndarray) -> tuple[float, np.ndarray]:
        """Φ and ∂Φ/∂y; unless said otherwise by differences, which cost no drift."""
        return self.value(setting, setting.problem, y), differentiate(
            lambda x: self.value(setting, setting.problem, x), y
        )


@dataclass(frozen=True)
class Loss(Objective):
    """The denoising loss at some times, or a part of it.

    ``potential`` d·bulk + E[ℓ] · ``order_one`` E[ℓ] + E_t(y₁ − bβ)²E‖μ‖² (`equations.loss_terms`) · ``loss`` d·bulk + order_one,
    with d = ``simulation.dimension``.

    Attributes
    ----------
    times : tuple of float, optional
        Averaged over; default the times of the training, with its weights.
    """

    times: tuple[float, ...] | None = None
    _kept: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)

    def problem_at(self, problem: Problem) -> Problem:
        """The problem whose drift averages over the wanted times, one at a time."""
        changes: dict[str, Any] = {"average": "random"}
        if self.times is not None:
            changes |= {"times": list(self.times), "quadrature": None}
        return replace(problem, training=problem.training.replace(**changes))

    def _worth(self, problem: Problem) -> float:
        """Of the bulk per dimension."""
        return 0.0 if self.name == "order_one" else float(problem.simulation.dimension)

    def value(self, setting: Setting, problem: Problem, y: np.ndarray) -> float:
        at = self.problem_at(problem)
        drift = setting.drift(at)
        bulk, potential = drift.loss(y)
        beyond = np.zeros(3) if self.name == "potential" else averaged_unpredicted(at)
        b = y[drift.layout.at_b]
        return self._worth(problem) * bulk + potential + float(beyond @ [1.0, b, b * b])

    def gradient(self, setting: Setting, y: np.ndarray) -> tuple[float, np.ndarray]:
        if id(setting) not in self._kept:
            at = self.problem_at(setting.problem)
            beyond = np.zeros(3) if self.name == "potential" else averaged_unpredicted(at)
            self._kept.clear()
            self._kept[id(setting)] = setting.adjoint(setting.drift(at)), beyond
        adjoint, beyond = self._kept[id(setting)]
        worth = self._worth(setting.problem)
        (bulk, potential), gradient = adjoint.potential(y, (worth, 1.0))
        place = adjoint.drift.layout.at_b
        b = y[place]
        gradient[place] += beyond[1] + 2 * beyond[2] * b
        return worth * bulk + potential + float(beyond @ [1.0, b, b * b]), gradient


@dataclass(frozen=True)
class Hitting(Objective):
    """Samples per dimension n/d until the cosine of every centroid with span(W) has reached a value.

    Attributes
    ----------
    cosine : float
    """

    cosine: float = 0.9

    def value(self, setting: Setting, problem: Problem, y: np.ndarray) -> float:
        """The least cosine minus the wanted one: what passes through zero."""
        at = order_parameters(problem, setting.layout, y, 0.0)
        return float(np.nanmin(centroid_cosines(problem, at))) - self.cosine

    @staticmethod
    def per_tau(problem: Problem) -> float:
        """n/d = (samples a step) τ/(2η)."""
        return problem.training.batch / (2 * problem.training.learning_rate)


@dataclass(frozen=True)
class Function(Objective):
    """A user's own function of the state."""

    function: StateFunction = field(default=lambda at: 0.0)

    def value(self, setting: Setting, problem: Problem, y: np.ndarray) -> float:
        at = order_parameters(problem, setting.layout, y, problem.training.tau)
        value = self.function(at)
        return number("objective", value)
