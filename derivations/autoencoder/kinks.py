r"""Piecewise functions in one normal form, and how smooth they are: decided on the function, not on its spelling.

Max, Min, Abs, sign, Piecewise and every condition become steps θ(u) of smooth u. A step's argument is split into its real
factors and each is normalised in sign and scale, so that θ(−2v) is 1 − θ(v); steps of parallel forms absorb each other. What
happens at a break u = 0 is then the difference between φ with θ(u) = 1 and φ with θ(u) = 0, and the same of ∇φ: zero there or
not. This is looked at in numbers of 30 digits at several points of the break, for several values of the scalars.

Where φ is continuous its slopes are functions and hold no δ; those that SymPy's chain rule writes are dropped
(`almost_everywhere`). The second derivatives of a φ with kinks hold the δ's that Stein's lemma needs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import mpmath
import sympy

from .names import Parameter

_DIGITS = 30
_TOLERANCE = 1e-12
_POINTS = 8
#: More steps than this in one φ are not analysed.
_MOST = 12
_ODD = (sympy.tanh, sympy.sinh, sympy.atan, sympy.asinh, sympy.erf)
_JUMPING = (sympy.floor, sympy.ceiling, sympy.frac, sympy.Mod)
_POLES = (sympy.tan, sympy.cot, sympy.sec, sympy.csc, sympy.coth, sympy.csch, sympy.gamma, sympy.loggamma)


@dataclass(frozen=True)
class Smoothness:
    """Normal form of a φ and how smooth it is.

    ``kink``: ∇φ jumps somewhere. ``smooth``: φ has no breaks at all (with breaks and no kink, φ″ may jump).
    """

    phi: sympy.Expr
    kink: bool
    smooth: bool


def almost_everywhere(expression: sympy.Expr) -> sympy.Expr:
    """A derivative without its δ functions: what it is away from the breaks."""
    return expression.replace(sympy.DiracDelta, lambda *_: sympy.Integer(0))


def slope(phi: sympy.Expr, x: sympy.Symbol) -> sympy.Expr:
    """∂φ/∂x of a continuous φ."""
    return almost_everywhere(sympy.diff(phi, x))


def analyse(phi: sympy.Expr, fields: Sequence[sympy.Symbol]) -> Smoothness:
    """Normal form and smoothness of φ as a function of the local fields.

    Raises
    ------
    ValueError
        If φ jumps, has an unbounded slope or a pole, or is not real; the message says where and why that is refused.
    """
    # The same function of other fields is the same question: asked once for all hidden units.
    inner = [x for x in fields if x in phi.free_symbols]
    outer = sorted(phi.free_symbols - set(inner), key=str)
    names = [sympy.Symbol(f"omega_{i}", real=True) for i in range(len(inner))]
    scalars = [Parameter(f"kappa_{i}", **x.assumptions0) for i, x in enumerate(outer)]
    there = dict(zip((*inner, *outer), (*names, *scalars), strict=True))
    back = {value: key for key, value in there.items()}
    try:
        found = _analyse(phi.xreplace(there), tuple(names), tuple(scalars))
    except _Refused as error:
        place = "" if error.place is None else f" at {error.place.xreplace(back)} = 0"
        raise ValueError(f"phi = {phi}: {error.what}{place}{error.why}") from None
    return Smoothness(found.phi.xreplace(back), found.kink, found.smooth)


class _Refused(Exception):
    def __init__(self, what: str, place: sympy.Expr | None = None, why: str = "") -> None:
        super().__init__(what)
        self.what, self.place, self.why = what, place, why


@lru_cache(maxsize=256)
def _analyse(phi: sympy.Expr, fields: tuple[sympy.Symbol, ...], scalars: tuple[sympy.Symbol, ...]) -> Smoothness:
    steps = _Steps(fields)
    rewritten = steps.convert(sympy.nsimplify(phi, rational=True) if phi.has(sympy.Float) else phi)
    numbers = _Numbers(rewritten, steps, fields, scalars)
    numbers.check_finite()
    if not any(rewritten.has(m) for m in steps.marks.values()):
        return Smoothness(rewritten, False, True)
    rewritten = numbers.without_idle_steps()
    kink = False
    for u, mark in steps.marks.items():
        if rewritten.has(mark) and u.has(*fields):
            kink = numbers.has_kink(u, mark) or kink
    live = [m for m in steps.marks.values() if rewritten.has(m)]
    rewritten = steps.expanded(rewritten, live)
    back = {mark: sympy.Heaviside(u) for u, mark in steps.marks.items()}
    return Smoothness(
        rewritten.xreplace(back), kink, not any(u.has(*fields) and m in live for u, m in steps.marks.items())
    )


class _Steps:
    """Rewrites an expression with one mark for every step θ(u), u normalised."""

    def __init__(self, fields: Sequence[sympy.Symbol]) -> None:
        self.fields = tuple(fields)
        self.marks: dict[sympy.Expr, sympy.Symbol] = {}

    # functions -------------------------------------------------------------------------------------------------

    def convert(self, e: sympy.Basic) -> Any:
        """The same function, its breaks in the marks."""
        if e.is_Atom:
            return e
        if isinstance(e, sympy.Piecewise):
            return self._pieces(e)
        if isinstance(e, _JUMPING) and e.has(*self.fields):
            raise _Refused(f"{e.func.__name__} jumps", None, _WHY)
        if isinstance(e, _POLES) and e.has(*self.fields):
            raise _Refused(f"{e.func.__name__} is not finite everywhere")
        arguments = [self.convert(a) for a in e.args]
        if isinstance(e, sympy.Max):
            return self._extreme(arguments, 1)
        if isinstance(e, sympy.Min):
            return self._extreme(arguments, -1)
        if isinstance(e, sympy.Abs):
            return arguments[0] * (2 * self.theta(arguments[0]) - 1)
        if isinstance(e, sympy.sign):
            return 2 * self.theta(arguments[0]) - 1
        if isinstance(e, sympy.Heaviside):
            return self.theta(arguments[0])
        if isinstance(e, sympy.Pow) and e.exp.is_Rational and not e.exp.is_Integer:
            again = sympy.factor(arguments[0]) ** e.exp
            if again.has(sympy.Abs):
                return self.convert(again)
        return e.func(*arguments)

    def _pieces(self, e: sympy.Piecewise) -> sympy.Expr:
        total, left = sympy.Integer(0), sympy.Integer(1)
        for value, condition in e.args:
            here = self.condition(condition)
            total += left * here * self.convert(value)
            left = self.reduced(left * (1 - here))
        if left != 0:
            raise _Refused("a Piecewise has no value for some fields (its last condition must be True)")
        return total

    def _extreme(self, arguments: Sequence[sympy.Expr], sign: int) -> sympy.Expr:
        result, *rest = sorted(arguments, key=sympy.default_sort_key)
        for other in rest:
            theta = self.theta(other - result)
            result = result + (other - result) * (theta if sign > 0 else 1 - theta)
        return result

    def condition(self, c: sympy.Basic) -> sympy.Expr:
        """A condition as a number 0 or 1."""
        one = sympy.Integer(1)
        if c in (sympy.true, sympy.false):
            return one if c == sympy.true else sympy.Integer(0)
        if isinstance(c, sympy.And):
            return sympy.Mul(*[self.condition(a) for a in c.args])
        if isinstance(c, sympy.Or):
            return one - sympy.Mul(*[one - self.condition(a) for a in c.args])
        if isinstance(c, sympy.Not):
            return one - self.condition(c.args[0])
        if isinstance(c, sympy.ITE):
            yes, then, other = (self.condition(a) for a in c.args)
            return yes * then + (one - yes) * other
        if isinstance(c, sympy.Xor):
            total = sympy.Integer(0)
            for a in map(self.condition, c.args):
                total = total + a - 2 * total * a
            return total
        if isinstance(c, (sympy.Gt, sympy.Ge)):
            return self.theta(self.convert(c.lhs) - self.convert(c.rhs))
        if isinstance(c, (sympy.Lt, sympy.Le)):
            return self.theta(self.convert(c.rhs) - self.convert(c.lhs))
        if isinstance(c, (sympy.Eq, sympy.Ne)):
            same = sympy.expand(self.convert(c.lhs) - self.convert(c.rhs)) == 0
            return sympy.Integer(int(same == isinstance(c, sympy.Eq)))
        raise _Refused(f"the condition {c} is not understood")

    # steps -----------------------------------------------------------------------------------------------------

    def theta(self, u: sympy.Expr) -> sympy.Expr:
        """θ(u) in the marks."""
        inside = sorted(u.free_symbols & set(self.marks.values()), key=str)
        if inside:
            m = inside[0]
            return m * self.theta(u.xreplace({m: sympy.Integer(1)})) + (1 - m) * self.theta(
                u.xreplace({m: sympy.Integer(0)})
            )
        result = sympy.Integer(1)
        for factor in sympy.Mul.make_args(sympy.factor(sympy.powsimp(sympy.expand(u)))):
            theta = self._factor(factor)
            result = sympy.expand(result * theta + (1 - result) * (1 - theta))
        return result

    def _factor(self, f: sympy.Expr) -> sympy.Expr:
        base, power = f.as_base_exp()
        if power.is_Integer and base != sympy.E:
            if int(power) % 2 == 0:
                return sympy.Integer(1)
            f = base
        if f.is_nonnegative or f.is_positive:
            return sympy.Integer(0 if f.is_zero else 1)
        if f.is_nonpositive or f.is_negative:
            return sympy.Integer(0)
        if isinstance(f, _ODD):
            return self.theta(f.args[0])
        f = self._without_exp(f)
        if f.is_number:
            return sympy.Integer(int(f > 0))
        sign, form = self._normalised(sympy.expand(f))
        if form not in self.marks:
            if len(self.marks) >= _MOST:
                raise _Refused(f"more than {_MOST} breaks")
            self.marks[form] = sympy.Symbol(f"_theta_{len(self.marks)}", real=True)
        mark = self.marks[form]
        return mark if sign > 0 else 1 - mark

    def _without_exp(self, f: sympy.Expr) -> sympy.Expr:
        """w − log c for e^w − c: of the same sign."""
        constant, rest = f.as_independent(*self.fields, as_Add=True)
        scale, power = rest.as_independent(*self.fields, as_Add=False)
        if constant.is_number and constant < 0 and scale.is_number and scale > 0 and power.func is sympy.exp:
            return power.args[0] - sympy.log(-constant / scale)
        return f

    def _normalised(self, u: sympy.Expr) -> tuple[int, sympy.Expr]:
        """Sign and normal form: the first field with a number for its coefficient has coefficient 1."""
        for x in self.fields:
            c = u.coeff(x, 1)
            if c.is_number and c != 0 and (u - c * x).expand().has(x) is False:
                return (1 if c > 0 else -1), sympy.expand(u / c)
        return (-1, sympy.expand(-u)) if u.could_extract_minus_sign() else (1, u)

    def order(self, a: sympy.Symbol, c: sympy.Symbol) -> int:
        """1 where θ_a ≥ θ_c always, −1 where θ_a ≤ θ_c, 0 where neither is known."""
        forms = {m: u for u, m in self.marks.items()}
        gap = sympy.expand(forms[a] - forms[c])
        return 0 if not gap.is_number else (1 if gap > 0 else -1)

    def reduced(self, e: sympy.Expr) -> sympy.Expr:
        """Expanded, with θ² = θ and without steps that another one of the same product implies."""
        marks = [m for m in self.marks.values() if e.has(m)]
        if not marks:
            return sympy.expand(e)
        total = sympy.Integer(0)
        for powers, coefficient in sympy.Poly(sympy.expand(e), *marks).terms():
            some = [m for m, n in zip(marks, powers, strict=True) if n]
            some = [m for m in some if not any(o is not m and self.order(m, o) > 0 for o in some)]
            total += coefficient * sympy.Mul(*some)
        return sympy.expand(total)

    def expanded(self, e: sympy.Expr, live: Sequence[sympy.Symbol]) -> sympy.Expr:
        """`reduced` where φ is a polynomial; other φ stay as they are, because expanding would cancel large terms."""
        return self.reduced(e) if e.is_polynomial(*self.fields, *live) else e


_WHY = ": SGD never sees a jump, so that its gradient is no gradient of the loss; use a continuous function"


class _Numbers:
    """φ and its breaks in numbers of many digits."""

    def __init__(
        self, phi: sympy.Expr, steps: _Steps, fields: Sequence[sympy.Symbol], scalars: Sequence[sympy.Symbol]
    ) -> None:
        self.phi, self.steps = phi, steps
        self.fields, self.scalars = tuple(fields), tuple(scalars)
        self.random = random.Random(20)
        self.forms: dict[sympy.Expr, Any] = {}

    def _function(self, e: sympy.Expr) -> Any:
        plain = e.replace(lambda f: hasattr(f, "_pythoncode"), lambda f: f.rewrite(sympy.exp))
        return sympy.lambdify([*self.fields, *self.scalars, *self.steps.marks.values()], plain, modules="mpmath")

    def _point(self) -> list[Any]:
        size = self.random.choice((0.3, 1.0, 3.0))
        return [mpmath.mpf(self.random.gauss(0, size)) for _ in self.fields] + [
            mpmath.mpf(self.random.uniform(0.3, 1.7)) for _ in self.scalars
        ]

    def _marks(self, point: list[Any], **given: Any) -> list[Any]:
        values, zero = [], [mpmath.mpf(0)] * len(self.steps.marks)
        for u, m in self.steps.marks.items():
            if u not in self.forms:
                self.forms[u] = self._function(u)
            on = given[m.name] if m.name in given else int(self.forms[u](*point, *zero) > 0)
            values.append(mpmath.mpf(on))
        return values

    def check_finite(self) -> None:
        """Refuse what is not a finite real function of the fields."""
        with mpmath.workdps(_DIGITS):
            f = self._function(self.phi)
            powers = [
                p.base for p in self.phi.atoms(sympy.Pow) if p.exp.could_extract_minus_sign() and p.has(*self.fields)
            ]
            bases = [(p, self._function(p)) for p in powers]
            signs: dict[sympy.Expr, set[int]] = {p: set() for p in powers}
            for _ in range(4 * _POINTS):
                point = self._point()
                marks = self._marks(point)
                try:
                    value = mpmath.mpc(f(*point, *marks))
                    for p, base in bases:
                        signs[p].add(int(mpmath.sign(mpmath.re(base(*point, *marks)))))
                except (ValueError, ZeroDivisionError, TypeError):
                    value = mpmath.mpc(mpmath.nan)
                if not mpmath.isfinite(value) or abs(value.imag) > _TOLERANCE * (1 + abs(value)):
                    raise _Refused("must be real and finite for all fields")
            for p, found in signs.items():
                if len(found) > 1:
                    raise _Refused("is not finite", p)

    def without_idle_steps(self) -> sympy.Expr:
        """φ without the steps that make no difference anywhere (two pieces of one function)."""
        with mpmath.workdps(_DIGITS):
            for m in self.steps.marks.values():
                if not self.phi.has(m):
                    continue
                on, off = (self.phi.xreplace({m: sympy.Integer(k)}) for k in (1, 0))
                jump, value = self._function(on - off), self._function(self.phi)
                places = [(*p, *self._marks(p)) for p in (self._point() for _ in range(6 * _POINTS))]
                if all(abs(jump(*p)) <= _TOLERANCE * (1 + abs(value(*p))) for p in places):
                    self.phi = on
        return self.phi

    def has_kink(self, u: sympy.Expr, mark: sympy.Symbol) -> bool:
        """Whether ∇φ jumps on u = 0; refuses jumps of φ and unbounded slopes."""
        on, off = (self.phi.xreplace({mark: sympy.Integer(k)}) for k in (1, 0))
        kink = False
        with mpmath.workdps(_DIGITS):
            value, jump = self._function(off), self._function(on - off)
            slopes = [[self._function(sympy.diff(side, x)) for x in self.fields] for side in (on, off)]
            for point in self._surface(u):
                marks = self._marks(point, **{mark.name: 0})
                try:
                    size = 1 + abs(value(*point, *marks))
                    gap = abs(jump(*point, *marks))
                    sides = [[f(*point, *marks) for f in side] for side in slopes]
                except ZeroDivisionError:
                    raise _Refused("the slope is unbounded", u) from None
                if not gap <= _TOLERANCE * size:
                    raise _Refused(f"phi jumps (by {mpmath.nstr(gap, 3)})", u, _WHY)
                if not all(mpmath.isfinite(s) and abs(s) < 1e8 for side in sides for s in side):
                    raise _Refused("the slope is unbounded", u)
                kink = kink or any(abs(s - t) > _TOLERANCE * (1 + abs(s)) for s, t in zip(*sides, strict=True))
        return kink

    def _surface(self, u: sympy.Expr) -> list[list[Any]]:
        """Points with u = 0, from random ones by moving one field."""
        form, zero = self._function(u), [mpmath.mpf(0)] * len(self.steps.marks)
        found: list[list[Any]] = []
        for i, x in enumerate(self.fields):
            c = sympy.expand(u).coeff(x, 1)
            if c != 0 and not c.has(*self.fields) and not sympy.expand(u - c * x).has(x):
                coefficient = self._function(c)
                for _ in range(_POINTS):
                    p = self._point()
                    p[i] -= form(*p, *zero) / coefficient(*p, *zero)
                    found.append(p)
                return found
        for trial in range(6 * _POINTS):
            point = self._point()
            i = next(k for k, x in enumerate(self.fields) if u.has(x))

            def along(t: Any, point: list[Any] = point, i: int = i) -> Any:
                return form(*[t if k == i else x for k, x in enumerate(point)], *zero)

            spacing = (0.25, 0.05, 2.0)[trial % 3]
            grid = [(t + mpmath.mpf(trial) / 997) * spacing for t in range(-40, 41)]
            values = [along(t) for t in grid]
            for k in range(len(grid) - 1):
                if values[k] * values[k + 1] < 0:
                    root = mpmath.findroot(along, (grid[k], grid[k + 1]), solver="anderson", tol=1e-50, verify=False)
                    found.append([root if j == i else x for j, x in enumerate(point)])
            if len(found) >= _POINTS:
                break
        return found
