"""Speed and memory of the full simulation: `python tests/benchmarks/bench_simulation.py`.

Every ratio compares two things timed turn by turn in this one process; each is the least of several repeats.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable

import numpy as np

from asymptotics.autoencoder.kernels.written.network import Forward
from asymptotics.autoencoder.process.generating.generate import Generator
from asymptotics.autoencoder.process.training.problem import SgdProblem
from asymptotics.autoencoder.process.training.sgd import Trainer, train
from asymptotics.common.numerics.laws.normals import fill_normals32, fill_normals64, philox_key


def least(repeats: int, **jobs: Callable[[], object]) -> dict[str, float]:
    """Least time of each job, interleaved."""
    for job in jobs.values():
        job()
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            times[name].append(time.perf_counter() - start)
    return {name: min(values) for name, values in times.items()}


def line(what: str, *columns: str) -> None:
    print(f"{what:<58}" + "".join(f"{c:>16}" for c in columns))


def network(hidden: int = 2) -> Forward:
    def declare():  # type: ignore[no-untyped-def]
        from derivations.autoencoder.network.denoiser import tied

        return tied(hidden, activation="tanh")

    return Forward.from_specification(("named", "tied", hidden, "tanh", "data", 0.0), declare)


def problem(d: int, times: int = 1, dtype: str = "float32", hidden: int = 2) -> SgdProblem:
    """The three-cluster example (r = 2), or its like with more units."""
    K = max(2, hidden)
    c = 3.0 * np.eye(K)
    t = np.array([0.7]) if times == 1 else (np.arange(times) + 0.5) / times
    w = 0.1 * c[:hidden]
    return SgdProblem(
        network(hidden), d, c, 1 - t, t, 0 * t, 0 * t + 1, 0.1, 4.0, weight_decay=0.1, theta=w[None], q=(w @ w.T)[None],
        dtype=dtype,
    )  # fmt: skip


def normals() -> None:
    n = 4096
    key, generator = philox_key(0), np.random.default_rng(0)
    single, double = np.empty(n, np.float32), np.empty(n)
    got = least(
        300,
        single=lambda: fill_normals32(*key, 0, 0, single),
        double=lambda: fill_normals64(*key, 0, 0, double),
        numpy=lambda: generator.standard_normal(out=double),
        numpy_single=lambda: generator.standard_normal(dtype=np.float32, out=single),
    )
    print("\nNormals (4096 at once)")
    line("", "ns a normal", "NumPy / this")
    line("single precision", f"{got['single'] / n * 1e9:.2f}", f"{got['numpy_single'] / got['single']:.1f}")
    line("double precision", f"{got['double'] / n * 1e9:.2f}", f"{got['numpy'] / got['double']:.1f}")
    line("numpy Generator.standard_normal (double)", f"{got['numpy'] / n * 1e9:.2f}")


def sgd() -> None:
    print("\nOne SGD step, against NumPy drawing that step's 2d normals (target at d = 2000, r = 2, one time: <= 0.3)")
    line("", "us a step", "us NumPy", "ratio")
    cases = [(d, 1, "float32", 2) for d in (500, 2000, 10_000, 100_000)]
    cases += [(2000, 1, "float64", 2), (2000, 16, "float32", 2), (2000, 64, "float32", 2), (2000, 1, "float32", 8)]
    generator = np.random.default_rng(0)
    for d, times, dtype, hidden in cases:
        steps = max(4, 400_000 // d)
        trainer = Trainer(problem(d, times, dtype, hidden), 0)
        draws = np.empty(2 * d)

        def step(trainer: Trainer = trainer, steps: int = steps) -> None:
            trainer.advance(steps)

        def draw(draws: np.ndarray = draws, steps: int = steps) -> None:
            for _ in range(steps):
                generator.standard_normal(out=draws)

        got = least(15, step=step, draw=draw)
        line(
            f"d = {d}, r = {hidden}, {times} time{'s' * (times > 1)}, {dtype}",
            f"{got['step'] / steps * 1e6:.2f}", f"{got['draw'] / steps * 1e6:.2f}", f"{got['step'] / got['draw']:.3f}",
        )  # fmt: skip


def memory() -> None:
    d, hidden = 100_000, 2
    short = problem(d, hidden=hidden)
    object.__setattr__(short, "tau", 2 * short.learning_rate * 200 / d)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    train(short, 0)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print("\nMemory")
    line(f"training at d = {d}, r = {hidden}: growth of the peak", f"{grown:.0f} MiB")
    line("  in vectors of d doubles", f"{grown * 2**20 / (8 * d):.0f}")


def sampling() -> None:
    d, n, steps = 2000, 2000, 100
    rng = np.random.default_rng(0)
    forward, W = network(), rng.standard_normal((2, d))
    t = 0.0099 * np.arange(steps)
    h = np.full(steps, 0.0099)
    X, Z = rng.standard_normal((n, d)), rng.standard_normal((n, 2))

    def products() -> None:
        for _ in range(steps):
            _ = X @ W.T
            _ = Z @ W

    jobs: dict[str, Callable[[], object]] = {"products": products}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    for epsilon in (0.0, 0.05):
        for dtype in ("float64", "float32"):
            arguments = (1 / (1 - t), 0.1 - 1 / (1 - t), np.full(steps, epsilon), h)
            generator = Generator(forward, W, *arguments, directions=W, dtype=dtype)
            for threads in sorted({1, cores}):
                name = f"epsilon = {epsilon:g}, {dtype}, {threads} thread{'s' * (threads > 1)}"
                jobs[name] = lambda g=generator, k=threads: g.sample(n, 0, threads=k)
    got = least(3, **jobs)
    print(
        f"\nSampling {n} points at d = {d}, {steps} steps (target: <= 1.5 of the products X Wt and Z W in NumPy, float64)"
    )
    line("", "s", "ratio")
    for name, seconds in got.items():
        line(name, f"{seconds:.3f}", f"{seconds / got['products']:.2f}")


if __name__ == "__main__":
    memory()
    normals()
    sgd()
    sampling()
