"""Score smoothing, derived: from the empirical score of two or n points to the law that the smoothed score generates.

Source: Chen 2025 (arXiv 2502.19499). One gap of half width Δ, centred at 0 with training points at ±Δ, stands for every gap of a
uniform set: the averaging window is narrower than a gap, so that it meets one midpoint at most.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from ..identity import require_zero
from ..steps import Step, equation

x, z, u, c = sp.symbols("x z u c", real=True)
t, s, t0 = sp.symbols("t s t_0", positive=True)
gap, delta, kappa = sp.symbols("Delta delta kappa", positive=True)
_share = sp.Symbol("rho", positive=True)


def gaussian(centre: sp.Expr | int, variance: sp.Expr | int, at: sp.Expr = x) -> sp.Expr:
    """Density of N(centre, variance)."""
    return sp.exp(-((at - centre) ** 2) / (2 * variance)) / sp.sqrt(2 * sp.pi * variance)


def normal_cdf(value: sp.Expr) -> sp.Expr:
    """Φ, the standard normal distribution function."""
    return (1 + sp.erf(value / sp.sqrt(2))) / 2


def empirical_score() -> Step:
    """Score of two noised points and its limit t → 0."""
    density = (gaussian(-gap, t) + gaussian(gap, t)) / 2
    score = sp.diff(sp.log(density), x)
    closed = (gap * sp.tanh(gap * x / t) - x) / t
    require_zero((score - closed).rewrite(sp.exp), "empirical score")
    right = sp.limit(sp.tanh(_share / t), t, 0, "+")
    left = sp.limit(sp.tanh(-_share / t), t, 0, "+")
    piecewise = sp.Piecewise(((gap * right - x) / t, x > 0), ((gap * left - x) / t, True))
    return Step(
        "Empirical score",
        "The score of the noised training set of two points; for t → 0 the posterior mean becomes the nearest point "
        "and the score is piecewise linear, with a jump 2Δ/t at the midpoint.",
        (equation(sp.Function("s_t")(x), closed), equation(sp.Function("sbar_t")(x), piecewise)),
    )


def _pieces() -> dict[str, Any]:
    """Average of the piecewise-linear score over [x − w, x + w], w = Δ − δ, on each of its pieces (in units 1/t)."""
    w = gap - delta
    right, left = gap - z, -gap - z
    return {
        "right": sp.integrate(right, (z, x - w, x + w)) / (2 * w),
        "left": sp.integrate(left, (z, x - w, x + w)) / (2 * w),
        "gap": (sp.integrate(left, (z, x - w, 0)) + sp.integrate(right, (z, 0, x + w))) / (2 * w),
    }


def local_averaging() -> Step:
    """Averaging equals S-PL, piece by piece."""
    pieces = _pieces()
    require_zero(pieces["right"] - (gap - x), "average right of the gap")
    require_zero(pieces["left"] - (-gap - x), "average left of the gap")
    slope = sp.simplify(sp.diff(pieces["gap"], x))
    require_zero(pieces["gap"] - slope * x, "average on the gap")
    require_zero(slope - delta / (gap - delta), "slope on the gap")
    # The window sees the midpoint for |x| < w only: there the pieces join.
    require_zero(
        pieces["gap"].subs(x, gap - delta) - pieces["right"].subs(x, gap - delta), "continuity at the edge of the ball"
    )
    smoothed = sp.Piecewise((slope * x / t, sp.Abs(x) < gap - delta), ((gap * sp.sign(x) - x) / t, True))
    return Step(
        "Local averaging is the smoothed score",
        "The piecewise-linear score averaged over a box of half width w = Δ − δ: unchanged where the window misses "
        "the midpoint, linear where it meets it. A box narrower than a gap meets one midpoint at most, so that this "
        "holds for any number of uniformly spaced points.",
        (equation(sp.Function("shat_t")(x), smoothed),),
    )


def finite_difference() -> Step:
    """The box average of the exact score."""
    w = sp.Symbol("w", positive=True)
    log_p = sp.Function("L")
    average = sp.integrate(sp.diff(log_p(z), z), (z, x - w, x + w)) / (2 * w)
    difference = (log_p(x + w) - log_p(x - w)) / (2 * w)
    require_zero(average.doit() - difference, "fundamental theorem")
    # Largest difference to S-PL: two points, in the gap, where log cosh(a) → |a| − ln 2.
    exact = t * (sp.log(sp.cosh(gap * (x + w) / t)) - sp.log(sp.cosh(gap * (x - w) / t))) / (2 * w)
    outside = gap * sp.Symbol("y", positive=True)
    kink = sp.limit(sp.log(sp.cosh(outside / t)) - outside / t, t, 0, "+")
    require_zero(kink + sp.log(2), "log cosh away from the kink")
    # At x = ±w one end of the window sits on the kink, where log cosh(0) = 0.
    at_kink = sp.simplify(exact.subs(x, w))
    rest = sp.simplify(at_kink - t * sp.log(sp.cosh(2 * gap * w / t)) / (2 * w))
    require_zero(rest, "value at the edge of the ball")
    return Step(
        "Box average of the exact score",
        "The integral of a gradient: a finite difference of log p_t. It differs from the smoothed score by at most t ln 2/(2w) "
        "in t·s_t, reached where an end of the window lies on the midpoint, up to terms exponentially small in Δ²/t.",
        (equation(sp.Function("stilde_t")(x), difference), equation(sp.Symbol("sup") * t, -kink * t / (2 * w))),
    )


def gaussian_kernel() -> Step:
    """Fixed points of the Gaussian average."""
    h = sp.Symbol("h", positive=True)
    mean = gap * (2 * normal_cdf(x / h) - 1)
    derived = sp.integrate(gaussian(0, h**2, z) * gap, (z, -sp.oo, x)) - sp.integrate(
        gaussian(0, h**2, z) * gap, (z, x, sp.oo)
    )
    require_zero(derived - mean, "Gaussian average of a step")
    critical = sp.solve(sp.Eq(sp.diff(mean, x).subs(x, 0), 1), h)[0]
    box = sp.simplify(sp.diff(_pieces()["gap"] + x, x).subs(delta, 0))
    require_zero(box - 1, "slope of a box of half width Δ")
    return Step(
        "The shape of the kernel matters",
        "The Gaussian average of the two-point posterior mean has isolated fixed points, which merge at a critical bandwidth; a "
        "box of half width Δ has slope one on the whole gap: a continuum of fixed points, which is what interpolates.",
        (equation(sp.Function("m")(x), mean), equation(h, critical)),
    )


def flow() -> Step:
    """ẋ = −s/2 solved on gap and ball."""
    path = sp.Function("x")
    root = sp.Symbol("r", positive=True)
    # With t = r²: dx/dr = 2r ẋ = −r s.
    width = kappa * root
    gap_equation = sp.Eq(path(root).diff(root), -root * (width / (gap - width)) * path(root) / root**2)
    ball_equation = sp.Eq(path(root).diff(root), -root * (gap - path(root)) / root**2)
    in_gap = sp.dsolve(gap_equation, path(root)).rhs
    in_ball = sp.dsolve(ball_equation, path(root)).rhs
    for solution, name in ((in_gap, "gap"), (in_ball, "ball")):
        require_zero(sp.diff(solution, root, 2), f"straight line in the {name}")
    constant = next(iter(in_gap.free_symbols - {root, gap, kappa}))
    start = sp.solve(sp.Eq(in_gap.subs(root, sp.sqrt(t)), z), constant)[0]
    gap_map = sp.simplify(in_gap.subs(constant, start).subs(root, sp.sqrt(s)))
    require_zero(gap_map - z * (gap - kappa * sp.sqrt(s)) / (gap - kappa * sp.sqrt(t)), "map of the gap")
    constant = next(iter(in_ball.free_symbols - {root, gap, kappa}))
    start = sp.solve(sp.Eq(in_ball.subs(root, sp.sqrt(t)), z), constant)[0]
    ball_map = sp.simplify(in_ball.subs(constant, start).subs(root, sp.sqrt(s)))
    require_zero(ball_map - (gap + sp.sqrt(s / t) * (z - gap)), "map of the ball")
    # The edge Δ − κ√t is carried into itself by both.
    edge = gap - kappa * sp.sqrt(t)
    require_zero(gap_map.subs(z, edge) - (gap - kappa * sp.sqrt(s)), "the edge is invariant (gap)")
    require_zero(ball_map.subs(z, edge) - (gap - kappa * sp.sqrt(s)), "the edge is invariant (ball)")
    phi = sp.Function("phi")
    return Step(
        "Flow map",
        "With δ = κ√t the probability-flow equation in r = √t is linear on each region; its solutions are straight "
        "lines in (x, √t), and the edge of the ball is one of them, so that regions are invariant. First the gap (x "
        "measured from its centre), then the ball around the right point.",
        (equation(phi(z), gap_map), equation(phi(z), ball_map)),
    )


def density() -> Step:
    """Change of variables, continuity equation and the limit t → 0."""
    p = sp.Function("p")
    before, after = gap - kappa * sp.sqrt(t0), gap - kappa * sp.sqrt(t)
    in_gap = p(x * before / after) * before / after
    in_ball = p(gap + sp.sqrt(t0 / t) * (x - gap)) * sp.sqrt(t0 / t)
    score_gap = kappa * sp.sqrt(t) / after * x / t
    score_ball = (gap - x) / t
    for value, score, name in ((in_gap, score_gap, "gap"), (in_ball, score_ball, "ball")):
        residual = sp.diff(value, t) + sp.diff(-score * value / 2, x)
        require_zero(residual.doit(), f"continuity equation in the {name}")
        require_zero(value.subs(t, t0).doit() - p(x), f"initial law in the {name}")
    r = 1 - kappa * sp.sqrt(t0) / gap
    limit = sp.limit(before / after, t, 0, "+")
    require_zero(limit - r, "contraction factor")
    atom = sp.integrate(sum(gaussian(v, t0) for v in (-gap, gap)) / 2, (x, gap - kappa * sp.sqrt(t0), sp.oo))
    closed = (normal_cdf(kappa) + normal_cdf(kappa - 2 * gap / sp.sqrt(t0))) / 2
    require_zero(atom - closed, "mass of an atom")
    interpolated = sp.simplify(1 - 2 * closed)
    require_zero(interpolated - (normal_cdf(-kappa) - normal_cdf(kappa - 2 * gap / sp.sqrt(t0))), "interpolated mass")
    early = sp.limit(interpolated.subs(gap, 1), t0, 0, "+")
    require_zero(early - normal_cdf(-kappa), "early limit of the interpolated mass")
    require_zero(interpolated.subs(t0, (gap / kappa) ** 2), "interpolated mass at the critical time")
    return Step(
        "Generated density",
        "The law pushed by the map satisfies the continuity equation of the smoothed score (checked for an arbitrary "
        "initial law p). As t → 0 the balls shrink to atoms a and the gap keeps r p(r x): a rescaled window of the "
        "initial law, not a uniform one. For two points: atom, interpolated mass, its limit Φ(−κ) for an early start "
        "(it then sits at the points); it vanishes at t_c = (Δ/κ)².",
        (
            equation(sp.Symbol("r"), r),
            equation(sp.Function("phat_0")(x), sp.Symbol("r") * p(sp.Symbol("r") * x)),
            equation(sp.Symbol("a"), closed),
            equation(sp.Symbol("I"), interpolated),
            equation(sp.Limit(sp.Symbol("I"), t0, 0, "+"), early),
        ),
    )


def ornstein_uhlenbeck() -> Step:
    """The map between the two processes."""
    p = sp.Function("p")
    tau = sp.Symbol("tau", positive=True)
    # If ∂_τ p = p''/2, then q(x, t) = e^t p(e^t x, e^{2t} − 1) solves ∂_t q = ∂_x(x q) + q''.
    kernel = gaussian(c, tau)
    require_zero(sp.diff(kernel, tau) - sp.diff(kernel, x, 2) / 2, "heat kernel")
    q = sp.exp(t) * kernel.subs({x: sp.exp(t) * x, tau: sp.exp(2 * t) - 1}, simultaneous=True)
    require_zero(sp.diff(q, t) - sp.diff(x * q, x) - sp.diff(q, x, 2), "Fokker-Planck equation")
    score = sp.diff(sp.log(q), x)
    mapped = sp.exp(t) * sp.diff(sp.log(kernel), x).subs({x: sp.exp(t) * x, tau: sp.exp(2 * t) - 1}, simultaneous=True)
    require_zero(score - mapped, "score")
    width = sp.exp(-t) * kappa * sp.sqrt(sp.exp(2 * t) - 1)
    require_zero(width**2 - kappa**2 * (1 - sp.exp(-2 * t)), "ball radius")
    # Linear in the kernel, hence for every law with density p.
    name = sp.Function("s")
    return Step(
        "Ornstein–Uhlenbeck process",
        "Contracting space by e^{−t} and reading the heat flow at τ = e^{2t} − 1 solves dx = −x dt + √2 dW (checked "
        "on the heat kernel, so for every initial law). Scores, flow and the ball radius κ√τ carry over.",
        (
            equation(sp.Function("q")(x, t), sp.exp(t) * p(sp.exp(t) * x, sp.exp(2 * t) - 1)),
            equation(sp.Function("s_OU")(x, t), sp.exp(t) * name(sp.exp(t) * x, sp.exp(2 * t) - 1)),
            equation(sp.Symbol("delta_OU"), kappa * sp.sqrt(1 - sp.exp(-2 * t))),
        ),
    )


def circle() -> Step:
    """Metastability of the angular window."""
    alpha, along = sp.symbols("alpha b", positive=True)
    # On the polygon (x·e_m = cos α): x·e_c = b, polar angle atan(b/cos α), window α (t → 0).
    mean = sp.sin(alpha) * sp.atan(along / sp.cos(alpha)) / alpha
    rate = sp.simplify(1 - sp.diff(mean, along).subs(along, 0))
    require_zero(rate - (1 - sp.tan(alpha) / alpha), "linear rate")
    # db/dλ = rate·b with λ = ½ ln t: b ∝ t^{rate/2}.
    exponent = -rate / 2
    small = sp.series(exponent, alpha, 0, 4).removeO()
    return Step(
        "Circle: metastability",
        "Linearised at the middle of an edge the angular window moves an offset as (t₀/t)^γ: slowly (γ is of order α² "
        "for many points) but without end, so that the samples memorise again. The chord window has γ = 0.",
        (equation(sp.Symbol("gamma"), exponent), equation(sp.Symbol("gamma"), small)),
    )
