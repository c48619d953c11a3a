"""The denoiser's table: architecture, activation, and the state at τ = 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from derivations.autoencoder.catalogue import ARCHITECTURES, FORMULAE, TARGETS

from ...common.input import expressions
from ...common.input.checks import InputError, array, choice, closest, fail, integer, number
from ...common.input.notation import Notation
from ...common.input.settings import Settings

if TYPE_CHECKING:
    from derivations.autoencoder.engine import System


@dataclass(frozen=True)
class Init(Settings):
    """Weights at τ = 0, by their overlaps.

    Parameters
    ----------
    centroids : float
        w_γ = centroids √d μ_γ for γ ≤ min(hidden units, clusters); untied: encoder and decoder alike.
    random : float
        + i.i.d. N(0, random²) entries.
    Theta, Q : array_like
        Instead: the overlaps themselves, (vectors, K) and (vectors, vectors) with one atom, or one matrix an atom in front.
    realisation : int
        Draw the weights once, at the simulation's dimension, from this seed: every run starts from that one matrix and the
        theory from its measured overlaps. Where atoms have only one direction each (a spectrum), i.i.d. entries have no exact
        overlaps, and this is the way.
    """

    table = "denoiser.init"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "Theta": Notation("Θ(0)", ("theta", "Theta0")),
        "Q": Notation("Q(0)", ("q", "Q0")),
        "random": Notation("", ("std", "scale"), "standard deviation an entry"),
        "realisation": Notation("", ("realization",), "seed"),
    }

    centroids: float = 0.0
    random: float = 0.0
    Theta: Any = None
    Q: Any = None
    realisation: int | None = None

    def __post_init__(self) -> None:
        self.set(
            centroids=number(self.key("centroids"), self.centroids),
            random=number(self.key("random"), self.random, at_least=0),
        )
        if (self.Theta is None) != (self.Q is None):
            raise InputError(f"{self.key('Theta')} and {self.key('Q')}: must be given together")
        for name in ("Theta", "Q"):
            if getattr(self, name) is not None:
                self.set(**{name: array(self.key(name), getattr(self, name))})
        if self.realisation is not None:
            self.set(realisation=integer(self.key("realisation"), self.realisation, at_least=0))
            if self.Theta is not None:
                raise InputError(f"{self.key('realisation')}: must be left out where Theta and Q are given")


@dataclass(frozen=True)
class Denoiser(Settings):
    """The network and its state at τ = 0.

    Parameters
    ----------
    architecture : str
        "tied", "untied", "untied_bias", "no_skip", "scaled", or "linear" (tied with σ(x) = x); see `derivations`.
    hidden_units : int
        r ≥ 1.
    activation : str
        tanh, erf (of x/√2), relu, softplus, sigmoid, linear, or an arithmetic expression in x.
    skip : float
        b at τ = 0.
    predicts : {"data", "noise", "velocity"}
        What the network is trained to give of x_t: x₁, x₀ or α̇ x₀ + β̇ x₁.
    shift : float
        Fixed number added inside the activation (untied only).
    parameters : list of float
        Trainable scalars at τ = 0 (untied_bias: the biases; scaled: the scale). Default zero (scaled: one).
    frozen : list of str
        Weight vectors, groups of them ("u") or "b" that SGD leaves alone.
    system : derivations.System, optional
        A derived system to use instead of a named architecture (Python only).
    """

    table = "denoiser"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "hidden_units": Notation("r", ("r", "hidden", "width", "units", "n_hidden"), "units"),
        "activation": Notation("σ", ("sigma", "nonlinearity", "phi")),
        "skip": Notation("b(0)", ("b0", "b", "skip_init")),
        "parameters": Notation("κ(0)", ("kappa",)),
        "predicts": Notation("", ("prediction", "parametrization", "parametrisation", "predict")),
    }

    architecture: str = "tied"
    hidden_units: int = 1
    activation: Any = "tanh"
    skip: float = 0.0
    predicts: str = "data"
    shift: float = 0.0
    parameters: Any = None
    frozen: Any = ()
    init: Any = None
    system: Any = None

    def __post_init__(self) -> None:
        init = self.init if isinstance(self.init, Init) else Init.from_table(self.init or {})
        self.set(init=init, skip=number(self.key("skip"), self.skip), shift=number(self.key("shift"), self.shift))
        if self.system is not None:
            self._adopt(self.system)
        if self.system is None:
            choice(self.key("predicts"), self.predicts, TARGETS)
            choice(self.key("architecture"), self.architecture, ARCHITECTURES)
            self.set(hidden_units=integer(self.key("hidden_units"), self.hidden_units, at_least=1, at_most=64))
            self._check_activation()
            if self.shift and self.architecture != "untied":
                fail(self.key("shift"), self.shift, "0 unless the architecture is untied")
        start = self._start
        values = start if self.parameters is None else self.parameters
        self.set(parameters=array(self.key("parameters"), values, shape=start.shape))
        frozen = (self.frozen,) if isinstance(self.frozen, str) else self.frozen
        if not isinstance(frozen, (list, tuple)):
            fail(self.key("frozen"), self.frozen, "a list of names")
        allowed = [*self.vectors, *sorted({v.split("_")[0] for v in self.vectors}), "b"]
        for name in frozen:
            choice(self.key("frozen"), name, allowed)
            self.unambiguous(self.key("frozen"), name)
        self.set(frozen=tuple(frozen))

    @classmethod
    def adopt(cls, table: Mapping[str, Any], thing: object) -> Mapping[str, Any] | None:
        """A derived system (`derivations.derive`) replaces the architecture; skip, start and parameters stay."""
        if not hasattr(thing, "potential"):
            return None
        return {k: v for k, v in table.items() if k in ("skip", "init", "parameters")} | {"system": thing}

    def _adopt(self, system: Any) -> None:
        if not hasattr(system, "denoiser") or not hasattr(system, "potential"):
            fail(self.key("system"), system, "a derived system (derivations.derive)")
        if system.denoiser.unspecified:
            fail(self.key("system"), system.denoiser.name, "a system whose activation is chosen (with_activation)")
        self.set(architecture=system.denoiser.name, hidden_units=len(system.denoiser.terms), activation="(system)")

    def _check_activation(self) -> None:
        if ARCHITECTURES[self.architecture].activation is not None:
            self.set(activation=ARCHITECTURES[self.architecture].activation)
        if not isinstance(self.activation, str):
            fail(self.key("activation"), self.activation, "a name or an expression in x")
        if self.activation.isidentifier() and self.activation != "x":
            if self.activation not in FORMULAE:
                hint = closest(self.activation, [*FORMULAE])
                fail(
                    self.key("activation"),
                    self.activation,
                    f"one of {', '.join(FORMULAE)}, or arithmetic in x{hint}",
                )
        else:
            expressions.check(self.activation, ["x"], self.key("activation"))

    @property
    def vectors(self) -> tuple[str, ...]:
        """Names of the stacked weight vectors."""
        if self.system is not None:
            return tuple(self.system.denoiser.vectors)
        return ARCHITECTURES[self.architecture].vectors(self.hidden_units)

    @property
    def _start(self) -> np.ndarray:
        """Where the trainable scalars besides b start unless something else is said."""
        known = ARCHITECTURES.get(self.architecture)  # a declared denoiser may have any name
        start = [] if known is None else [*known.scalars(self.hidden_units).values()]
        if self.system is not None and len(start) != len(self.system.denoiser.parameters):
            return np.zeros(len(self.system.denoiser.parameters))
        return np.array(start)

    @property
    def has_skip(self) -> bool:
        """Whether there is a skip connection b."""
        return bool(ARCHITECTURES[self.architecture].skip if self.system is None else self.system.denoiser.skip)

    def declaration(self) -> Any:
        """The symbolic `derivations.Denoiser` with its activation chosen."""
        if self.system is not None:
            return self.system.denoiser
        import sympy

        from derivations import architecture

        shift = sympy.nsimplify(self.shift, rational=True)
        activation = self.activation
        if activation not in FORMULAE:
            activation = expressions.to_sympy(activation, ["x"], self.key("activation"))
        try:
            return architecture(
                self.architecture, self.hidden_units, activation=activation, predicts=self.predicts, shift=shift
            )
        except ValueError as error:
            # A jump, a pole or a constant, found by the declaration.
            raise InputError(f"{self.key('activation')} = {self.activation!r}: {error}") from None

    def derived(self) -> System:
        """The derived order-parameter equations."""
        from derivations.autoencoder.engine import derive

        return self.system if self.system is not None else derive(self.declaration())

    def specification(self) -> tuple[Any, ...]:
        """What says which denoiser this is (the key of the kernel cache)."""
        if self.system is not None:
            import sympy

            m = self.system.denoiser
            terms = tuple((u, sympy.srepr(phi)) for u, phi in m.terms)
            return ("declared", m.vectors, terms, tuple(map(str, m.parameters)), m.skip, str(m.predicts))
        return ("named", self.architecture, self.hidden_units, self.activation, self.predicts, self.shift)

    def unambiguous(self, key: str, name: str) -> None:
        """Refuse the name "b" where it is a vector and the skip connection at once."""
        if name == "b" and self.has_skip and any(name in (v, v.split("_")[0]) for v in self.vectors):
            fail(key, name, "clear: a vector and the skip connection have this name (call the vector otherwise)")

    def target(self, *schedule: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(y₀, y₁), what is predicted, where the schedule has the values α, β, α̇, β̇."""
        predicts = self.predicts if self.system is None else self.system.denoiser.predicts
        zero, one = np.zeros_like(schedule[0]), np.ones_like(schedule[0])
        if predicts == "data":
            return zero, one
        if predicts == "noise":
            return one, zero
        if predicts == "velocity":
            return schedule[2], schedule[3]
        import sympy

        from derivations.autoencoder.denoiser import alpha, alpha_dot, beta, beta_dot

        functions = [sympy.lambdify([alpha, beta, alpha_dot, beta_dot], y) for y in self.system.denoiser.target()]
        return tuple(np.broadcast_to(f(*schedule), zero.shape).astype(float) for f in functions)  # type: ignore[return-value]

    def rates(self, overrides: Mapping[str, float]) -> tuple[np.ndarray, float]:
        """ρ_a of every vector and of b: 1, an override by vector or group name, 0 if frozen."""
        table = {**dict.fromkeys(self.frozen, 0.0), **overrides}
        # A vector called as a group is itself, and no group.
        groups = {k: x for k, x in table.items() if k not in self.vectors}
        rho = np.array([table.get(v, groups.get(v.split("_")[0], 1.0)) for v in self.vectors])
        return rho, (table.get("b", 1.0) if self.has_skip else 0.0)
