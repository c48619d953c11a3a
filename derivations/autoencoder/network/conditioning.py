"""What a network is told beside the sample: the time, the schedule's values there, and the label; and the controls' own time τ.

These are symbols by their class: none that a user makes by name is the same, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sympy


class Told(sympy.Symbol):
    """A symbol that is given from outside. Numbers may be put in by name: ``subs`` takes the plain real symbol for it."""

    def _eval_subs(self, old: sympy.Basic, new: sympy.Basic) -> sympy.Basic | None:
        return new if type(old) is sympy.Symbol and old == sympy.Symbol(self.name, real=True) else None


class Label(Told):
    """One entry of the one-hot label."""


class Schedule:
    """The time t, α, β and their derivatives by t; and τ, along which an optimiser may change."""

    def __init__(self) -> None:
        self.t, self.alpha, self.beta = (Told(name, real=True) for name in ("t", "alpha", "beta"))
        self.alpha_dot, self.beta_dot = Told("alpha_dot", real=True), Told("beta_dot", real=True)
        self.tau = Told("tau", real=True)

    @property
    def of_time(self) -> tuple[sympy.Symbol, ...]:
        """What a function of the time may contain, in the order of the code's arguments."""
        return self.alpha, self.beta, self.alpha_dot, self.beta_dot, self.t

    def own(self, expression: sympy.Expr, names: Iterable[str]) -> sympy.Expr:
        """An expression with these for the plain symbols of the same names, of any assumptions."""
        given = {name: getattr(self, name) for name in names}
        plain = {x: given[x.name] for x in expression.free_symbols if type(x) is sympy.Symbol and x.name in given}
        return expression.xreplace(plain)


schedule = Schedule()


def label(index: int) -> sympy.Symbol:
    """e_ℓ, entry ℓ = ``index`` of the one-hot label: 1 where the sample has this label, else 0; all are 0 where it is dropped.

    Raises
    ------
    ValueError
        If the index is no integer ≥ 0.
    """
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise ValueError(f"label({index!r}): must be an integer >= 0")
    return Label(f"label_{index}", real=True)


def function_of_time(expression: object, name: str) -> sympy.Expr:
    """A checked function of t through t, α, β, α̇, β̇ alone.

    Raises
    ------
    ValueError
        If it is no SymPy expression, or contains another symbol.
    """
    value = sympy.sympify(expression)
    if not isinstance(value, sympy.Expr):
        raise ValueError(f"{name} = {expression}: must be a SymPy expression")
    extra = value.free_symbols - set(schedule.of_time)
    if extra:
        allowed = ", ".join(f"schedule.{x.name}" for x in schedule.of_time)
        raise ValueError(f"{name} has the symbol {sorted(map(str, extra))[0]!r}: must be a function of {allowed}")
    if value.has(sympy.zoo, sympy.nan, sympy.oo):
        raise ValueError(f"{name} = {expression}: must be finite")
    return value


def at_label(expression: sympy.Expr, index: int | None, labels: int) -> sympy.Expr:
    """A function of the one-hot label at label ``index``, or at the dropped one (None)."""
    values: Mapping[sympy.Symbol, sympy.Expr] = {label(k): sympy.Integer(k == index) for k in range(labels)}
    return expression.xreplace(values)
