r"""Sampling: what a trained network does to a sample, from dX = drift dt + √(2ε) dW alone.

The network's output f is its estimate of y₀x₀ + y₁x₁, and x = αx₀ + βx₁: solved for the two, they say what the network knows of
noise and data, hence of the velocity and the score. A drift linear in them gives dX = [Γ Σ_j (u_j/√d) φ_j + Δ X] dt + √(2ε) dW,
and from this follow the local fields, what the network adds to a sample, and the Gaussian rest.

Source: M. S. Albergo, N. M. Boffi, E. Vanden-Eijnden, arXiv 2303.08797 (the diffusions that carry x_t's law); H. Cui,
C. Pehlevan, Y. M. Lu, arXiv 2501.03937 (the split).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import sympy

from .denoiser import Denoiser, alpha, alpha_dot, beta, beta_dot, tied
from .steps import Derivation, Step
from .vectors import VectorSum

#: The sample and the network's output, coordinate by coordinate; what follows from them; the time and the noise's strength.
x, f, noise, data, score, velocity, t = sympy.symbols("x f noise data score velocity t", real=True)
epsilon = sympy.Symbol("epsilon", nonnegative=True)
y0, y1, b = sympy.symbols("y_0 y_1 b", real=True)
h = sympy.Symbol("h", positive=True)
Gamma, Delta, v = sympy.symbols("Gamma Delta v", real=True)

#: The drift whose law at time t is that of x_t, if the network is the posterior mean.
EXACT = velocity + epsilon * score
#: Names that a drift may contain.
SYMBOLS = (x, f, noise, data, score, velocity, t, epsilon, alpha, beta, alpha_dot, beta_dot)


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


@dataclass(frozen=True)
class Sampler:
    """dX = drift dt + √(2ε) dW, by a network.

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

    drift: Any = EXACT

    def __post_init__(self) -> None:
        names = {s.name: s for s in SYMBOLS}
        drift = sympy.sympify(self.drift, locals=dict(names))
        drift = drift.subs({s: names[s.name] for s in drift.free_symbols if s.name in names}, simultaneous=True)
        object.__setattr__(self, "drift", drift)
        extra = sorted(str(s) for s in drift.free_symbols - set(SYMBOLS))
        if extra:
            raise ValueError(f"drift has the symbol {extra[0]!r}: must be one of {', '.join(names)}")
        rest = self.of_sample - x * self.of_sample.diff(x) - f * self.of_sample.diff(f)
        if sympy.simplify(rest) != 0 or {x, f} & self.linear[0].free_symbols | {x, f} & self.linear[1].free_symbols:
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
        return bool(sympy.simplify(self.of_sample - Sampler().of_sample) == 0)

    @property
    def determined_by(self) -> sympy.Expr:
        """What must not vanish: αy₁ − βy₀ unless the drift takes no more than f itself from the network."""
        return determinant() if any(c.has(y0, y1) for c in self.linear) else sympy.Integer(1)

    def predicting(self, target: tuple[sympy.Expr, sympy.Expr]) -> tuple[sympy.Expr, sympy.Expr]:
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

    def steps(self, denoiser: Denoiser | None = None) -> tuple[Step, ...]:
        """The steps of a derivation, for a denoiser (default: tied, one unit)."""
        chosen = tied(1) if denoiser is None else denoiser
        return (
            _prediction(),
            _diffusion(self),
            _coefficients(self, chosen),
            _vector(),
            _fields(chosen),
            _variance(),
            _rest(chosen),
        )

    @cached_property
    def derivation(self) -> Derivation:
        """The printable derivation."""
        return Derivation("sampling with a trained network", self.steps())

    def __str__(self) -> str:
        return str(self.derivation)

    def latex(self) -> str:
        """The whole derivation as LaTeX."""
        return self.derivation.latex()

    def _repr_markdown_(self) -> str:
        return self.derivation._repr_markdown_()


def derivation() -> Derivation:
    """The default sampler, tied network with one hidden unit."""
    return Sampler().derivation


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
    if sympy.simplify(sympy.diff(value, t) - wanted) != 0 or value.subs(t, 0).doit() != 1:
        raise ArithmeticError("the closed form of the variance does not solve its equation")
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


# the printable steps -------------------------------------------------------------------------------------------


def _prediction() -> Step:
    return Step(
        "What the network says of a sample",
        "f estimates y = y0 x0 + y1 x1, and x = alpha x0 + beta x1: solved for the estimates of noise x0 and data x1. The velocity "
        "is the mean of dx_t/dt given x_t, the score the mean of -(x - beta x1)/alpha^2.",
        tuple(sympy.Eq(name, value, evaluate=False) for name, value in estimates().items()),
    )


def _transport() -> sympy.Expr:
    """Fokker–Planck's equation for drift velocity + ε score in the one case where all is elementary: x₁ ~ N(0, Λ).

    ∂_t p + ∂_x[(velocity + ε score) p] − ε ∂²_x p, which must vanish for any schedule and ε.
    """
    Lambda = sympy.Symbol("Lambda", positive=True)
    a, c = sympy.Function("alpha")(t), sympy.Function("beta")(t)
    spread = a**2 + Lambda * c**2
    p = sympy.exp(-(x**2) / (2 * spread)) / sympy.sqrt(2 * sympy.pi * spread)
    at = {alpha: a, beta: c, alpha_dot: a.diff(t), beta_dot: c.diff(t)}
    # The posterior means of x₀ and x₁ given x: covariance over variance.
    values = {noise: a * x / spread, data: Lambda * c * x / spread}
    drift = EXACT.subs(
        {velocity: (alpha_dot * noise + beta_dot * data).subs(values).subs(at), score: -values[noise] / a}
    )
    return sympy.simplify((p.diff(t) + (drift * p).diff(x) - epsilon * p.diff(x, 2)) / p)


def _diffusion(sampler: Sampler) -> Step:
    if _transport() != 0:
        raise ArithmeticError("velocity + epsilon*score does not carry the law of x_t")
    dX, dW = sympy.Symbol("dX"), sympy.Symbol("dW")
    text = "The drift as it is declared, and in terms of the sample and the network's output. "
    text += (
        "It is velocity + epsilon score: by Fokker and Planck's equation the law at t is that of x_t for every epsilon, if f is the "
        "posterior mean (checked for a Gaussian target, any schedule)."
        if sampler.exact
        else "It is not velocity + epsilon score: even an ideal network would not generate the law of x_t."
    )
    return Step(
        "Generative process",
        text,
        (
            sympy.Eq(dX, sampler.drift * sympy.Symbol("dt") + sympy.sqrt(2 * epsilon) * dW, evaluate=False),
            sympy.Eq(sympy.Symbol("drift"), sympy.expand(sampler.of_sample), evaluate=False),
        ),
    )


def _coefficients(sampler: Sampler, denoiser: Denoiser) -> Step:
    gamma, delta = sampler.predicting(denoiser.target())
    shown = delta if denoiser.skip else delta.subs(b, 0)
    targets = dict(zip((y0, y1), denoiser.target(), strict=True))
    return Step(
        "Coefficients of the network and of the sample",
        "With f = b x + sum_j (u_j/sqrt(d)) phi_j the drift is Gamma sum_j (u_j/sqrt(d)) phi_j + Delta X; for any prediction, and for "
        "this one.",
        (
            sympy.Eq(Gamma, sampler.gamma, evaluate=False),
            sympy.Eq(Delta, sampler.delta, evaluate=False),
            *[sympy.Eq(name, value, evaluate=False) for name, value in targets.items()],
            sympy.Eq(Gamma, gamma, evaluate=False),
            sympy.Eq(Delta, shown, evaluate=False),
        ),
    )


def _vector() -> Step:
    gain, growth, strength = euler()
    ell, network = network_step()
    return Step(
        "One step, and the network's part of a sample",
        "An Euler-Maruyama step multiplies X by growth, adds gain sum_j (u_j/sqrt(d)) phi_j and noise of this variance in every "
        "direction. Being linear in X it keeps X = L + sum_j (u_j/sqrt(d)) I_j, with I = 0 at the start: l = w.L/sqrt(d).",
        (
            sympy.Eq(GAIN, gain, evaluate=False),
            sympy.Eq(GROWTH, growth, evaluate=False),
            sympy.Eq(NOISE, strength, evaluate=False),
            sympy.Eq(sympy.Symbol("l_next"), ell, evaluate=False),
            sympy.Eq(sympy.Symbol("I_next"), network, evaluate=False),
            sympy.Eq(sympy.Derivative(sympy.Function("I")(t), t), network_rate(), evaluate=False),
        ),
    )


def _fields(denoiser: Denoiser) -> Step:
    """Z_a = w_a·X/√d after one step, by the table of inner products, and its limit."""
    p, labels = len(denoiser.vectors), denoiser.vectors
    Z = [sympy.Symbol(f"Z_{w}", real=True) for w in labels]
    xi = [sympy.Symbol(f"zeta_{w}", real=True) for w in labels]
    Q = sympy.Matrix(p, p, lambda i, j: sympy.Symbol(f"Q_{min(i, j) + 1}_{max(i, j) + 1}", real=True))
    phi = [e.subs(dict(zip(denoiser.fields, Z, strict=True)), simultaneous=True) for e in denoiser.phi]
    after = VectorSum({"X": 1 + h * Delta, "xi": sympy.sqrt(2 * epsilon * h)})
    for u, value in zip(denoiser.decoders, phi, strict=True):
        after = after + VectorSum({u: h * Gamma * value})

    def table(m: Any, n: Any) -> sympy.Expr:
        return Q[m, n] if isinstance(m, int) else {"X": Z, "xi": xi}[m][n]

    rows = []
    for a in denoiser.encoders:
        change = sympy.expand(after.dot(VectorSum({a: sympy.Integer(1)}), table) - Z[a])
        drift = sympy.expand(sympy.Add(*[c for c in sympy.Add.make_args(change) if not c.has(xi[a])]) / h)
        dZ = sympy.Symbol(f"dZ_{labels[a]}")
        dW = sympy.Symbol(f"dW_{labels[a]}")
        rows.append(sympy.Eq(dZ, drift * sympy.Symbol("dt") + sympy.sqrt(2 * epsilon) * dW, evaluate=False))
    return Step(
        "Local fields of a generated sample",
        "Z_a = w_a.X/sqrt(d), by the inner products w_a.w_b/d = Q_ab: they close on themselves. The noises have the covariance Q dt "
        "(w_a.xi/sqrt(d) has the covariance Q), and Z ~ N(0, Q) at the start.",
        tuple(rows),
    )


def _variance() -> Step:
    return Step(
        "Variance of the linear part",
        "L ~ N(0, v) in every direction, v = 1 at the start: one step; its limit per h; the solution of that equation, checked by "
        "differentiation.",
        (
            sympy.Eq(sympy.Symbol("v_next"), variance_step(), evaluate=False),
            sympy.Eq(sympy.Derivative(sympy.Function("v")(t), t), variance_rate(), evaluate=False),
            sympy.Eq(sympy.Function("v")(t), variance(), evaluate=False),
        ),
    )


def _rest(denoiser: Denoiser) -> Step:
    """The law of u·L given ℓ, for one encoder: the rest is what Gaussian conditioning leaves."""
    q, theta, g, ell = sympy.symbols("Q Theta G l", real=True)
    joint = v * sympy.Matrix([[q, theta], [theta, g]])
    weight = joint[1, 0] / joint[0, 0]
    remaining = sympy.factor(joint[1, 1] - weight * joint[0, 1])
    # The projection itself: L's share given l, and the network's along the decoder vectors.
    terms = [
        sympy.Symbol(f"Theta_{denoiser.vectors[u]}") * sympy.Symbol(f"I_{j + 1}")
        for j, u in enumerate(denoiser.decoders)
    ]
    return Step(
        "Projections: mean given the fields, and the Gaussian rest Y",
        "Along a direction u with u.u = G and overlap Theta with the encoder, (l, u.L) is Gaussian with covariance "
        "v [[Q, Theta], [Theta, G]]. Given l (and so the whole path, which depends on l alone) the mean of u.X is the first line and "
        "its variance, that of Y, the second. For several encoders Theta^T Q^+ l and v (G - Theta^T Q^+ Theta). In a tied network "
        "both parts of the mean add up to Theta^T Q^+ Z.",
        (
            sympy.Eq(sympy.Symbol("mean"), sympy.cancel(weight) * ell + sympy.Add(*terms), evaluate=False),
            sympy.Eq(sympy.Symbol("VarY"), remaining, evaluate=False),
        ),
    )
