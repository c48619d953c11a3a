"""What one SGD step does at random, and the derivatives that the Jacobian of the drift is made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import sympy

from ...identity import DerivationError, require
from ..network.conditioning import schedule
from ..network.kinks import almost_everywhere
from ..network.names import b as plain_skip
from ..network.names import eta, lam, mass, skip_at_time, symbol, symmetric, varsigma
from ..training.update import Equations

#: Squared norms and the inner product of the two channels of one sample: x_0.x_0, x_0.x_1, x_1.x_1.
NORMS = tuple(sympy.Symbol(f"X_{c}{e}", real=True) for c, e in ((0, 0), (0, 1), (1, 1)))
#: Their coefficients in −½ ∂_b loss, as symbols.
COEFFICIENTS = tuple(sympy.Symbol(f"c_{c}{e}", real=True) for c, e in ((0, 0), (0, 1), (1, 1)))


@dataclass(frozen=True)
class Increment:
    """A random increment Y as a sum of coefficient × monomial.

    Attributes
    ----------
    overlap : {(c, a, z): coefficient}
        Of g_{ca} z, with z the symbol of an inner product of x_c.
    gram : {(a, e): coefficient}
        Of P̂_ae.
    square : {(c, a, e): coefficient}
        Of g_{ca} g_{ce}.
    constant : sympy.Expr
        What does not fluctuate (the weight decay).
    """

    overlap: dict[tuple[int, int, sympy.Symbol], sympy.Expr]
    gram: dict[tuple[int, int], sympy.Expr]
    square: dict[tuple[int, int, int], sympy.Expr]
    constant: sympy.Expr


@dataclass(frozen=True)
class Expansion:
    """The symbolic side of the linear noise approximation of a derived system."""

    system: Equations

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Upper triangle of a p × p matrix, row by row."""
        p = self.system.p
        return [(a, c) for a in range(p) for c in range(a, p)]

    @property
    def skip(self) -> sympy.Symbol:
        """b, or s where the skip connection depends on the time; a symbol that is nowhere where there is none."""
        return skip_at_time if self.system.skip == skip_at_time else plain_skip

    # random increments -----------------------------------------------------------------------------------------

    def _split(self, increment: sympy.Expr) -> Increment:
        p, pairs = self.system.p, self.pairs
        g = {symbol("g", c, a + 1): (c, a) for c in (0, 1) for a in range(p)}
        z = {symbol("z", c, a + 1) for c in (0, 1) for a in range(p)} | {symbol("zu", c) for c in (0, 1)}
        gram = {symmetric("P", a, c): (a, c) for a, c in pairs}
        polynomial = sympy.Poly(increment, *g, *z, *gram)
        result = Increment({}, {}, {}, polynomial.coeff_monomial(1))
        for monomial, coefficient in polynomial.terms():
            factors = [x for x, power in zip(polynomial.gens, monomial, strict=True) for _ in range(power)]
            kinds = [[f for f in factors if f in kind] for kind in (g, z, gram)]
            match [len(k) for k in kinds]:
                case [1, 1, 0]:
                    result.overlap[*g[kinds[0][0]], kinds[1][0]] = coefficient
                case [0, 0, 1]:
                    result.gram[gram[kinds[2][0]]] = coefficient
                case [2, 0, 0]:
                    (c, a), (c2, e) = sorted(g[f] for f in kinds[0])
                    require(c == c2, "a product of gradients of one channel")
                    result.square[c, a, e] = coefficient
                case [0, 0, 0]:
                    pass
                case _:
                    raise DerivationError(f"unexpected monomial {factors}")
        return result

    @cached_property
    def theta_increment(self) -> tuple[Increment, ...]:
        """Y of Θ_a(s) for one reference direction."""
        return tuple(self._split(x) for x in self.system.theta_increment)

    @cached_property
    def gram_increment(self) -> dict[tuple[int, int], Increment]:
        """Y of q_ae(s); the square of the step contributes at the same order as its overlap with the weights."""
        return {key: self._split(x) for key, x in self.system.gram_increment.items()}

    @cached_property
    def skip_increment(self) -> tuple[sympy.Expr, sympy.Expr, sympy.Expr]:
        """Coefficients of x₀·x₀, x₀·x₁ and x₁·x₁ in −½ ∂_s loss; of −½ ∂_{b_k} loss they are ψ_k(t) times these.

        Their mean gives the drift of b. What is left are the norms' fluctuations, of relative order 1/√d, so that b
        fluctuates at O(1/d), unless tr Σ(c) differs between clusters or the time is drawn at random.
        """
        s = self.system
        names = dict(zip((("x0", "x0"), ("x0", "x1"), ("x1", "x1")), NORMS, strict=True))

        def table(m: object, n: object) -> sympy.Expr:
            if isinstance(m, int) or isinstance(n, int):
                return s._table(m, n)  # type: ignore[arg-type]
            return names[tuple(sorted((m, n)))]  # type: ignore[index, type-var]

        slope = sympy.expand(-sympy.diff(s.residual.dot(s.residual, table), self.skip) / 2)
        return tuple(sympy.factor_terms(slope.coeff(x, 1)) for x in NORMS)  # type: ignore[return-value]

    @cached_property
    def skip_variance(self) -> sympy.Expr:
        """Var(−½ ∂_b loss)/d of one coordinate of eigenvalue ς, in `COEFFICIENTS` (those of `skip_increment`).

        x₀ = g and x₁ = √ς h with g, h standard normal: every moment is a product of theirs. Averaged over the coordinates of
        a cluster, ς becomes Tr Σ/d and ς² becomes Tr Σ²/d. The mean of x₁ adds O(1) to a variance of order d.
        """
        g, h = sympy.symbols("g h", real=True)
        c00, c01, c11 = COEFFICIENTS
        root = sympy.sqrt(varsigma)
        form = c00 * g**2 + c01 * g * root * h + c11 * (root * h) ** 2

        def mean(x: sympy.Expr) -> sympy.Expr:
            even = [(i, j, c) for (i, j), c in sympy.Poly(x, g, h).terms() if i % 2 == 0 == j % 2]
            return sympy.Add(*[c * sympy.factorial2(i - 1) * sympy.factorial2(j - 1) for i, j, c in even])

        return sympy.expand(mean(form**2) - mean(form) ** 2)

    # the drift's Jacobian --------------------------------------------------------------------------------------

    @cached_property
    def functions(self) -> dict[str, sympy.Expr]:
        """What is averaged over the fields, as functions of (ω, e) at one time, each at most linear in e.

        g (its channel-1 mean is A, its products N), the Hessians H or, with a kink, their regression W, G on the fields,
        P̂, −½ ∂ℓ/∂κ and ℓ.
        """
        s = self.system
        out = {f"g{ch}_{a + 1}": s.gradient[ch][a] for ch in (0, 1) for a in range(s.p)}
        if s.has_kink:
            for ch in (0, 1):
                for a in range(s.p):
                    for i, e in enumerate(s.denoiser.encoders):
                        out[f"W{ch}_{a + 1}_{e + 1}"] = (s.fields[e] - sympy.Symbol(f"centre_{i}")) * s.gradient[ch][a]
            for ch in (0, 1):
                for a in range(s.p):
                    for j, u in enumerate(s.decoder_vectors):
                        out[f"G{ch}_{a + 1}_{u + 1}"] = s.residual_slope[ch][a][j]
        else:
            out |= {f"H{ch}_{a + 1}_{c + 1}": s.hessian[ch][a][c] for ch in (0, 1) for a, c in self.pairs}
        out |= {f"P_{a + 1}_{c + 1}": s.gram_derivative[a][c] for a, c in self.pairs}
        out |= {f"K_{k + 1}": g for k, g in enumerate(s.scalar_gradient)}
        return {**out, "potential": s.potential}

    @cached_property
    def shifts(self) -> tuple[int | None, ...]:
        """For each trainable scalar the encoder whose field it is added to, if it enters φ in that way alone.

        Where φ has a kink ∂/∂κ is a distribution; a scalar of this kind is differentiated as a shift of ω instead.
        """
        found = []
        for k in self.system.denoiser.parameters:
            same = [
                i
                for i, a in enumerate(self.system.denoiser.encoders)
                if all(
                    sympy.simplify(row.get(k, 0) - row.get(self.system.fields[a], 0)) == 0
                    for row in self.system.phi_slope
                )
            ]
            found.append(same[0] if same else None)
        return tuple(found)

    @cached_property
    def explicit(self) -> dict[str, dict[str, sympy.Expr]]:
        """Derivatives of `functions` by e_j, Q_ae, b and κ at fixed fields (the non-zero ones).

        Raises
        ------
        ValueError
            If a scalar moves a kink otherwise than by shifting a field.
        """
        s = self.system
        variables: dict[str, sympy.Symbol] = {f"e_{j}": e for j, e in enumerate(s.residual_fields)}
        variables |= {f"Q_{a + 1}_{c + 1}": s.gram[a, c] for a, c in self.pairs}
        variables["b"] = self.skip
        scalars = {f"kappa_{k}": x for k, x in enumerate(s.denoiser.parameters)}
        if s.has_kink and any(i is None for i in self.shifts):
            if any(x.diff(k).has(sympy.DiracDelta) for x in self.functions.values() for k in scalars.values()):
                raise ValueError(
                    f"denoiser {s.denoiser.name!r}: a trainable scalar moves a kink, and not as a shift of a field"
                )
            variables |= scalars
        elif not s.has_kink:
            variables |= scalars
        table = {
            name: {v: almost_everywhere(sympy.diff(f, x)) for v, x in variables.items() if f.has(x)}
            for name, f in self.functions.items()
        }
        return {name: {v: x for v, x in row.items() if x != 0} for name, row in table.items()}

    @cached_property
    def drift_derivatives(
        self,
    ) -> tuple[list[dict[sympy.Symbol, sympy.Expr]], dict[tuple[int, int], dict[sympy.Symbol, sympy.Expr]]]:
        """Derivatives of dΘ_a(s)/dτ and dq_ae(s)/dτ by every symbol in them: moments, Θ_a, q_ae, m_a = Θ_a·c."""
        fixed = {varsigma, mass, eta, lam, symbol("t"), schedule.tau, *self.system.rates}

        def slopes(f: sympy.Expr) -> dict[sympy.Symbol, sympy.Expr]:
            return {x: sympy.diff(f, x) for x in sorted(f.free_symbols - fixed, key=str)}

        return [slopes(f) for f in self.system.theta_drift], {
            key: slopes(f) for key, f in self.system.gram_drift.items()
        }
