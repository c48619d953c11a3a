"""Sums over nodes in few operations: what does not depend on the node is taken out of the sums and multiplied in after the loop.

A gradient is Σ_m C_m ψ_m with C_m of the time, the skip connection and the scalars alone, and the same ψ_m in both channels. The
sums are then those of ψ_m and of their products, once, and every moment is a linear combination of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sympy

#: Names of what a node has of its own; and of what it has not, but is left in its place where it stands in a sum.
OWN, NEUTRAL = ("omega_", "e_", "latent_"), ("Q_", "R_", "centre_")
#: Most terms of a product that are told apart.
MOST = 24

Terms = dict["sympy.Expr", "sympy.Expr"]


def _is_own(e: sympy.Expr) -> bool:
    return any(x.name.startswith(OWN) for x in e.free_symbols)


def _is_outside(e: sympy.Expr) -> bool:
    """Whether it needs neither the node nor Q, R and the centre (numbers stay with the node)."""
    return bool(e.free_symbols) and not any(x.name.startswith((*OWN, *NEUTRAL)) for x in e.free_symbols)


def _by_coefficient(e: sympy.Expr) -> Terms:
    """{coefficient: part of the node} of an expression, as far as it is a polynomial in what is outside."""
    import sympy

    one = sympy.Integer(1)
    if _is_outside(e):
        return {e: one}
    if all(not _is_outside(x) for x in e.free_symbols):
        return {one: e}
    if e.is_Add:
        found: Terms = {}
        for term in e.args:
            for c, node in _by_coefficient(term).items():
                found[c] = found.get(c, sympy.Integer(0)) + node
        return found
    factors: Sequence[sympy.Expr] = ()
    if e.is_Mul:
        factors = e.args
    elif e.is_Pow and e.exp.is_Integer and 2 <= int(e.exp) <= 4:
        factors = (e.base,) * int(e.exp)
    product: Terms = {one: one}
    for factor in factors:
        parts = _by_coefficient(factor)
        if len(parts) * len(product) > MOST:
            return {one: e}
        grown: Terms = {}
        for c, node in product.items():
            for d, other in parts.items():
                grown[c * d] = grown.get(c * d, sympy.Integer(0)) + node * other
        product = grown
    return product if factors else {one: e}


def _split(e: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """(factor that the node does not enter, the rest) of an expression; common factors of a sum are taken out of it."""
    import sympy

    if e.is_Add:
        parts = [_split(term) for term in e.args]
        content, e = sympy.Add(*(outside * own for outside, own in parts)).primitive()
        if not e.is_Add:
            outside, own = _split(e)
            return content * outside, own
        terms = [dict(_factors(term)) for term in e.args]
        shared = sympy.Integer(1)
        for base in terms[0]:
            powers = [t.get(base, sympy.Integer(0)) for t in terms]
            # exp(−ω²/2) has a power that nothing orders.
            if not base.is_Number and all(power.is_Integer for power in powers) and (power := min(powers)) > 0:
                shared *= base**power
        if shared != 1:
            inner = sympy.Add(*(term / shared for term in e.args))
            c, rest = _split(inner)
            d, node = _split(shared)
            return content * c * d, node * rest
        return (-content, -e) if e.could_extract_minus_sign() else (content, e)
    outside, own = sympy.Integer(1), sympy.Integer(1)
    for base, power in _factors(e):
        factor = base**power
        if not _is_own(factor):
            outside *= factor
        elif base.is_Add and power.is_Integer:
            c, rest = _split(base)
            outside, own = outside * c**power, own * rest**power
        else:
            own *= factor
    return outside, own


def _factors(e: sympy.Expr) -> list[tuple[sympy.Expr, sympy.Expr]]:
    return [factor.as_base_exp() for factor in (e.args if e.is_Mul else (e,))]


def _reduced(e: sympy.Expr) -> Terms:
    """{part of the node: coefficient} of an expression."""
    import sympy

    found: Terms = {}
    for c, node in _by_coefficient(e).items():
        if node == 0:
            continue
        outside, own = _split(node)
        found[own] = found.get(own, sympy.Integer(0)) + c * outside
    return {own: c for own, c in found.items() if c != 0}


class NodeSums:
    """What is summed over the nodes, and how moments follow from it.

    Parameters
    ----------
    factors : mapping of str to Expr
        Expressions of a node (gradients, slopes).
    products : mapping of str to list of (str, str, Expr)
        Moments that are Σ coefficient × factor × factor.
    plain : mapping of str to Expr
        Moments that are one expression each.

    Attributes
    ----------
    parts : dict
        Expression of a node → its symbol ψ.
    sums : list
        What is summed, in the ψ.
    moments : dict
        Name → {index of a sum: coefficient}.
    """

    def __init__(
        self,
        factors: Mapping[str, sympy.Expr],
        products: Mapping[str, Sequence[tuple[str, str, sympy.Expr]]],
        plain: Mapping[str, sympy.Expr],
    ) -> None:
        self.parts: dict[sympy.Expr, sympy.Symbol] = {}
        self.sums: list[sympy.Expr] = []
        self._raw: dict[sympy.Expr, int] = {}
        self._back: dict[sympy.Expr, sympy.Expr] = {}
        used = dict.fromkeys(name for terms in products.values() for pair in terms for name in pair[:2])
        reduced = {name: {self._part(own): c for own, c in _reduced(factors[name]).items()} for name in used}
        wanted = [
            (name, own, c) for name, terms in products.items() for own, c in self._product(reduced, terms).items()
        ]
        wanted += [(name, own, c) for name, e in plain.items() for own, c in _reduced(e).items()]
        self.moments: dict[str, dict[int, sympy.Expr]] = {name: {} for name in (*plain, *products)}
        # What is one product each comes first: sums of several may contain it.
        for name, own, c in sorted(wanted, key=lambda one: bool(one[1].is_Add)):
            self._add(name, own, c)

    def _part(self, own: sympy.Expr) -> sympy.Expr:
        import sympy

        if own == 1:
            return own
        if own not in self.parts:
            self.parts[own] = sympy.Symbol(f"psi_{len(self.parts)}")
            self._back[self.parts[own]] = own
        return self.parts[own]

    @staticmethod
    def _product(reduced: Mapping[str, Terms], terms: Sequence[tuple[str, str, sympy.Expr]]) -> Terms:
        """{sum of products of ψ: coefficient}: what has the same coefficient is summed together."""
        import sympy

        pairs: Terms = {}
        for left, right, weight in terms:
            for x, c in reduced[left].items():
                for y, d in reduced[right].items():
                    key = x * y * weight
                    pairs[key] = pairs.get(key, sympy.Integer(0)) + c * d
        grouped: Terms = {}
        for pair, c in pairs.items():
            if c == 0:
                continue
            number, rest = c.as_coeff_Mul()
            if rest.is_Add and rest.could_extract_minus_sign():
                number, rest = -number, -rest
            grouped[rest] = grouped.get(rest, sympy.Integer(0)) + number * pair
        found: Terms = {}
        for c, node in grouped.items():
            content, inner = node.primitive()
            if inner.could_extract_minus_sign():
                content, inner = -content, -inner
            found[inner] = found.get(inner, sympy.Integer(0)) + content * c
        return found

    def _add(self, name: str, own: sympy.Expr, c: sympy.Expr) -> None:
        import sympy

        left = []
        for term in self._terms(own):
            outside, node = _outside_of(term)
            known = self._raw.get(node.xreplace(self._back))
            if known is None:
                left.append(term)
            else:
                self._combine(name, known, c * outside)
        if not left:
            return
        rest = sympy.Add(*left)
        outside, node = _outside_of(rest)
        key = node.xreplace(self._back)
        if key not in self._raw:
            self._raw[key] = len(self.sums)
            products = all(x in self._back or x.name.startswith(NEUTRAL) for x in node.free_symbols)
            self.sums.append(node if products else self._part(node))
        self._combine(name, self._raw[key], c * outside)

    def _terms(self, own: sympy.Expr) -> Sequence[sympy.Expr]:
        """The terms of a sum; also of one among the factors of a product, where that shows what is summed already."""
        if own.is_Mul and own.xreplace(self._back) not in self._raw:
            for factor in own.args:
                terms = [own / factor * term for term in factor.args] if factor.is_Add else []
                if any(_outside_of(term)[1].xreplace(self._back) in self._raw for term in terms):
                    return terms
        return list(own.args) if own.is_Add else [own]

    def _combine(self, name: str, index: int, c: sympy.Expr) -> None:
        import sympy

        self.moments[name][index] = self.moments[name].get(index, sympy.Integer(0)) + c

    def weighted(self) -> tuple[list[sympy.Expr], list[sympy.Expr]]:
        """(ψ that are needed times the node's weight, the sums' terms with one factor of each product replaced by that).

        The weighted ψ_k are called ``heavy_k``.
        """
        import sympy

        needed: dict[sympy.Expr, sympy.Symbol] = {}

        def heavy(term: sympy.Expr) -> sympy.Expr:
            if term.free_symbols.isdisjoint(self._back):
                return term * sympy.Symbol("weight")
            psi = min((x for x in term.free_symbols if x in self._back), key=lambda x: int(x.name[4:]))
            needed.setdefault(psi, sympy.Symbol(f"heavy_{psi.name[4:]}"))
            return term / psi * needed[psi]

        sums = [sympy.Add(*(heavy(term) for term in sympy.Add.make_args(node))) for node in self.sums]
        return list(needed), sums

    def gram(self) -> tuple[list[sympy.Expr], int, list[list[tuple[sympy.Expr, tuple[int, ...]]]]]:
        """(rows, of which the first so many are multiplied by each other, sums as [(coefficient, which rows)]).

        A row is an expression of a node; a term of a sum is that of no row, one or the product of two: what array code has by one
        product of matrices.
        """
        import sympy

        terms = [[self._rows_of(term) for term in sympy.Add.make_args(node)] for node in self.sums]
        pairs = dict.fromkeys(own for sum_ in terms for _, owns in sum_ if len(owns) == 2 for own in owns)
        rows = list(pairs | dict.fromkeys(own for sum_ in terms for _, owns in sum_ for own in owns))
        place = {own: k for k, own in enumerate(rows)}
        return rows, len(pairs), [[(c, tuple(place[own] for own in owns)) for c, owns in sum_] for sum_ in terms]

    def _rows_of(self, term: sympy.Expr) -> tuple[sympy.Expr, tuple[sympy.Expr, ...]]:
        """Coefficient of a term, and the at most two expressions of a node that it is the product of."""
        import sympy

        c, node = _outside_of(term)
        if any(x.name.startswith("centre_") for x in c.free_symbols):
            # It may move with a latent coordinate.
            return sympy.Integer(1), (term.xreplace(self._back),)
        powers = [_powers(factor) for factor in sympy.Mul.make_args(node) if factor != 1]
        owns = [base.xreplace(self._back) for base, power in powers for _ in range(power)]
        if len(owns) == 1:
            number, own = owns[0].as_coeff_Mul()
            factors = [base for base, power in map(_powers, sympy.Mul.make_args(own)) for _ in range(power)]
            for base in dict.fromkeys(factors):
                if base in self.parts and own / base in self.parts:
                    return c * number, (base, own / base)
        return (c, tuple(owns)) if len(owns) <= 2 else (c, (node.xreplace(self._back),))


def _powers(factor: sympy.Expr) -> tuple[sympy.Expr, int]:
    """A factor as a base and how many times it stands there."""
    base, power = factor.as_base_exp()
    return (base, int(power)) if power.is_Integer and power > 0 else (factor, 1)


def _outside_of(term: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """(number and neutral factors, the rest) of a product."""
    import sympy

    outside, own = sympy.Integer(1), sympy.Integer(1)
    for factor in sympy.Mul.make_args(term):
        alone = all(x.name.startswith(NEUTRAL) for x in factor.free_symbols)
        outside, own = (outside * factor, own) if alone else (outside, own * factor)
    return outside, own
