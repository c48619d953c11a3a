"""Speed of the binary-mixture flow, side by side in one run: python tests/benchmarks/bench_mixture_flow.py"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from asymptotics.common.numerics.interpolants import Interpolant
from asymptotics.mixture_flow.equations.rates import curve
from asymptotics.mixture_flow.problem import Problem
from asymptotics.mixture_flow.settings import MixtureFlow, Simulation
from asymptotics.mixture_flow.simulation import simulate
from asymptotics.mixture_flow.theory import solve


def seconds(function: Callable[[], Any], repeats: int) -> float:
    """Best of several."""
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def notebook(n: int = 8, sigma: float = 1.5, ridge: float = 0.1, steps: int = 100) -> float:
    """Explicit Euler of the order parameters in a plain Python loop, as notebooks do it."""
    y, h = np.array([0.0, 0.0, 0.0, 1.0]), 1 / steps
    big_s, ell = ridge * (1 + sigma**2) + (n - 1) * sigma**2, ridge + n - 1
    for k in range(steps):
        a, b = 1 - k * h, k * h
        d = a * a * ell + b * b * big_s
        w = np.array([n * a * a * ell, -a * b * big_s, a * a * ell, 0]) / (d * (n + ridge))
        y = y + h * ((b * big_s / d) * (1 + b / a) * y - y / a + (1 + b / a) * w)
    return float(y[0])


def plain(n: int, d: int, count: int, steps: int) -> None:
    """The full process written down in NumPy: three passes over the points at every step."""
    rng = np.random.default_rng(0)
    mu = np.ones(d)
    x1, x0 = mu + rng.standard_normal((n, d)), rng.standard_normal((n, d))
    data, noise = x1.sum(axis=0), x0.sum(axis=0)
    c00 = np.vdot(x0, x0) - noise @ noise / (n + 0.1)
    c01 = np.vdot(x0, x1) - noise @ data / (n + 0.1)
    c11 = np.vdot(x1, x1) - data @ data / (n + 0.1)
    x = rng.standard_normal((count, d))
    for k in range(steps):
        t = k / steps
        b = ((1 - t) * c01 + t * c11) / ((1 - t) ** 2 * c00 + 2 * t * (1 - t) * c01 + t * t * c11)
        v = ((1 - b * t) * data - b * (1 - t) * noise) / (n + 0.1)
        f = b * x + np.outer(np.sign(x @ v), v)
        x += (f - x) / (1 - t) / steps


def main() -> None:
    """Print the table."""
    problem = Problem(
        MixtureFlow(64, 1.0, 0.1),
        Interpolant(),
        Simulation(dimension=5000, runs=1, samples=1000, steps=100, scheme="euler", clock="time", times=[0.5, 1.0]),
    )
    fourth = Problem(problem.mixture_flow, problem.interpolant, problem.simulation.replace(scheme="rk4"))
    single = Problem(MixtureFlow(8, 1.5, 0.1), Interpolant(), Simulation())
    n = np.arange(2, 1025)
    rows = [
        ("curve over n = 2 ... 1024, all baselines", seconds(lambda: curve(n, 0.7, 0.2), 5), None),
        ("order parameters, 101 times, closed form", seconds(lambda: solve(single), 5), None),
        ("same, numerical path to 1e-10", seconds(lambda: solve(single, method="ode"), 3), None),
        ("same, Euler loop of a notebook (error 1e-2)", seconds(notebook, 3), None),
        ("simulation n=64 d=5000 1000 points 100 Euler steps", seconds(lambda: simulate(problem, workers=1), 2), 2.0),
        ("same, 100 RK4 steps", seconds(lambda: simulate(fourth, workers=1), 2), None),
        ("same, Euler written plainly in NumPy", seconds(lambda: plain(64, 5000, 1000, 100), 2), None),
    ]
    for name, value, limit in rows:
        print(f"{name:<52} {1e3 * value:10.2f} ms" + (f"   (asked: < {limit:g} s)" if limit else ""))
    print(
        f"plain NumPy / ours: {rows[6][1] / rows[4][1]:.1f}    notebook loop / closed form: {rows[3][1] / rows[1][1]:.1f}"
    )


if __name__ == "__main__":
    main()
