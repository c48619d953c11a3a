"""Denoisers declared as symbolic objects: skip term + Σ decoder vector × φ(local fields), and what they predict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import sympy

from . import catalogue
from .activations import apply_activation, sigma, stable
from .catalogue import TARGETS
from .conditioning import Label, Told, function_of_time, schedule
from .conditioning import label as one_hot
from .kinks import Smoothness, analyse
from .names import LocalField, check_name, check_vectors, private, vector_symbols

#: (y₀, y₁) of a predicted quantity.
Target = tuple[sympy.Expr, sympy.Expr]

#: What is predicted: y = y₀ x₀ + y₁ x₁, as functions of the schedule.
alpha, beta, alpha_dot, beta_dot = schedule.alpha, schedule.beta, schedule.alpha_dot, schedule.beta_dot
_OF_TIME = {"alpha_dot": alpha_dot, "beta_dot": beta_dot}
PREDICTIONS: dict[str, Target] = {
    name: (sympy.sympify(y0, _OF_TIME), sympy.sympify(y1, _OF_TIME)) for name, (y0, y1) in TARGETS.items()
}


def local_field(vector: str) -> sympy.Symbol:
    """The local field ω = w·x_t/√d of the weight vector called ``vector``: a symbol that no name gives."""
    return LocalField(f"omega_{vector}", real=True)


@dataclass(frozen=True)
class Denoiser:
    r"""A two-layer denoiser f_t(x) = s(t) x + Σ_j (u_j/√d) φ_j(ω; κ; t; label), s(t) = s₀(t) + Σ_k b_k ψ_k(t).

    Parameters
    ----------
    name : str
    vectors : sequence of str
        Names of the stacked weight vectors w_a ∈ R^d; vector a has the local field ω_a = w_a·x/√d, the symbol
        ``local_field(name)``.
    terms : sequence of (str, sympy.Expr)
        Pairs (decoder vector u_j, φ_j). φ_j is any SymPy function of local fields and of ``parameters``, of the time
        (``schedule.t``, ``schedule.alpha``, ``schedule.beta`` and their derivatives) and of the one-hot label (``label(0)``, …).
        Several terms may share a decoder, a vector may be decoder and encoder at once (tied weights); vectors in no term
        are moved by the optimiser alone.
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
    skip_fixed : sympy.Expr
        s₀(t), which is not trained.
    skip_basis : sequence of sympy.Expr
        The functions ψ_k(t) that the trained b_k multiply; none: only s₀ is there.
    labels : int
        Number of labels L; ``label(0)`` … ``label(L − 1)`` may then be in the φ_j.

    Raises
    ------
    ValueError
        If a name is repeated or unknown, φ has a symbol that is none of these, or φ jumps.

    Notes
    -----
    φ is kept in a normal form, by which the same function written in other ways is the same (see `derivations.autoencoder.network.kinks`).
    """

    name: str
    vectors: tuple[str, ...]
    terms: tuple[tuple[str, sympy.Expr], ...]
    parameters: tuple[sympy.Symbol, ...] = ()
    skip: bool = True
    predicts: str | Target = "data"
    frozen: tuple[str, ...] = ()
    skip_fixed: sympy.Expr = sympy.S.Zero
    skip_basis: tuple[sympy.Expr, ...] = (sympy.S.One,)
    labels: int = 0

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
        self._check_skip()
        if not isinstance(self.labels, int) or isinstance(self.labels, bool) or self.labels < 0:
            raise ValueError(f"labels = {self.labels!r}: must be an integer >= 0")
        given = tuple(self.parameters)
        own = private(given, self.vectors)
        rename = {p: q for p, q in zip(given, own, strict=True) if p != q}
        known = set(self.fields) | set(given) | set(schedule.of_time) | set(self.one_hot)
        for u, phi in terms:
            if not isinstance(phi, sympy.Expr):
                raise ValueError(f"phi of decoder {u!r} = {phi}: must be a SymPy expression")
            extra = phi.free_symbols - known
            if extra:
                raise ValueError(
                    f"phi of decoder {u!r} has the symbol {sorted(map(str, extra))[0]!r}: must be a local field"
                    " (local_field(name)), one of the parameters, of the schedule"
                    f" ({', '.join(f'schedule.{x.name}' for x in schedule.of_time)}) or of the {self.labels} labels (label(0), ...)"
                )
        self._check_not_constant(terms)
        terms = tuple((u, stable(phi.xreplace(rename))) for u, phi in terms)
        if not any(phi.has(sigma) for _, phi in terms):
            terms = tuple((u, analyse(phi, self.fields).phi) for u, phi in terms)
            self._check_not_constant(terms)
        object.__setattr__(self, "parameters", own)
        object.__setattr__(self, "terms", terms)
        self.target()

    def _check_skip(self) -> None:
        if not isinstance(self.skip, bool):
            raise ValueError(f"skip = {self.skip!r}: must be true or false")
        basis = tuple(function_of_time(psi, f"skip_basis[{k}]") for k, psi in enumerate(self.skip_basis))
        object.__setattr__(self, "skip_basis", basis)
        object.__setattr__(self, "skip_fixed", function_of_time(self.skip_fixed, "skip_fixed"))
        object.__setattr__(self, "skip", self.skip and bool(basis))

    def _check_not_constant(self, terms: tuple[tuple[str, sympy.Expr], ...]) -> None:
        if not any(phi.has(*self.fields) for _, phi in terms):
            raise ValueError(f"phi = {terms[0][1]}: must depend on a local field; a constant is no activation")

    def __str__(self) -> str:
        skip = str(self.skip_value())
        terms = [] if skip == "0" else [f"{skip}*x" if self.plain else f"({skip})*x"]
        terms += [f"({u}/√d)*{phi if phi.is_Atom or phi.is_Function else f'({phi})'}" for u, phi in self.terms]
        fields = [f"{self.fields[a]} = {self.vectors[a]}·x/√d" for a in self.encoders]
        return f"f(x) = {' + '.join(terms)}, {', '.join(fields)}"

    def _repr_latex_(self) -> str:
        shown = dict(zip(self.vectors, vector_symbols(self.vectors), strict=True))

        def bold(vector: str) -> str:
            return rf"\mathbf{{{sympy.latex(shown[vector])}}}"

        skip = sympy.latex(self.skip_value())
        terms = [] if skip == "0" else [skip + r"\,\mathbf{x}" if self.plain else rf"\left({skip}\right)\mathbf{{x}}"]
        terms += [rf"\frac{{{bold(u)}}}{{\sqrt{{d}}}}\,\left({sympy.latex(phi)}\right)" for u, phi in self.terms]
        rows = [r"\mathbf{f}(\mathbf{x}) = " + " + ".join(terms)]
        for a in self.encoders:
            rows.append(rf"{sympy.latex(self.fields[a])} = {bold(self.vectors[a])}\cdot\mathbf{{x}}/\sqrt{{d}}")
        return r"$\displaystyle " + r",\quad ".join(rows) + "$"

    @property
    def psi(self) -> tuple[sympy.Expr, ...]:
        """The ψ_k(t) whose b_k are trained."""
        return self.skip_basis if self.skip else ()

    @property
    def plain(self) -> bool:
        """Whether the skip connection is one number b at all times, or is not there."""
        return self.skip_fixed == 0 and self.psi in ((), (sympy.Integer(1),))

    def skip_value(self) -> sympy.Expr:
        """s(t) in b, or in b_1, b_2, … where there are several ψ_k."""
        b = [sympy.Symbol("b" if len(self.psi) == 1 else f"b_{k + 1}", real=True) for k in range(len(self.psi))]
        return self.skip_fixed + sympy.Add(*[x * psi for x, psi in zip(b, self.psi, strict=True)])

    @property
    def one_hot(self) -> tuple[sympy.Symbol, ...]:
        """The entries of the one-hot label."""
        return tuple(one_hot(k) for k in range(self.labels))

    @property
    def conditioned(self) -> bool:
        """Whether some φ_j contains the time."""
        return any(type(x) is Told for phi in self.phi for x in phi.free_symbols)

    @property
    def labelled(self) -> bool:
        """Whether some φ_j contains the label."""
        return any(isinstance(x, Label) for phi in self.phi for x in phi.free_symbols)

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
                allowed = f"one of {', '.join(PREDICTIONS)} or a pair (y0, y1)"
                raise ValueError(f"predicts = {self.predicts!r}: must be {allowed}")
            return PREDICTIONS[self.predicts]
        names = [x.name for x in (alpha, beta, alpha_dot, beta_dot)]
        y0, y1 = (schedule.own(sympy.sympify(y), names) for y in self.predicts)
        extra = (y0.free_symbols | y1.free_symbols) - {alpha, beta, alpha_dot, beta_dot}
        if extra:
            unknown = sorted(map(str, extra))[0]
            raise ValueError(f"predicts has the symbol {unknown!r}: must be {', '.join(names)}")
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
    labels: int = 0,
    input_scale: sympy.Expr = sympy.S.One,
    output_scale: sympy.Expr = sympy.S.One,
    skip_fixed: sympy.Expr = sympy.S.Zero,
    skip_basis: tuple[sympy.Expr, ...] = (sympy.S.One,),
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
    labels : int
        Number of labels (labelled architectures).
    input_scale, output_scale : sympy.Expr
        c_in(t), which multiplies the local fields inside σ, and c_out(t), which multiplies every φ_j.
    skip_fixed, skip_basis : sympy.Expr, sequence of sympy.Expr
        s₀(t) and the ψ_k(t); see `Denoiser`.
    """
    if name not in catalogue.ARCHITECTURES:
        raise ValueError(f"architecture = {name!r}: must be one of {', '.join(catalogue.ARCHITECTURES)}")
    chosen = catalogue.ARCHITECTURES[name]
    if chosen.labelled != (labels > 0):
        needed = "at least 1" if chosen.labelled else "0, since it has no labels"
        raise ValueError(f"labels = {labels!r}: must be {needed}, for the architecture {name}")
    vectors = chosen.vectors(hidden, labels)
    kappa = tuple(sympy.Symbol(k, real=True) for k in chosen.scalars(hidden, labels))
    c_in, c_out = function_of_time(input_scale, "input_scale"), function_of_time(output_scale, "output_scale")
    e = [one_hot(k) for k in range(labels)]
    if chosen.biases and labels:
        biases = tuple(sympy.Add(*[e[k] * kappa[k * hidden + j] for k in range(labels)]) for j in range(hidden))
    else:
        biases = kappa[:hidden] if chosen.biases else (sympy.sympify(shift),) * hidden
    scale = kappa[-1] if chosen.scale else sympy.Integer(1)
    fields = zip(vectors[-hidden:], biases, strict=True)
    units = [scale * c_out * sigma(c_in * local_field(v) + k) for v, k in fields]
    gates = [*e, 1 - sympy.Add(*e)] if chosen.decoders else [sympy.Integer(1)]
    decoders = vectors[: hidden * len(gates)]
    terms = tuple((u, gates[j // hidden] * units[j % hidden]) for j, u in enumerate(decoders))
    model = Denoiser(chosen.name, vectors, terms, kappa, chosen.skip, predicts, (), skip_fixed, skip_basis, labels)
    if chosen.activation is not None:
        if activation not in (None, chosen.activation):
            raise ValueError(f"activation = {activation!r}: must be {chosen.activation} for the architecture {name}")
        activation = chosen.activation
    return model if activation is None else model.with_activation(activation)


#: Built-in architectures by name, as functions of the number of hidden units and of the options of `architecture`.
ARCHITECTURES = {name: partial(architecture, name) for name in catalogue.ARCHITECTURES}
tied = ARCHITECTURES["tied"]
