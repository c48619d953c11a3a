"""Speed of the random-feature theory, side by side in one run: ``python tests/benchmarks/bench_random_features.py``."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from asymptotics.random_features import Flow, Problem, RandomFeatures, Simulation, bulks, ridge, solve
from asymptotics.random_features.simulation import one_network


def best_of(function: Callable[[], object], repeats: int = 5) -> float:
    """Least wall-clock time of several calls, in milliseconds; one call before is not counted."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main() -> None:
    """Print milliseconds."""
    two = Problem(RandomFeatures(4, 2, 0.05, ridge=0.01, noises=3, eigenvalues=[0.5, 1.5]), Simulation(dimension=100))
    many = Problem(RandomFeatures(3, 2, 0.1, ridge=0.01, spectrum={"power": 1.0}, dimension=300))
    curve = np.geomspace(1e-2, 1e3, 100)
    rng = np.random.default_rng(0)
    rows: list[tuple[str, Callable[[], object]]] = [
        ("ridge point, two eigenvalues", lambda: ridge(two.model, 0.01)),
        ("ridge point, 300 eigenvalues", lambda: ridge(many.model, 0.01)),
        ("flow at 100 times, two eigenvalues", lambda: Flow.of(two.model, 1e4).losses(curve)),
        ("flow at 100 times, 300 eigenvalues", lambda: Flow.of(many.model, 1e4).losses(curve)),
        ("bulks, two eigenvalues", lambda: bulks(two.model)),
        ("bulks, 300 eigenvalues", lambda: bulks(many.model)),
        ("solve, two eigenvalues", lambda: solve(two)),
        ("one network, d = 100, p = 400, n = 200, m = 3", lambda: one_network(rng, two, 100)),
    ]
    for name, function in rows:
        print(f"{name:<48} {best_of(function):>9.1f} ms")


if __name__ == "__main__":
    main()
