"""What a training is for: functions of the order parameters at its end, with their gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ....common.input.checks import number
from ...equations.derivative.layout import Layout
from ...equations.training_path.loss_terms import averaged_unpredicted, quadratic
from ...equations.training_path.state import OrderParameters, state_of
from ...model.problem import Problem
from ...observables.errors import centroid_cosines
from ..differences import differentiate
from ..setting import Setting

#: A user's objective.
StateFunction = Callable[[OrderParameters], float]


def order_parameters(problem: Problem, layout: Layout, y: np.ndarray, tau: float) -> OrderParameters:
    """A packed state as its user sees it."""
    averages = tuple(a.to_builtin() for a in problem.training.averages)
    return state_of(tau, y, layout, problem.target.centroids, averages, problem.optimiser.moving)


@dataclass(frozen=True)
class Objective(ABC):
    """A function Φ of the state at the end of a training, to be made small.

    Attributes
    ----------
    name : str
    """

    name: str

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
        """The problem whose drift averages over the wanted times, one at a time, at the end of the training."""
        changes: dict[str, Any] = {"average": "random"}
        if self.times is not None:
            changes |= {"times": list(self.times), "quadrature": None, "weights": None, "time_probabilities": None}
        elif problem.training.average == "times" and isinstance(problem.training.weights, np.ndarray):
            # Weights of one sample at all times do not come with 1/T.
            changes["weights"] = problem.training.weights * len(problem.training.weights)
        return replace(problem, training=problem.training.replace(**changes))

    def _worth(self, problem: Problem) -> float:
        """Of the bulk per dimension."""
        return 0.0 if self.name == "order_one" else float(problem.simulation.dimension)

    def _beyond(self, problem: Problem, layout: Layout) -> np.ndarray:
        """What is neither bulk nor potential, as a quadratic form of (1, b)."""
        if self.name == "potential":
            return np.zeros((1 + layout.basis, 1 + layout.basis))
        form = averaged_unpredicted(problem, problem.training.tau)
        return np.pad(form, (0, 1 + layout.basis - len(form)))

    def value(self, setting: Setting, problem: Problem, y: np.ndarray) -> float:
        at = self.problem_at(problem)
        drift = setting.drift(at)
        bulk, potential = drift.loss(y, problem.training.tau)
        beyond = quadratic(self._beyond(at, drift.layout), drift.layout.unpack(y)[2])
        return self._worth(problem) * bulk + potential + float(beyond)

    def gradient(self, setting: Setting, y: np.ndarray) -> tuple[float, np.ndarray]:
        if id(setting) not in self._kept:
            at = self.problem_at(setting.problem)
            self._kept.clear()
            adjoint = setting.adjoint(setting.drift(at))
            self._kept[id(setting)] = setting, adjoint, self._beyond(at, adjoint.layout)
        _, adjoint, beyond = self._kept[id(setting)]
        worth, layout = self._worth(setting.problem), adjoint.layout
        (bulk, potential), gradient = adjoint.potential(y, (worth, 1.0), setting.problem.training.tau)
        place = slice(layout.at_b, layout.at_b + layout.basis)
        b = y[place]
        gradient[place] += 2 * (beyond[1:, 0] + beyond[1:, 1:] @ b)
        return worth * bulk + potential + float(quadratic(beyond, layout.unpack(y)[2])), gradient


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
