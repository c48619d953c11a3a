r"""The optimiser as a linear map on the stacked vectors: w_a ← w_a + η Σ_b R_ab (−∇_{w_b} loss) + (2η/d) Σ_b A_ab w_b.

SGD with weight decay is R = 1, A = −λ/2; an average w̄ of w that follows at the rate γ has R = 0 and A_{w̄w} = −A_{w̄w̄} = γ; heavy
ball with friction g and gain k has a velocity v with R_vw = 1, A_vv = −g, and A_wv = k, A_ww = −λ/2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from ..network.conditioning import schedule

#: One entry of a matrix: row (the vector that is moved), column, value.
Entry = tuple[str, str, sympy.Expr]


@dataclass(frozen=True)
class Optimiser:
    """R and A over the stacked vectors of a denoiser, observers included.

    Parameters
    ----------
    gradient, linear : sympy.Matrix or mapping
        R and A: a square matrix in the order of the vectors; or a mapping by their names, ``{("v", "w"): 1}``,
        ``{"v": {"w": 1}}``, or ``{"v": 1}`` for an entry of the diagonal. What is left out is 0. Entries are numbers or functions
        of ``schedule.tau``.

    Raises
    ------
    ValueError
        If an entry is no number or function of τ.

    Notes
    -----
    R and A are all that moves the vectors: the weight decay λ is A = −λ/2 on the diagonal. b and the trainable scalars keep the
    rates of plain SGD.
    """

    gradient: Any
    linear: Any = ()

    def __post_init__(self) -> None:
        for name in ("gradient", "linear"):
            object.__setattr__(self, name, _kept(getattr(self, name), name))

    def matrices(self, vectors: Sequence[str]) -> tuple[sympy.ImmutableMatrix, sympy.ImmutableMatrix]:
        """(R, A) over the vectors.

        Raises
        ------
        ValueError
            If a name is none of the vectors, or a matrix has another size.
        """
        return _matrix(self.gradient, "gradient", vectors), _matrix(self.linear, "linear", vectors)

    def _repr_latex_(self) -> str:
        vectors = self._named()
        R, A = self.matrices(vectors)
        shown = ",".join(rf"\mathbf{{{sympy.latex(sympy.Symbol(v))}}}" for v in vectors)
        step = r"W \leftarrow W - \eta\,R\,\nabla_W\,\ell + \frac{2\eta}{d}\,A\,W"
        matrices = rf"R = {sympy.latex(R)},\quad A = {sympy.latex(A)}"
        return rf"$\displaystyle {step},\quad W = \left({shown}\right),\quad {matrices}$"

    def _named(self) -> tuple[str, ...]:
        """The vectors that the entries name, in their order; of a matrix w_1, w_2, …"""
        names: dict[str, None] = {}
        for kept in (self.gradient, self.linear):
            if isinstance(kept, sympy.MatrixBase):
                return tuple(f"w_{k + 1}" for k in range(kept.rows))
            names |= {name: None for row, column, _ in kept for name in (row, column)}
        return tuple(names)


def _kept(given: Any, name: str) -> Any:
    """The entries in a form that can be hashed: a matrix, or (row, column, value) by name."""
    if isinstance(given, sympy.MatrixBase):
        if given.rows != given.cols:
            raise ValueError(f"{name}: has the shape {given.shape}; must be square")
        return sympy.ImmutableMatrix(given.applyfunc(lambda x: _entry(x, name)))
    if isinstance(given, tuple):
        return tuple((row, column, _entry(value, name)) for row, column, value in given)
    if not isinstance(given, Mapping):
        raise ValueError(f"{name} = {given!r}: must be a SymPy matrix or a mapping by the vectors' names")
    return tuple((row, column, _entry(value, name)) for row, column, value in _entries(given))


def _entries(given: Mapping[Any, Any]) -> Iterator[tuple[str, str, Any]]:
    for key, value in given.items():
        if isinstance(key, tuple) and len(key) == 2:
            yield key[0], key[1], value
        elif isinstance(value, Mapping):
            for column, entry in value.items():
                yield key, column, entry
        else:
            yield key, key, value


def _entry(value: object, name: str) -> sympy.Expr:
    entry = sympy.sympify(value)
    if isinstance(entry, sympy.Expr):
        entry = schedule.own(entry, ("tau",))
    if not isinstance(entry, sympy.Expr) or entry.free_symbols - {schedule.tau} or entry.has(sympy.zoo, sympy.nan):
        raise ValueError(f"{name}: the entry {value} must be a number or a function of schedule.tau")
    return entry


def _matrix(kept: Any, name: str, vectors: Sequence[str]) -> sympy.ImmutableMatrix:
    n = len(vectors)
    if isinstance(kept, sympy.MatrixBase):
        if kept.rows != n:
            raise ValueError(f"{name}: has {kept.rows} rows; must have one for each of {', '.join(vectors)}")
        return sympy.ImmutableMatrix(kept)
    out = sympy.zeros(n, n)
    for row, column, value in kept:
        for vector in (row, column):
            if vector not in vectors:
                raise ValueError(f"{name}: {vector!r} must be one of {', '.join(vectors)}")
        out[vectors.index(row), vectors.index(column)] = value
    return sympy.ImmutableMatrix(out)
