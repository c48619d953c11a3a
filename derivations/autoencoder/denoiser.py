"""Denoisers declared as symbolic objects: skip term + Σ decoder vector × φ(local fields), and what they predict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import sympy

from . import catalogue
from .activations import apply_activation, sigma, stable
from .catalogue import TARGETS
from .kinks import Smoothness, analyse
from .names import LocalField, check_name, check_vectors, private, vector_symbols

#: (y₀, y₁) of a predicted quantity.
Target = tuple[sympy.Expr, sympy.Expr]

#: What is predicted: y = y₀ x₀ + y₁ x₁, as functions of the schedule.
alpha, beta, alpha_dot, beta_dot = sympy.symbols("alpha beta alpha_dot beta_dot", real=True)
_OF_TIME = {"alpha_dot": alpha_dot, "beta_dot": beta_dot}
PREDICTIONS: dict[str, Target] = {
    name: (sympy.sympify(y0, _OF_TIME), sympy.sympify(y1, _OF_TIME)) for name, (y0, y1) in TARGETS.items()
}


def local_field(vector: str) -> sympy.Symbol:
    """The local field ω = w·x_t/√d of the weight vector called ``vector``: a symbol that no name gives."""
    return LocalField(f"omega_{vector}", real=True)


@dataclass(frozen=True)
class Denoiser:
    r"""A two-layer denoiser f(x) = b x + Σ_j (u_j/√d) φ_j(ω; κ).

    Parameters
    ----------
    name : str
    vectors : sequence of str
        Names of the stacked weight vectors w_a ∈ R^d; vector a has the local field ω_a = w_a·x/√d, the symbol
        ``local_field(name)``.
    terms : sequence of (str, sympy.Expr)
        Pairs (decoder vector u_j, φ_j). φ_j is any SymPy function of local fields and of ``parameters``. Several terms may
        share a decoder, a vector may be decoder and encoder at once (tied weights).
    parameters : sequence of sympy.Symbol
        Trainable scalars κ in the φ_j (biases, scales); they move by Δκ = −(η/d) ∂_κ loss. Any names: on entry each becomes
        a private symbol that prints by its name (marked by ``user`` where the engine prints that name too), and
        ``terms`` and ``parameters`` then hold these.
    skip : bool
        Whether the skip connection b is there (if not, b = 0 for ever).
    predicts : str or pair of sympy.Expr
        "data", "noise", "velocity", or (y₀, y₁) in terms of `alpha`, `beta`, `alpha_dot`, `beta_dot`.
    frozen : sequence of str
        Vectors that SGD leaves alone.

    Raises
    ------
    ValueError
        If a name is repeated or unknown, φ has a symbol that is neither a local field nor a parameter, or φ jumps.

    Notes
    -----
    φ is kept in a normal form, by which the same function written in other ways is the same (see `derivations.autoencoder.kinks`).
    """

    name: str
    vectors: tuple[str, ...]
    terms: tuple[tuple[str, sympy.Expr], ...]
    parameters: tuple[sympy.Symbol, ...] = ()
    skip: bool = True
    predicts: str | Target = "data"
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "vectors", tuple(self.vectors))
        object.__setattr__(self, "frozen", tuple(self.frozen))
        check_name(self.name)
        check_vectors(self.vectors)
        terms = tuple((u, sympy.sympify(phi)) for u, phi in self.terms)
        if not terms:
            raise ValueError("terms = (): must have at least one (decoder, phi) pair")
        for name in [u for u, _ in terms] + list(self.frozen):
            if name not in self.vectors:
                raise ValueError(f"vector {name!r}: must be one of {', '.join(self.vectors)}")
        given = tuple(self.parameters)
        own = private(given, self.vectors)
        rename = {p: q for p, q in zip(given, own, strict=True) if p != q}
        known = set(self.fields) | set(given)
        for u, phi in terms:
            if not isinstance(phi, sympy.Expr):
                raise ValueError(f"phi of decoder {u!r} = {phi}: must be a SymPy expression")
            extra = phi.free_symbols - known
            if extra:
                raise ValueError(
                    f"phi of decoder {u!r} has the symbol {sorted(map(str, extra))[0]!r}: must be a local field"
                    " (local_field(name)) or one of the parameters"
                )
        self._check_not_constant(terms)
        terms = tuple((u, stable(phi.xreplace(rename))) for u, phi in terms)
        if not any(phi.has(sigma) for _, phi in terms):
            terms = tuple((u, analyse(phi, self.fields).phi) for u, phi in terms)
            self._check_not_constant(terms)
        object.__setattr__(self, "parameters", own)
        object.__setattr__(self, "terms", terms)
        self.target()

    def _check_not_constant(self, terms: tuple[tuple[str, sympy.Expr], ...]) -> None:
        if not any(phi.has(*self.fields) for _, phi in terms):
            raise ValueError(f"phi = {terms[0][1]}: must depend on a local field; a constant is no activation")

    def _repr_latex_(self) -> str:
        shown = dict(zip(self.vectors, vector_symbols(self.vectors), strict=True))

        def bold(vector: str) -> str:
            return rf"\mathbf{{{sympy.latex(shown[vector])}}}"

        terms = [r"b\,\mathbf{x}"] if self.skip else []
        terms += [rf"\frac{{{bold(u)}}}{{\sqrt{{d}}}}\,\left({sympy.latex(phi)}\right)" for u, phi in self.terms]
        rows = [r"\mathbf{f}(\mathbf{x}) = " + " + ".join(terms)]
        for a in self.encoders:
            rows.append(rf"{sympy.latex(self.fields[a])} = {bold(self.vectors[a])}\cdot\mathbf{{x}}/\sqrt{{d}}")
        return r"$\displaystyle " + r",\quad ".join(rows) + "$"

    @property
    def fields(self) -> tuple[sympy.Symbol, ...]:
        """ω_a for every stacked vector."""
        return tuple(local_field(v) for v in self.vectors)

    @property
    def decoders(self) -> tuple[int, ...]:
        """Index of the decoder vector of each term."""
        return tuple(self.vectors.index(u) for u, _ in self.terms)

    @property
    def phi(self) -> tuple[sympy.Expr, ...]:
        """φ_j of each term."""
        return tuple(phi for _, phi in self.terms)

    @property
    def encoders(self) -> tuple[int, ...]:
        """Indices of the vectors whose fields enter some φ_j."""
        used = set().union(*(phi.free_symbols for phi in self.phi))
        return tuple(a for a, omega in enumerate(self.fields) if omega in used)

    def smoothness(self) -> tuple[Smoothness, ...]:
        """Normal form of every φ_j, whether it has a kink and whether it has no breaks at all."""
        return tuple(analyse(phi, self.fields) for phi in self.phi)

    def target(self) -> Target:
        """(y₀, y₁) of the predicted quantity."""
        if isinstance(self.predicts, str):
            if self.predicts not in PREDICTIONS:
                raise ValueError(
                    f"predicts = {self.predicts!r}: must be one of {', '.join(PREDICTIONS)} or a pair (y0, y1)"
                )
            return PREDICTIONS[self.predicts]
        y0, y1 = map(sympy.sympify, self.predicts)
        extra = (y0.free_symbols | y1.free_symbols) - {alpha, beta, alpha_dot, beta_dot}
        if extra:
            raise ValueError(
                f"predicts has the symbol {sorted(map(str, extra))[0]!r}: must be alpha, beta, alpha_dot, beta_dot"
            )
        return y0, y1

    @property
    def unspecified(self) -> bool:
        """True while an activation σ is left open."""
        return any(phi.has(sigma) for phi in self.phi)

    def with_activation(self, activation: str | sympy.Expr) -> Denoiser:
        """The same architecture with σ chosen: a name of `ACTIVATIONS` or an expression in ``Symbol("x", real=True)``."""
        return replace(self, terms=tuple((u, apply_activation(phi, activation)) for u, phi in self.terms))


def architecture(
    name: str,
    hidden: int,
    *,
    activation: str | sympy.Expr | None = None,
    predicts: str | Target = "data",
    shift: sympy.Expr | float = 0,
) -> Denoiser:
    """A built-in architecture by name.

    Parameters
    ----------
    name : str
        One of `ARCHITECTURES`.
    hidden : int
        Number of hidden units.
    activation : str or sympy.Expr, optional
        Left open where it is not given.
    predicts : str or pair of sympy.Expr
    shift : float or sympy.Expr
        Fixed number added inside the activation.
    """
    if name not in catalogue.ARCHITECTURES:
        raise ValueError(f"architecture = {name!r}: must be one of {', '.join(catalogue.ARCHITECTURES)}")
    chosen = catalogue.ARCHITECTURES[name]
    vectors = chosen.vectors(hidden)
    kappa = tuple(sympy.Symbol(k, real=True) for k in chosen.scalars(hidden))
    biases = kappa[:hidden] if chosen.biases else (sympy.sympify(shift),) * hidden
    scale = kappa[-1] if chosen.scale else sympy.Integer(1)
    units = zip(vectors[:hidden], vectors[-hidden:], biases, strict=True)
    terms = tuple((u, scale * sigma(local_field(v) + k)) for u, v, k in units)
    model = Denoiser(chosen.name, vectors, terms, kappa, chosen.skip, predicts)
    if chosen.activation is not None:
        if activation not in (None, chosen.activation):
            raise ValueError(f"activation = {activation!r}: must be {chosen.activation} for the architecture {name}")
        activation = chosen.activation
    return model if activation is None else model.with_activation(activation)


#: Built-in architectures by name, as functions of the number of hidden units and of the options of `architecture`.
ARCHITECTURES = {name: partial(architecture, name) for name in catalogue.ARCHITECTURES}
tied = ARCHITECTURES["tied"]
