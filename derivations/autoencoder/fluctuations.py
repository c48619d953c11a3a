r"""Fluctuations of the order parameters at finite d: what one SGD step does at random, and the drift's Jacobian.

One step moves an order parameter y by (2η/d) Y, a random increment that the engine computes. Around the solution of
dy/dτ = E[Y] = f(y), at second order in 1/√d (van Kampen's system-size expansion),

    Cov(y_τ) = C_τ/d,    dC/dτ = J C + C Jᵀ + 2η Cov(Y),    J = ∂f/∂y.

Y is a polynomial in Gaussian variables once the fields (ω, e) on which g depends are known; J follows from f's moments by
the theorems of Bonnet and Price on derivatives of Gaussian expectations.

Source: C. W. Gardiner, *Stochastic Methods*, sec. 7.2 (linear noise); R. Price, IRE Trans. Inf. Theory 4 (1958) 69.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import sympy

from ..errors import DerivationError, require, require_zero
from ..steps import Derivation, Step
from .engine import System, b, d, eta, lam, mass, symbol, symmetric, tau, varsigma
from .kinks import almost_everywhere

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
class Fluctuations:
    """The symbolic side of the linear noise approximation of a derived `System`."""

    system: System

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Upper triangle of a p × p matrix, row by row."""
        p = self.system.p
        return [(a, c) for a in range(p) for c in range(a, p)]

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
        """Coefficients of x₀·x₀, x₀·x₁ and x₁·x₁ in −½ ∂_b loss.

        Their mean gives the drift of b. What is left are the norms' fluctuations, of relative order 1/√d, so that b
        fluctuates at O(1/d), unless tr Σ(c) differs between clusters or the time is drawn at random.
        """
        s = self.system
        names = dict(zip((("x0", "x0"), ("x0", "x1"), ("x1", "x1")), NORMS, strict=True))

        def table(m: object, n: object) -> sympy.Expr:
            if isinstance(m, int) or isinstance(n, int):
                return s._table(m, n)  # type: ignore[arg-type]
            return names[tuple(sorted((m, n)))]  # type: ignore[index, type-var]

        slope = sympy.expand(-sympy.diff(s.residual.dot(s.residual, table), b) / 2)
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
        variables["b"] = b
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
        fixed = {varsigma, mass, eta, lam, symbol("t"), *self.system.rates}

        def slopes(f: sympy.Expr) -> dict[sympy.Symbol, sympy.Expr]:
            return {x: sympy.diff(f, x) for x in sorted(f.free_symbols - fixed, key=str)}

        return [slopes(f) for f in self.system.theta_drift], {
            key: slopes(f) for key, f in self.system.gram_drift.items()
        }

    @cached_property
    def derivation(self) -> Derivation:
        """The printable derivation."""
        steps = (_increments(self), _linear_noise(), _price(), _by_parts(), _jacobian(self), _skip(self), _bias())
        return Derivation(f"finite-d fluctuations of the {self.system.denoiser.name} auto-encoder", steps)

    def __str__(self) -> str:
        return str(self.derivation)


@lru_cache(maxsize=64)
def fluctuations(system: System) -> Fluctuations:
    """The symbolic side of the fluctuations of a derived system."""
    return Fluctuations(system)


def derivation() -> Derivation:
    """The fluctuations of the tied auto-encoder with one hidden unit, whose activation is left open."""
    from .denoiser import architecture
    from .engine import derive

    return fluctuations(derive(architecture("tied", 1))).derivation


# the printable derivation --------------------------------------------------------------------------------------


def _increments(f: Fluctuations) -> Step:
    rows = [sympy.Eq(symbol("Y_Theta", a + 1), x, evaluate=False) for a, x in enumerate(f.system.theta_increment)]
    rows += [sympy.Eq(symbol("Y_q", a + 1, c + 1), x, evaluate=False) for (a, c), x in f.system.gram_increment.items()]
    return Step(
        "Random increments",
        "One step changes an order parameter by (2 eta/d) Y, with Y before any average: g and P are functions of the sample's "
        "fields, z_c_b and zu_c the inner products of the sample with w_b and u on the atom. The squares g g come from the "
        "step's own norm; they fluctuate at the same order as the rest.",
        tuple(rows),
    )


def _linear_noise() -> Step:
    """One step of a scalar recursion, expanded: the covariance's rate of change."""
    J, C, noise, y, xi = sympy.symbols("J C CovY y xi")
    h = 2 * eta / d
    # y -> y + h (f + J (y - m) + xi); with Var y = C/d and Var xi = CovY the next variance is
    after = sympy.expand(((1 + h * J) * (y / sympy.sqrt(d)) + h * xi) ** 2)
    variance = after.coeff(y, 2) * C + after.coeff(xi, 2) * noise
    rate = sympy.limit(sympy.expand((variance * d - C) / h), d, sympy.oo)
    dC = sympy.Derivative(sympy.Function("C")(tau), tau)
    return Step(
        "Linear noise approximation",
        "Linearise the recursion around the solution: deviations of order 1/sqrt(d) are carried by 1 + (2 eta/d) J and fed by "
        "(2 eta/d)(Y - E Y), independent from step to step. The limit for a scalar; for a vector J C + C J^T.",
        (sympy.Eq(dC, rate, evaluate=False),),
    )


def gaussian_exponential() -> tuple[sympy.Expr, tuple[sympy.Symbol, ...]]:
    """E[exp(s·x)] for x ~ N(m, C) in two dimensions, and the symbols (m1, m2, C11, C12, C22, s1, s2)."""
    m1, m2, c11, c12, c22, s1, s2 = variables = sympy.symbols("m_1 m_2 C_11 C_12 C_22 s_1 s_2", real=True)
    return sympy.exp(s1 * m1 + s2 * m2 + (c11 * s1**2 + 2 * c12 * s1 * s2 + c22 * s2**2) / 2), variables


def _price() -> Step:
    value, (m1, _, c11, c12, _, s1, s2) = gaussian_exponential()
    # Exponentials span the functions that matter: ∂_x1 is multiplication by s1.
    require_zero(value.diff(m1) - s1 * value, "Price: dE/dm")
    require_zero(value.diff(c11) - s1**2 * value / 2, "Price: dE/dC11")
    require_zero(value.diff(c12) - s1 * s2 * value, "Price: dE/dC12")
    E = sympy.Function("E")
    F = sympy.Function("F")(*sympy.symbols("x_1 x_2"))
    x1, x2 = F.args
    return Step(
        "Theorems of Bonnet and Price",
        "Derivatives of a Gaussian expectation by mean and covariance are expectations of derivatives; checked on F = exp(s.x), "
        "whose expectation is exp(s.m + s.C s/2).",
        (
            sympy.Eq(sympy.Derivative(E(F), m1), E(sympy.Derivative(F, x1)), evaluate=False),
            sympy.Eq(sympy.Derivative(E(F), c11), E(sympy.Derivative(F, (x1, 2))) / 2, evaluate=False),
            sympy.Eq(sympy.Derivative(E(F), c12), E(sympy.Derivative(F, x1, x2)), evaluate=False),
        ),
    )


def _by_parts() -> Step:
    """Price's derivative without differentiating F: the regression form, needed at a kink."""
    x, m, s = sympy.Symbol("x", real=True), sympy.Symbol("m", real=True), sympy.Symbol("s", positive=True)
    density = sympy.exp(-((x - m) ** 2) / (2 * s)) / sympy.sqrt(2 * sympy.pi * s)
    z = (x - m) / sympy.sqrt(s)
    require_zero(density.diff(m) / density - z / sympy.sqrt(s), "by parts: derivative in m")
    require_zero(density.diff(s) / density - (z**2 - 1) / (2 * s), "by parts: derivative in s")
    E, F, zed = sympy.Function("E"), sympy.Function("F"), sympy.Symbol("z")
    return Step(
        "By parts",
        "The same derivatives fall on the Gaussian weight: Hermite polynomials of the nodes times F, whatever F's kinks. In the "
        "fields omega this form is used for all activations; in e, Q, b and kappa F is differentiated symbolically.",
        (
            sympy.Eq(sympy.Derivative(E(F(x)), m), E(F(x) * zed) / sympy.sqrt(s), evaluate=False),
            sympy.Eq(sympy.Derivative(E(F(x)), s), E(F(x) * (zed**2 - 1)) / (2 * s), evaluate=False),
        ),
    )


def _jacobian(f: Fluctuations) -> Step:
    theta, gram = f.drift_derivatives
    rows = [
        sympy.Eq(sympy.Derivative(sympy.Function("f_Theta_1")(x), x), value, evaluate=False)
        for x, value in theta[0].items()
    ]
    rows += [
        sympy.Eq(sympy.Derivative(sympy.Function("f_q_1_1")(x), x), value, evaluate=False)
        for x, value in gram[0, 0].items()
    ]
    return Step(
        "Jacobian of the drift",
        "The drift depends on the order parameters directly and through its moments; the moments through the fields' means and "
        "covariances, which are linear in Theta(s) and q(s). First factors, for Theta_1 and q_11:",
        tuple(rows),
    )


def _skip(f: Fluctuations) -> Step:
    if not f.system.denoiser.skip:
        return Step("Skip connection", "There is none.")
    traces = sympy.Integer(1), sympy.Symbol("trSigma_over_d"), sympy.Symbol("trSigma2_over_d")
    terms = sympy.Poly(f.skip_variance, varsigma).terms()
    variance = sympy.Add(*[coefficient * traces[power] for (power,), coefficient in terms])
    return Step(
        "Fluctuation of the skip connection",
        "-1/2 d loss/d b = c00 x0.x0 + c01 x0.x1 + c11 x1.x1 at order d. For clusters of equal trace its relative fluctuations are "
        "of order 1/sqrt(d): Var b = B/d^2, and b's noise does not reach the other order parameters at order 1/d. A coordinate of "
        "eigenvalue varsigma has the variance below; over the coordinates it averages to VarY_b = Var(-1/2 d loss/d b)/d.",
        (
            *[sympy.Eq(n, c, evaluate=False) for n, c in zip(COEFFICIENTS, f.skip_increment, strict=True)],
            sympy.Eq(sympy.Symbol("Var_coordinate"), f.skip_variance, evaluate=False),
            sympy.Eq(sympy.Symbol("VarY_b"), variance, evaluate=False),
        ),
    )


def _bias() -> Step:
    """Second order of the recursion's mean, for a scalar."""
    h, t, J, f0 = sympy.symbols("h tau J f")
    y = sympy.Function("y")
    # One Euler step of length h against the flow's own Taylor series: the flow is ahead by h²/2 y''.
    ahead = sympy.series(y(t + h), h, 0, 3).removeO().doit() - y(t) - h * y(t).diff(t)
    require_zero(ahead.coeff(h, 2) - y(t).diff(t, 2) / 2, "second order of an Euler step")
    m1, C, f1 = sympy.symbols("m_1 C f_1")
    curvature = sympy.Symbol("d2f")
    rate = J * m1 + curvature * C / 2 + f1 - eta * J * f0
    return Step(
        "Bias of the mean at order 1/d",
        "E y = y_infinity + m_1/d: carried by J, fed by the drift's curvature over the fluctuations, by the O(1/d) part f_1 of the "
        "mean increment (the squared step beyond its extensive norm), and by the step's length h = 2 eta/d: "
        "h y''/2 = (eta/d) J f.",
        (sympy.Eq(sympy.Derivative(sympy.Function("m_1")(tau), tau), rate, evaluate=False),),
    )
