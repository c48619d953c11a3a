"""What follows from the drift of a sampler: estimates from the network's output, one Euler step, its limit, the variance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import sympy

from ...identity import require
from ..network.conditioning import schedule
from ..network.denoiser import Target, alpha, alpha_dot, beta, beta_dot
from ..network.names import b

#: The sample and the network's output, coordinate by coordinate; what follows from them; the time and the noise's strength.
x, f, noise, data, score, velocity = sympy.symbols("x f noise data score velocity", real=True)
t = schedule.t
epsilon = sympy.Symbol("epsilon", nonnegative=True)
y0, y1 = sympy.symbols("y_0 y_1", real=True)
h = sympy.Symbol("h", positive=True)
Gamma, Delta, v = sympy.symbols("Gamma Delta v", real=True)

#: The drift whose law at time t is that of x_t, if the network is the posterior mean.
EXACT = velocity + epsilon * score
#: What a drift is linear in, and all that it may contain.
LINEAR = (x, f, noise, data, score, velocity)
SYMBOLS = (*LINEAR, t, epsilon, alpha, beta, alpha_dot, beta_dot)


@lru_cache(maxsize=1)
def estimates() -> dict[sympy.Symbol, sympy.Expr]:
    """x̂₀ (noise), x̂₁ (data), velocity E[ẋ | x] and score −x̂₀/α in terms of x and f.

    x = αx̂₀ + βx̂₁ and f = y₀x̂₀ + y₁x̂₁ are two equations for x̂₀ and x̂₁. Given x₁, x_t is N(βx₁, α²), so that the score of its
    law is the mean of −(x − βx₁)/α² given x.
    """
    solved = sympy.solve([alpha * noise + beta * data - x, y0 * noise + y1 * data - f], [noise, data], dict=True)[0]
    gaussian = -((x - beta * data) ** 2) / (2 * alpha**2)
    of_score = sympy.simplify(sympy.diff(gaussian, x).subs(x, alpha * noise + beta * data))
    return {
        noise: solved[noise],
        data: solved[data],
        velocity: (alpha_dot * noise + beta_dot * data).subs(solved),
        score: of_score.subs(solved),
    }


def determinant() -> sympy.Expr:
    """αy₁ − βy₀: where it vanishes, the prediction says nothing that x does not."""
    return sympy.Matrix([[alpha, beta], [y0, y1]]).det()


# one step and its limit ----------------------------------------------------------------------------------------


def euler(strength: sympy.Expr = epsilon) -> tuple[sympy.Expr, sympy.Expr, sympy.Expr]:
    """(gain, growth, variance of the noise) of one Euler–Maruyama step: X′ = growth X + gain Σ_j (u_j/√d) φ_j + noise.

    X + h (Γ N + Δ X) + √(2εh) ξ, with N the network's nonlinear part and ξ standard normal, sorted by X, N and ξ.
    """
    X, N, xi = sympy.symbols("X N xi", real=True)
    after = sympy.expand(X + h * (Gamma * N + Delta * X) + sympy.sqrt(2 * strength * h) * xi)
    return after.coeff(N, 1), after.coeff(X, 1), after.coeff(xi, 1) ** 2


def variance_step() -> sympy.Expr:
    """v′ of the linear part L′ = growth L + noise, in v and `GROWTH`, `NOISE`."""
    L, xi = sympy.symbols("L xi", real=True)
    after = sympy.Poly(sympy.expand((GROWTH * L + sympy.sqrt(NOISE) * xi) ** 2), L, xi)
    # E[L²] = v, E[ξ²] = 1, E[Lξ] = 0.
    moments = {(2, 0): v, (0, 2): sympy.Integer(1)}
    return sympy.Add(*[c * moments.get(powers, sympy.Integer(0)) for powers, c in after.terms()])


#: Coefficients of one step, as symbols.
GAIN, GROWTH = sympy.symbols("gain growth", real=True)
NOISE = sympy.Symbol("noise_variance", nonnegative=True)


def variance_rate() -> sympy.Expr:
    """dv/dt: the limit of one step per h."""
    _, growth, strength = euler()
    after = variance_step().subs({GROWTH: growth, NOISE: strength})
    return sympy.limit(sympy.expand((after - v) / h), h, 0)


@lru_cache(maxsize=1)
def variance() -> sympy.Expr:
    """v_t = e^{2∫Δ} [1 + 2∫ε e^{−2∫Δ}] for any Δ and ε, checked in the equation and at t = 0."""
    s, r = sympy.symbols("s r", real=True)
    delta, strength = sympy.Function("Delta"), sympy.Function("epsilon")
    exponent = sympy.Integral(delta(r), (r, 0, t))
    value = sympy.exp(2 * exponent) * (
        1 + 2 * sympy.Integral(strength(s) * sympy.exp(-2 * exponent.subs(t, s)), (s, 0, t))
    )
    wanted = variance_rate().subs({Delta: delta(t), epsilon: strength(t), v: value})
    require(
        sympy.simplify(sympy.diff(value, t) - wanted) == 0 and value.subs(t, 0).doit() == 1,
        "the closed form of the variance solves its equation",
    )
    return value


def network_rate() -> sympy.Expr:
    """dI/dt: the limit of one step per h."""
    gain, growth, _ = euler()
    network = sympy.Symbol("I", real=True)
    return sympy.limit(sympy.expand((network_step()[1].subs({GROWTH: growth, GAIN: gain}) - network) / h), h, 0)


def network_step() -> tuple[sympy.Expr, sympy.Expr]:
    """(ℓ′, I′) of the split X = L + Σ_j (u_j/√d) I_j, ℓ = wᵀL/√d: in ``l``, ``I``, ``phi`` and one step's coefficients.

    One step is linear in X: with X put in, its part along u_j is growth I + gain φ, and the rest growth L.
    """
    ell, network, phi, direction = sympy.symbols("l I phi u", real=True)
    after = sympy.expand(GROWTH * (ell + direction * network) + GAIN * direction * phi)
    return after.coeff(direction, 0), after.coeff(direction, 1)


# a sampler -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drift:
    """The drift of a sampler dX = drift dt + √(2ε) dW by a network, sorted by what is linear in it.

    Parameters
    ----------
    drift : sympy.Expr or str
        In the symbols of this module: the sample ``x``, the network's output ``f``, what they say of ``noise``, ``data``,
        ``velocity`` and ``score``, the time ``t``, ``epsilon`` and the schedule. It must be linear in the sample and the
        output. Default ``velocity + epsilon*score``.

    Raises
    ------
    ValueError
        If there is another symbol, or the drift is not linear.
    """

    drift: sympy.Expr = EXACT

    def __post_init__(self) -> None:
        names = {s.name: s for s in SYMBOLS}
        drift = sympy.sympify(self.drift, locals=dict(names))
        drift = drift.subs({s: names[s.name] for s in drift.free_symbols if s.name in names}, simultaneous=True)
        object.__setattr__(self, "drift", drift)
        extra = sorted(str(s) for s in drift.free_symbols - set(SYMBOLS))
        if extra:
            raise ValueError(f"drift has the symbol {extra[0]!r}: must be one of {', '.join(names)}")
        try:
            form = sympy.Poly(drift, *LINEAR)
        except sympy.PolynomialError:
            form = None
        if form is None or any(sum(powers) != 1 for powers in form.monoms()):
            raise ValueError(
                f"drift = {drift}: must be linear in x, f, noise, data, velocity and score, without a constant"
            )

    @cached_property
    def of_sample(self) -> sympy.Expr:
        """The drift in terms of x and f alone."""
        return self.drift.subs(estimates(), simultaneous=True)

    @cached_property
    def linear(self) -> tuple[sympy.Expr, sympy.Expr]:
        """Its coefficients of x and f."""
        form = sympy.expand(self.of_sample)
        return tuple(sympy.cancel(sympy.diff(form, s)) for s in (x, f))  # type: ignore[return-value]

    @cached_property
    def gamma(self) -> sympy.Expr:
        """Γ: the coefficient of the network's nonlinear part Σ_j (u_j/√d) φ_j = f − b x."""
        return self.linear[1]

    @cached_property
    def delta(self) -> sympy.Expr:
        """Δ: the coefficient of X, with f = b x + …."""
        return b * self.linear[1] + self.linear[0]

    @property
    def exact(self) -> bool:
        """Whether an ideal network generates x_t's law: the drift is velocity + ε × score."""
        return bool(sympy.simplify(self.of_sample - Drift().of_sample) == 0)

    @property
    def determined_by(self) -> sympy.Expr:
        """What must not vanish: αy₁ − βy₀ unless the drift takes no more than f itself from the network."""
        return determinant() if any(c.has(y0, y1) for c in self.linear) else sympy.Integer(1)

    def predicting(self, target: Target) -> tuple[sympy.Expr, sympy.Expr]:
        """(Γ, Δ) of a network that predicts y₀x₀ + y₁x₁.

        Raises
        ------
        ValueError
            If y₀ : y₁ = α : β, so that x says all that the network predicts.
        """
        values = dict(zip((y0, y1), target, strict=True))
        if sympy.simplify(determinant().subs(values)) == 0:
            raise ValueError(f"predicts = {target}: must not be a multiple of x_t = alpha x0 + beta x1")
        of_x, of_f = (sympy.apart(sympy.cancel(c.subs(values)), epsilon) for c in self.linear)
        return of_f, b * of_f + of_x
