"""Terms of O(1) and O(1/n) of E ln|Σ₀ + c| for real Gaussian data: one and two loops of a replica integral over symmetric matrices."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import sympy as sp

from ..identity import require_zero
from ..steps import Step

r = sp.Symbol("r")


def _pairings(ends: list[int]) -> Iterator[list[tuple[int, int]]]:
    """All ways to pair the ends."""
    if not ends:
        yield []
        return
    first, rest = ends[0], ends[1:]
    for k, partner in enumerate(rest):
        for more in _pairings(rest[:k] + rest[k + 1 :]):
            yield [(first, partner), *more]


def _loops(legs: list[int], pairs: list[tuple[int, int]], twists: tuple[bool, ...]) -> int:
    """Index loops of traces with ``legs`` factors, whose pairs are joined straight or twisted."""
    following, start = {}, 0
    for count in legs:
        for k in range(count):
            # the second index of a factor is the first of the next one
            following[(start + k, 1)] = (start + (k + 1) % count, 0)
        start += count
    parent = {(leg, side): (leg, side) for leg in range(start) for side in (0, 1)}

    def root(x: tuple[int, int]) -> tuple[int, int]:
        while parent[x] != x:
            x = parent[x]
        return x

    def join(x: tuple[int, int], y: tuple[int, int]) -> None:
        parent[root(x)] = root(y)

    for end, beginning in following.items():
        join(end, beginning)
    for (x, y), twisted in zip(pairs, twists, strict=True):
        for side in (0, 1):
            join((x, side), (y, side if twisted else 1 - side))
    return len({root(x) for x in parent})


def symmetric_average(legs: list[int], kinds: list[str], propagator: dict[str, sp.Expr]) -> sp.Expr:
    """⟨Π tr(product)⟩ for Gaussian symmetric r × r matrices, ⟨A_ij B_kl⟩ = g_AB (δ_ik δ_jl + δ_il δ_jk)/2; connected part.

    ``legs`` are the numbers of factors of the traces, ``kinds`` the matrix of each factor.
    """
    total = sp.Integer(0)
    inside = [k for k, count in enumerate(legs) for _ in range(count)]
    for pairs in _pairings(list(range(sum(legs)))):
        if len(legs) > 1 and all(inside[x] == inside[y] for x, y in pairs):
            continue
        weight = sp.prod([propagator["".join(sorted(kinds[x] + kinds[y]))] / 2 for x, y in pairs])
        faces = sum(r ** _loops(legs, pairs, twists) for twists in product((False, True), repeat=len(pairs)))
        total += weight * faces
    return sp.expand(total)


def finite_size() -> Step:
    """½ ln(1 − df₂/n) and the O(1/n) term, checked on the Wishart average at c = 0."""
    n = sp.Symbol("n", positive=True)
    u2, u3, u4 = sp.symbols("u_2 u_3 u_4", positive=True)
    s = 1 - u2
    # E|S_n + ĉ|^{−r/2} = ∫ dQ dQ̂ exp[(n/2) tr QQ̂ − (n/2) tr ln(1 + Q) − ½ Σ_ν tr ln(ĉ + λ_ν Q̂)]; about the saddle, in units
    # of it, the action is Σ_k (−1)^k (n/2k)(tr a^k + u_k tr c^k) + (n/2) tr ac for k ≥ 2
    hessian = -n / 2 * sp.Matrix([[1, 1], [1, u2]])
    inverse = hessian.inv()
    propagator = {"aa": inverse[0, 0], "ac": inverse[0, 1], "cc": inverse[1, 1]}
    fourth = sum(u * symmetric_average([4], [kind] * 4, propagator) for kind, u in (("a", 1), ("c", u4))) * n / 8
    cubic = {"a": sp.Integer(1), "c": u3}
    third = sum(
        cubic[x] * cubic[y] * symmetric_average([3, 3], [x] * 3 + [y] * 3, propagator)
        for x, y in product("ac", repeat=2)
    )
    loops = sp.expand(fourth + third * n**2 / 72)
    # ln E|·|^{−r/2} = −(r/2) E ln|·| + …
    second = sp.factor(-2 * loops.coeff(r, 1))
    printed = (
        -2
        / n
        * (
            sp.Rational(5, 8) * (u2**2 + u4) / s**2
            + (sp.Rational(7, 12) * (u2**3 + u3**2) - u3 * (u2 / 2 + sp.Rational(2, 3))) / s**3
        )
    )
    require_zero(second - printed, "two loops")
    # one loop: r(r+1)/2 pairs of modes, each with the determinant 1 − u₂
    first = sp.diff(-2 * (-r * (r + 1) / 4 * sp.log(s)), r).subs(r, 0)
    # c = 0, n > d: u_k = γ; Σ_{i<d} ψ((n−i)/2) by the Euler–Maclaurin sum of ln(1−x) − 1/(n(1−x)) − 1/(3n²(1−x)²), x = i/n
    x, gamma = sp.symbols("x gamma", positive=True)
    parts = (sp.log(1 - x), -1 / (1 - x), -1 / (3 * (1 - x) ** 2))

    def difference(f: sp.Expr) -> sp.Expr:
        return f.subs(x, gamma) - f.subs(x, 0)

    order_one = -difference(parts[0]) / 2 + sp.log(1 - gamma)
    require_zero(order_one - first.subs(u2, gamma), "one loop against the Wishart average")
    order_next = difference(sp.diff(parts[0], x)) / 12 - difference(parts[1]) / 2 - difference(1 / (3 * (1 - x)))
    require_zero(
        order_next - (n * printed).subs({u2: gamma, u3: gamma, u4: gamma}), "two loops against the Wishart average"
    )
    return Step(
        "Terms of O(1) and O(1/n)",
        "The replica average E|S_n + ĉ|^(−r/2) is an integral over two symmetric r × r matrices whose saddle is the fixed "
        "point. Fluctuations give, with u_k = df_k/n and to first order in r, the terms beyond the equivalent: one loop of "
        "O(1), two loops of O(1/n). At c = 0 they are those of the Wishart average. The corrections of all traces are "
        "their derivatives with respect to ĉ and the eigenvalues of Σ.",
        (sp.Eq(sp.Symbol("L_1"), first), sp.Eq(sp.Symbol("L_2"), printed)),
    )
