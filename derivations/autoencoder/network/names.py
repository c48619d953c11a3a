"""Symbols that cannot meet each other: local fields, a user's scalars and the engine's own, whatever they are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import sympy

from .conditioning import Told


class LocalField(sympy.Symbol):
    """The field of a weight vector: by its class another symbol than any that a user makes by name.

    Numbers may be put in by name all the same: ``subs`` takes the plain real symbol for it.
    """

    def _eval_subs(self, old: sympy.Basic, new: sympy.Basic) -> sympy.Basic | None:
        return new if type(old) is sympy.Symbol and old == sympy.Symbol(self.name, real=True) else None


class Parameter(sympy.Symbol):
    """A user's trainable scalar: by its class another symbol than the engine's of the same name."""


class Opened(sympy.Symbol):
    """Stands for a φ_j or a slope of it while sums are expanded, so that φ itself is left as it is."""


# the engine's own -------------------------------------------------------------------------------------------------

b = sympy.Symbol("b", real=True)
#: s(t), where the skip connection depends on the time.
skip_at_time = sympy.Symbol("s", real=True)
d = sympy.Symbol("d", positive=True)
eta, lam, mass, varsigma, Lambda, tau = sympy.symbols("eta lambda p_s varsigma Lambda tau", positive=True)


def symbol(stem: str, *indices: object) -> sympy.Symbol:
    """A real symbol ``stem_i_j``."""
    return sympy.Symbol("_".join([stem, *map(str, indices)]), real=True)


def symmetric(stem: str, a: int, c: int) -> sympy.Symbol:
    """Entry (a, c) of a symmetric matrix: one symbol for both orders."""
    return symbol(stem, min(a, c) + 1, max(a, c) + 1)


#: What the printed derivation calls its own quantities.
_WORDS = {
    *("b", "d", "eta", "lambda", "p_s", "varsigma", "Lambda", "tau", "alpha", "beta", "alpha_dot", "beta_dot", "t"),
    *("x", "y", "x_0", "x_1", "x_t", "L", "L_bulk", "ell", "f", "E", "I", "pi", "sigma"),
}
_STEMS = re.compile(
    r"(omega|label|lambda[01]|e|Q|q|Theta|A|P|Phat|H[01]?|N[01]?|B|g|h|z|zu|m|rho|X|DTheta|Dq|Y)_.+", re.S
)
#: Characters that LaTeX or Python would read as something else.
_FORBIDDEN = '\\{}$%#&~^"`'
_LONGEST = 60


def collides(name: str) -> bool:
    """Whether the printed derivation uses this name for something of its own."""
    return name in _WORDS or bool(_STEMS.fullmatch(name))


def check_name(name: object) -> None:
    """Raise `ValueError` unless the name of a denoiser is printable text."""
    if not isinstance(name, str) or not name.isprintable() or any(c in _FORBIDDEN for c in name):
        raise ValueError(f"name = {name!r}: must be printable text without any of {_FORBIDDEN}")


def check_vectors(vectors: Sequence[Any]) -> None:
    """Raise `ValueError` unless the names of the weight vectors are distinct printable text."""
    if not vectors or len(set(map(repr, vectors))) != len(vectors):
        raise ValueError(f"vectors = {tuple(vectors)}: must be distinct names, at least one")
    for name in vectors:
        plain = isinstance(name, str) and name.isprintable() and name == name.strip() and 0 < len(name) <= _LONGEST
        if not plain or any(c in _FORBIDDEN for c in name):
            raise ValueError(
                f"vector {name!r}: must be printable text of 1 to {_LONGEST} characters without any of {_FORBIDDEN}"
                " and without spaces around it"
            )


def _marked(name: str, mark: str) -> str:
    """A name with a mark behind it, or before it where the engine numbers its own in that way (Q_1_1)."""
    return f"{mark}_{name}" if collides(f"{name}_{mark}") else f"{name}_{mark}"


def vector_symbols(vectors: Sequence[str]) -> tuple[sympy.Symbol, ...]:
    """The vectors as the printed derivation shows them."""
    return tuple(sympy.Symbol(_marked(v, "vector") if collides(v) else v) for v in vectors)


def private(parameters: Sequence[Any], vectors: Sequence[str]) -> tuple[Parameter, ...]:
    """The symbols that stand for a user's scalars inside; printed by the user's names, marked where these are taken.

    Raises
    ------
    ValueError
        If one is no symbol, a local field or not real, or if two have the same name.
    """
    for p in parameters:
        if not isinstance(p, sympy.Symbol):
            raise ValueError(f"parameters: {p!r} must be a SymPy symbol")
        if isinstance(p, LocalField):
            raise ValueError(f"parameters: {p} is a local field; a trainable scalar must be a symbol of its own")
        if isinstance(p, Told):
            raise ValueError(
                f"parameters: {p} is the schedule's or a label; a trainable scalar must be a symbol of its own"
            )
        if p.is_real is False:
            raise ValueError(f"parameters: {p} must be real")
    names = [p.name for p in parameters]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"parameters: {name!r} is there {names.count(name)} times; names must be distinct")
    out: list[Parameter] = []
    for p in parameters:
        name = p.name
        if not isinstance(p, Parameter):
            if collides(name) or name in vectors:
                name = _marked(name, "user")
            while name != p.name and name in names:
                name += "_user"
        assumptions = {"positive": True} if p.is_positive else {"real": True}
        out.append(Parameter(name, **assumptions))
    return tuple(out)
