"""Identities that a derivation rests on: where one fails, there is no result (also under ``python -O``)."""

from __future__ import annotations

import sympy


class DerivationError(ArithmeticError):
    """An identity that the derivation needs does not hold."""


def require(holds: object, what: str) -> None:
    """Stop unless a statement holds.

    Raises
    ------
    DerivationError
        Saying what does not.
    """
    if not holds:
        raise DerivationError(f"{what}: does not hold")


def require_zero(expression: sympy.Expr, what: str) -> None:
    """Stop unless an expression is zero: by its numerator where that is a polynomial, else by simplification.

    Raises
    ------
    DerivationError
        Saying what does not hold, and by how much.
    """
    if sympy.expand(sympy.numer(sympy.together(expression))) == 0:
        return
    rest = sympy.simplify(expression)
    if rest != 0:
        rest = sympy.simplify(sympy.sympify(rest).rewrite(sympy.erf))
    if rest != 0:
        raise DerivationError(f"{what}: {rest} is not zero")
