r"""Exact Gaussian expectations by Stein's lemma: polynomials, and fields inside erf, a step or a Gaussian.

Everything rests on one identity, E[x_k f(x)] = E[x_k] E[f] + Σ_j C_kj E[∂f/∂x_j], applied until no power of x is left.

* f a polynomial: this is Isserlis' theorem (Wick's).
* erf(x/√2) differentiates to √(2/π) e^{−x²/2}. That factor *tilts* the law to another Gaussian:
  C → C − C_{·a} C_{a·}/(1 + C_aa), m → m − C_{·a} m_a/(1 + C_aa), of mass e^{−m_a²/(2(1 + C_aa))}/√(1 + C_aa).
* The step θ(x) differentiates to δ(x), which *pins* the law: the same with C_aa in place of 1 + C_aa, of mass
  e^{−m_a²/(2C_aa)}/√(2π C_aa).

What are left are E[erf erf] and orthant probabilities. With zero means these are elementary for two erf's and for three
steps (the arcsine kernel of Williams 1997 and of Saad and Solla 1995, the arc-cosine kernels of Cho and Saul 2009); with
any means they are bivariate normal probabilities for two erf's or two steps. What needs more raises `NotClosed`.

The arguments of these functions may be any linear forms in the fields: each becomes one more variable of the (then
degenerate) Gaussian law, for which Stein's lemma holds as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import sympy

from .moment_terms import (
    ArcsineRatio,
    BothPositive,
    GaussianAt,
    Monomial,
    NotClosed,
    Positive,
    SchurUpdate,
    Terms,
    Vocabulary,
)

__all__ = ["Monomial", "NotClosed", "Reduction", "Terms", "expectation"]

#: Which variables have tilted the given law, and which have pinned it.
Law: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]


class Reduction:
    """A straight-line program for expectations over one Gaussian law.

    Parameters
    ----------
    variables : sequence of sympy.Symbol
        x.
    mean : sequence of sympy.Expr
        E[x]; means that are zero reach further.
    covariance : sympy.Matrix
        Cov(x); entries that are zero save work.
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
        self.vocabulary = Vocabulary(self.variables)
        self.prefix, self.limit = prefix, limit
        self.lines: list[tuple[sympy.Symbol, sympy.Expr]] = []
        self._base = [sympy.sympify(m) for m in mean]
        self._covariance = covariance
        self._states: dict[Monomial, sympy.Expr] = {}
        self._entries: dict[tuple[Any, ...], sympy.Expr] = {}
        self._means: dict[tuple[Any, ...], sympy.Expr] = {}
        self._masses: dict[tuple[Any, ...], sympy.Expr] = {}

    def terms(self, expression: sympy.Expr) -> Terms:
        """An expression as Σ coefficient × `Monomial`; raises `NotClosed` for other functions of the variables."""
        return self.vocabulary.terms(expression)

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
        settled = self.vocabulary.reduced(key)
        if settled is None:
            return sympy.Integer(0)
        key = settled
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
        at_jump = set(key.pins) & {*key.steps}
        if at_jump:
            # θδ = (θ²)′/2 = δ/2.
            left = tuple(a for a in key.steps if a not in at_jump)
            smaller = Monomial(key.powers, key.tilts, key.pins, key.erfs, left)
            return sympy.Rational(1, 2 ** len(at_jump)) * self.state(smaller)
        law = (key.tilts, key.pins)
        if any(a < len(key.powers) and key.powers[a] for a in key.pins) or set(key.pins) & {*key.erfs}:
            return sympy.Integer(0)
        k = next((k for k, n in enumerate(key.powers) if n), None)
        if k is None:
            value = self._function(key, law)
            return self._mass(law) * value if value != 0 else value
        rest = self._lower(key, k)
        mean = self._mean(law, k)
        total = mean * self.state(rest) if mean != 0 else sympy.Integer(0)
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

    def _function(self, key: Monomial, law: Law) -> sympy.Expr:
        """E under the tilted and pinned law (of mass one) of the erf's and steps that are left."""
        if key.erfs and key.steps:
            raise NotClosed("erf and steps together")
        some = key.erfs or key.steps
        extra = 1 if key.erfs else 0
        means = [self._mean(law, a) for a in some]
        variances = [self._entry(law, a, a) + extra for a in some]
        pairs = [(i, j) for i in range(len(some)) for j in range(i + 1, len(some))]
        if all(m == 0 for m in means):
            if key.erfs and len(some) % 2:
                return sympy.Integer(0)  # odd
            if len(some) > (2 if key.erfs else 3):
                raise NotClosed(f"{len(some)} erf's or steps")
            angles = [ArcsineRatio(self._entry(law, some[i], some[j]), variances[i], variances[j]) for i, j in pairs]
            turn = 2 / sympy.pi * sympy.Add(*angles)
            # P(all positive) = 2^{−n} (1 + (2/π) Σ arcsin ρ) for n ≤ 3.
            return turn if key.erfs else sympy.Rational(1, 2 ** len(some)) * (1 + turn)
        if len(some) > 2:
            raise NotClosed(f"{len(some)} erf's or steps of fields whose mean is not zero")
        single = [Positive(m, v) for m, v in zip(means, variances, strict=True)]
        both = [
            BothPositive(means[i], means[j], variances[i], variances[j], self._entry(law, some[i], some[j]))
            for i, j in pairs
        ]
        if key.steps:
            return (both or single)[0]
        # erf(x/√2) = 2 P(y < x) − 1 with y ~ N(0, 1) independent of x.
        return 4 * both[0] - 2 * single[0] - 2 * single[1] + 1 if both else 2 * single[0] - 1

    # laws ------------------------------------------------------------------------------------------------------

    @staticmethod
    def _parent(law: Law) -> tuple[Law, str, int]:
        tilts, pins = law
        if pins:
            return (tilts, pins[:-1]), "pin", pins[-1]
        return (tilts[:-1], pins), "tilt", tilts[-1]

    def _start(self, i: int, j: int) -> sympy.Expr:
        """Covariance of two variables, linear forms included, under the law that is given."""
        n = len(self.variables)
        if i < n and j < n:
            return self._covariance[i, j]
        rows = [[(k, sympy.Integer(1))] if k < n else list(enumerate(self.vocabulary.forms[k - n][0])) for k in (i, j)]
        total = sympy.Add(*[a * c * self._covariance[k, m] for k, a in rows[0] for m, c in rows[1]])
        return total if total.is_Number or total.is_Symbol else self._emit("C", total)

    def _entry(self, law: Law, i: int, j: int) -> sympy.Expr:
        """Covariance of two variables under a law."""
        key = (law, min(i, j), max(i, j))
        if key not in self._entries:
            self._entries[key] = self._start(*key[1:]) if law == ((), ()) else self._updated_entry(*key)
        return self._entries[key]

    def _updated_entry(self, law: Law, i: int, j: int) -> sympy.Expr:
        parent, kind, a = self._parent(law)
        if kind == "pin" and a in (i, j):
            return sympy.Integer(0)
        c, u, v = self._entry(parent, i, j), self._entry(parent, i, a), self._entry(parent, j, a)
        if u == 0 or v == 0:
            return c
        return self._emit("C", SchurUpdate(c, u, v, self._scale(parent, kind, a)))

    def _scale(self, parent: Law, kind: str, a: int) -> sympy.Expr:
        return self._entry(parent, a, a) + (1 if kind == "tilt" else 0)

    def _mean(self, law: Law, i: int) -> sympy.Expr:
        """Mean of a variable under a law."""
        key = (law, i)
        if key not in self._means:
            self._means[key] = self._start_mean(i) if law == ((), ()) else self._updated_mean(law, i)
        return self._means[key]

    def _start_mean(self, i: int) -> sympy.Expr:
        n = len(self.variables)
        if i < n:
            return self._base[i]
        coefficients, constant = self.vocabulary.forms[i - n]
        total = constant + sympy.Add(*[c * m for c, m in zip(coefficients, self._base, strict=True)])
        return total if total.is_Number or total.is_Symbol else self._emit("M", total)

    def _updated_mean(self, law: Law, i: int) -> sympy.Expr:
        parent, kind, a = self._parent(law)
        if kind == "pin" and a == i:
            return sympy.Integer(0)
        m, u, v = self._mean(parent, i), self._entry(parent, i, a), self._mean(parent, a)
        if u == 0 or v == 0:
            return m
        return self._emit("M", SchurUpdate(m, u, v, self._scale(parent, kind, a)))

    def _mass(self, law: Law) -> sympy.Expr:
        """Mass of the tilted and pinned law."""
        if law == ((), ()):
            return sympy.Integer(1)
        if law not in self._masses:
            parent, kind, a = self._parent(law)
            density = GaussianAt(self._mean(parent, a), self._scale(parent, kind, a))
            factor = density if kind == "pin" else sympy.sqrt(2 * sympy.pi) * density
            self._masses[law] = self._emit("W", self._mass(parent) * factor)
        return self._masses[law]


def expectation(
    expression: sympy.Expr, variables: Sequence[sympy.Symbol], mean: Sequence[Any], covariance: sympy.Matrix
) -> sympy.Expr:
    """E[expression] for jointly Gaussian variables, as one closed expression.

    Parameters
    ----------
    expression : sympy.Expr
        A polynomial in the variables, and erf, max, min, |.|, steps, delta functions of linear forms in them and Gaussians
        of single ones, as far as `NotClosed` allows.
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
