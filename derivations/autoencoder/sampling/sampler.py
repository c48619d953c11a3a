r"""Sampling: what a trained network does to a sample, from dX = drift dt + √(2ε) dW alone.

The network's output f is its estimate of y₀x₀ + y₁x₁, and x = αx₀ + βx₁: solved for the two, they say what the network knows of
noise and data, hence of the velocity and the score. A drift linear in them gives dX = [Γ Σ_j (u_j/√d) φ_j + Δ X] dt + √(2ε) dW,
and from this follow the local fields, what the network adds to a sample, and the Gaussian rest.

Source: M. S. Albergo, N. M. Boffi, E. Vanden-Eijnden, arXiv 2303.08797 (the diffusions that carry x_t's law); H. Cui,
C. Pehlevan, Y. M. Lu, arXiv 2501.03937 (the split).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import sympy

from ...identity import require_zero
from ...steps import Derivation, Derived, Step, equation
from ...vectors import VectorSum
from ..network.denoiser import Denoiser, alpha, alpha_dot, beta, beta_dot, tied
from ..network.names import skip_at_time
from .algebra import (
    EXACT,
    GAIN,
    GROWTH,
    NOISE,
    Delta,
    Drift,
    Gamma,
    b,
    data,
    epsilon,
    estimates,
    euler,
    h,
    network_rate,
    network_step,
    noise,
    score,
    t,
    v,
    variance,
    variance_rate,
    variance_step,
    velocity,
    x,
    y0,
    y1,
)


def _prediction() -> Step:
    return Step(
        "What the network says of a sample",
        "f estimates y = y0 x0 + y1 x1, and x = alpha x0 + beta x1: solved for the estimates of noise x0 and data x1. The velocity "
        "is the mean of dx_t/dt given x_t, the score the mean of -(x - beta x1)/alpha^2.",
        tuple(equation(name, value) for name, value in estimates().items()),
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


def _diffusion(sampler: Drift) -> Step:
    require_zero(_transport(), "velocity + epsilon*score carries the law of x_t")
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
            equation(dX, sampler.drift * sympy.Symbol("dt") + sympy.sqrt(2 * epsilon) * dW),
            equation(sympy.Symbol("drift"), sympy.expand(sampler.of_sample)),
        ),
    )


def _coefficients(sampler: Drift, denoiser: Denoiser) -> Step:
    gamma, delta = sampler.predicting(denoiser.target())
    shown = delta if denoiser.skip else delta.subs(b, 0)
    if not denoiser.plain:
        shown = delta.xreplace({b: skip_at_time})
    targets = dict(zip((y0, y1), denoiser.target(), strict=True))
    return Step(
        "Coefficients of the network and of the sample",
        "With f = b x + sum_j (u_j/sqrt(d)) phi_j the drift is Gamma sum_j (u_j/sqrt(d)) phi_j + Delta X; for any prediction, and for "
        "this one.",
        (
            equation(Gamma, sampler.gamma),
            equation(Delta, sampler.delta),
            *[equation(name, value) for name, value in targets.items()],
            equation(Gamma, gamma),
            equation(Delta, shown),
        ),
    )


def _vector() -> Step:
    gain, growth, strength = euler()
    ell, network = network_step()
    return Step(
        "One step, and the network's part of a sample",
        "An Euler-Maruyama step multiplies X by growth, adds gain sum_j (u_j/sqrt(d)) phi_j and noise of this variance in every "
        "direction. Being linear in X it keeps X = L + sum_j (u_j/sqrt(d)) I_j, with I_j = 0 at the start: l = w.L/sqrt(d).",
        (
            equation(GAIN, gain),
            equation(GROWTH, growth),
            equation(NOISE, strength),
            equation(sympy.Symbol("l_next"), ell),
            equation(sympy.Symbol("I_next"), network),
            equation(sympy.Derivative(sympy.Function("I")(t), t), network_rate()),
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
        rows.append(equation(dZ, drift * sympy.Symbol("dt") + sympy.sqrt(2 * epsilon) * dW))
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
            equation(sympy.Symbol("v_next"), variance_step()),
            equation(sympy.Derivative(sympy.Function("v")(t), t), variance_rate()),
            equation(sympy.Function("v")(t), variance()),
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
        "Along a direction u with u·u = G and overlap Theta with the encoder, (l, u.L) is Gaussian with covariance "
        "v [[Q, Theta], [Theta, G]]. Given l (and so the whole path, which depends on l alone) the mean of u.X is the first line and "
        "its variance, that of Y, the second. For several encoders Theta^T Q^+ l and v (G - Theta^T Q^+ Theta). In a tied network "
        "both parts of the mean add up to Theta^T Q^+ Z.",
        (
            equation(sympy.Symbol("mean"), sympy.cancel(weight) * ell + sympy.Add(*terms)),
            equation(sympy.Symbol("VarY"), remaining),
        ),
    )


class Sampler(Derived, Drift):
    """dX = drift dt + √(2ε) dW, by a network; prints its derivation. Its parameter is that of `Drift`."""

    def steps(self, denoiser: Denoiser | None = None) -> tuple[Step, ...]:
        """From the network's output to the law of the projections, for a denoiser (default: tied, one unit)."""
        of = tied(1) if denoiser is None else denoiser
        first = (_prediction(), _diffusion(self), _coefficients(self, of), _vector())
        return (*first, _fields(of), _variance(), _rest(of))

    @cached_property
    def derivation(self) -> Derivation:
        """The printable derivation."""
        return Derivation("sampling with a trained network", self.steps())


def derivation() -> Derivation:
    """The default sampler, tied network with one hidden unit."""
    return Sampler().derivation
