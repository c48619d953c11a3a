"""Speed of the linear-diffusion theory, side by side in one run: ``python tests/benchmarks/bench_linear_diffusion.py``."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from asymptotics.common.numerics.laws.spectra import load_spectrum, power_law
from asymptotics.linear_diffusion import (
    LinearDiffusion,
    LinearModel,
    Problem,
    Schedule,
    averaged_divergences,
    averaged_losses,
    averaged_training,
    deterministic_equivalents,
    model_agreement,
    optimal_regularisation,
    solve,
    total_losses,
)


def best_of(function: Callable[[], object], repeats: int = 7) -> float:
    """Least wall-clock time of several calls, in milliseconds; one call before is not counted."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def averaged_setting(values: np.ndarray) -> None:
    """Everything of one averaged setting but the training curve."""
    schedule = Schedule(1000)
    deterministic_equivalents(values, 400, 0.05)
    averaged_losses(values, 400, 0.05, schedule, 100)
    averaged_divergences(values, 400, 0.05)
    optimal_regularisation(values, 400)
    model_agreement(values, 400, 0.05)
    total_losses(values, 400, 0.05, schedule)


def stopping_curve(values: np.ndarray) -> None:
    """An early-stopping curve of 100 times and its optimum."""
    training = averaged_training(values, 400, 0.0, Schedule(1000), 100)
    training.losses(training.grid(100))
    training.optimum()


def drawn(values: np.ndarray, runs: int = 1) -> None:
    """The same averages from ``runs`` drawn data sets (exact theory of each): what the equivalents save."""
    rng = np.random.default_rng(0)
    for _ in range(runs):
        model = LinearModel.fit(rng.standard_normal((400, values.size)) * np.sqrt(values), values, regularisation=0.05)
        model.train_loss(100), model.test_loss(100), model.kl_generated_target(), model.kl_target_generated()


def main() -> None:
    """Print the table."""
    rows = []
    mnist = load_spectrum("mnist").eigenvalues
    for name, values in (("power law k = 1, d = 784", power_law(784, 1).eigenvalues), ("MNIST, d = 784", mnist)):
        rows.append((f"one averaged setting, {name}", best_of(lambda v=values: averaged_setting(v))))
        rows.append((f"early-stopping curve of 100 times, {name}", best_of(lambda v=values: stopping_curve(v))))
    law = LinearDiffusion(spectrum={"power": 1}, dimension=784, samples=400, regularisation=0.05)
    rows.append(("solve: all fields of one setting, d = 784", best_of(lambda: solve(Problem(law)))))
    rows.append(("one drawn data set instead, d = 784", best_of(lambda: drawn(power_law(784, 1).eigenvalues), 3)))
    for name, value in rows:
        print(f"{name:<62} {value:9.2f} ms")
    print(f"\n{'d':>8} {'one setting':>14} {'curve':>14} {'ms / 1000 modes':>18}")
    for d in (1000, 2000, 4000, 8000, 16000):
        values = power_law(d, 1).eigenvalues
        setting = best_of(lambda v=values: averaged_setting(v), 3)
        curve = best_of(lambda v=values: stopping_curve(v), 3)
        print(f"{d:>8} {setting:>11.2f} ms {curve:>11.2f} ms {1000 * setting / d:>9.2f} {1000 * curve / d:>8.2f}")


if __name__ == "__main__":
    main()
