"""Identities that a derivation rests on: where one fails, there is no result (also under ``python -O``)."""

from __future__ import annotations

from typing import Any

import sympy


class DerivationError(ArithmeticError):
    """An identity that the derivation needs does not hold."""


def require(holds: Any, what: str) -> None:
    """Stop unless a statement holds.

    Raises
    ------
    DerivationError
        Saying what does not.
    """
    if not holds:
        raise DerivationError(f"{what}: does not hold")


def require_zero(expression: Any, what: str) -> None:
    """Stop unless an expression simplifies to zero.

    Raises
    ------
    DerivationError
        Saying what does not hold, and by how much.
    """
    rest = sympy.simplify(expression)
    if rest != 0:
        raise DerivationError(f"{what}: {rest} is not zero")
