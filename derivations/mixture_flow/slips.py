"""Where the slides and the published code of the binary-mixture flow differ from the derivation, with checks."""

from __future__ import annotations

import math
import random

import sympy as sp

from ..steps import Slip
from .equations import N, lam, n
from .results import distance, spread

#: The notebook's parameters: n, σ, λ.
_NOTEBOOK = (8, 1.5, 0.1)


def _numbers(expression: sp.Expr, count: float, std: float, ridge: float) -> float:
    values = {"n": count, "K": 1, "sigma": std, "lambda": ridge, "m": 1, "alpha": 0, "beta": 1}
    return float(expression.subs({x: values[x.name] for x in expression.free_symbols}))


def _slopes(t: float, y: list[float], count: float, std: float, ridge: float) -> list[float]:
    """Equations of motion on the linear schedule, from the denoiser b, v alone and with their pole at t = 1 cancelled."""
    a, b = 1 - t, t
    ell, big_s = ridge + count - 1, ridge * (1 + std**2) + (count - 1) * std**2
    big_d = a * a * ell + b * b * big_s
    rate = (b * big_s - a * ell) / big_d
    scale = 1 / ((count + ridge) * big_d)
    forcing = (count * a * ell * scale, -b * big_s * scale, a * ell * scale, 0.0)
    return [rate * x + f for x, f in zip(y, forcing, strict=True)]


def integrate(count: float, std: float, ridge: float, steps: int = 400) -> list[float]:
    """(M, Q_ξ, Q_η, perp) at t = 1 by the fourth-order Runge–Kutta scheme in plain Python: no closed form enters."""
    y, h = [0.0, 0.0, 0.0, 1.0], 1.0 / steps
    for k in range(steps):
        t = k * h
        one = _slopes(t, y, count, std, ridge)
        two = _slopes(t + h / 2, [x + h / 2 * v for x, v in zip(y, one, strict=True)], count, std, ridge)
        three = _slopes(t + h / 2, [x + h / 2 * v for x, v in zip(y, two, strict=True)], count, std, ridge)
        four = _slopes(t + h, [x + h * v for x, v in zip(y, three, strict=True)], count, std, ridge)
        y = [x + h / 6 * (p + 2 * q + 2 * r + u) for x, p, q, r, u in zip(y, one, two, three, four, strict=True)]
    return y


def _euler(start: float, times: list[float], h: float, data: bool) -> float:
    """Explicit Euler of M (``data``) or of perp at the given times, as the published loops do it."""
    count, std, ridge = _NOTEBOOK
    y = [start, 0.0, 0.0, start]
    for t in times:
        y = [x + h * v for x, v in zip(y, _slopes(t, y, count, std, ridge), strict=True)]
    return y[0] if data else y[3]


def _rate() -> tuple[float, float, float]:
    std, ridge, count = 0.7, 0.2, 1e5
    big_m, q_xi, q_eta, perp = integrate(count, std, ridge)
    error = (big_m - 1) ** 2 + count * q_xi**2 + count * std**2 * q_eta**2 + (perp - std) ** 2
    return 0.0, _numbers(n * distance(), 10**9, std, ridge), count * error


def _penalty() -> tuple[float, float, float]:
    count, std, ridge, dimension = 8, 0.3, 0.1, 400
    rng = random.Random(1)
    # Gradient descent on the loss with the penalty λ‖w‖²/d at t = 0, on data whose noise is orthogonal to μ = (1, …, 1).
    samples = []
    for _ in range(count):
        z = [rng.gauss(0, 1) for _ in range(dimension)]
        mean = sum(z) / dimension
        samples.append([1 + std * (x - mean) for x in z])
    w = [0.0] * dimension  # w/√d, aligned signs, b = 0: at t = 0 the skip connection only sees noise.
    for _ in range(60):
        w = [x - 0.1 * (sum(x - row[i] for row in samples) + ridge * x) for i, x in enumerate(w)]
    return count / (count + ridge * dimension), _numbers(n / (n + lam), count, std, ridge), sum(w) / dimension


def _sign() -> tuple[float, float, float]:
    from .equations import order_parameters

    derived = _numbers(order_parameters()["Q_xi"], *_NOTEBOOK)
    return -derived, derived, integrate(*_NOTEBOOK)[1]


def _stored() -> tuple[float, float, float]:
    from .equations import order_parameters

    derived = _numbers(order_parameters()["Q_eta"], *_NOTEBOOK)
    return derived / _NOTEBOOK[1], derived, integrate(*_NOTEBOOK)[2]


def _first_interval() -> tuple[float, float, float]:
    from .equations import order_parameters

    printed = _euler(0.0, [0.01 * k for k in range(1, 100)], 0.01, data=True)
    return printed, _numbers(order_parameters()["M"], *_NOTEBOOK), integrate(*_NOTEBOOK)[0]


def _grid() -> tuple[float, float, float]:
    from .equations import generated_variance

    printed = _euler(1.0, [k / 99 for k in range(99)], 0.01, data=False)
    return printed, math.sqrt(_numbers(generated_variance(), *_NOTEBOOK)), integrate(*_NOTEBOOK)[3]


def slips() -> tuple[Slip, ...]:
    """All of them; the paper's text has the rate Θ(1/n) right."""
    distance_symbol = sp.Symbol("MW2")
    return (
        Slip(
            "talk on 2310.03575, summary of the rate",
            "MW2 = o(1/n)",
            sp.Eq(
                distance_symbol**2 / sp.Symbol("d"), 2 * sp.Symbol("sigma") ** 2 / n + sp.Order(1 / n**2, (n, sp.oo))
            ),
            _rate,
            "The squared distance per dimension is Θ(1/n), so that n MW2²/d tends to 2σ² (σ = 0.7, λ = 0.2) and not to 0;"
            " MW2/√d itself is Θ(n^(-1/2)).",
        ),
        Slip(
            "talk on 2310.03575, loss of the denoiser",
            "penalty lambda ||w||^2",
            "penalty lambda ||w||^2 / d",
            _penalty,
            "With v = w/√d the printed penalty is λ d ‖v‖², which takes v to zero as d grows; the published code puts its weight"
            " decay λ on v. Component of v along μ at t = 0 for d = 400.",
        ),
        Slip(
            "published notebook Theory.ipynb, component qxi of the denoiser",
            "qxi = beta c/(lambda + n) (its alpha is the talk's beta and its beta the talk's alpha)",
            sp.Eq(sp.Symbol("Q_xi(1)"), -spread / (N + lam)),
            _sign,
            "The minus sign is missing; the plots hide it by an absolute value. Q_xi at t = 1.",
        ),
        Slip(
            "published notebook Theory.ipynb, stored Qeta",
            "Qeta/sigma",
            "Qeta",
            _stored,
            "The simulation's MagEta, drawn in the same figure, measures Q_eta itself. Q_eta at t = 1.",
        ),
        Slip(
            "published notebook Theory.ipynb, Euler loop",
            "starts at t = dt from the initial values at t = 0",
            sp.Eq(sp.Symbol("M(1)"), n / (n + lam)),
            _first_interval,
            "The first interval is skipped, which shifts M by O(dt); explicit Euler from t = 0 is exact for M on this schedule."
            " M at t = 1, 100 steps.",
        ),
        Slip(
            "published code Simulations.py, time grid",
            "99 steps dt = 1/100 on a grid of spacing 1/99",
            sp.Eq(spread, sp.sqrt(sp.Symbol("S") / sp.Symbol("L"))),
            _grid,
            "Only .99 of the time is integrated. Standard deviation of a generated cluster.",
        ),
    )
