"""What a network is: one of the architectures by name, one declared in a file, or a derived system; of one protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from derivations.autoencoder.network.catalogue import ARCHITECTURES, FORMULAE, Architecture

from ....common.input import expressions
from ....common.input.checks import InputError
from ....common.numerics.interpolants import Interpolant
from ..functions.of_time import OfTime, constant, schedule_rows
from .own import OWN, OwnNetwork
from .skip import BASIS, FIXED, DeclaredSkip, Skip, TimeSkip, evaluated, phi_at

if TYPE_CHECKING:
    import sympy

    from derivations import Denoiser as Declaration
    from derivations.autoencoder.engine import System

#: What a user calls its parts.
ACTIVATION, TERMS = "denoiser.activation", "denoiser.terms"


@lru_cache(maxsize=64)
def _vectors(architecture: str, hidden_units: int, labels: int) -> tuple[str, ...]:
    return tuple(ARCHITECTURES[architecture].vectors(hidden_units, labels))


class Network(ABC):
    """What theory and process ask of a network, whatever kind it is.

    Attributes
    ----------
    asks_for_labels : bool
        Whether vectors or scalars depend on the number of labels.
    vectors : tuple of str
        Names of the stacked weight vectors.
    scalars : (…,)
        Where the trainable scalars besides b start unless something else is said.
    time_skip : Skip
        s₀ and the ψ_k.
    conditioned, labelled : bool
        Whether the φ_j depend on the time, on the label.
    """

    asks_for_labels: ClassVar[bool] = False

    @property
    @abstractmethod
    def vectors(self) -> tuple[str, ...]: ...

    @property
    @abstractmethod
    def scalars(self) -> np.ndarray: ...

    @property
    @abstractmethod
    def time_skip(self) -> Skip: ...

    @property
    def conditioned(self) -> bool:
        return bool(self.declaration().conditioned)

    @property
    def labelled(self) -> bool:
        return bool(self.declaration().labelled)

    @abstractmethod
    def declaration(self) -> Declaration:
        """The symbolic `derivations.Denoiser` with its activation chosen."""

    def derived(self) -> System:
        """The derived order-parameter equations."""
        from derivations.autoencoder.engine import derive

        return derive(self.declaration())

    @abstractmethod
    def _functions(self) -> tuple[Any, ...]:
        """What tells its φ_j from those of any other network."""

    def specification(self) -> tuple[Any, ...]:
        """What says which functions the kernels are made of (the key of their cache): s₀ and the ψ_k enter as numbers."""
        return (*self._functions(), *(() if self.time_skip.plain else ("skip of time",)))

    @abstractmethod
    def predicted(self, *schedule: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(y₀, y₁), what it is trained to give, where the schedule has the values α, β, α̇, β̇."""

    def functions_of_time(self, interpolant: Interpolant, t: np.ndarray) -> list[tuple[str, np.ndarray]]:
        """Everything in it that is a function of the time, by what a user calls it, at the times t."""
        found: list[tuple[str, np.ndarray]] = []
        if not self.time_skip.plain:
            found += zip((FIXED, BASIS), self.time_skip.at(interpolant, t), strict=True)
        return found + (self._terms_of_time(interpolant, t) if self.conditioned else [])

    def _terms_of_time(self, interpolant: Interpolant, t: np.ndarray) -> list[tuple[str, np.ndarray]]:
        return [(TERMS, phi_at(self.declaration(), schedule_rows(interpolant, t)))]


def predicted_by_name(name: str, *schedule: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(y₀, y₁) of a name of `TARGETS`, where the schedule has the values α, β, α̇, β̇."""
    zero, one = np.zeros_like(schedule[0]), np.ones_like(schedule[0])
    return {"data": (zero, one), "noise": (one, zero), "velocity": (schedule[2], schedule[3])}[name]


@dataclass(frozen=True)
class _Written(Network):
    """What a file says of any network: what it predicts, how many labels it is told, and its skip connection."""

    predicts: str
    labels: int | None
    skip_fixed: Any
    skip_basis: tuple[Any, ...] | None

    @property
    def _trains_skip(self) -> bool:
        """Whether b is trained where ``skip_basis`` is left out."""
        return True

    @property
    def time_skip(self) -> Skip:
        basis = (("1",) if self._trains_skip else ()) if self.skip_basis is None else self.skip_basis
        return TimeSkip(0.0 if self.skip_fixed is None else self.skip_fixed, basis)

    def predicted(self, *schedule: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return predicted_by_name(self.predicts, *schedule)

    def _symbolic_skip(self) -> dict[str, Any]:
        fixed, psi = self.time_skip.symbolic()
        return {"skip_fixed": fixed, "skip_basis": psi}


@dataclass(frozen=True)
class Named(_Written):
    """One of `ARCHITECTURES`, with an activation and scales c_in, c_out."""

    architecture: str
    hidden_units: int
    activation: str
    shift: float
    input_scale: Any
    output_scale: Any

    @property
    def known(self) -> Architecture:
        """The architecture as data."""
        return ARCHITECTURES[self.architecture]

    @property
    def asks_for_labels(self) -> bool:  # type: ignore[override]
        return self.known.labelled

    @property
    def vectors(self) -> tuple[str, ...]:
        return _vectors(self.architecture, self.hidden_units, self.labels or 0)

    @property
    def scalars(self) -> np.ndarray:
        return np.array([*self.known.scalars(self.hidden_units, (self.labels or 0) * self.labelled).values()])

    @property
    def _trains_skip(self) -> bool:
        return self.known.skip

    @property
    def _scales(self) -> dict[str, OfTime]:
        """c_in and c_out, those that are given."""
        given = {"input_scale": self.input_scale, "output_scale": self.output_scale}
        return {name: OfTime(text, f"denoiser.{name}") for name, text in given.items() if text is not None}

    @property
    def conditioned(self) -> bool:
        return any(constant(scale.text) is None for scale in self._scales.values())

    @property
    def labelled(self) -> bool:
        return self.known.labelled

    def declaration(self) -> Declaration:
        import sympy

        from derivations import architecture

        options = self._symbolic_skip() | {name: scale.symbolic() for name, scale in self._scales.items()}
        if self.labelled:
            options["labels"] = self.labels
        activation: str | sympy.Expr = self.activation
        if self.activation not in FORMULAE:
            activation = expressions.to_sympy(self.activation, ["x"], ACTIVATION)
        options |= {"predicts": self.predicts, "shift": sympy.nsimplify(self.shift, rational=True)}
        try:
            return architecture(self.architecture, self.hidden_units, activation=activation, **options)
        except ValueError as error:
            # A jump, a pole or a constant, found by the declaration.
            raise InputError(f"{ACTIVATION} = {self.activation!r}: {error}") from None

    def _functions(self) -> tuple[Any, ...]:
        named = ("named", self.architecture, self.hidden_units, self.activation, self.predicts, self.shift)
        scales = (self.input_scale, self.output_scale) if self._scales else ()
        return (*named, *((self.labels,) if self.labelled else ()), *scales)

    def functions_of_time(self, interpolant: Interpolant, t: np.ndarray) -> list[tuple[str, np.ndarray]]:
        scales = [(scale.key, scale(interpolant, t)) for scale in self._scales.values()]
        return super().functions_of_time(interpolant, t) + scales

    def _terms_of_time(self, interpolant: Interpolant, t: np.ndarray) -> list[tuple[str, np.ndarray]]:
        """None beside the scales."""
        return []


@dataclass(frozen=True)
class Own(_Written):
    """A network whose vectors and terms a file declares."""

    name: str
    own: OwnNetwork

    @property
    def asks_for_labels(self) -> bool:  # type: ignore[override]
        return self.own.asks_for_labels

    @property
    def vectors(self) -> tuple[str, ...]:
        return self.own.vectors

    @property
    def scalars(self) -> np.ndarray:
        return np.zeros(len(self.own.scalars))

    def declaration(self) -> Declaration:
        return self.own.declaration(self.name, self.labels or 0, predicts=self.predicts, **self._symbolic_skip())

    def _functions(self) -> tuple[Any, ...]:
        labels = (self.labels,) if self.labelled else ()
        return (OWN, self.own, self.predicts, len(self.time_skip.basis) > 0, *labels)


@dataclass(frozen=True)
class Derived(Network):
    """A derived system (Python only), which says everything itself."""

    system: System

    @property
    def vectors(self) -> tuple[str, ...]:
        return tuple(self.system.denoiser.vectors)

    @property
    def scalars(self) -> np.ndarray:
        declared = self.system.denoiser
        known = ARCHITECTURES.get(declared.name)  # a declared denoiser may have any name
        labels = (declared.labels or 0) * (known is not None and known.labelled)
        start = [] if known is None else [*known.scalars(len(declared.terms), labels).values()]
        count = len(declared.parameters)
        return np.array(start) if len(start) == count else np.zeros(count)

    @property
    def time_skip(self) -> Skip:
        return DeclaredSkip(self.system.denoiser.skip_fixed, self.system.denoiser.psi)

    def declaration(self) -> Declaration:
        return self.system.denoiser

    def derived(self) -> System:
        return self.system

    def _functions(self) -> tuple[Any, ...]:
        import sympy

        m = self.system.denoiser
        terms = tuple((u, sympy.srepr(phi)) for u, phi in m.terms)
        told = (m.labels,) if m.labels else ()
        return ("declared", m.vectors, terms, tuple(map(str, m.parameters)), m.skip, str(m.predicts), *told)

    def predicted(self, *schedule: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        predicts = self.system.denoiser.predicts
        if isinstance(predicts, str):
            return predicted_by_name(predicts, *schedule)
        y0, y1 = evaluated(self.system.denoiser.target(), np.stack([*schedule, np.zeros_like(schedule[0])]))
        return y0, y1
