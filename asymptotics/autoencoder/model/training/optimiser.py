"""The optimiser: momentum, averages of the weights, and the linear map R, A on the stacked vectors that they come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ....common.input.checks import InputError, fail, number

if TYPE_CHECKING:
    import sympy

    from derivations import Optimiser

#: What divides by running averages of every coordinate's gradient.
ADAPTIVE = ("adam", "adamw", "adagrad", "rmsprop", "adamax", "nadam", "lion")
#: γ(τ) = (1 + k)/τ is cut at this share of the training: what is left of it has died out long before anything is read off.
BEGINNING = 1e-7


def refuse_adaptive(key: str, value: object) -> None:
    """Say why Adam and its like are not here."""
    if isinstance(value, str) and value.strip().lower() in ADAPTIVE:
        fail(
            key,
            value,
            "a linear map of the vectors (sgd, momentum, averages): the normaliser of Adam and its like averages the squares of every "
            "coordinate's own gradients, and the law of these is no function of the order parameters; no theory at d to infinity "
            "covers it here",
        )


@dataclass(frozen=True)
class Average:
    """An average w̄ of the weights: dw̄/dτ = γ(τ) (w − w̄), w̄(0) = w(0).

    Parameters
    ----------
    gamma : float, optional
        A constant γ.
    power : float, optional
        k of γ = (1 + k)/τ: w̄ is then the mean of w with the weight τ^k.
    """

    gamma: float | None = None
    power: float | None = None

    @classmethod
    def of(cls, key: str, value: object) -> Average:
        """From what stands in a file: a number, or {power = k}."""
        if isinstance(value, Mapping):
            if set(value) != {"power"}:
                fail(key, dict(value), "a number > 0, or {power = k} for gamma = (1 + k)/tau")
            return cls(power=number(f"{key}.power", value["power"], at_least=0))
        return cls(gamma=number(key, value, above=0))

    def rate(self, tau: float, end: float) -> float:
        """γ at τ, of a training that ends at ``end``."""
        if self.gamma is not None:
            return self.gamma
        return (1.0 + float(self.power or 0.0)) / max(tau, BEGINNING * end)

    def to_builtin(self) -> float | dict[str, float]:
        """What stands in a file."""
        return self.gamma if self.gamma is not None else {"power": float(self.power or 0.0)}

    def named(self, name: str) -> bool:
        """Whether ``sampling.network = "ema:name"`` means this one."""
        if name.startswith("power="):
            return self.power is not None and _number(name.removeprefix("power=")) == self.power
        return self.gamma is not None and _number(name) == self.gamma

    def __str__(self) -> str:
        return f"{self.gamma:g}" if self.gamma is not None else f"power={self.power:g}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def averages_of(key: str, value: object) -> tuple[Average, ...]:
    """The averages that a file asks for: none, one or a list."""
    if value is None:
        return ()
    refuse_adaptive(key, value)
    several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    found = tuple(Average.of(key, x) for x in several)
    if len(set(found)) != len(found):
        fail(key, value, "averages that differ")
    return found


@dataclass(frozen=True)
class Momentum:
    """Momentum: with fixed β_m, or with friction g and gain k of order 1/d a step.

    Fixed β_m at d → ∞ is SGD with η/(1 − β_m) at τ/(1 − β_m), for b and the scalars too. With friction, per dτ = 2η/d,
    dv = −∇ − g v and dw = k v, for the vectors alone.
    """

    fixed: float = 0.0
    friction: float | None = None
    gain: float = 1.0

    @classmethod
    def of(cls, key: str, value: object) -> Momentum:
        """From what stands in a file: a number, or {friction = g, gain = k}."""
        if value is None:
            return cls()
        refuse_adaptive(key, value)
        if isinstance(value, Mapping):
            if set(value) != {"friction", "gain"}:
                fail(key, dict(value), "a number in [0, 1), or {friction = g, gain = k}")
            return cls(
                friction=number(f"{key}.friction", value["friction"], at_least=0),
                gain=number(f"{key}.gain", value["gain"], above=0),
            )
        return cls(fixed=number(key, value, at_least=0, below=1))

    @property
    def factor(self) -> float:
        """1/(1 − β_m), by which learning rates are multiplied."""
        return 1.0 / (1.0 - self.fixed)


@dataclass(frozen=True)
class LinearMap:
    """R and A on the stack of all vectors that the equations follow: the network's p, their velocities, their averages.

    Attributes
    ----------
    p : int
        Vectors of the denoiser.
    rho : (p,)
        Factors on their learning rates, 0 for frozen ones.
    momentum : Momentum
    averages : tuple of Average
    end : float
        End of the training.
    given : callable, optional
        τ ↦ (R, A) over the p vectors, from a `derivations.Optimiser`; A then holds the weight decay.
    """

    p: int
    rho: np.ndarray
    momentum: Momentum
    averages: tuple[Average, ...]
    end: float
    given: Callable[[float], tuple[np.ndarray, np.ndarray]] | None = None

    @property
    def moving(self) -> bool:
        """Whether there are velocities."""
        return self.momentum.friction is not None

    @property
    def size(self) -> int:
        """P, all vectors."""
        return self.p * (1 + self.moving + len(self.averages))

    @property
    def plain(self) -> bool:
        """Whether this is SGD on the p vectors and no more."""
        return self.size == self.p and self.given is None

    @property
    def varies(self) -> bool:
        """Whether R or A depend on τ by themselves."""
        return self.given is not None or any(average.gamma is None for average in self.averages)

    @property
    def velocity(self) -> slice:
        """Where the velocities stand in the stack."""
        return slice(self.p, 2 * self.p if self.moving else self.p)

    def average(self, index: int) -> slice:
        """Where the vectors of an average stand in the stack."""
        first = self.p * (1 + self.moving + index)
        return slice(first, first + self.p)

    @property
    def copies(self) -> np.ndarray:
        """The stacked vectors where training begins in those of the network, (P, p): no velocities, averages are the weights."""
        out = np.zeros((self.size, self.p))
        out[: self.p] = np.eye(self.p)
        for k in range(len(self.averages)):
            out[self.average(k)] = np.eye(self.p)
        return out

    def gammas(self, tau: float) -> np.ndarray:
        """γ of every average at τ."""
        return np.array([a.rate(tau, self.end) for a in self.averages])

    @property
    def still(self) -> bool:
        """Whether R and A depend on τ through the rates and the weight decay alone."""
        return self.given is None and all(a.gamma is not None for a in self.averages)

    def at(self, tau: float, scale: float, decay: float) -> tuple[np.ndarray, np.ndarray]:
        """R (P, p) and A (P, P) at τ.

        Parameters
        ----------
        tau : float
        scale : float
            s(τ) of the rate schedule: it multiplies gradients and weight decay, neither averages nor friction and gain.
        decay : float
            λ at τ.
        """
        p, one = self.p, np.eye(self.p)
        R, A = np.zeros((self.size, p)), np.zeros((self.size, self.size))
        if self.given is not None:
            R[:p], A[:p, :p] = self.given(tau)
            R *= scale
        else:
            rates = scale * self.momentum.factor * self.rho
            A[:p, :p] = np.diag(-0.5 * decay * rates)
            R[self.velocity if self.moving else slice(0, p)] = np.diag(rates)
        if self.moving:
            A[:p, self.velocity] = self.momentum.gain * one
            A[self.velocity, self.velocity] = -float(self.momentum.friction or 0.0) * one
        for index, gamma in enumerate(self.gammas(tau)):
            at = self.average(index)
            A[at, :p], A[at, at] = gamma * one, -gamma * one
        return R, A

    def of_scalar(self, rate: float) -> float:
        """The factor on the learning rate of b or of a scalar."""
        return self.momentum.factor * rate


def matrices(optimiser: Optimiser, vectors: Sequence[str]) -> tuple[sympy.Matrix, sympy.Matrix]:
    """R and A of a declared optimiser; an `InputError` if it does not fit the vectors."""
    try:
        R, A = optimiser.matrices(vectors)
    except ValueError as error:
        raise InputError(f"training.optimiser: {error}") from None
    return R, A


def evaluated(R: sympy.Matrix, A: sympy.Matrix) -> Callable[[float], tuple[np.ndarray, np.ndarray]]:
    """τ ↦ (R, A) in numbers."""
    import sympy

    from derivations import schedule

    if not (R.free_symbols | A.free_symbols):
        constant = np.array(R, dtype=np.float64), np.array(A, dtype=np.float64)
        return lambda tau: constant
    function = sympy.lambdify([schedule.tau], (R, A), modules=["scipy", "numpy"])

    def at(tau: float) -> tuple[np.ndarray, np.ndarray]:
        r, a = function(tau)
        return np.asarray(r, dtype=np.float64), np.asarray(a, dtype=np.float64)

    return at
