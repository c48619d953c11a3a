"""What may be controlled along a training: how a value enters the coefficients, and what their worths make of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....common.input.checks import InputError, choice, closest, fail, integer, number
from ....common.input.texts import assignment
from ...equations.derivative.coefficients import Coefficients
from ...model.problem import Problem
from ..differences import STEP, rate
from ..worths import Worths
from .basis import PIECES, Basis

#: The coefficients and the factor on the rates.
Entered = tuple[Coefficients, float]
#: A learning rate that stands for 0.
STANDSTILL = 1e-9


@dataclass(frozen=True)
class Control(ABC):
    """A key along the horizon, between bounds: constant on ``pieces`` equal parts, or a spline on them.

    Attributes
    ----------
    key : str
    low, high : float
        Bounds of every entry.
    pieces : int
    size : int
        Entries of one value.
    basis : {"constant", "spline"}
    """

    key: str
    low: float
    high: float
    pieces: int
    size: int = 1
    basis: str = "constant"

    #: Whether the entries of a value sum to one.
    share = False

    @property
    def along(self) -> Basis:
        """The functions of the horizon that its values multiply."""
        return Basis(self.basis, self.pieces)

    @property
    def count(self) -> int:
        """Values along the horizon: those of the pieces, or a spline's coefficients."""
        return self.along.count

    @abstractmethod
    def enter(self, given: Coefficients, scale: float, value: np.ndarray, problem: Problem) -> Entered:
        """The coefficients and the factor on the rates with this value."""

    @abstractmethod
    def pull(self, worths: Worths, given: Coefficients, value: np.ndarray, problem: Problem) -> np.ndarray:
        """The worth of the value from those of the coefficients that it entered."""

    @abstractmethod
    def present(self, problem: Problem) -> np.ndarray:
        """The value that the experiment has."""

    def plain(self, value: np.ndarray) -> Any:
        """A value as in an experiment file."""
        return float(value[0]) if self.size == 1 and not self.share else value.tolist()

    def setting(self, value: np.ndarray) -> dict[str, Any]:
        """Dotted keys that set a constant value."""
        return {self.key: self.plain(value)}


class LearningRate(Control):
    """η: a factor on all rates (b's and weight decay's too); takes the place of ``training.schedule``."""

    def enter(self, given: Coefficients, scale: float, value: np.ndarray, problem: Problem) -> Entered:
        return given, float(value[0]) / given.eta

    def pull(self, worths: Worths, given: Coefficients, value: np.ndarray, problem: Problem) -> np.ndarray:
        return worths["scale"] / given.eta

    def present(self, problem: Problem) -> np.ndarray:
        return np.array([problem.training.learning_rate])

    def setting(self, value: np.ndarray) -> dict[str, Any]:
        # No training has the rate 0: one that changes nothing stands for it.
        return {self.key: max(float(value[0]), STANDSTILL), "training.schedule": None}


class WeightDecay(Control):
    """λ."""

    def enter(self, given: Coefficients, scale: float, value: np.ndarray, problem: Problem) -> Entered:
        return replace(given, start=replace(given.start, decay=float(value[0])), moving=None), scale

    def pull(self, worths: Worths, given: Coefficients, value: np.ndarray, problem: Problem) -> np.ndarray:
        return worths["decay"].copy()

    def present(self, problem: Problem) -> np.ndarray:
        return np.array([problem.decay()])


class Rate(Control):
    """The factor on the rate of a vector, a group of vectors, or b."""

    def _members(self, problem: Problem) -> tuple[np.ndarray, float]:
        name, of = self.key.rpartition(".")[2], problem.denoiser
        others = {k: v for k, v in (problem.training.rates or {}).items() if k != name}
        one, zero = of.rates({**others, name: 1.0}), of.rates({**others, name: 0.0})
        return one[0] - zero[0], one[1] - zero[1]

    def enter(self, given: Coefficients, scale: float, value: np.ndarray, problem: Problem) -> Entered:
        rho, rho_b = self._members(problem)
        optimiser = replace(given.optimiser, rho=np.where(rho > 0, value[0], given.rho))
        return replace(given, optimiser=optimiser, rho_b=float(value[0]) if rho_b > 0 else given.rho_b), scale

    def pull(self, worths: Worths, given: Coefficients, value: np.ndarray, problem: Problem) -> np.ndarray:
        rho, rho_b = self._members(problem)
        return np.array([float(rho @ worths["rho"] + rho_b * worths["rho_b"][0])])

    def present(self, problem: Problem) -> np.ndarray:
        name = self.key.rpartition(".")[2]
        return np.array([float((problem.training.rates or {}).get(name, 1.0))])


class Time(Control):
    """The one time t of the training: the noise level."""

    def enter(self, given: Coefficients, scale: float, value: np.ndarray, problem: Problem) -> Entered:
        fixed, psi = problem.skip_functions(value)
        told = np.ascontiguousarray(problem.told(value))
        start = replace(given.start, times=value, told=told, fixed=fixed, psi=psi)
        return replace(given, start=start, moving=None), scale

    def pull(self, worths: Worths, given: Coefficients, value: np.ndarray, problem: Problem) -> np.ndarray:
        s, t = problem.interpolant, float(value[0])
        slopes = np.array([s.alpha_dot(value)[0], s.beta_dot(value)[0], *s.second(t), 1.0])
        total = float(worths["told"][:, 0] @ slopes)
        # s₀(t) and ψ_k(t) are expressions of a user's.
        room = min(1e-3, t / 4, (1 - t) / 4)

        def functions(by: float) -> dict[str, np.ndarray]:
            return dict(zip(("fixed", "psi"), problem.skip_functions(np.array([t + by])), strict=True))

        if np.any(worths["fixed"]) or np.any(worths["psi"]):
            total += worths.of_change(rate(functions, (room if room > 0 else 1e-3) / STEP))
        return np.array([total])

    def present(self, problem: Problem) -> np.ndarray:
        return np.asarray(problem.time_average().times[:1])


class TimeProbabilities(Control):
    """Probabilities of the times with ``average = "random"``: drift and noise are linear in them."""

    share = True

    def _weights(self, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
        """w and w² of the loss at the times."""
        average = problem.training.replace(time_probabilities=None).time_average(problem.interpolant)
        return average.first * self.size, average.second * self.size

    def enter(self, given: Coefficients, scale: float, value: np.ndarray, problem: Problem) -> Entered:
        w, square = self._weights(problem)
        return replace(given, start=replace(given.start, first=value * w, second=value * square)), scale

    def pull(self, worths: Worths, given: Coefficients, value: np.ndarray, problem: Problem) -> np.ndarray:
        w, square = self._weights(problem)
        return np.asarray(worths["first"] * w + worths["second"] * square)

    def present(self, problem: Problem) -> np.ndarray:
        average = problem.time_average()
        return np.asarray(average.first / self._weights(problem)[0])


class Weights(Control):
    """Weights of the loss at the times, not renormalised."""

    def _probabilities(self, problem: Problem) -> np.ndarray:
        """What a weight multiplies in the drift: 1, or the probability of the time."""
        if problem.training.average == "times":
            return np.ones(self.size)
        return np.asarray(problem.training.replace(weights=None).time_average(problem.interpolant).first)

    def enter(self, given: Coefficients, scale: float, value: np.ndarray, problem: Problem) -> Entered:
        p, one = self._probabilities(problem), problem.training.average == "times"
        first = p * value
        return replace(given, start=replace(given.start, first=first, second=first**2 if one else first * value)), scale

    def pull(self, worths: Worths, given: Coefficients, value: np.ndarray, problem: Problem) -> np.ndarray:
        p, one = self._probabilities(problem), problem.training.average == "times"
        return np.asarray(p * worths["first"] + 2 * value * p * worths["second"] * (p if one else 1.0))

    def present(self, problem: Problem) -> np.ndarray:
        return np.asarray(problem.time_average().first / self._probabilities(problem))


#: Kinds of controls by key; those of rates by their table.
KINDS: dict[str, type[Control]] = {
    "training.learning_rate": LearningRate,
    "training.weight_decay": WeightDecay,
    "training.times": Time,
    "training.time_probabilities": TimeProbabilities,
    "training.weights": Weights,
}
#: Bounds that a value can have at all.
LIMITS = {"training.times": (0.0, 1.0), "training.time_probabilities": (0.0, 1.0)}
_RATES = "training.rates."


def control_of(problem: Problem, key: str, bounds: object, basis: str = "constant") -> Control:
    """A control from its key and ``(low, high)`` or ``(low, high, pieces)``, constant on pieces or a spline.

    Raises
    ------
    InputError
        If the key cannot be controlled, or bounds are missing or wrong.
    """
    kind = KINDS.get(key)
    choice("basis", basis, tuple(PIECES))
    if key.startswith(_RATES):
        kind = Rate
        problem.denoiser.rates({})
        name = key[len(_RATES) :]
        allowed = [*problem.denoiser.vectors, *sorted({v.split("_")[0] for v in problem.denoiser.vectors}), "b"]
        if name not in allowed:
            raise InputError(f"controls: {key}: unknown; allowed are {', '.join(_RATES + x for x in allowed)}")
    if kind is None:
        names = [*KINDS, _RATES + "NAME"]
        raise InputError(f"controls: {key}: cannot be controlled; allowed are {', '.join(names)}{closest(key, names)}")
    if not isinstance(bounds, (list, tuple)) or len(bounds) not in (2, 3):
        fail(f"controls: {key}", bounds, "(low, high) or (low, high, pieces): without bounds there may be no optimum")
    least, most = LIMITS.get(key, (0.0, np.inf))
    low = number(f"controls: {key}: low", bounds[0], at_least=least, at_most=most)
    high = number(f"controls: {key}: high", bounds[1], above=low, at_most=most)
    count = bounds[2] if len(bounds) == 3 else PIECES[basis]
    pieces = integer(f"controls: {key}: pieces", count, at_least=1, at_most=10_000)
    others = [f.key for f in problem.training.moving if f.key != key]
    if others and kind not in (LearningRate, Rate):
        raise InputError(f"controls: {key}: cannot be controlled where {others[0]} moves along the training too")
    times = problem.time_average().times
    own = problem.training.times
    listed = kind in (Time, TimeProbabilities, Weights) and isinstance(own, np.ndarray)
    if listed and not np.array_equal(times, own):
        fail("training.times", own, f"in rising order, each once, where {key} is controlled")
    if kind is Time and len(times) != 1:
        fail("training.times", problem.training.times, "one time where it is controlled")
    size = 1
    if kind in (TimeProbabilities, Weights) and not isinstance(problem.training.times, np.ndarray):
        raise InputError(f"controls: {key}: needs training.times as a list")
    if kind is Weights:
        size = len(times)
    if kind is TimeProbabilities:
        if problem.training.average != "random" or len(times) < 2:
            raise InputError(f'controls: {key}: needs training.average = "random" and at least two times')
        size = len(times)
        if low * size > 1 or high * size < 1:
            raise InputError(f"controls: {key}: bounds {low:g}, {high:g} leave no {size} probabilities that sum to 1")
    return kind(key, low, high, pieces, size, basis)


def controls_of(texts: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """The keys and bounds that ``--control KEY=LO:HI[:PIECES]`` names."""
    found: dict[str, tuple[float, ...]] = {}
    allowed = "KEY=LO:HI or KEY=LO:HI:PIECES, such as training.learning_rate=0:2:50"
    for text in texts:
        key, right = assignment(text, "--control", allowed)
        parts = right.split(":")
        try:
            if len(parts) not in (2, 3):
                raise ValueError
            bounds = (float(parts[0]), float(parts[1]), *(int(x) for x in parts[2:]))
        except ValueError:
            raise InputError(f"--control {text}: must be {allowed}") from None
        if key in found:
            raise InputError(f"--control {key}: given twice")
        found[key] = bounds
    return found
