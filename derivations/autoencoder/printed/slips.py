"""Where the talk and the published notebook on the narrow auto-encoder differ from the derivation, each with a check.

Every check evaluates the two formulae that are shown, and compares with a number that neither knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mpmath
import sympy

from ...identity import require_zero
from ...steps import Slip, equation
from ..network.activations import sigma
from ..network.denoiser import alpha, beta, local_field, tied
from ..network.names import b
from ..sampling import collapse
from ..training import skip
from ..training.update import Equations

NOTEBOOK = "Published notebook (HugoCui/AE_diffusion, Theory.ipynb)"
#: Only a transcript of the slides was compared.
TALK = "Talk (PIRSA 25040092, transcript of the slides)"


@dataclass(frozen=True)
class Comparison:
    """Evaluates the printed and the derived formula as they are shown, beside an independent number.

    Attributes
    ----------
    printed, derived : sympy.Expr
    values : mapping or callable
        Numbers for their symbols; a callable where they take a moment to compute.
    independent : callable
        The number, computed without either formula.
    """

    printed: sympy.Expr
    derived: sympy.Expr
    values: Mapping[sympy.Symbol, Any] | Callable[[], Mapping[sympy.Symbol, Any]]
    independent: Callable[[], float]

    def __call__(self) -> tuple[float, float, float]:
        at = self.values() if callable(self.values) else self.values
        return float(self.printed.subs(at).evalf()), float(self.derived.subs(at).evalf()), self.independent()


def _slip(where: str, name: str, check: Comparison, explanation: str) -> Slip:
    left = sympy.Symbol(name)
    printed, derived = (equation(left, x) for x in (check.printed, check.derived))
    return Slip(where, printed, derived, check, explanation)


def slips() -> tuple[Slip, ...]:
    """The talk's b_τ, and three places of the published notebook."""
    return (_talk(), _notebook_mean(), _notebook_noise(), _notebook_variance())


# the talk: b_τ -------------------------------------------------------------------------------------------------


def _talk() -> Slip:
    rate = skip.Lambda * skip.E_beta2 + skip.E_alpha2
    printed = skip.Lambda * skip.E_beta * (1 - (1 - skip.b0) * sympy.exp(-rate * skip.tau)) / rate
    third = sympy.Rational(1, 3)
    values = {
        skip.Lambda: 0.8, skip.E_beta: 0.5, skip.E_beta2: third, skip.E_alpha2: third, skip.b0: 0.4, skip.tau: 0.5,
    }  # fmt: skip

    def training() -> float:
        """−½ ∂_b of the loss per dimension E_t E|x₁ − b x_t|² by differences, integrated by Runge–Kutta."""

        def loss(value: float) -> float:
            # Simpson's rule is exact for this cubic or lower polynomial of t.
            parts = ((0.0, 1 / 6), (0.5, 4 / 6), (1.0, 1 / 6))
            return sum(w * (0.8 * (1 - value * t) ** 2 + (value * (1 - t)) ** 2) for t, w in parts)

        return skip.integrate(lambda _, x: -(loss(x + 0.5) - loss(x - 0.5)) / 2, 0.4, 0.5)

    return _slip(
        f"{TALK}, slide 'Closed-form expression for the trained skip connection'",
        "b_tau",
        Comparison(printed, skip.closed_form(), values, training),
        "The printed form gives b_infinity b_0 at tau = 0; it is right for b_0 = 0 alone. Check: Lambda = .8, b_0 = .4, tau = .5, "
        "E over t in [0, 1] of the linear interpolant; independently by Runge-Kutta on differences of the loss itself.",
    )


# the notebook: the update of m -----------------------------------------------------------------------------------

_Q, _Qc, _M, _m, _T, _s = 0.7, 0.5, 0.6, 0.3, 0.9, 0.8
_A, _B, _SKIP = 0.3, 0.7, 0.5


def _slope(omega: float) -> float:
    return 1 - math.tanh(omega) ** 2


def _grid(step: float = 0.5, end: float = 7.5) -> list[tuple[float, float]]:
    """Trapezoid rule for a standard normal; its error is exponentially small for analytic functions."""
    points = [step * k for k in range(-round(end / step), round(end / step) + 1)]
    weights = [math.exp(-x * x / 2) for x in points]
    return [(x, w / math.fsum(weights)) for x, w in zip(points, weights, strict=True)]


def _notebook_mean() -> Slip:
    q, qc, omega2, m, varsigma = sympy.symbols("Q Q_c Omega m varsigma", positive=True)
    average = sympy.Symbol("J", real=True)  # I0do − αI00d − βM I0d in the notebook's notation
    # E[x₁·u − t | λ₀, ω] by regression: Cov with (λ₀, ω) is (0, βςm).
    spread = sympy.Matrix([[q, alpha * q], [alpha * q, omega2]])
    of_l0, of_omega = spread.inv() @ sympy.Matrix([0, beta * varsigma * m])
    require_zero(of_l0 + alpha * of_omega, "the regression is along omega - alpha lambda0")
    # The term of the gradient along x₁ is −αβb λ₀σ′(ω).
    derived = sympy.factor(-alpha * beta * b * of_omega * average)
    printed = -q * b * beta * alpha**2 / (q * omega2 - alpha**2 * q**2) * varsigma * m * average

    def values() -> dict[sympy.Symbol, Any]:
        total = 0.0
        for z0, w0 in _grid():
            for z1, w1 in _grid():
                l0 = math.sqrt(_Q) * z0
                omega = _A * l0 + _B * (_M + math.sqrt(_Qc) * z1)
                total += w0 * w1 * l0 * _slope(omega) * (omega - _A * l0 - _B * _M)
        square = _A**2 * _Q + _B**2 * _Qc
        numbers = {q: _Q, qc: _Qc, omega2: square, m: _m, varsigma: _s, average: total}
        return numbers | {alpha: _A, beta: _B, b: _SKIP}

    def direct() -> float:
        """−αβb E[λ₀ σ′(ω) (x₁·u − t)] with x₁·u drawn first and λ₁ given it: no regression on (λ₀, ω)."""
        variance, covariance = _s * _T, _s * _m
        left = math.sqrt(_Qc - covariance**2 / variance)
        total = 0.0
        for z, w in _grid():
            along = math.sqrt(variance) * z
            for z0, w0 in _grid():
                l0 = math.sqrt(_Q) * z0
                for z1, w1 in _grid():
                    l1 = _M + covariance / variance * along + left * z1
                    total += w * w0 * w1 * l0 * _slope(_A * l0 + _B * l1) * along
        return -_A * _B * _SKIP * total

    return _slip(
        f"{NOTEBOOK}, update_m_k and update_q1, last term linear in the order parameters",
        "dm_term",
        Comparison(printed, derived, values, direct),
        "b beta alpha^2 for b alpha beta^2, in front of J = I0do - alpha I00d - beta M I0d (the notebook's averages); .017 in M_22 of "
        "the reference example. Check: alpha = .3, beta = .7, b = .5, tanh; independently by quadrature of the gradient's term "
        "itself, -alpha beta b E[lambda0 sigma'(omega) (x1.u - t)].",
    )


# the notebook: the update of q, second order -----------------------------------------------------------------------


def _notebook_noise() -> Slip:
    """The coefficient C of −C (β²ς + α²) λ₀λ₁σ′(ω)² in half the square of a step."""
    system = Equations(tied(1))
    field = system.fields[0]
    slope = sigma(local_field("w_1")).diff(local_field("w_1"))
    D = sympy.Symbol("D", real=True)
    l0, l1 = (channel[0] for channel in system.channel_fields)
    residuals = dict(zip(system.residual_fields, system.residual_definition, strict=True))
    gradients = [
        sympy.expand(system.gradient[c][0].subs(slope, D).subs(sigma(field), 0).subs(residuals)) for c in (0, 1)
    ]
    varsigma = sympy.Symbol("varsigma", positive=True)
    half = sympy.expand((gradients[0] ** 2 + varsigma * gradients[1] ** 2) / 2)
    derived = sympy.factor(-half.coeff(D, 2).coeff(l0, 1).coeff(l1, 1) / (beta**2 * varsigma + alpha**2))
    printed = (1 - b * beta) ** b * alpha

    def differences() -> float:
        """From ½(g₀² + ςg₁²) by numerical derivatives of ℓ, with σ = sin(2πx)/2π at integer ω, where σ = 0 and σ′ = 1."""
        with mpmath.workdps(40):
            a, c, skip_value, spread = (mpmath.mpf(x) for x in ("0.3", "0.7", "0.5", "0.8"))

            def potential(x0: mpmath.mpf, x1: mpmath.mpf) -> mpmath.mpf:
                omega = a * x0 + c * x1
                value = mpmath.sin(2 * mpmath.pi * omega) / (2 * mpmath.pi)
                return 2 * (skip_value * omega - x1) * value + mpmath.mpf("0.9") * value**2

            def square(x0: mpmath.mpf, x1: mpmath.mpf) -> mpmath.mpf:
                g0, g1 = (-mpmath.diff(potential, (x0, x1), order) / 2 for order in ((1, 0), (0, 1)))
                return (g0**2 + spread * g1**2) / 2 / (a**2 + spread * c**2)

            # A quadratic form in (λ₀, λ₁): three points with ω = 0, 1 and 1 (say) give its three coefficients.
            points = [(x0, (k - a * x0) / c) for x0, k in ((mpmath.mpf(1), 0), (mpmath.mpf(0), 1), (mpmath.mpf(2), 1))]
            rows = mpmath.matrix([[x0**2, -x0 * x1, x1**2] for x0, x1 in points])
            return float(mpmath.lu_solve(rows, mpmath.matrix([square(*point) for point in points]))[1])

    return _slip(
        f"{NOTEBOOK}, update_q2, factor of Idd01 + Idd01_2",
        "C",
        Comparison(printed, derived, {alpha: 0.3, beta: 0.7, b: 0.5}, differences),
        "A power for a product (.002 at most in the reference example). Check: alpha = .3, beta = .7, b = .5; independently from "
        "numerical derivatives of the potential where sigma = 0 and sigma' = 1.",
    )


# the notebook: the variance outside the span --------------------------------------------------------------------------


def _notebook_variance() -> Slip:
    printed = sympy.exp((collapse.b - 1) * -sympy.log(1 - collapse.t_f))
    derived = collapse.variance("linear")

    def sample() -> float:
        """A coordinate x(0) = 1 carried by the network f(x) = b x, estimates solved for at each time; its square."""

        def velocity(t: float, x: float) -> float:
            data = 0.6 * x
            return -(x - t * data) / (1 - t) + data

        return skip.integrate(velocity, 1.0, 0.9, 40_000) ** 2

    return _slip(
        f"{NOTEBOOK}, sampling, cell 'computing variance of the Gaussian term'",
        "Var",
        Comparison(printed, derived, {collapse.b: 0.6, collapse.t_f: 0.9}, sample),
        "Var multiplies exp(Delta dt), the factor of a standard deviation: exp(integral of Delta) for exp(2 integral of Delta). (It "
        "also takes 100 steps where the samples take 99.) Check: alpha = 1 - t, beta = t, epsilon = 0, b = .6, t = .9; independently "
        "by Runge-Kutta on one coordinate outside the span, squared.",
    )
