"""Max, Min, Abs, sign, Piecewise and conditions as steps θ(u) of normalised smooth u."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

#: More steps than this in one φ are not analysed.
_MOST = 12
_ODD = (sympy.tanh, sympy.sinh, sympy.atan, sympy.asinh, sympy.erf)
_JUMPING = (sympy.floor, sympy.ceiling, sympy.frac, sympy.Mod)
_POLES = (sympy.tan, sympy.cot, sympy.sec, sympy.csc, sympy.coth, sympy.csch, sympy.gamma, sympy.loggamma)
NO_GRADIENT = ": SGD never sees a jump, so that its gradient is no gradient of the loss; use a continuous function"


class Refused(Exception):
    """A φ that no theory here is about: what is wrong, where (on place = 0), and why that is refused."""

    def __init__(self, what: str, place: sympy.Expr | None = None, why: str = "") -> None:
        super().__init__(what)
        self.what, self.place, self.why = what, place, why


class Breaks:
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
            raise Refused(f"{e.func.__name__} jumps", None, NO_GRADIENT)
        if isinstance(e, _POLES) and e.has(*self.fields):
            raise Refused(f"{e.func.__name__} is not finite everywhere")
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
            raise Refused("a Piecewise has no value for some fields (its last condition must be True)")
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
        raise Refused(f"the condition {c} is not understood")

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
                raise Refused(f"more than {_MOST} breaks")
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
