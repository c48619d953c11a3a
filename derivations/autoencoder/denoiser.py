"""Denoisers declared as symbolic objects: skip term + Σ decoder vector × φ(local fields), and what they predict."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import sympy

from .kinks import Smoothness, analyse
from .names import LocalField, check_name, check_vectors, private, vector_symbols

#: The activation while it is unspecified.
sigma = sympy.Function("sigma")
_x = sympy.Symbol("x", real=True)


class Softplus(sympy.Function):
    """log(1 + e^x), kept whole so that code for it does not overflow; its derivative is the sigmoid."""

    nargs = 1
    is_real = True

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sigmoid(self.args[0])

    def doit(self, **hints: Any) -> sympy.Expr:
        return self.func(*[a.doit(**hints) for a in self.args]) if hints.get("deep", True) else self

    def rewrite(self, *args: Any, **hints: Any) -> sympy.Expr:
        """``rewrite(sympy.exp)`` gives the elementary form."""
        if args and args[-1] is sympy.exp:
            return sympy.log(1 + sympy.exp(self.args[0]))
        return super().rewrite(*args, **hints)

    def _eval_evalf(self, prec: int) -> sympy.Expr:
        return sympy.log(1 + sympy.exp(self.args[0]))._eval_evalf(prec)

    def _pythoncode(self, printer: Any) -> str:
        x = printer._print(self.args[0])
        log1p, exp = (printer._module_format(f"math.{name}") for name in ("log1p", "exp"))
        return f"(max({x}, 0.0) + {log1p}({exp}(-abs({x}))))"

    def _numpycode(self, printer: Any) -> str:
        return f"{printer._module_format('numpy.logaddexp')}(0.0, {printer._print(self.args[0])})"


def sigmoid(x: sympy.Expr) -> sympy.Expr:
    """1/(1 + e^{−x}) = (1 + tanh(x/2))/2: all its derivatives are polynomials in tanh, so none overflows."""
    return (1 + sympy.tanh(x / 2)) / 2


def stable(expression: sympy.Expr) -> sympy.Expr:
    """The same function with log(1 + e^u) and ratios of exponentials in forms that do not overflow.

    e^{ku}/(1 + e^u)^n with 0 ≤ k ≤ n is a product of sigmoids; c₁e^a + c₂e^b + … below a fraction first gives off its first
    term, so that a softmax gate of two is a sigmoid and tanh by exponentials is tanh.
    """
    if not expression.has(sympy.exp):
        return expression
    u = sympy.Wild("u", exclude=[0])
    expression = expression.replace(sympy.log(1 + sympy.exp(u)), lambda u: Softplus(u))
    expression = expression.replace(lambda e: e.func is sympy.log and e.args[0].is_Add, _log_of_sum)

    def fraction(product: sympy.Expr) -> sympy.Expr:
        factors = [f for factor in sympy.Mul.make_args(product) for f in _one_of_sum(factor)]
        for factor in list(factors):
            base, power = factor.as_base_exp()
            found = base.match(1 + sympy.exp(u))
            if found is None or not (power.is_Integer and power < 0):
                continue
            argument, n = found[u], -int(power)
            rest = sympy.Mul(*[f for f in factors if f is not factor])
            sigmoids = [_sigmoids(t, argument, n) for t in sympy.Add.make_args(_distributed(rest))]
            if any(t is None for t in sigmoids):
                continue
            return sympy.expand(sympy.Add(*sigmoids)) if len(sigmoids) > 1 else sigmoids[0]
        return sympy.Mul(*factors)

    # Products first: a power taken out of its product would leave an exponential behind.
    return expression.replace(lambda e: e.is_Mul, fraction).replace(lambda e: e.is_Pow, fraction)


def _log_of_sum(log: sympy.Expr) -> sympy.Expr:
    """log(c₁e^a + c₂e^b) = log c₁ + a + softplus(b − a + log(c₂/c₁))."""
    factors = _one_of_sum(1 / log.args[0])
    found = (1 / factors[-1]).match(1 + sympy.exp(sympy.Wild("u", exclude=[0])))
    if len(factors) != 3 or not found:
        return log
    return -sympy.log(factors[0]) - sympy.log(factors[1]) + Softplus(*found.values())


def _one_of_sum(factor: sympy.Expr) -> list[sympy.Expr]:
    """(c₁e^a + c₂e^b + …)^{−n} as c₁^{−n} e^{−na} (1 + (c₂/c₁) e^{b−a} + …)^{−n}."""
    base, power = factor.as_base_exp()
    parts = sorted(sympy.Add.make_args(base), key=sympy.default_sort_key)
    if not (power.is_Integer and power < 0) or len(parts) < 2 or sympy.Integer(1) in parts:
        return [factor]
    split = [part.as_coeff_Mul() for part in parts]
    if not all(c > 0 and (e.func is sympy.exp or e == 1) for c, e in split):
        return [factor]
    exponents = [sympy.expand(e.args[0]) if e.func is sympy.exp else sympy.Integer(0) for _, e in split]
    (c, _), a = split[0], exponents[0]
    others = [sympy.exp(x - a + sympy.log(k / c)) for (k, _), x in zip(split[1:], exponents[1:], strict=True)]
    return [c**power, sympy.exp(sympy.expand(power * a)), (1 + sympy.Add(*others)) ** power]


def _distributed(product: sympy.Expr) -> sympy.Expr:
    """A product with its sums of exponentials multiplied out."""
    return sympy.expand_mul(product) if any(f.is_Add and f.has(sympy.exp) for f in product.args) else product


def _sigmoids(term: sympy.Expr, argument: sympy.Expr, n: int) -> sympy.Expr | None:
    """term/(1 + e^argument)^n by sigmoids, for a term with e^{k argument}, 0 ≤ k ≤ n; None for others."""
    factors = list(sympy.Mul.make_args(term))
    powers = [f for f in factors if f.func is sympy.exp]
    k = sympy.cancel(sympy.expand(sympy.Add(*[f.args[0] for f in powers])) / argument)
    if not (k.is_Integer and 0 <= k <= n):
        powers = [f for f in powers if sympy.expand(f.args[0] / argument).is_Integer]
        k = sympy.expand(sympy.Add(*[f.args[0] for f in powers]) / argument)
        if not (k.is_Integer and 0 <= k <= n):
            return None
    rest = [f for f in factors if f not in powers]
    return sympy.Mul(*rest, sigmoid(argument) ** k, sigmoid(-argument) ** (n - k))


#: Named activations as functions of x.
ACTIVATIONS: dict[str, sympy.Expr] = {
    "tanh": sympy.tanh(_x),
    "erf": sympy.erf(_x / sympy.sqrt(2)),
    "relu": sympy.Max(0, _x),
    "softplus": Softplus(_x),
    "sigmoid": sigmoid(_x),
    "linear": _x,
}

#: What is predicted: y = y₀ x₀ + y₁ x₁, as functions of the schedule.
alpha, beta, alpha_dot, beta_dot = sympy.symbols("alpha beta alpha_dot beta_dot", real=True)
PREDICTIONS: dict[str, tuple[sympy.Expr, sympy.Expr]] = {
    "data": (sympy.Integer(0), sympy.Integer(1)),
    "noise": (sympy.Integer(1), sympy.Integer(0)),
    "velocity": (alpha_dot, beta_dot),
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
    predicts: Any = "data"
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
        if not any(phi.has(*self.fields) for _, phi in terms):
            raise ValueError(f"phi = {terms[0][1]}: must depend on a local field; a constant is no activation")
        terms = tuple((u, stable(phi.xreplace(rename))) for u, phi in terms)
        if not any(phi.has(sigma) for _, phi in terms):
            terms = tuple((u, analyse(phi, self.fields).phi) for u, phi in terms)
            if not any(phi.has(*self.fields) for _, phi in terms):
                raise ValueError(f"phi = {terms[0][1]}: must depend on a local field; a constant is no activation")
        object.__setattr__(self, "parameters", own)
        object.__setattr__(self, "terms", terms)
        self.target()

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

    def target(self) -> tuple[sympy.Expr, sympy.Expr]:
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
        return dataclasses.replace(self, terms=tuple((u, apply_activation(phi, activation)) for u, phi in self.terms))


def activation_expression(activation: str | sympy.Expr) -> sympy.Expr:
    """σ(x) for a named activation, or the expression itself after a check of its symbols."""
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"activation = {activation!r}: must be one of {', '.join(ACTIVATIONS)} or an expression in x"
            )
        return ACTIVATIONS[activation]
    expression = sympy.sympify(activation)
    if expression.free_symbols - {_x}:
        raise ValueError(f"activation = {expression}: must be a function of Symbol('x', real=True) alone")
    return stable(expression)


def apply_activation(expression: sympy.Basic, activation: str | sympy.Expr) -> Any:
    """Replace the open σ (and its derivatives) in any expression by a chosen activation."""
    chosen = sympy.Lambda(_x, activation_expression(activation))
    return expression.subs(sigma, chosen).doit()


def numbered(stem: str, count: int) -> tuple[str, ...]:
    """Names ``stem_1 … stem_count``."""
    return tuple(f"{stem}_{k}" for k in range(1, count + 1))


def tied(hidden: int, *, activation: Any = None, predicts: Any = "data", skip: bool = True) -> Denoiser:
    """The paper's auto-encoder: f(x) = b x + Σ_γ (w_γ/√d) σ(w_γ·x/√d)."""
    w = numbered("w", hidden)
    name = "tied" if skip else "no_skip"
    model = Denoiser(name, w, tuple((v, sigma(local_field(v))) for v in w), skip=skip, predicts=predicts)
    return model if activation is None else model.with_activation(activation)


def untied(hidden: int, *, activation: Any = None, shift: Any = 0, predicts: Any = "data") -> Denoiser:
    """Separate decoder and encoder: f(x) = b x + Σ_γ (u_γ/√d) σ(v_γ·x/√d + shift)."""
    u, v = numbered("u", hidden), numbered("v", hidden)
    shift = sympy.sympify(shift)
    terms = tuple((a, sigma(local_field(c) + shift)) for a, c in zip(u, v, strict=True))
    model = Denoiser("untied", u + v, terms, predicts=predicts)
    return model if activation is None else model.with_activation(activation)


def untied_bias(hidden: int, *, activation: Any = None, predicts: Any = "data") -> Denoiser:
    """Untied with trainable biases: f(x) = b x + Σ_γ (u_γ/√d) σ(v_γ·x/√d + κ_γ)."""
    u, v = numbered("u", hidden), numbered("v", hidden)
    kappa = tuple(sympy.Symbol(f"kappa_{k}", real=True) for k in range(1, hidden + 1))
    terms = tuple((a, sigma(local_field(c) + k)) for a, c, k in zip(u, v, kappa, strict=True))
    model = Denoiser("untied_bias", u + v, terms, parameters=kappa, predicts=predicts)
    return model if activation is None else model.with_activation(activation)


def scaled(hidden: int, *, activation: Any = None, predicts: Any = "data") -> Denoiser:
    """Tied with a trainable output scale a: f(x) = b x + a Σ_γ (w_γ/√d) σ(w_γ·x/√d)."""
    w = numbered("w", hidden)
    scale = sympy.Symbol("a", real=True)
    model = Denoiser(
        "scaled", w, tuple((v, scale * sigma(local_field(v))) for v in w), parameters=(scale,), predicts=predicts
    )
    return model if activation is None else model.with_activation(activation)


def no_skip(hidden: int, *, activation: Any = None, predicts: Any = "data") -> Denoiser:
    """Tied without the skip connection: f(x) = Σ_γ (w_γ/√d) σ(w_γ·x/√d)."""
    return tied(hidden, activation=activation, predicts=predicts, skip=False)


#: Architectures by name.
ARCHITECTURES = {
    "tied": tied,
    "untied": untied,
    "untied_bias": untied_bias,
    "no_skip": no_skip,
    "scaled": scaled,
}


def architecture(name: str, hidden: int, **options: Any) -> Denoiser:
    """A built-in architecture by name."""
    if name not in ARCHITECTURES:
        raise ValueError(f"architecture = {name!r}: must be one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name](hidden, **options)
