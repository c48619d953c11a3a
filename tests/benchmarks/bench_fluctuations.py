"""Speed of the error bars and of the exact finite-d chain: python tests/benchmarks/bench_fluctuations.py"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from asymptotics.autoencoder.finite_size.bias import bias
from asymptotics.autoencoder.finite_size.fluctuations import fluctuations
from asymptotics.autoencoder.finite_size.reduced_chain import Chain
from asymptotics.autoencoder.process.training.setup import sgd_problem
from asymptotics.autoencoder.process.training.sgd import Trainer
from asymptotics.autoencoder.theory import solve
from asymptotics.experiment import load


def seconds(*jobs: Callable[[], object], repeats: int = 5) -> list[float]:
    """Least time of each, turn by turn."""
    best = [np.inf] * len(jobs)
    for _ in range(repeats):
        for k, job in enumerate(jobs):
            start = time.perf_counter()
            job()
            best[k] = min(best[k], time.perf_counter() - start)
    return best


def main() -> None:
    """Print the table."""
    problem = load("three-clusters").problem
    bias(solve(problem), 1000)  # compiles
    plain, covariance, shift = seconds(
        lambda: solve(problem),
        lambda: fluctuations(solve(problem)),
        lambda: bias(solve(problem), 1000),
    )
    print(f"plain solve, three clusters                {1e3 * plain:10.0f} ms")
    extra = covariance - plain
    print(
        f"covariance along the path                  {1e3 * extra:10.0f} ms   {extra / plain:5.2f} x solve (asked: <= 5)"
    )
    print(
        f"covariance and O(1/d) bias                 {1e3 * (shift - plain):10.0f} ms   {(shift - plain) / plain:5.2f} x solve"
    )
    steps = 200_000
    for d in (10**3, 10**6, 10**8):
        chain = Chain(sgd_problem(problem, dimension=d), 0)
        chain.advance(1000)
        (taken,) = seconds(lambda chain=chain: chain.advance(steps))  # type: ignore[misc]
        asked = "   (asked at 10^6: >= 1)" if d == 10**6 else ""
        print(f"reduced chain, d = {d:<12d}            {steps / taken / 1e6:10.2f} million steps/s{asked}")
    trainer = Trainer(sgd_problem(problem, dimension=1000), 0)
    trainer.advance(100)
    (taken,) = seconds(lambda: trainer.advance(20_000))
    print(f"full simulation, d = 1000                  {20_000 / taken / 1e6:10.2f} million steps/s")


if __name__ == "__main__":
    main()
