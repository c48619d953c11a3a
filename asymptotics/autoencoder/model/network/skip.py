"""The skip connection as a function of the time: s(t) = s₀(t) + Σ_k b_k ψ_k(t)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import array, fail, number
from ....common.numerics.interpolants import Interpolant
from ..functions.of_time import OfTime, constant, schedule_rows

if TYPE_CHECKING:
    import sympy

    from derivations.autoencoder.network.denoiser import Denoiser as Declaration

#: What a user calls its parts.
FIXED, BASIS, START = "denoiser.skip_fixed", "denoiser.skip_basis", "denoiser.skip"


def checked_basis(basis: object) -> tuple[Any, ...]:
    """The functions ψ_k of a file."""
    if isinstance(basis, str) or not isinstance(basis, Sequence):
        fail(BASIS, basis, 'a list of functions of t, ["1", "t"]')
    for psi in basis:
        OfTime(psi, BASIS)
    return tuple(basis)


def checked_start(value: object, count: int) -> Any:
    """b_k at τ = 0: a number where there is one ψ (or none), else an array."""
    if isinstance(value, (list, tuple, np.ndarray)):
        values = array(START, value, ndim=1)
        if len(values) != count:
            fail(START, value, f"{count} number{'s' * (count != 1)}, one for each function of {BASIS}")
        return float(values[0]) if count == 1 else values
    one = number(START, value)
    if count > 1 and one:
        fail(START, value, f"a list of {count} numbers, one for each function of {BASIS}")
    return np.zeros(count) if count > 1 else one


class Skip(ABC):
    """s₀ and the ψ_k, in the terms of whoever declared them.

    Attributes
    ----------
    fixed, basis
        s₀, and the ψ_k: none where none is trained.
    """

    fixed: Any
    basis: tuple[Any, ...]

    @property
    @abstractmethod
    def plain(self) -> bool:
        """Whether it is one b at all times, or is not there."""

    @abstractmethod
    def symbolic(self) -> tuple[sympy.Expr, tuple[sympy.Expr, ...]]:
        """s₀ and the ψ_k in the symbols of `derivations.schedule`."""

    @abstractmethod
    def _values(self, interpolant: Interpolant, t: np.ndarray) -> Sequence[np.ndarray]:
        """s₀ and the ψ_k at the times t."""

    def at(self, interpolant: Interpolant, t: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """s₀ (…) and the ψ_k (basis, …) at the times t; not finite where they are singular."""
        t = np.asarray(t, dtype=np.float64)
        if self.plain:
            return np.zeros(t.shape), np.ones((len(self.basis), *t.shape))
        fixed, *psi = self._values(interpolant, t)
        return fixed, np.array(psi).reshape(len(psi), *t.shape)


@dataclass(frozen=True)
class TimeSkip(Skip):
    """From the numbers and texts of a file."""

    fixed: Any
    basis: tuple[Any, ...]

    @property
    def plain(self) -> bool:
        return constant(self.fixed) == 0.0 and [constant(x) for x in self.basis] in ([], [1.0])

    def _functions(self) -> list[OfTime]:
        return [OfTime(self.fixed, FIXED), *(OfTime(x, BASIS) for x in self.basis)]

    def symbolic(self) -> tuple[sympy.Expr, tuple[sympy.Expr, ...]]:
        fixed, *psi = (f.symbolic() for f in self._functions())
        return fixed, tuple(psi)

    def _values(self, interpolant: Interpolant, t: np.ndarray) -> Sequence[np.ndarray]:
        return [f(interpolant, t) for f in self._functions()]


@dataclass(frozen=True)
class DeclaredSkip(Skip):
    """From the expressions of a declared denoiser."""

    fixed: sympy.Expr
    basis: tuple[sympy.Expr, ...]

    @property
    def plain(self) -> bool:
        return bool(self.fixed == 0 and self.basis in ((), (1,)))

    def symbolic(self) -> tuple[sympy.Expr, tuple[sympy.Expr, ...]]:
        return self.fixed, self.basis

    def _values(self, interpolant: Interpolant, t: np.ndarray) -> Sequence[np.ndarray]:
        return list(evaluated((self.fixed, *self.basis), schedule_rows(interpolant, t)))


def evaluated(expressions: Sequence[sympy.Expr], rows: np.ndarray) -> np.ndarray:
    """Functions of the time at the rows α, β, α̇, β̇, t (5, …): (expressions, …)."""
    import sympy

    from derivations import schedule

    with np.errstate(all="ignore"):
        values = [sympy.lambdify(schedule.of_time, x, modules=["scipy", "numpy"])(*rows) for x in expressions]
    found = [np.broadcast_to(np.asarray(x, dtype=np.float64), rows.shape[1:]) for x in values]
    return np.array(found).reshape(len(found), *rows.shape[1:])


def phi_at(declared: Declaration, rows: np.ndarray) -> np.ndarray:
    """Every φ_j of a declaration at one place of the fields and scalars, at the times of the rows α, β, α̇, β̇, t."""
    import sympy

    place = {x: sympy.Rational(37 + 3 * k, 100) for k, x in enumerate((*declared.fields, *declared.parameters))}
    place |= dict.fromkeys(declared.one_hot, sympy.Rational(1, 3))
    return evaluated([phi.xreplace(place) for phi in declared.phi], rows)
