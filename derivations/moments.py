r"""Exact Gaussian expectations by Stein's lemma: polynomials, and zero-mean fields inside erf or a step.

Everything rests on one identity, E[x_k f(x)] = E[x_k] E[f] + Σ_j C_kj E[∂f/∂x_j], applied until no power of x is left.

* f a polynomial: this is Isserlis' theorem (Wick's), for any means.
* erf(x/√2) differentiates to √(2/π) e^{−x²/2}. Under a centred Gaussian law that factor *tilts* the law to another centred
  Gaussian, C → C − C_{·a} C_{a·}/(1 + C_aa), of mass 1/√(1 + C_aa).
* The step θ(x) differentiates to δ(x), which *pins* the law: C → C − C_{·a} C_{a·}/C_aa, of mass 1/√(2π C_aa).

What is left are E[erf erf] = (2/π) arcsin(...) and orthant probabilities of at most three variables: elementary. (The arcsine
kernel of Williams 1997 and of Saad and Solla 1995, the arc-cosine kernels of Cho and Saul 2009.) The expectation of four
different steps is not elementary, and that of four erf's neither: these raise `NotClosed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy


class NotClosed(ValueError):
    """The expectation has no closed form of the kind derived here."""


class ArcsineRatio(sympy.Function):
    """arcsin(c/√(ab)); zero where a or b vanish."""

    nargs = 3

    def doit(self, **hints: Any) -> sympy.Expr:
        c, a, b = (x.doit(**hints) for x in self.args)
        return sympy.asin(c / sympy.sqrt(a * b))


class SchurUpdate(sympy.Function):
    """c − uv/a, the covariance that is left; c where a vanishes."""

    nargs = 4

    def doit(self, **hints: Any) -> sympy.Expr:
        c, u, v, a = (x.doit(**hints) for x in self.args)
        return c - u * v / a


class InverseRoot(sympy.Function):
    """1/√a; zero where a vanishes."""

    nargs = 1

    def doit(self, **hints: Any) -> sympy.Expr:
        return 1 / sympy.sqrt(self.args[0].doit(**hints))


@dataclass(frozen=True)
class Monomial:
    """Π x_k^{n_k} × Π_k e^{−t_k x_k²/2} × Π_{a∈pins} δ(x_a) × Π_{a∈erfs} erf(x_a/√2) × Π_{a∈steps} θ(x_a)."""

    powers: tuple[int, ...]
    tilts: tuple[int, ...] = ()  # indices, sorted, repeated by multiplicity
    pins: tuple[int, ...] = ()
    erfs: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()

    def times(self, other: Monomial) -> Monomial:
        """Product; θ² = θ."""
        if set(self.pins) & set(other.pins):
            raise NotClosed("the square of a delta function")
        return Monomial(
            tuple(a + c for a, c in zip(self.powers, other.powers, strict=True)),
            tuple(sorted(self.tilts + other.tilts)),
            tuple(sorted(self.pins + other.pins)),
            tuple(sorted(self.erfs + other.erfs)),
            tuple(sorted({*self.steps, *other.steps})),
        )

    @property
    def polynomial(self) -> bool:
        """Whether it is a plain monomial."""
        return not (self.tilts or self.pins or self.erfs or self.steps)


Terms = dict[Monomial, sympy.Expr]


class Reduction:
    """A straight-line program for expectations over one Gaussian law.

    Parameters
    ----------
    variables : sequence of sympy.Symbol
        x.
    mean : sequence of sympy.Expr
        E[x]. Functions other than polynomials need zero means; `centred` says that they are.
    covariance : sympy.Matrix
        Cov(x); its entries should be symbols or numbers, they are repeated.
    prefix : str
        Stem of the names in the program.
    limit : int
        More lines than this raise `NotClosed`.

    Attributes
    ----------
    lines : list of (sympy.Symbol, sympy.Expr)
        The program so far, in the order in which it must run.
    """

    def __init__(
        self,
        variables: Sequence[sympy.Symbol],
        mean: Sequence[Any],
        covariance: sympy.Matrix,
        *,
        prefix: str = "E",
        limit: int = 1200,
    ) -> None:
        self.variables = tuple(variables)
        self.mean = tuple(sympy.sympify(m) for m in mean)
        self.base = covariance
        self.prefix, self.limit = prefix, limit
        self.lines: list[tuple[sympy.Symbol, sympy.Expr]] = []
        self._states: dict[Monomial, sympy.Expr] = {}
        self._entries: dict[tuple[Any, ...], sympy.Expr] = {}
        self._masses: dict[tuple[Any, ...], sympy.Expr] = {}

    @property
    def centred(self) -> bool:
        """Whether all means vanish."""
        return all(m == 0 for m in self.mean)

    # from SymPy to monomials -----------------------------------------------------------------------------------

    def terms(self, expression: sympy.Expr) -> Terms:
        """An expression as Σ coefficient × `Monomial`; raises `NotClosed` for other functions of the variables."""
        marks: dict[sympy.Symbol, tuple[str, int]] = {}

        def mark(kind: str, index: int) -> sympy.Symbol:
            s = sympy.Symbol(f"_{kind}_{index}", real=True)
            marks[s] = (kind, index)
            return s

        index = {x: k for k, x in enumerate(self.variables)}

        def of(argument: sympy.Expr, kind: str) -> sympy.Symbol:
            if argument not in index:
                raise NotClosed(f"{kind} of {argument}")
            return mark(kind, index[argument])

        def gaussian(argument: sympy.Expr) -> sympy.Expr:
            result = sympy.Integer(1)
            rest = sympy.expand(argument)
            for x, k in index.items():
                count = -2 * rest.coeff(x, 2)
                if not (count.is_Integer and count >= 0):
                    raise NotClosed(f"exp({argument})")
                rest = sympy.expand(rest + count * x**2 / 2)
                result *= mark("tilt", k) ** count
            if rest.has(*self.variables):
                raise NotClosed(f"exp({argument})")
            return result * sympy.exp(rest)

        def scaled(argument: sympy.Expr) -> sympy.Expr:
            return of(sympy.simplify(argument * sympy.sqrt(2)), "erf")

        def largest(*arguments: sympy.Expr) -> sympy.Expr:
            return _extreme(arguments, of, 1)

        def smallest(*arguments: sympy.Expr) -> sympy.Expr:
            return _extreme(arguments, of, -1)

        e = sympy.sympify(expression)
        e = e.replace(sympy.Max, largest).replace(sympy.Min, smallest)
        e = e.replace(sympy.Abs, lambda x: x * (2 * of(x, "step") - 1))
        e = e.replace(sympy.sign, lambda x: 2 * of(x, "step") - 1)
        e = e.replace(sympy.Heaviside, lambda x, *_: of(x, "step"))
        e = e.replace(sympy.DiracDelta, lambda x, *order: _first(order, of(x, "pin")))
        e = e.replace(sympy.erf, scaled).replace(sympy.exp, gaussian)
        generators = [*self.variables, *marks]
        try:
            polynomial = sympy.Poly(sympy.expand(e), *generators)
        except sympy.PolynomialError as error:
            raise NotClosed(str(error)) from None
        result: Terms = {}
        for exponents, coefficient in polynomial.terms():
            if coefficient.has(*generators):
                raise NotClosed(f"{coefficient}")
            key = self._monomial(exponents, [marks[g] for g in generators[len(self.variables) :]])
            if key is not None:
                result[key] = result.get(key, sympy.Integer(0)) + coefficient
        return {key: value for key, value in result.items() if value != 0}

    def _monomial(self, exponents: tuple[int, ...], kinds: list[tuple[str, int]]) -> Monomial | None:
        n = len(self.variables)
        found: dict[str, list[int]] = {"tilt": [], "pin": [], "erf": [], "step": []}
        for (kind, k), count in zip(kinds, exponents[n:], strict=True):
            if kind == "pin" and count > 1:
                raise NotClosed("the square of a delta function")
            found[kind] += [k] * (1 if kind == "step" and count else count)
        powers = exponents[:n]
        if any(powers[a] for a in found["pin"]):
            return None  # x δ(x) = 0
        return Monomial(powers, *(tuple(sorted(found[kind])) for kind in ("tilt", "pin", "erf", "step")))

    # expectations ----------------------------------------------------------------------------------------------

    def expectation(self, expression: sympy.Expr | Terms) -> sympy.Expr:
        """E[expression]: linear in names that the program defines."""
        terms = expression if isinstance(expression, dict) else self.terms(expression)
        return sympy.Add(*[coefficient * self.state(key) for key, coefficient in terms.items()])

    def product(self, left: Terms, right: Terms) -> sympy.Expr:
        """E[left × right]."""
        sums: dict[sympy.Expr, sympy.Expr] = {}
        for key, coefficient in left.items():
            row: dict[sympy.Expr, list[sympy.Expr]] = {}
            for other, factor in right.items():
                both = self.state(key.times(other))
                row.setdefault(both, []).append(factor)
            for both, factors in row.items():
                sums[both] = sums.get(both, sympy.Integer(0)) + coefficient * sympy.Add(*factors)
        return sympy.Add(*[state * value for state, value in sums.items()])

    def state(self, key: Monomial) -> sympy.Expr:
        """E of one monomial: a number, or a name of the program."""
        if key not in self._states:
            value = self._reduce(key)
            self._states[key] = value if value.is_Number or value.is_Symbol else self._emit("", value)
        return self._states[key]

    def _emit(self, stem: str, value: sympy.Expr) -> sympy.Symbol:
        if len(self.lines) >= self.limit:
            raise NotClosed(f"more than {self.limit} lines")
        name = sympy.Symbol(f"{self.prefix}{stem}{len(self.lines)}", real=True)
        self.lines.append((name, value))
        return name

    def _reduce(self, key: Monomial) -> sympy.Expr:
        if not key.polynomial and not self.centred:
            raise NotClosed("functions of fields whose mean is not zero")
        if set(key.pins) & {*key.steps}:
            raise NotClosed("a step at its own jump")
        if any(key.powers[a] for a in key.pins) or set(key.pins) & {*key.erfs}:
            return sympy.Integer(0)
        if self.centred and (sum(key.powers) + len(key.erfs)) % 2 and not key.steps:
            return sympy.Integer(0)  # odd
        law = (tuple(sorted(key.tilts)), tuple(sorted(set(key.pins))))
        k = next((k for k, n in enumerate(key.powers) if n), None)
        if k is None:
            return self._mass(law) * self._function(key, law)
        rest = self._lower(key, k)
        total = self.mean[k] * self.state(rest) if self.mean[k] != 0 else sympy.Integer(0)
        for j, factor, derivative in self._derivatives(rest):
            c = self._entry(law, k, j)
            if c != 0:
                total += c * factor * self.state(derivative)
        return total

    @staticmethod
    def _lower(key: Monomial, k: int) -> Monomial:
        powers = tuple(n - (i == k) for i, n in enumerate(key.powers))
        return Monomial(powers, key.tilts, key.pins, key.erfs, key.steps)

    def _derivatives(self, key: Monomial) -> list[tuple[int, sympy.Expr, Monomial]]:
        """(j, factor, monomial) of ∂/∂x_j of everything that is not part of the Gaussian law."""
        out: list[tuple[int, sympy.Expr, Monomial]] = []
        for j, n in enumerate(key.powers):
            if n:
                out.append((j, sympy.Integer(n), self._lower(key, j)))
        x = sympy.Symbol("x", real=True)
        slope = sympy.diff(sympy.erf(x / sympy.sqrt(2)), x).subs(x, 0)  # × e^{−x²/2}
        for a in sorted(set(key.erfs)):
            left = list(key.erfs)
            left.remove(a)
            tilts = tuple(sorted((*key.tilts, a)))
            count = sympy.Integer(key.erfs.count(a))
            out.append((a, count * slope, Monomial(key.powers, tilts, key.pins, tuple(left), key.steps)))
        for a in key.steps:
            left = [s for s in key.steps if s != a]
            pins = tuple(sorted((*key.pins, a)))
            out.append((a, sympy.Integer(1), Monomial(key.powers, key.tilts, pins, key.erfs, tuple(left))))
        return out

    def _function(self, key: Monomial, law: Any) -> sympy.Expr:
        """E under the tilted and pinned law (of mass one) of the erf's and steps that are left."""
        if key.erfs and key.steps:
            raise NotClosed("erf and steps together")
        if len(key.erfs) == 2:
            a, c = key.erfs
            va, vc = (1 + self._entry(law, i, i) for i in (a, c))
            return 2 / sympy.pi * ArcsineRatio(self._entry(law, a, c), va, vc)
        if len(key.erfs) > 2:
            raise NotClosed("more than two erf's")
        count = len(key.steps)
        if count > 3:
            raise NotClosed("four different steps")
        pairs = [(a, c) for i, a in enumerate(key.steps) for c in key.steps[i + 1 :]]
        angles = [
            ArcsineRatio(self._entry(law, a, c), self._entry(law, a, a), self._entry(law, c, c)) for a, c in pairs
        ]
        # P(all positive) = 2^{−n} (1 + (2/π) Σ arcsin ρ) for n ≤ 3.
        return sympy.Rational(1, 2**count) * (1 + 2 / sympy.pi * sympy.Add(*angles))

    # laws ------------------------------------------------------------------------------------------------------

    @staticmethod
    def _parent(law: Any) -> tuple[Any, str, int]:
        tilts, pins = law
        if pins:
            return (tilts, pins[:-1]), "pin", pins[-1]
        return (tilts[:-1], pins), "tilt", tilts[-1]

    def _entry(self, law: Any, i: int, j: int) -> sympy.Expr:
        """Covariance of x_i and x_j under a law."""
        i, j = min(i, j), max(i, j)
        if law == ((), ()):
            return self.base[i, j]
        key = (law, i, j)
        if key not in self._entries:
            parent, kind, a = self._parent(law)
            if kind == "pin" and a in (i, j):
                self._entries[key] = sympy.Integer(0)
                return self._entries[key]
            c, u, v = self._entry(parent, i, j), self._entry(parent, i, a), self._entry(parent, j, a)
            if u == 0 or v == 0:
                self._entries[key] = c
            else:
                scale = self._entry(parent, a, a) + (1 if kind == "tilt" else 0)
                self._entries[key] = self._emit("C", SchurUpdate(c, u, v, scale))
        return self._entries[key]

    def _mass(self, law: Any) -> sympy.Expr:
        """Mass of the tilted and pinned law."""
        if law == ((), ()):
            return sympy.Integer(1)
        if law not in self._masses:
            parent, kind, a = self._parent(law)
            variance = self._entry(parent, a, a)
            factor = InverseRoot(1 + variance) if kind == "tilt" else InverseRoot(variance) / sympy.sqrt(2 * sympy.pi)
            self._masses[law] = self._emit("W", self._mass(parent) * factor)
        return self._masses[law]


def _first(order: Sequence[Any], value: sympy.Symbol) -> sympy.Symbol:
    if any(sympy.sympify(n) != 0 for n in order):
        raise NotClosed("a derivative of a delta function")
    return value


def _extreme(arguments: Sequence[sympy.Expr], of: Any, sign: int) -> sympy.Expr:
    """max(u, v) = v + (u − v) θ(u − v), for u − v = one of the variables, or minus it; min alike."""
    if len(arguments) != 2:
        raise NotClosed(f"Max or Min of {arguments}")
    u, v = arguments
    difference = sympy.expand(u - v)
    if difference.could_extract_minus_sign():
        u, v, difference = v, u, -difference
    theta = of(difference, "step")
    return v + difference * theta if sign > 0 else u - difference * theta


def expectation(
    expression: sympy.Expr, variables: Sequence[sympy.Symbol], mean: Sequence[Any], covariance: sympy.Matrix
) -> sympy.Expr:
    """E[expression] for jointly Gaussian variables, as one closed expression.

    Parameters
    ----------
    expression : sympy.Expr
        A polynomial in the variables; where all means are zero also with erf(x/√2), e^{−x²/2}, max(0, x), steps and
        delta functions of single variables.
    variables, mean : sequences of length n
    covariance : sympy.Matrix, shape (n, n)
        Symmetric.

    Raises
    ------
    NotClosed
        If there is no such form.
    """
    reduction = Reduction(variables, mean, covariance)
    result = reduction.expectation(expression)
    for name, value in reversed(reduction.lines):
        result = result.subs(name, value)
    return result.doit()
