"""Cost and accuracy of a generation: nodes of the theory, and the chain in R^d. Run by hand: python tests/benchmarks/bench_collapse.py"""

from __future__ import annotations

import time

import numpy as np

import asymptotics as asy
from asymptotics.autoencoder.collapse.collapse_map import CollapseMap


def theory() -> None:
    """Seconds and stated errors of two generations against the number of nodes; the finest is the reference."""
    counts = (512, 1024, 2048, 4096, 8192)
    asy.generations("model-collapse", count=2, nodes=64, progress=False)
    chains = [asy.generations("model-collapse", count=2, nodes=n, progress=False) for n in counts]
    reference, base = chains[-1], chains[0].seconds
    print("nodes   seconds  ratio   stated error of Q   |Q - Q(finest)|")
    for n, chain in zip(counts, chains, strict=True):
        stated, actual = float(chain.error_Q[1].max()), float(np.abs(chain.Q[1] - reference.Q[1]).max())
        print(f"{n:5d}  {chain.seconds:8.2f}  {chain.seconds / base:5.2f}   {stated:17.2e}   {actual:15.2e}")


def experiment() -> None:
    """Seconds of one chain of two generations in R^d, beside the first training alone."""
    print("\n    d   1 generation   2 generations   ratio")
    for d in (200, 400, 800):
        seconds = []
        for count in (1, 2):
            e = asy.example("model-collapse").replace(
                {"generations.count": count, "simulation.dimension": d, "simulation.runs": 1, "simulation.samples": 10}
            )
            from asymptotics.autoencoder.collapse.process import simulate_generations

            seconds.append(simulate_generations(e.problem, companion=False, workers=1, progress=False).seconds)
        print(f"{d:5d}   {seconds[0]:12.2f}   {seconds[1]:13.2f}   {seconds[1] / seconds[0]:5.1f}")


def bulk() -> None:
    """The collapse map for many Λ at once against one at a time."""
    f, x = CollapseMap(asy.example("model-collapse").problem), np.logspace(-4, 2, 2000)
    start = time.perf_counter()
    f(x)
    together = time.perf_counter() - start
    start = time.perf_counter()
    for value in x:
        f(value)
    print(
        f"\ncollapse map, 2000 values: together {together:.4f} s, {(time.perf_counter() - start) / together:.0f} times faster"
    )


if __name__ == "__main__":
    theory()
    experiment()
    bulk()
