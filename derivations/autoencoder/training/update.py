r"""One SGD step, its average by Stein's lemma, and the equations of the order parameters that follow."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cached_property

import sympy

from ...identity import require
from ...vectors import VectorSum
from ..network.names import d, eta, lam, mass, symbol, symmetric, varsigma
from . import skip
from .potential import Potential


class Equations(Potential):
    """The equations of the order parameters of a denoiser."""

    # 3. one SGD step -------------------------------------------------------------------------------------------

    @cached_property
    def rates(self) -> tuple[sympy.Symbol, ...]:
        """ρ_a: the learning rate of vector a is ρ_a η (0: frozen)."""
        return tuple(sympy.Symbol(f"rho_{a + 1}", nonnegative=True) for a in range(self.p))

    @cached_property
    def step(self) -> tuple[VectorSum, ...]:
        """w_a after one step: w_a − ρ_a η (∇_{w_a} loss + (λ/d) w_a), in terms of g and P̂ (not yet averaged).

        Or, by an `Optimiser`, w_a + η Σ_b R_ab (−∇_{w_b} loss) + (2η/d) Σ_b A_ab w_b.
        ∂λ_{ca}/∂w_a = x_c/√d and ∂Q_ab/∂w_a = (1 + δ_ab) w_b/d.
        """
        slopes = []
        for a in range(self.p):
            slope = VectorSum({f"x{c}": -2 * symbol("g", c, a + 1) / sympy.sqrt(d) for c in (0, 1)})
            for c in range(self.p):
                slope = slope + VectorSum({c: -2 * symmetric("P", a, c) / d})
            slopes.append(slope)
        if self.optimiser is None:
            return tuple(
                VectorSum({a: 1}) - self.rates[a] * eta * (slope + VectorSum({a: lam / d}))
                for a, slope in enumerate(slopes)
            )
        R, A = self.optimiser.matrices(self.denoiser.vectors)
        after = []
        for a in range(self.p):
            moved = VectorSum({a: 1}) + VectorSum({c: 2 * eta / d * A[a, c] for c in range(self.p)})
            for c, slope in enumerate(slopes):
                moved = moved - eta * R[a, c] * slope
            after.append(moved)
        return tuple(after)

    def _atom_table(self, m: Hashable, n: Hashable) -> sympy.Expr:
        """Inner products restricted to the directions of atom s; channel 1 has eigenvalue ς, channel 0 has 1."""
        if isinstance(m, int) and isinstance(n, int):
            return d * symmetric("q", m, n)
        if isinstance(m, int):
            m, n = n, m
        if isinstance(n, int):
            return sympy.sqrt(d) * (symbol("Theta", n + 1) if m == "u" else symbol("z", str(m)[1], n + 1))
        if "u" in (m, n):
            return symbol("zu", str(n if m == "u" else m)[1])
        spread: dict[tuple[Hashable, Hashable], sympy.Expr] = {("x0", "x0"): sympy.Integer(1), ("x1", "x1"): varsigma}
        return d * mass * spread.get((m, n), sympy.Integer(0))

    def _increment(self, overlap: sympy.Expr, before: sympy.Expr) -> sympy.Expr:
        """(overlap after − before)/(2η/d) at leading order in 1/d."""
        change = sympy.expand((overlap - before) * d / (2 * eta))
        # A sum of powers of d: its limit is the term of order zero (taken by hand, because sympy.limit is slow).
        powers = [(term, term.as_coeff_exponent(d)[1]) for term in sympy.Add.make_args(change)]
        require(all(n.is_number and n <= 0 for _, n in powers), "an increment does not grow with d")
        return sympy.Add(*[term for term, n in powers if n == 0])

    # SGD treats all vectors alike: what holds of one vector, or of one pair, holds of every other with its numbers.

    def _symbol(self, stem: str, channel: tuple[int, ...], numbers: tuple[int, ...]) -> sympy.Symbol:
        """A symbol by its stem, channel and the numbers of its vectors."""
        if stem == "rho":
            return self.rates[numbers[0]]
        return symmetric(stem, *numbers) if len(numbers) == 2 else symbol(stem, *channel, numbers[0] + 1)

    @cached_property
    def _numbered(self) -> dict[sympy.Symbol, tuple[str, tuple[int, ...], tuple[int, ...]]]:
        """What every symbol is made of that carries numbers of vectors."""
        one: list[tuple[str, tuple[int, ...]]] = [(stem, ()) for stem in ("rho", "Theta", "m", "A")]
        one += [(stem, (c,)) for stem in ("g", "z") for c in (0, 1)]
        parts: list[tuple[str, tuple[int, ...], tuple[int, ...]]]
        parts = [(stem, channel, (a,)) for stem, channel in one for a in range(self.p)]
        pairs = [(a, c) for a in range(self.p) for c in range(a, self.p)]
        parts += [(stem, (), pair) for stem in ("P", "q", "H0", "H1", "N0", "N1") for pair in pairs]
        return {self._symbol(*of): of for of in parts}

    def _renumbered(self, expression: sympy.Expr, *first: int) -> sympy.Expr:
        """What an expression of the first vectors is of those numbered ``first``; the others follow in their order."""
        order = [*first, *(a for a in range(self.p) if a not in first)]
        renamed = {}
        for x in expression.free_symbols & self._numbered.keys():
            stem, channel, numbers = self._numbered[x]
            renamed[x] = self._symbol(stem, channel, tuple(order[i] for i in numbers))
        return expression.xreplace(renamed)

    def _of_vectors(self, derive: Callable[[int], sympy.Expr]) -> tuple[sympy.Expr, ...]:
        """Of every vector, derived of the first alone where all are alike."""
        if self.optimiser is not None:
            return tuple(derive(a) for a in range(self.p))
        of_first = derive(0)
        return tuple(self._renumbered(of_first, a) for a in range(self.p))

    def _of_pairs(self, derive: Callable[[int, int], sympy.Expr]) -> dict[tuple[int, int], sympy.Expr]:
        """Of every pair of vectors, derived of one vector with itself and of one pair where all are alike."""
        pairs = [(a, c) for a in range(self.p) for c in range(a, self.p)]
        if self.optimiser is not None:
            return {(a, c): derive(a, c) for a, c in pairs}
        same, other = derive(0, 0), derive(0, 1) if self.p > 1 else sympy.Integer(0)
        return {(a, c): self._renumbered(same, a) if a == c else self._renumbered(other, a, c) for a, c in pairs}

    @cached_property
    def theta_increment(self) -> tuple[sympy.Expr, ...]:
        """Increment of Θ_a(s) = Σ_{i∈s} w_ai u_i/√d for one reference direction u, per dτ = 2η/d."""
        return self._of_vectors(self._theta_increment)

    def _theta_increment(self, a: int) -> sympy.Expr:
        along = self.step[a].dot(VectorSum({"u": 1}), self._atom_table)
        return self._increment(along / sympy.sqrt(d), symbol("Theta", a + 1))

    @cached_property
    def gram_increment(self) -> dict[tuple[int, int], sympy.Expr]:
        """Increment of q_ab(s) = Σ_{i∈s} w_ai w_bi/d, per dτ = 2η/d."""
        return self._of_pairs(self._gram_increment)

    def _gram_increment(self, a: int, c: int) -> sympy.Expr:
        return self._increment(self.step[a].dot(self.step[c], self._atom_table) / d, symmetric("q", a, c))

    # 4. the average, by Stein's lemma --------------------------------------------------------------------------

    def average(self, increment: sympy.Expr) -> sympy.Expr:
        r"""Average an increment over one sample of a cluster.

        Stein's lemma: for a Gaussian z correlated with the local fields, E[z g(λ)] = E[z] E[g] + Σ_b Cov(z, λ_b) E[∂g/∂λ_b].
        For z_{cb} = Σ_{i∈s} x_{ci} w_{bi}/√d, Cov(z_{cb}, λ_{ce}) = ς_c q_be(s); along u it is ς_c Θ_e(s); the means
        (channel 1) are Θ_b(s)·c, the symbol m_b, and (T(s) c)·u, the symbol t. Products g g average to N.
        """
        gs = {symbol("g", c, a + 1): (c, a) for c in (0, 1) for a in range(self.p)}
        zs = {symbol("z", c, a + 1): (c, a) for c in (0, 1) for a in range(self.p)}
        zu = {symbol("zu", c): c for c in (0, 1)}
        result = sympy.Integer(0)
        for term in sympy.Add.make_args(sympy.expand(increment)):
            factors = [f for factor in sympy.Mul.make_args(term) for f in self._powers(factor)]
            g = [gs[f] for f in factors if f in gs]
            z = [f for f in factors if f in zs or f in zu]
            rest = sympy.Mul(*[f for f in factors if f not in gs and f not in zs and f not in zu])
            if len(g) == 2 and not z:
                (c, a), (c2, e) = g
                require(c == c2, "a product of gradients of one channel")
                result += rest * symmetric(f"N{c}", a, e)
            elif len(g) == 1 and len(z) == 1:
                c, a = g[0]
                spread = sympy.Integer(1) if c == 0 else varsigma
                if z[0] in zu:
                    require(zu[z[0]] == c, "a gradient meets the data of its own channel")
                    mean = symbol("t") if c == 1 else sympy.Integer(0)
                    covariances = [symbol("Theta", e + 1) for e in range(self.p)]
                else:
                    require(zs[z[0]][0] == c, "a gradient meets the data of its own channel")
                    mean = symbol("m", zs[z[0]][1] + 1) if c == 1 else sympy.Integer(0)
                    covariances = [symmetric("q", zs[z[0]][1], e) for e in range(self.p)]
                stein = sum(spread * x * symmetric(f"H{c}", a, e) for e, x in enumerate(covariances))
                result += rest * (mean * symbol("A", a + 1) + stein)
            else:
                require(not g and not z, f"the term {term} has no gradient")
                result += rest
        return sympy.expand(result)

    @staticmethod
    def _powers(factor: sympy.Expr) -> list[sympy.Expr]:
        base, exponent = factor.as_base_exp()
        return [base] * int(exponent) if exponent.is_Integer and exponent > 0 else [factor]

    @cached_property
    def theta_drift(self) -> tuple[sympy.Expr, ...]:
        """dΘ_a(s)/dτ for one reference direction and one cluster, in A, H0, H1, P, Θ(s), t = (T(s)c)·u, ς, λ, ρ."""
        return self._of_vectors(lambda a: self.average(self.theta_increment[a]))

    @cached_property
    def gram_drift(self) -> dict[tuple[int, int], sympy.Expr]:
        """dq_ab(s)/dτ for one cluster, in A, H0, H1, P, N0, N1, q(s), m = Θ(s)c, ς, p_s, η, λ, ρ."""
        return self._of_pairs(lambda a, c: self.average(self.gram_increment[a, c]))

    @cached_property
    def gradient_drift(self) -> tuple[tuple[sympy.Expr, ...], sympy.Matrix, dict[tuple[int, int], sympy.Expr]]:
        """(A_a, B_ab, N_ab): a gradient step moves w_a·v by A_a (v·μ) + Σ_b B_ab (w_b·v) on average, along any v, and spreads by N.

        Sorted out of the equations of plain SGD (ρ = 1, λ = 0), and these put together of them again:
        dq_ab = X_ab + X_ba + 2η p_s N_ab with X_ab = A_a m_b + Σ_e B_ae q_eb.
        """
        one = {rho: sympy.Integer(1) for rho in self.rates} | {lam: sympy.Integer(0)}
        plain = self if self.optimiser is None else Equations(self.denoiser)
        theta = [sympy.expand(x.xreplace(one)) for x in plain.theta_drift]
        A = tuple(x.coeff(symbol("t"), 1) for x in theta)
        B = sympy.Matrix(self.p, self.p, lambda a, e: theta[a].coeff(symbol("Theta", e + 1), 1))

        def spread(a: int, c: int) -> sympy.Expr:
            X = A[a] * symbol("m", c + 1) + sympy.Add(*[B[a, e] * symmetric("q", e, c) for e in range(self.p)])
            Y = A[c] * symbol("m", a + 1) + sympy.Add(*[B[c, e] * symmetric("q", e, a) for e in range(self.p)])
            left = sympy.expand(sympy.expand(plain.gram_drift[a, c].xreplace(one) - X - Y) / (2 * eta * mass))
            noise = {x for ch in (0, 1) for x in (symmetric(f"N{ch}", a, c), varsigma)}
            require(left.free_symbols <= noise, "what is left of a Gram matrix's drift is the noise")
            return left

        return A, B, plain._of_pairs(spread)

    @cached_property
    def skip_drift(self) -> sympy.Expr:
        """db/dτ = −½ ∂_b bulk, from the update of b (per time; E_t is linear); db_k/dτ is ψ_k(t) times this, with ∂_s for ∂_b."""
        return sympy.factor_terms(skip.drift(self.bulk, self.skip)) if self.skip != 0 else sympy.Integer(0)
