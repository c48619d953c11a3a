r"""Sampling: what a trained network does to a sample, from dX = drift dt + √(2ε) dW alone.

The network's output f is its estimate of y₀x₀ + y₁x₁, and x = αx₀ + βx₁: solved for the two, they say what the network knows of
noise and data, hence of the velocity and the score. A drift linear in them gives dX = [Γ Σ_j (u_j/√d) φ_j + Δ X] dt + √(2ε) dW,
and from this follow the local fields, what the network adds to a sample, and the Gaussian rest.

Source: M. S. Albergo, N. M. Boffi, E. Vanden-Eijnden, arXiv 2303.08797 (the diffusions that carry x_t's law); H. Cui,
C. Pehlevan, Y. M. Lu, arXiv 2501.03937 (the split).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy

from ..steps import Derivation, Step
from . import sampling_report
from .denoiser import Denoiser, tied
from .sampling_algebra import (
    EXACT,
    GAIN,
    GROWTH,
    LINEAR,
    NOISE,
    SYMBOLS,
    Delta,
    Gamma,
    b,
    data,
    determinant,
    epsilon,
    estimates,
    euler,
    f,
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

__all__ = [
    "EXACT",
    "GAIN",
    "GROWTH",
    "LINEAR",
    "NOISE",
    "SYMBOLS",
    "Delta",
    "Gamma",
    "Sampler",
    "b",
    "data",
    "derivation",
    "determinant",
    "epsilon",
    "estimates",
    "euler",
    "f",
    "h",
    "network_rate",
    "network_step",
    "noise",
    "score",
    "t",
    "v",
    "variance",
    "variance_rate",
    "variance_step",
    "velocity",
    "x",
    "y0",
    "y1",
]


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
        return sampling_report.steps(self, tied(1) if denoiser is None else denoiser)

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
