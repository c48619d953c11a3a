"""Abstract vectors of R^d: sums of named vectors whose inner products come from a table."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import sympy


class VectorSum:
    """Σ coefficient × basis vector, with symbolic coefficients.

    Parameters
    ----------
    coefficients : mapping
        Basis vector (any hashable name) → SymPy coefficient.
    """

    def __init__(self, coefficients: Mapping[Hashable, sympy.Expr]) -> None:
        self.coefficients = {name: sympy.sympify(c) for name, c in coefficients.items() if c != 0}

    def __add__(self, other: VectorSum) -> VectorSum:
        names = {**self.coefficients, **other.coefficients}
        return VectorSum({n: self.coefficients.get(n, 0) + other.coefficients.get(n, 0) for n in names})

    def __mul__(self, factor: sympy.Expr) -> VectorSum:
        return VectorSum({name: factor * c for name, c in self.coefficients.items()})

    __rmul__ = __mul__

    def __sub__(self, other: VectorSum) -> VectorSum:
        return self + (-1) * other

    def dot(self, other: VectorSum, table: Callable[[Hashable, Hashable], sympy.Expr]) -> sympy.Expr:
        """Inner product by the table of the basis vectors' inner products."""
        return sympy.Add(
            *[c * e * table(m, n) for m, c in self.coefficients.items() for n, e in other.coefficients.items()]
        )
