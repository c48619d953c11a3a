"""Expressions as sums of monomials of fields times Gaussians, delta functions, erf's and steps of linear forms in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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


class GaussianAt(sympy.Function):
    """e^{−m²/(2a)}/√(2πa), the density of N(m, a) at zero; zero where a vanishes."""

    nargs = 2

    def doit(self, **hints: Any) -> sympy.Expr:
        m, a = (x.doit(**hints) for x in self.args)
        return sympy.exp(-(m**2) / (2 * a)) / sympy.sqrt(2 * sympy.pi * a)


class Positive(sympy.Function):
    """P(x > 0) for x ~ N(m, a)."""

    nargs = 2

    def doit(self, **hints: Any) -> sympy.Expr:
        m, a = (x.doit(**hints) for x in self.args)
        return (1 + sympy.erf(m / sympy.sqrt(2 * a))) / 2


class BothPositive(sympy.Function):
    """P(x > 0, y > 0) for means m, n, variances a, b and covariance c: the bivariate normal distribution function."""

    nargs = 5

    def _eval_evalf(self, prec: int) -> sympy.Expr:
        import mpmath

        with mpmath.workprec(prec):
            m, n, a, b, c = (mpmath.mpf(x.evalf(sympy.N(prec * 0.31))) for x in self.args)
            h, k, r = m / mpmath.sqrt(a), n / mpmath.sqrt(b), c / mpmath.sqrt(a * b)
            left = mpmath.sqrt(1 - r * r)
            value = mpmath.quad(
                lambda x: mpmath.npdf(x) * mpmath.ncdf((k + r * x) / left), [-h, max(-h, 0) + 1, mpmath.inf]
            )
        return sympy.Float(value, precision=prec)


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


@dataclass
class Vocabulary:
    """The variables x, and further ones: the linear forms in x that stand inside functions.

    Attributes
    ----------
    variables : tuple of sympy.Symbol
    forms : list of (coefficients, constant)
        Variable number ``len(variables) + k`` is Σ coefficient × x + constant.
    """

    variables: tuple[sympy.Symbol, ...]
    forms: list[tuple[tuple[sympy.Expr, ...], sympy.Expr]] = field(default_factory=list)

    def terms(self, expression: sympy.Expr) -> Terms:
        """An expression as Σ coefficient × `Monomial`; raises `NotClosed` for other functions of the variables."""
        marks: dict[sympy.Symbol, tuple[str, int]] = {}

        def mark(kind: str, index: int) -> sympy.Symbol:
            s = sympy.Symbol(f"_{kind}_{index}", real=True)
            marks[s] = (kind, index)
            return s

        def of(argument: sympy.Expr, kind: str) -> sympy.Symbol:
            return mark(kind, self.index(argument))

        def gaussian(argument: sympy.Expr) -> sympy.Expr:
            """exp of a sum of −(linear form of one variable)²/2, and of what is free of the variables."""
            result, rest = sympy.Integer(1), sympy.expand(argument)
            for k, x in enumerate(self.variables):
                square, slope = rest.coeff(x, 2), rest.coeff(x, 1)
                if square == 0 and slope == 0:
                    continue
                if not square.is_negative or slope.has(*self.variables):
                    raise NotClosed(f"exp({argument})")
                count = -2 * square
                if slope == 0 and count.is_Integer:
                    result *= mark("tilt", k) ** count
                    shift = sympy.Integer(0)
                else:
                    shift = -slope / sympy.sqrt(count)
                    result *= of(sympy.sqrt(count) * x + shift, "tilt")
                rest = sympy.expand(rest - square * x**2 - slope * x + shift**2 / 2)
            if rest.has(*self.variables):
                raise NotClosed(f"exp({argument})")
            return result * sympy.exp(rest)

        def step(argument: sympy.Expr) -> sympy.Expr:
            if not argument.has(*self.variables):
                return sympy.Heaviside(argument)
            scale, form = self.normalised(argument)
            mark = of(form, "step")
            return mark if scale > 0 else 1 - mark

        def pin(argument: sympy.Expr, *order: Any) -> sympy.Expr:
            if not argument.has(*self.variables):
                return sympy.Integer(0)
            scale, form = self.normalised(argument)
            return _first(order, of(form, "pin")) / abs(scale)

        def scaled(argument: sympy.Expr) -> sympy.Expr:
            return of(sympy.expand(argument * sympy.sqrt(2)), "erf")

        def largest(*arguments: sympy.Expr) -> sympy.Expr:
            return _extreme(arguments, step, 1)

        def smallest(*arguments: sympy.Expr) -> sympy.Expr:
            return _extreme(arguments, step, -1)

        e = sympy.sympify(expression)
        e = e.replace(sympy.Max, largest).replace(sympy.Min, smallest)
        e = e.replace(sympy.Abs, lambda x: x * (2 * step(x) - 1))
        e = e.replace(sympy.sign, lambda x: 2 * step(x) - 1)
        e = e.replace(sympy.Heaviside, lambda x, *_: step(x))
        e = e.replace(sympy.DiracDelta, pin)
        e = e.replace(sympy.erf, scaled)
        if e.has(sympy.exp):
            e = sympy.expand(e, power_exp=False)
            e = e.replace(lambda m: m.is_Mul and m.has(sympy.exp), _one_exponential).replace(sympy.exp, gaussian)
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
        if any(a < n and powers[a] for a in found["pin"]):
            return None  # x δ(x) = 0
        return Monomial(powers, *(tuple(sorted(found[kind])) for kind in ("tilt", "pin", "erf", "step")))

    def normalised(self, argument: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
        """(scale, form) with argument = scale × form, so that proportional linear forms are one variable.

        The first variable with a number for its coefficient then has the coefficient 1.
        """
        argument = sympy.expand(argument)
        for x in self.variables:
            scale = argument.coeff(x, 1)
            if scale.is_number and scale != 0:
                return scale, sympy.expand(argument / scale)
        return sympy.Integer(1), argument

    def form(self, index: int) -> tuple[tuple[sympy.Expr, ...], sympy.Expr]:
        """Coefficients and constant of a variable."""
        n = len(self.variables)
        if index >= n:
            return self.forms[index - n]
        return tuple(sympy.Integer(int(k == index)) for k in range(n)), sympy.Integer(0)

    def gap(self, i: int, j: int) -> sympy.Expr | None:
        """Variable i minus variable j where that is a number."""
        (a, constant), (c, other) = self.form(i), self.form(j)
        difference = constant - other
        return difference if a == c and difference.is_number else None

    def reduced(self, key: Monomial) -> Monomial | None:
        """The same function with the steps and pins of parallel forms settled; None where it vanishes.

        Their correlation is exactly 1: no closed form of two variables can be trusted with it.
        """
        steps, pins = list(key.steps), list(key.pins)
        for i in key.steps:
            for j in key.steps:
                gap = self.gap(i, j) if i != j else None
                if gap is not None and i in steps and j in steps:
                    steps.remove(i if gap > 0 else j)
        for k, i in enumerate(pins):
            if any(self.gap(i, j) is not None for j in pins[k + 1 :]):
                return None
            for j in list(steps):
                gap = self.gap(j, i) if i != j else None
                if gap is not None:
                    if gap < 0:
                        return None
                    steps.remove(j)
        if len(steps) == len(key.steps):
            return key
        return Monomial(key.powers, key.tilts, key.pins, key.erfs, tuple(steps))

    def index(self, argument: sympy.Expr) -> int:
        """Number of the variable that a linear form is, as a further variable where it is none yet."""
        if argument in self.variables:
            return self.variables.index(argument)
        coefficients = tuple(sympy.expand(argument).coeff(x, 1) for x in self.variables)
        linear = sympy.Add(*[c * x for c, x in zip(coefficients, self.variables, strict=True)])
        constant = sympy.expand(argument - linear)
        if constant.has(*self.variables) or any(c.has(*self.variables) for c in coefficients):
            raise NotClosed(f"a function of {argument}")
        form = (coefficients, constant)
        if form not in self.forms:
            self.forms.append(form)
        return len(self.variables) + self.forms.index(form)


def _one_exponential(product: sympy.Expr) -> sympy.Expr:
    """A product with its exponentials in one, to which powers of exponentials belong."""
    exponents = [f.base.args[0] * f.exp if f.is_Pow else f.args[0] for f in product.args if _exponential(f)]
    rest = [f for f in product.args if not _exponential(f)]
    return sympy.Mul(*rest, sympy.exp(sympy.expand(sympy.Add(*exponents))))


def _exponential(f: sympy.Expr) -> bool:
    return f.func is sympy.exp or (f.is_Pow and f.base.func is sympy.exp)


def _first(order: Sequence[Any], value: sympy.Symbol) -> sympy.Symbol:
    if any(sympy.sympify(n) != 0 for n in order):
        raise NotClosed("a derivative of a delta function")
    return value


def _extreme(arguments: Sequence[sympy.Expr], step: Callable[[sympy.Expr], sympy.Expr], sign: int) -> sympy.Expr:
    """max(u, v) = v + (u − v) θ(u − v), for u − v = one of the variables, or minus it; min alike."""
    if len(arguments) != 2:
        raise NotClosed(f"Max or Min of {arguments}")
    u, v = arguments
    difference = sympy.expand(u - v)
    if difference.could_extract_minus_sign():
        u, v, difference = v, u, -difference
    theta = step(difference)
    return v + difference * theta if sign > 0 else u - difference * theta
