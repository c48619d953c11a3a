r"""The loss of one sample as bulk(b) d + ℓ(λ, Q; b), and the derivatives of the potential ℓ."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property

import sympy

from ...identity import require
from ...vectors import VectorSum
from ..network.denoiser import Denoiser, alpha, beta
from ..network.kinks import almost_everywhere, slope
from ..network.names import Lambda, Opened, b, d, skip_at_time, symbol, symmetric
from .optimiser import Optimiser


@dataclass(frozen=True)
class Potential:
    """Loss, potential and its derivatives, derived on demand step by step.

    Every attribute is a SymPy expression, or a list of them, in the symbols of `names`; `denoiser` is where they
    come from, and `optimiser` what moves the vectors (None: SGD with weight decay). Index a runs over stacked vectors (p of
    them), j over decoder vectors, c ∈ {0, 1} over channels.
    """

    denoiser: Denoiser
    optimiser: Optimiser | None = None

    @property
    def p(self) -> int:
        """Number of stacked weight vectors."""
        return len(self.denoiser.vectors)

    @cached_property
    def fields(self) -> tuple[sympy.Symbol, ...]:
        """ω_a, the arguments of φ."""
        return self.denoiser.fields

    @cached_property
    def decoder_vectors(self) -> tuple[int, ...]:
        """The distinct decoder vectors, in the order of their residual fields e_j."""
        return tuple(sorted(set(self.denoiser.decoders)))

    @cached_property
    def channel_fields(self) -> tuple[tuple[sympy.Symbol, ...], tuple[sympy.Symbol, ...]]:
        """(λ_{0a}), (λ_{1a})."""
        names = self.denoiser.vectors
        return tuple(symbol("lambda0", v) for v in names), tuple(symbol("lambda1", v) for v in names)

    @cached_property
    def residual_fields(self) -> tuple[sympy.Symbol, ...]:
        """e_j = (y₀ − bα) λ_{0,u_j} + (y₁ − bβ) λ_{1,u_j}: what is left to predict, seen along decoder vector u_j."""
        return tuple(symbol("e", self.denoiser.vectors[u]) for u in self.decoder_vectors)

    @cached_property
    def skip(self) -> sympy.Expr:
        """b, or s where the skip connection depends on the time; 0 without one."""
        denoiser = self.denoiser
        if denoiser.plain:
            return b if denoiser.skip else sympy.Integer(0)
        return skip_at_time

    @cached_property
    def gram(self) -> sympy.Matrix:
        """Q as a symmetric matrix of symbols."""
        return sympy.Matrix(self.p, self.p, lambda i, j: symmetric("Q", i, j))

    @cached_property
    def _phi(self) -> tuple[sympy.Symbol, ...]:
        """One symbol for each φ_j: sums are expanded in them, and φ itself is never taken apart."""
        return tuple(Opened(f"phi_{j}", real=True) for j in range(len(self.denoiser.terms)))

    @cached_property
    def _of_phi(self) -> dict[sympy.Symbol, sympy.Expr]:
        return dict(zip(self._phi, self.denoiser.phi, strict=True))

    @cached_property
    def phi_slope(self) -> tuple[dict[sympy.Symbol, sympy.Expr], ...]:
        """∂φ_j by every field and every trainable scalar that is in it."""
        variables = (*self.fields, *self.denoiser.parameters)
        return tuple({x: slope(phi, x) for x in variables if phi.has(x)} for phi in self.denoiser.phi)

    # 1. the loss -----------------------------------------------------------------------------------------------

    @cached_property
    def _residual(self) -> VectorSum:
        y0, y1 = self.denoiser.target()
        prediction = VectorSum({"x0": self.skip * alpha, "x1": self.skip * beta})
        for u, phi in zip(self.denoiser.decoders, self._phi, strict=True):
            prediction = prediction + VectorSum({u: phi})
        return VectorSum({"x0": y0, "x1": y1}) - prediction

    def _table(self, m: Hashable, n: Hashable) -> sympy.Expr:
        """Inner products of x₀, x₁ and w_a/√d; x₀·x₁ = o(d) is a fluctuation of the bulk."""
        lambda0, lambda1 = self.channel_fields
        if isinstance(m, int) and isinstance(n, int):
            return self.gram[m, n]
        if isinstance(n, int):
            return (lambda0 if m == "x0" else lambda1)[n]
        if isinstance(m, int):
            return self._table(n, m)
        bulk: dict[tuple[Hashable, Hashable], sympy.Expr] = {("x0", "x0"): d, ("x1", "x1"): d * Lambda}
        return bulk.get((m, n), sympy.Integer(0))

    @cached_property
    def residual(self) -> VectorSum:
        """y − f(x_t) as a combination of x₀, x₁ and the w_a/√d."""
        return VectorSum({n: c.xreplace(self._of_phi) for n, c in self._residual.coefficients.items()})

    @cached_property
    def _loss(self) -> sympy.Expr:
        return sympy.expand(self._residual.dot(self._residual, self._table))

    @cached_property
    def loss(self) -> sympy.Expr:
        """‖y − f(x_t)‖² by the table."""
        return self._loss.xreplace(self._of_phi)

    @cached_property
    def bulk(self) -> sympy.Expr:
        """The part of the loss of order d, over d: a function of b alone."""
        return sympy.factor_terms(self._loss.coeff(d, 1))

    @cached_property
    def potential(self) -> sympy.Expr:
        """ℓ: the part of the loss of order one, in terms of ω, e and Q."""
        return self._potential.xreplace(self._of_phi)

    @cached_property
    def _potential(self) -> sympy.Expr:
        rest = self._loss.coeff(d, 0)
        lambda0, lambda1 = self.channel_fields
        result = sympy.Integer(0)
        for j, u in enumerate(self.decoder_vectors):
            # λ_{0u} and λ_{1u} come only in the combination e_u: trade them for it.
            channel = lambda1[u] if self.residual_definition[j].has(lambda1[u]) else lambda0[u]
            along = rest.coeff(channel, 1) / self.residual_definition[j].coeff(channel, 1)
            result += sympy.cancel(along) * self.residual_fields[j]
        without = rest.subs({x: 0 for x in (*lambda0, *lambda1)})
        check = (result + without).subs(dict(zip(self.residual_fields, self.residual_definition, strict=True)))
        require(
            sympy.expand(check - rest) == 0,
            f"the potential of denoiser {self.denoiser.name!r} is linear in the residual fields",
        )
        return sympy.expand(result + without)

    @cached_property
    def residual_definition(self) -> tuple[sympy.Expr, ...]:
        """e_j in terms of the channel fields."""
        lambda0, lambda1 = self.channel_fields
        y0, y1 = self.denoiser.target()
        return tuple(
            (y0 - self.skip * alpha) * lambda0[u] + (y1 - self.skip * beta) * lambda1[u] for u in self.decoder_vectors
        )

    # 2. its derivatives ----------------------------------------------------------------------------------------

    @cached_property
    def gradient(self) -> tuple[tuple[sympy.Expr, ...], tuple[sympy.Expr, ...]]:
        """g_{ca} = −½ ∂ℓ/∂λ_{ca} for c = 0, 1."""
        return tuple(
            tuple(self._open_gradient[c][a].xreplace(self._of_slopes(a)) for a in range(self.p)) for c in (0, 1)
        )  # type: ignore[return-value]

    @cached_property
    def _slopes(self) -> tuple[sympy.Symbol, ...]:
        return tuple(Opened(f"slope_{j}", real=True) for j in range(len(self._phi)))

    def _of_slopes(self, a: int) -> dict[sympy.Symbol, sympy.Expr]:
        """φ_j and ∂φ_j/∂ω_a for the symbols that stand for them."""
        zero = sympy.Integer(0)
        return self._of_phi | {
            s: row.get(self.fields[a], zero) for s, row in zip(self._slopes, self.phi_slope, strict=True)
        }

    @cached_property
    def _open_gradient(self) -> tuple[tuple[sympy.Expr, ...], ...]:
        """g_{ca} by the chain rule through φ and e."""
        rows = []
        for c, weight in enumerate((alpha, beta)):
            row = []
            for a, lam_ca in enumerate(self.channel_fields[c]):
                total = sympy.Integer(0)
                for phi, name, slopes in zip(self._phi, self._slopes, self.phi_slope, strict=True):
                    if self.fields[a] in slopes:
                        total += sympy.diff(self._potential, phi) * name * weight
                for e, definition in zip(self.residual_fields, self.residual_definition, strict=True):
                    total += sympy.diff(self._potential, e) * sympy.diff(definition, lam_ca)
                row.append(sympy.expand(-total / 2))
            rows.append(tuple(row))
        return tuple(rows)

    @cached_property
    def hessian(self) -> tuple[tuple[tuple[sympy.Expr, ...], ...], ...]:
        """∂g_{ca}/∂λ_{ce} for c = 0, 1; with δ functions where φ has a kink, as Stein's lemma needs them."""
        return tuple(tuple(tuple(self._second(c, a, e) for e in range(self.p)) for a in range(self.p)) for c in (0, 1))

    def _second(self, channel: int, a: int, e: int) -> sympy.Expr:
        g, lam_ce, weight = self._open_gradient[channel][a], self.channel_fields[channel][e], (alpha, beta)[channel]
        total, zero = sympy.Integer(0), sympy.Integer(0)
        for j, (phi, name) in enumerate(zip(self._phi, self._slopes, strict=True)):
            # φ is continuous: only its slope has jumps to differentiate.
            curvature = sympy.diff(self.phi_slope[j].get(self.fields[a], zero), self.fields[e])
            curvature = curvature if self.has_kink else almost_everywhere(curvature)
            total += sympy.diff(g, phi) * self.phi_slope[j].get(self.fields[e], zero) * weight
            total += sympy.diff(g, name) * curvature * weight
        for residual, definition in zip(self.residual_fields, self.residual_definition, strict=True):
            total += sympy.diff(g, residual) * sympy.diff(definition, lam_ce)
        return total.xreplace(self._of_slopes(a))

    @cached_property
    def gram_derivative(self) -> tuple[tuple[sympy.Expr, ...], ...]:
        """P_ab = −½ (1 + δ_ab) ∂ℓ/∂Q_ab, with Q_ab = Q_ba one variable."""
        half = -sympy.Rational(1, 2)
        return tuple(
            tuple(half * (2 if a == c else 1) * sympy.diff(self.potential, self.gram[a, c]) for c in range(self.p))
            for a in range(self.p)
        )

    @cached_property
    def scalar_gradient(self) -> tuple[sympy.Expr, ...]:
        """−½ ∂ℓ/∂κ for the trainable scalars."""
        out = []
        for k in self.denoiser.parameters:
            parts = [
                sympy.diff(self._potential, phi).xreplace(self._of_phi) * slopes[k]
                for phi, slopes in zip(self._phi, self.phi_slope, strict=True)
                if k in slopes
            ]
            out.append(-sympy.Add(*parts) / 2)
        return tuple(out)

    @cached_property
    def residual_slope(self) -> tuple[tuple[tuple[sympy.Expr, ...], ...], ...]:
        """∂g_{ca}/∂e_j, for c = 0, 1: free of e, because ℓ is linear in the residual fields."""
        slopes = tuple(
            tuple(tuple(sympy.diff(g, e) for e in self.residual_fields) for g in self.gradient[c]) for c in (0, 1)
        )
        free = not any(x.has(*self.residual_fields) for channel in slopes for row in channel for x in row)
        require(free, "the slope of a gradient is free of the residual fields")
        return slopes

    # how smooth it is ------------------------------------------------------------------------------------------

    @cached_property
    def has_kink(self) -> bool:
        """True if a slope of φ jumps (ReLU): then Stein's lemma is used in its regression form, or with δ functions."""
        return not self.denoiser.unspecified and any(x.kink for x in self.denoiser.smoothness())

    @cached_property
    def smooth(self) -> bool:
        """True if φ has no breaks; with breaks and no kink (the square of a ramp) its second derivatives may jump."""
        return self.denoiser.unspecified or all(x.smooth for x in self.denoiser.smoothness())
