"""The collapse map Λ → v_{t_f}(b_τ(Λ)) in closed form, its fixed points and their stability."""

from __future__ import annotations

from functools import lru_cache

import sympy

from ...identity import require, require_zero
from ...steps import Derivation, Step, equation
from ..network import denoiser
from ..network.names import b
from ..training import skip
from . import algebra as sampling

t, s = sympy.symbols("t s", positive=True)
t_f = sympy.Symbol("t_f", positive=True)
phi, Lambda_0 = sympy.symbols("phi Lambda_0", positive=True)
N, m = sympy.symbols("N m", positive=True, integer=True)

#: α and β of the schedules whose integrals are elementary.
SCHEDULES = {
    "linear": (1 - t, t),
    "trigonometric": (sympy.cos(sympy.pi * t / 2), sympy.sin(sympy.pi * t / 2)),
    "variance-preserving": (sympy.sqrt(1 - t**2), t),
}


def drift_of_bulk(schedule: str) -> tuple[sympy.Expr, sympy.Expr]:
    """Γ_t and Δ_t of a data prediction without noise, from `sampling_algebra`."""
    alpha, beta = SCHEDULES[schedule]
    at = {
        denoiser.alpha: alpha,
        denoiser.beta: beta,
        denoiser.alpha_dot: alpha.diff(t),
        denoiser.beta_dot: beta.diff(t),
    }
    gamma, delta = sampling.Drift().predicting(denoiser.PREDICTIONS["data"])
    return tuple(sympy.simplify(x.subs(sampling.epsilon, 0).subs(at, simultaneous=True)) for x in (gamma, delta))  # type: ignore[return-value]


@lru_cache(maxsize=8)
def variance(schedule: str) -> sympy.Expr:
    """v_{t_f} = exp(2 ∫₀^{t_f} Δ) for ε = 0: the solution of v̇ = 2Δv with v₀ = 1, checked by differentiation.

    The integral of Γ is found by SymPy; α̇/α integrates to ln α.
    """
    alpha, _ = SCHEDULES[schedule]
    gamma, delta = drift_of_bulk(schedule)
    inner = {
        "linear": lambda: sympy.integrate(gamma.subs(t, s), (s, 0, t)),
        # SymPy's antiderivative of the secant is checked below like the others.
        "trigonometric": lambda: sympy.log(1 / sympy.cos(sympy.pi * t / 2) + sympy.tan(sympy.pi * t / 2)),
        "variance-preserving": lambda: sympy.atanh(t),
    }[schedule]()
    for point in (sympy.Rational(1, 5), sympy.Rational(7, 10)):
        slope = sympy.re((inner.diff(t) - gamma).subs(t, point).evalf(40))
        imaginary = sympy.im(inner.subs(t, point).evalf(40))
        require(abs(slope) < 1e-30 and abs(imaginary) < 1e-30, f"the integral of gamma, {schedule}, at t = {point}")
    start = sympy.limit(inner, t, 0)
    value = sympy.exp(2 * b * (sympy.re(inner) if inner.has(sympy.I) else inner) - 2 * b * start) * alpha**2
    if schedule == "linear":
        value = (1 - t) ** (2 - 2 * b)
    for point in (sympy.Rational(1, 5), sympy.Rational(7, 10)):
        at = {t: point, b: sympy.Rational(3, 5)}
        rest = (value.diff(t) - 2 * delta * value).subs(at).evalf(30)
        require(abs(rest) < 1e-20, f"dv/dt = 2 delta v, {schedule}, at t = {point}")
    require_zero(value.subs(t, 0) - 1, f"v(0) = 1, {schedule}")
    return value.subs(t, t_f)


@lru_cache(maxsize=1)
def euler_variance() -> sympy.Expr:
    """v after m Euler steps of size 1/N in the linear schedule: [∏_{k<m} (1 + (b−1)/(N−k))]², a ratio of Gamma functions."""
    k = sympy.Symbol("k", integer=True, nonnegative=True)
    _, growth, _ = sampling.euler()
    at = {sampling.Delta: drift_of_bulk("linear")[1].subs(t, k / N), sampling.h: 1 / N}
    product = sympy.product(sympy.factor(growth.subs(at)), (k, 0, m - 1))
    closed = (sympy.gamma(N + b) * sympy.gamma(N - m + 1) / (sympy.gamma(N + b - m) * sympy.gamma(N + 1))) ** 2
    for count, steps, skip_value in ((7, 4, sympy.Rational(3, 10)), (12, 11, sympy.Rational(13, 10))):
        at = {N: count, m: steps, b: skip_value}
        direct = sympy.Mul(*[1 + (skip_value - 1) / (count - j) for j in range(steps)]) ** 2
        require(abs(sympy.N(closed.subs(at) - direct, 30)) < 1e-25, f"v by Gamma functions at N = {count}, m = {steps}")
        require(
            abs(sympy.N(product.subs(at).doit() ** 2 - direct, 30)) < 1e-25,
            f"v as a product at N = {count}, m = {steps}",
        )
    return closed


def collapse_map(schedule: str = "linear") -> sympy.Expr:
    """Λ → v_{t_f}(b_τ(Λ)) in terms of Λ, τ, t_f, b₀ and the averages E[β], E[β²], E[α²] of the training times."""
    return variance(schedule).subs(b, skip.closed_form())


@lru_cache(maxsize=1)
def half_time() -> dict[str, sympy.Expr]:
    """The linear schedule trained at the single time t = ½ to convergence: a pitchfork.

    With Λ = e^x and ℓ = −ln(1 − t_f), x ↦ ln v = 2ℓ tanh(x/2): Curie and Weiss's equation. Λ = 1 is always a fixed point; it is
    stable for ℓ < 1, that is t_f < 1 − 1/e, and a pair Λ, 1/Λ (collapse, blow-up) branches off beyond.
    """
    x, ell = sympy.symbols("x ell", real=True)
    half = sympy.Rational(1, 2)
    limit = skip.parameters()[skip.b_inf].subs({skip.E_beta: half, skip.E_beta2: half**2, skip.E_alpha2: half**2})
    log_v = sympy.log(variance("linear")).subs(b, limit)
    in_x = sympy.simplify((-ell * (2 - 2 * limit)).subs(skip.Lambda, sympy.exp(x)))
    general = sympy.expand_log(log_v, force=True).subs(t_f, 1 - sympy.exp(-ell)).subs(skip.Lambda, sympy.exp(x))
    require(sympy.simplify(general.simplify() - in_x).equals(0), "ln v in terms of x = ln Lambda")
    require_zero((in_x - 2 * ell * sympy.tanh(x / 2)).rewrite(sympy.exp), "ln v = 2 l tanh(x/2)")
    slope = sympy.simplify(in_x.diff(x).subs(x, 0))
    critical = sympy.solve(sympy.Eq(slope, 1), ell)
    series = sympy.series(2 * ell * sympy.tanh(x / 2), x, 0, 5).removeO()
    branch = [r for r in sympy.solve(sympy.Eq(sympy.expand(series / x), 1), x**2)]
    return {
        "log_map": 2 * ell * sympy.tanh(x / 2),
        "slope": slope,
        "critical": 1 - sympy.exp(-critical[0]),
        "branch": branch[0] if branch else sympy.Integer(0),
        "x": x,
        "ell": ell,
    }


def slope_at_fixed_point() -> sympy.Expr:
    """d ln v/d ln Λ at a converged fixed point of the linear schedule: 2 ln(1/(1−t_f)) Λ E[β] E[α²]/κ²."""
    limit = skip.parameters()[skip.b_inf]
    log_v = (2 - 2 * limit) * sympy.log(1 - t_f)
    slope = sympy.factor(sympy.simplify(skip.Lambda * log_v.diff(skip.Lambda)))
    kappa = skip.parameters()[skip.kappa]
    claimed = -2 * sympy.log(1 - t_f) * skip.Lambda * skip.E_beta * skip.E_alpha2 / kappa**2
    require_zero(slope - claimed, "d ln v/d ln Lambda at a fixed point")
    return claimed


def critical_fraction() -> sympy.Expr:
    """φ at which Λ is a fixed point of φΛ₀ + (1 − φ)v: (Λ − v)/(Λ₀ − v)."""
    v = sympy.Symbol("v", positive=True)
    solution = sympy.solve(sympy.Eq(skip.Lambda, phi * Lambda_0 + (1 - phi) * v), phi)
    return sympy.simplify(solution[0])


def derivation() -> Derivation:
    """Variance outside the span, skip connection, the map, its fixed points, mixing."""
    variances = tuple(equation(sympy.Symbol("v_" + name.split("-")[0]), variance(name)) for name in SCHEDULES)
    gammas = tuple(equation(sympy.Symbol("Delta_" + name.split("-")[0]), drift_of_bulk(name)[1]) for name in SCHEDULES)
    pitchfork = half_time()
    x = pitchfork["x"]
    fraction = critical_fraction()
    steps = (
        Step(
            "Drift outside the span of the weights",
            "There the network is f(x) = b x, and X obeys dX = Delta X dt with Delta = b (beta' - alpha' beta/alpha) + alpha'/alpha.",
            gammas,
        ),
        Step(
            "Variance outside the span",
            "v' = 2 Delta v with v = 1 at t = 0 (epsilon = 0); the integral of Delta is elementary for these schedules.",
            variances,
        ),
        Step(
            "The Euler sampler",
            "m steps of size 1/N of the linear schedule multiply X by a product of rational factors, a ratio of Gamma functions.",
            (equation(sympy.Symbol("v_euler"), euler_variance()),),
        ),
        skip.step(),
        Step(
            "The collapse map",
            "The next generation's target has the mean eigenvalue v, so that Lambda goes to v(b_tau(Lambda)); linear schedule.",
            (equation(sympy.Function("f")(skip.Lambda), collapse_map()),),
        ),
        Step(
            "Stability of a fixed point",
            "For tau to infinity in the linear schedule; a fixed point is stable where this slope is below 1.",
            (equation(sympy.Symbol("slope"), slope_at_fixed_point()),),
        ),
        Step(
            "Pitchfork at t = 1/2",
            "Trained at the single time 1/2 to convergence, with Lambda = exp(x) and ell = -ln(1 - t_f), the map is that of Curie "
            "and Weiss: Lambda = 1 is stable up to t_f = 1 - 1/e; beyond, a pair Lambda and 1/Lambda branches off.",
            (
                equation(sympy.Function("F")(x), pitchfork["log_map"]),
                equation(sympy.Symbol("slope"), pitchfork["slope"]),
                equation(t_f, pitchfork["critical"]),
                equation(x**2, pitchfork["branch"]),
            ),
        ),
        Step(
            "Mixing original data",
            "With a fraction phi of original data the map is phi Lambda_0 + (1 - phi) v(b(Lambda)); a wanted Lambda is its fixed "
            "point at this phi.",
            (equation(phi, fraction),),
        ),
    )
    return Derivation("collapse map", steps)
