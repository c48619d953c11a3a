"""Cost and error of the Gaussian expectations: closed forms, Gauss–Hermite, Sobol' points. Run by hand.

python tests/benchmarks/bench_expectations.py
"""

from __future__ import annotations

import time

import numpy as np

import asymptotics as asy
from asymptotics.autoencoder.equations.derivative.drift import Drift
from asymptotics.autoencoder.equations.integration.integrate import initial_state, kernels_of
from asymptotics.common.numerics.quadrature.expectations import Rule


def best(function, repeats=5):
    """Shortest of a few timings, and the last result."""
    result, times = function(), []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return min(times), result


def four_ramps():
    """ReLU, r = 4, three clusters, τ = 4: seconds and true error against a fine solve."""
    experiment, taus = asy.example("relu-four-units"), np.linspace(0, 4, 33)
    fine = asy.solve(experiment, rule=Rule("sobol", 2**17, seed=9), rtol=3e-6, atol=3e-6)(taus)
    print("\nReLU, r = 4, three clusters, one time, tau = 4 (allowed: 1e-3 in 2 s)")
    print(f"{'tolerance':>10} {'seconds':>9} {'rule':>14} {'evaluations':>12} {'estimate':>9} {'true':>9}")
    for tolerance in (3e-3, 1e-3, 3e-4, 1e-4):
        seconds, path = best(lambda t=tolerance: asy.solve(experiment, tolerance=t), 2)
        true = max(np.max(np.abs(getattr(path(taus), n) - getattr(fine, n))) for n in ("Q", "Theta", "b"))
        print(
            f"{tolerance:10.0e} {seconds:9.3f} {path.rule:>14} {path.evaluations:12d} {path.error_estimate:9.1e} {true:9.1e}"
        )
    print("\nintegrator on 4096 fixed points (the right-hand side is piecewise smooth)")
    print(f"{'method':>10} {'rtol':>9} {'seconds':>9} {'evaluations':>12} {'true':>9}")
    for method, rtol in (("RK23", 1e-4), ("RK45", 1e-4), ("DOP853", 1e-4), ("DOP853", 1e-5), ("LSODA", 1e-4)):
        options = {"rule": Rule("sobol", 4096), "method": method, "rtol": rtol, "atol": rtol}
        seconds, path = best(lambda o=options: asy.solve(experiment, **o), 2)
        true = max(np.max(np.abs(getattr(path(taus), n) - getattr(fine, n))) for n in ("Q", "Theta", "b"))
        print(f"{method:>10} {rtol:9.0e} {seconds:9.3f} {path.evaluations:12d} {true:9.1e}")


def closed_forms():
    """One evaluation of the drift in closed form, and by the nodes that are nearest to it in accuracy."""
    base = asy.example("three-clusters")
    print("\none drift of three clusters: closed form against nodes")
    print(
        f"{'activation':>12} {'r':>2} {'closed/ms':>10} {'nodes':>14} {'nodes/ms':>10} {'ratio':>7} {'difference':>11}"
    )
    cases = [
        ("linear", 2, "hermite", 8),
        ("linear", 4, "hermite", 4),
        ("erf", 1, "hermite", 96),
        ("erf", 2, "hermite", 96),
    ]
    cases += [("erf", 3, "hermite", 32), ("relu", 1, "sobol", 2**15), ("relu", 2, "sobol", 2**15)]
    for activation, hidden, kind, nodes in cases:
        problem = base.replace(
            {"denoiser.activation": activation, "denoiser.hidden_units": hidden, "denoiser.init.random": 0.4}
        ).problem
        exact = Drift(problem, kernels_of(problem), Rule("hermite", 1))
        rule = Rule(kind, nodes)
        sampled = Drift(problem, kernels_of(problem, form="nodes"), rule)
        y = initial_state(problem, exact)
        first, a = best(lambda d=exact, y=y: d(0.0, y), 50)
        second, c = best(lambda d=sampled, y=y: d(0.0, y), 20)
        print(
            f"{activation:>12} {hidden:2d} {1e3 * first:10.3f} {kind + ' ' + str(nodes):>14} {1e3 * second:10.3f} "
            f"{second / first:7.1f} {np.max(np.abs(a - c)):11.1e}"
        )


def solves():
    """Whole solves to 1e-6 where everything is closed."""
    base = asy.example("three-clusters")
    print("\nwhole solves, tau = 4, tolerance 1e-6")
    print(f"{'activation':>12} {'r':>2} {'rule':>14} {'seconds':>9} {'evaluations':>12}")
    for activation, hidden in (("tanh", 2), ("linear", 2), ("erf", 2), ("erf", 3), ("relu", 1), ("relu", 2)):
        experiment = base.replace(
            {"denoiser.activation": activation, "denoiser.hidden_units": hidden, "denoiser.init.random": 0.2}
        )
        seconds, path = best(lambda e=experiment: asy.solve(e, tolerance=1e-6), 2)
        print(f"{activation:>12} {hidden:2d} {path.rule:>14} {seconds:9.3f} {path.evaluations:12d}")


if __name__ == "__main__":
    four_ramps()
    closed_forms()
    solves()
