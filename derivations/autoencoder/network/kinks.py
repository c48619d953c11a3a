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

from .breaks import NO_GRADIENT, Breaks, Refused
from .conditioning import Told
from .names import Parameter

_DIGITS = 30
_TOLERANCE = 1e-12
_POINTS = 8


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
    scalars = [
        Parameter(f"{'time' if type(x) is Told else 'kappa'}_{i}", **x.assumptions0) for i, x in enumerate(outer)
    ]
    there = dict(zip((*inner, *outer), (*names, *scalars), strict=True))
    back = {value: key for key, value in there.items()}
    try:
        found = _analyse(phi.xreplace(there), tuple(names), tuple(scalars))
    except Refused as error:
        place = "" if error.place is None else f" at {error.place.xreplace(back)} = 0"
        raise ValueError(f"phi = {phi}: {error.what}{place}{error.why}") from None
    return Smoothness(found.phi.xreplace(back), found.kink, found.smooth)


@lru_cache(maxsize=256)
def _analyse(phi: sympy.Expr, fields: tuple[sympy.Symbol, ...], scalars: tuple[sympy.Symbol, ...]) -> Smoothness:
    steps = Breaks(fields)
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


class _Numbers:
    """φ and its breaks in numbers of many digits."""

    def __init__(
        self, phi: sympy.Expr, steps: Breaks, fields: Sequence[sympy.Symbol], scalars: Sequence[sympy.Symbol]
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
            # A time and the schedule's values lie in [0, 1].
            mpmath.mpf(self.random.uniform(0.3, 0.95 if x.name.startswith("time") else 1.7))
            for x in self.scalars
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
                    raise Refused("must be real and finite for all fields")
            for p, found in signs.items():
                if len(found) > 1:
                    raise Refused("is not finite", p)

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
                    raise Refused("the slope is unbounded", u) from None
                if not gap <= _TOLERANCE * size:
                    raise Refused(f"phi jumps (by {mpmath.nstr(gap, 3)})", u, NO_GRADIENT)
                if not all(mpmath.isfinite(s) and abs(s) < 1e8 for side in sides for s in side):
                    raise Refused("the slope is unbounded", u)
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

            def along(t: mpmath.mpf, point: list[Any] = point, i: int = i) -> mpmath.mpf:
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
