"""Speed of score smoothing, measured side by side in one run: ``python tests/benchmarks/bench_score_smoothing.py``."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from asymptotics.score_smoothing import GeneratedLaw, circle_points, convex_program, metrics, train
from asymptotics.score_smoothing.process.motion import follow, follow_circle


def best(function: Callable[[], Any], repeats: int = 5) -> float:
    """Least wall time of a few calls, in seconds; the first call only warms up."""
    function()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return min(times)


def with_numpy(y: np.ndarray, x: np.ndarray, start: float, end: float, kappa: float, steps: int) -> np.ndarray:
    """The same Heun steps on the smoothed score, array by array."""
    lam = np.linspace(0.5 * np.log(start), 0.5 * np.log(end), steps + 1)
    centres, half = (y[1:] + y[:-1]) / 2, (y[1] - y[0]) / 2

    def drift(x: np.ndarray, at: float) -> np.ndarray:
        c = centres[np.clip(np.searchsorted(y, x) - 1, 0, centres.size - 1)]
        return x - c - half * np.clip((x - c) / (half - kappa * np.exp(at)), -1, 1)

    for a, b in itertools.pairwise(lam):
        k1 = drift(x, a)
        x = x + 0.5 * (b - a) * (k1 + drift(x + (b - a) * k1, b))
    return x


def main() -> None:
    """Print the tables."""
    print("metrics of one setting (W1, W2, KL, memorised), allowed: 5 ms")
    for n in (2, 3, 7, 20, 100):
        t0 = 0.2 / (n - 1) ** 2
        seconds = best(lambda n=n, t0=t0: metrics(GeneratedLaw(n, 0.5, t0)), 20)  # type: ignore[misc]
        print(f"  n = {n:<4d} {1e3 * seconds:7.2f} ms   {seconds / 5e-3:6.2f} of the allowance")
    count = 100_000  # the number from which all cores are used
    rng = np.random.default_rng(0)
    print("particles, 300 Heun steps, all cores, per million (allowed: 10 s)")
    for n in (2, 5):
        y, t0 = np.linspace(-1, 1, n), 0.2 / (n - 1) ** 2
        x = y[rng.integers(0, n, count)] + np.sqrt(t0) * rng.standard_normal(count)
        slow = best(lambda y=y, x=x, t0=t0: with_numpy(y, x[:20_000], t0, 1e-8, 0.5, 300), 1) * 50  # type: ignore[misc]
        for kernel in ("box", "none", "box-numerical", "box-empirical", "gaussian"):
            seconds = 10 * best(
                lambda y=y, x=x, t0=t0, kernel=kernel: follow(y, x, t0, 1e-8, kappa=0.5, kernel=kernel),  # type: ignore[misc]
                2,
            )
            ratio = f"   {slow / seconds:6.1f} times NumPy" if kernel == "box" else ""
            print(f"  n = {n}  {kernel:<14} {seconds:7.2f} s   {seconds / 10:6.2f} of the allowance{ratio}")
    x = circle_points(8)[rng.integers(0, 8, count)] + np.sqrt(0.1) * rng.standard_normal((count, 2))
    for kernel in ("chord", "angular", "empirical"):
        seconds = 10 * best(lambda kernel=kernel: follow_circle(8, x, 0.1, 1e-8, kappa=0.5, kernel=kernel), 1)  # type: ignore[misc]
        print(f"  circle {kernel:<13} {seconds:7.2f} s")
    print("others")
    print(f"  convex program, n = 2      {best(lambda: convex_program(2, 1e-3, 0.04), 3):7.3f} s")
    print(f"  convex program, n = 5      {best(lambda: convex_program(5, 1e-3, 0.04), 3):7.3f} s")
    print(f"  network, 40 000 steps      {best(lambda: train(2, 0.01, decay=0.1), 1):7.3f} s")


if __name__ == "__main__":
    main()
