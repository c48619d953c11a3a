"""The denoiser's table: architecture, activation, what it is told of the time and the label, and the state at τ = 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from derivations.autoencoder.network.catalogue import ARCHITECTURES, FORMULAE, TARGETS

from ....common.input import expressions
from ....common.input.checks import InputError, array, choice, closest, fail, integer
from ....common.input.notation import Notation
from ....common.input.settings import Finite, Settings
from ....common.numerics.interpolants import Interpolant
from ..functions.of_time import OfTime
from .init import Init
from .kinds import Derived, Named, Network, Own
from .own import OwnNetwork, read, written
from .skip import checked_basis, checked_start

if TYPE_CHECKING:
    from derivations import Denoiser as Declaration
    from derivations.autoencoder.engine import System


@dataclass(frozen=True)
class Denoiser(Settings):
    """The network f_t(x) = s(t) x + Σ_j (u_j/√d) φ_j and its state at τ = 0.

    Parameters
    ----------
    architecture : str
        "tied", "untied", "untied_bias", "no_skip", "scaled", "labelled_bias", "labelled_decoder", or "linear" (tied with
        σ(x) = x); see `derivations`.
    hidden_units : int
        r ≥ 1.
    activation : str
        tanh, erf (of x/√2), relu, softplus, sigmoid, linear, or an arithmetic expression in x.
    skip : float or list of float
        b at τ = 0; where there are several functions in ``skip_basis``, one number for each.
    predicts : {"data", "noise", "velocity"}
        What the network is trained to give of x_t: x₁, x₀ or α̇ x₀ + β̇ x₁.
    shift : float
        Fixed number added inside the activation (untied only).
    parameters : list of float
        Trainable scalars at τ = 0 (untied_bias: the biases; labelled_bias: those of label 0, of label 1, …; scaled: the scale).
        Default zero (scaled: one). Of an own network: a table of names and values.
    frozen : list of str
        Weight vectors, groups of them ("u") or "b" that SGD leaves alone.
    system : derivations.System, optional
        A derived system to use instead of a named architecture (Python only).
    skip_fixed : str or float
        s₀(t), which is not trained, an expression in t, alpha, beta, alpha_dot and beta_dot. Default 0.
    skip_basis : list of str
        The functions ψ_k(t) that the trained b_k multiply, s = s₀ + Σ_k b_k ψ_k. Default ["1"]; []: no trained skip.
    input_scale, output_scale : str or float
        c_in(t) and c_out(t): φ = c_out σ(c_in ω + …). Default 1.
    labels : int
        Number of labels that the network is told; default those of the target.
    own : OwnNetwork
        A network of one's own: the keys ``vectors`` and ``terms`` of the table.
    """

    table = "denoiser"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "hidden_units": Notation("r", ("r", "hidden", "width", "units", "n_hidden"), "units"),
        "activation": Notation("σ", ("sigma", "nonlinearity", "activation_function", "phi")),
        "skip": Notation("b(0)", ("b0", "b", "skip_init")),
        "parameters": Notation("κ(0)", ("kappa",)),
        "predicts": Notation("", ("prediction", "parametrization", "parametrisation", "predict")),
    }
    HINTS: ClassVar[Mapping[str, str]] = {
        "K": "the number of hidden units is hidden_units",
        **{name: "write init = { Theta = ..., Q = ... }" for name in ("Theta", "theta", "Theta0", "theta0", "Q", "Q0")},
    }

    architecture: str = "tied"
    hidden_units: Annotated[int, partial(integer, at_least=1, at_most=64)] = 1
    activation: Any = "tanh"
    skip: Any = 0.0
    predicts: str = "data"
    shift: Finite = 0.0
    parameters: Any = None
    frozen: Any = ()
    init: Any = None
    system: Any = None
    skip_fixed: Any = None
    skip_basis: Any = None
    input_scale: Any = None
    output_scale: Any = None
    labels: Annotated[int, partial(integer, at_least=0, at_most=64)] | None = None
    own: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        init = self.init if isinstance(self.init, Init) else Init.from_table(self.init or {})
        self.set(init=init)
        if self.system is not None:
            self._adopt(self.system)
        elif self.own is not None:
            self._check_own(self.own)
        else:
            choice(self.key("predicts"), self.predicts, TARGETS)
            choice(self.key("architecture"), self.architecture, ARCHITECTURES)
            self._check_activation()
            if self.shift and self.architecture != "untied":
                fail(self.key("shift"), self.shift, "0 unless the architecture is untied")
        self._check_time()
        if not self.open:
            self._check_named()

    def set(self, **values: Any) -> None:
        super().set(**values)
        # What was made of other values.
        self.__dict__.pop("network", None)

    @cached_property
    def network(self) -> Network:
        """What kind of network it is."""
        if self.system is not None:
            return Derived(self.system)
        written = {name: getattr(self, name) for name in ("predicts", "labels", "skip_fixed", "skip_basis")}
        if self.own is not None:
            return Own(name=self.architecture, own=self.own, **written)
        chosen = ("architecture", "hidden_units", "activation", "shift", "input_scale", "output_scale")
        return Named(**written, **{name: getattr(self, name) for name in chosen})

    @property
    def open(self) -> bool:
        """Whether vectors and scalars cannot be told yet: the number of labels is the target's."""
        return self.labels is None and self.network.asks_for_labels

    def with_labels(self, labels: int) -> Denoiser:
        """The same with the target's number of labels, where none is said."""
        return self if self.labels is not None or self.system is not None else self.replace(labels=labels)

    def _check_named(self) -> None:
        """What needs the names of the vectors and scalars."""
        network = self.network
        if isinstance(network, Named) and network.labelled and not self.labels:
            raise InputError(
                f"target.labels: missing; the architecture {self.architecture} is told the label of a sample"
            )
        if self.own is not None:
            self.own.check(self.labels or 0)
        start = network.scalars
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
    def from_table(cls, table: object) -> Denoiser:
        """From the mapping read from a file; ``vectors`` and ``terms`` declare an own network."""
        allowed = [*(f.name for f in fields(cls) if f.name != "own"), "vectors", "terms"]
        for key in table if isinstance(table, Mapping) else ():
            if key not in allowed:
                raise cls.unknown(str(key), allowed)
        if isinstance(table, Mapping) and {"vectors", "terms"} & set(table):
            table = read(table)
        return super().from_table(table)

    def to_table(self) -> dict[str, Any]:
        table = super().to_table()
        own = table.pop("own", None)
        return table if own is None else written(table, own, np.asarray(self.parameters).tolist())

    @classmethod
    def adopt(cls, table: Mapping[str, Any], thing: object) -> Mapping[str, Any] | None:
        """A derived system (`derivations.derive`) replaces the architecture; skip, start and parameters stay."""
        if not hasattr(thing, "potential"):
            return None
        return {k: v for k, v in table.items() if k in ("skip", "init", "parameters")} | {"system": thing}

    def _adopt(self, system: object) -> None:
        if not hasattr(system, "denoiser") or not hasattr(system, "potential"):
            fail(self.key("system"), system, "a derived system (derivations.derive)")
        if system.denoiser.unspecified:
            fail(self.key("system"), system.denoiser.name, "a system whose activation is chosen (with_activation)")
        for key in ("skip_fixed", "skip_basis", "input_scale", "output_scale"):
            if getattr(self, key) is not None:
                raise InputError(
                    f"{self.key(key)}: must be left out where a derived system is given, which says it itself"
                )
        self.set(
            architecture=system.denoiser.name,
            hidden_units=len(system.denoiser.terms),
            activation="(system)",
            labels=system.denoiser.labels,
        )

    def _check_own(self, own: object) -> None:
        if not isinstance(own, OwnNetwork):
            fail(self.key("own"), own, "left out (vectors and terms declare an own network)")
        choice(self.key("predicts"), self.predicts, TARGETS)
        if not isinstance(self.architecture, str) or self.architecture in ARCHITECTURES:
            fail(
                self.key("architecture"),
                self.architecture,
                "left out, or a name of its own, where terms declare the network",
            )
        self.set(hidden_units=len(own.terms), activation="(own)")

    def _check_activation(self) -> None:
        """A name of `FORMULAE`, or arithmetic in x; some architectures have their own."""
        key, given, own = self.key("activation"), self.activation, ARCHITECTURES[self.architecture].activation
        if own is not None:
            self.set(activation=own)
        elif not isinstance(given, str):
            fail(key, given, "a name or an expression in x")
        elif not given.isidentifier() or given == "x":
            expressions.check(given, ["x"], key)
        elif given not in FORMULAE:
            fail(key, given, f"one of {', '.join(FORMULAE)}, or arithmetic in x{closest(given, [*FORMULAE])}")

    def _check_time(self) -> None:
        for name in ("skip_fixed", "input_scale", "output_scale"):
            if getattr(self, name) is not None:
                OfTime(getattr(self, name), self.key(name))
        if self.skip_basis is not None:
            self.set(skip_basis=checked_basis(self.skip_basis))
            network = self.network
            if self.skip_basis and isinstance(network, Named) and not network.known.skip:
                allowed = f"left out, or [], of the architecture {self.architecture}, which trains no skip"
                fail(self.key("skip_basis"), self.skip_basis, allowed)
        self.set(skip=checked_start(self.skip, self.basis))

    # what it is ------------------------------------------------------------------------------------------------

    @property
    def vectors(self) -> tuple[str, ...]:
        """Names of the stacked weight vectors."""
        return self.network.vectors

    @property
    def has_skip(self) -> bool:
        """Whether a skip connection is trained."""
        return self.basis > 0

    @property
    def basis(self) -> int:
        """Number of trained b_k."""
        return len(self.network.time_skip.basis)

    @property
    def labelled(self) -> bool:
        """Whether the φ_j depend on the label."""
        return self.network.labelled

    @property
    def start(self) -> np.ndarray:
        """b_k at τ = 0, (basis,)."""
        return np.atleast_1d(np.asarray(self.skip, dtype=np.float64))[: self.basis]

    def declaration(self) -> Declaration:
        """The symbolic `derivations.Denoiser` with its activation chosen."""
        return self.network.declaration()

    def derived(self) -> System:
        """The derived order-parameter equations."""
        return self.network.derived()

    def specification(self) -> tuple[Any, ...]:
        """What says which functions the kernels are made of (the key of their cache): s₀ and the ψ_k enter as numbers."""
        return self.network.specification()

    def unambiguous(self, key: str, name: str) -> None:
        """Refuse the name "b" where it is a vector and the skip connection at once."""
        if name == "b" and self.has_skip and any(name in (v, v.split("_")[0]) for v in self.vectors):
            fail(key, name, "clear: a vector and the skip connection have this name (call the vector otherwise)")

    def target(self, *schedule: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(y₀, y₁), what is predicted, where the schedule has the values α, β, α̇, β̇."""
        return self.network.predicted(*schedule)

    def rates(self, overrides: Mapping[str, float]) -> tuple[np.ndarray, float]:
        """ρ_a of every vector and of b: 1, an override by vector or group name, 0 if frozen."""
        table = {**dict.fromkeys(self.frozen, 0.0), **overrides}
        # A vector called as a group is itself, and no group.
        vectors = self.vectors
        groups = {k: x for k, x in table.items() if k not in vectors}
        rho = np.array([table.get(v, groups.get(v.split("_")[0], 1.0)) for v in vectors])
        return rho, (table.get("b", 1.0) if self.has_skip else 0.0)

    def skip_functions(self, interpolant: Interpolant, t: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """s₀ (…) and the ψ_k (basis, …) at the times t."""
        return self.network.time_skip.at(interpolant, t)
