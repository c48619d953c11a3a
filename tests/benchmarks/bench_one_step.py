"""Speed of the one-step room, side by side in one run: ``python tests/benchmarks/bench_one_step.py``."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from asymptotics.common.numerics.distances import pair_sums
from asymptotics.common.running.threads import single_threaded
from asymptotics.one_step import theory
from asymptotics.one_step.problem import Problem
from asymptotics.one_step.settings import OneStep, Simulation
from asymptotics.one_step.simulation import simulate


def best(function: Callable[[], object], repeats: int = 3) -> float:
    """Shortest time of a few calls, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def direct_pair_sum(points: np.ndarray, variance: float) -> float:
    """Σ_{i≠j} exp(−|x_i − x_j|²/2v) by differences of coordinates, a row at a time."""
    total = 0.0
    for k in range(len(points) - 1):
        total += 2.0 * float(np.exp(np.sum((points[k + 1 :] - points[k]) ** 2, axis=1) / (-2.0 * variance)).sum())
    return math.log(total)


def main() -> None:
    """Print the table."""
    print(f"{'what':<66} {'seconds':>9} {'against':>9} {'ratio':>7}")
    model = OneStep(100, 500, 2.0, math.exp(-4.0))
    theory.predict(model)
    print(f"{'whole theory at one point (target 0.01 s)':<66} {best(lambda: theory.predict(model), 20):9.5f}")

    points = np.random.default_rng(0).standard_normal((3000, 100))
    variance = 2.0 * pair_sums.kernel_variance(3000, 100)
    with single_threaded():
        slow = best(lambda: direct_pair_sum(points, variance), 1)
        fast = best(lambda: pair_sums.log_pair_sum(points, variance))
        bound = best(lambda: pair_sums.log_kernel_excess_bound(points, 75))
    print(
        f"{'sum over 4.5e6 pairs, d = 100: tiles / coordinate differences':<66} {fast:9.4f} {slow:9.4f} {slow / fast:7.1f}"
    )
    print(f"{'the bound from 75 coordinates / the sum':<66} {bound:9.4f} {fast:9.4f} {fast / bound:7.1f}")

    for g in (0.01, 1.0):
        point = OneStep(100, 100, 2.0, g * math.exp(-4.0), underlying="kernel", underlying_samples=10_000)
        start = time.perf_counter()
        runs = simulate(Problem(point, simulation=Simulation(200, 1)), progress=False)
        took = time.perf_counter() - start
        label = f"P at d = n = 100, kernel of 1e4, 200 runs, g = {g:g} (target 20 s)"
        print(f"{label:<66} {took:9.2f}   P = {runs.probability:.3f}")


if __name__ == "__main__":
    main()
