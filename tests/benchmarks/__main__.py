"""One table of jobs: ``python -m tests.benchmarks [names]``.

Baseline and ours turn by turn in this one process, CPU seconds, least of several.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
from sympy.core.cache import clear_cache

import asymptotics as asy
from asymptotics.autoencoder.equations.derivative.drift import Drift
from asymptotics.autoencoder.equations.integration.integrate import kernels_of
from asymptotics.autoencoder.finite_size.reduced_chain import Chain
from asymptotics.autoencoder.kernels.shared.compiled_types import USED
from asymptotics.autoencoder.kernels.written.system import write_source
from asymptotics.autoencoder.process.training.sgd import Trainer
from asymptotics.common.numerics.quadrature.expectations import Lattice
from tests.benchmarks import bench_simulation, jax_baseline

Job = Callable[[], object]
#: Name → (baseline's name, baseline or None, ours, goal, repeats).
JOBS: dict[str, Callable[[], tuple[str, Job | None, Job, str, int]]] = {}


def job(name: str) -> Callable[[Callable[[], tuple[str, Job | None, Job, str, int]]], None]:
    """Declare a job."""
    return lambda make: JOBS.__setitem__(name, make)


def spent() -> float:
    """CPU seconds of this process and of those that it started and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def best(repeats: int, *jobs: Job | None) -> list[float]:
    """Least CPU seconds of each job, interleaved; nan where there is none."""
    times: list[list[float]] = [[] for _ in jobs]
    for k, one in enumerate(jobs):
        if one is not None:
            one()
            times[k] = []
    for _ in range(repeats):
        for k, one in enumerate(jobs):
            if one is not None:
                start = spent()
                one()
                times[k].append(spent() - start)
    return [min(t) if t else float("nan") for t in times]


def _jax(many: bool) -> Job | None:
    if not jax_baseline.available():
        return None
    import jax

    etas = np.linspace(0.05, 0.4, 64) if many else 0.1
    solve = jax_baseline.solver()[1 if many else 0]
    return lambda: jax.block_until_ready(solve(etas))


@job("three-clusters, 1e-6")
def _() -> tuple[str, Job | None, Job, str, int]:
    exp = asy.example("three-clusters")
    return "JAX, diffrax", _jax(False), lambda: asy.solve(exp, tolerance=1e-6), "<= 4 ms, >= 5 x", 15


@job("64 learning rates, solve_many")
def _() -> tuple[str, Job | None, Job, str, int]:
    changes = [{"training.learning_rate": float(x)} for x in np.linspace(0.05, 0.4, 64)]
    exp = asy.example("three-clusters")
    return "JAX vmap", _jax(True), lambda: asy.solve_many(exp, changes, tolerance=1e-6), "<= .12 s, >= 25 x", 2


@job("64 learning rates, sweep")
def _() -> tuple[str, Job | None, Job, str, int]:
    exp, values = asy.example("three-clusters"), np.linspace(0.05, 0.4, 64).tolist()

    def whole() -> None:
        with tempfile.TemporaryDirectory() as folder:
            asy.sweep(exp, {"training.learning_rate": values}, out=folder, workers=1, progress=False)

    return "", None, whole, "<= .7 s", 2


@job("mnist-gaussian, 1e-6")
def _() -> tuple[str, Job | None, Job, str, int]:
    exp = asy.example("mnist-gaussian")
    by_hand = asy.Rule("hermite", 208)
    return (
        "Gauss–Hermite 208²",
        lambda: asy.solve(exp, rule=by_hand),
        lambda: asy.solve(exp, tolerance=1e-6),
        "<= .1 s",
        2,
    )


@job("relu-four-units, 1e-4")
def _() -> tuple[str, Job | None, Job, str, int]:
    exp, points = asy.example("relu-four-units"), asy.Rule("sobol", 2**17)
    baseline = lambda: asy.solve(exp, tolerance=1e-4, rule=points)  # noqa: E731
    return "Sobol' 131 072", baseline, lambda: asy.solve(exp, tolerance=1e-4), "<= .2 s", 2


def _tanh(changes: dict[str, object], nodes: int, goal: str) -> tuple[str, Job | None, Job, str, int]:
    exp, rule = asy.example("three-clusters").replace(changes), asy.Rule("hermite", nodes)
    return f"Gauss–Hermite {nodes}", lambda: asy.solve(exp, rule=rule, tolerance=2e-5), lambda: asy.solve(exp), goal, 2


@job("16 quadrature times")
def _() -> tuple[str, Job | None, Job, str, int]:
    exp = asy.example("three-clusters").replace({"training.quadrature": 16})
    return "", None, lambda: asy.solve(exp), "<= 1 s", 2


@job("tanh, r = 3")
def _() -> tuple[str, Job | None, Job, str, int]:
    return _tanh({"denoiser.hidden_units": 3}, 32, "<= .05 s")


@job("tanh, r = 4")
def _() -> tuple[str, Job | None, Job, str, int]:
    return _tanh({"denoiser.hidden_units": 4}, 24, "<= .5 s")


def _wide(deviation: float, goal: str) -> tuple[str, Job | None, Job, str, int]:
    """The drift at fields so wide, correlation ½, with a mean in one: a plain grid of the same accuracy against what a solve takes."""
    problem = asy.Experiment(
        target={"centroids": [[3.0]], "weights": [1.0], "eigenvalues": [[1.0]]},
        denoiser={"hidden_units": 2, "activation": "tanh", "init": {"random": 0.3}},
        training={"times": [0.7], "learning_rate": 0.1, "tau": 1.0},
    ).problem
    kernels, omega = kernels_of(problem), deviation**2 * np.array([[1.0, 0.5], [0.5, 1.0]])
    drift, by_hand = Drift(problem, kernels, Lattice(1e-6)), Drift(problem, kernels, asy.Rule("hermite", 2))
    theta = np.array([[[1 / 2.1], [0.0]]])
    y = drift.layout.pack(theta, omega[None] / 0.58, 0.0, np.zeros(0))
    x = np.arange(-6.4, 6.4, 0.5 / deviation)
    z = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    w = np.exp(-np.sum(z * z, axis=1) / 2)
    by_hand.nodes = by_hand.nodes.replaced(z=z, w=w / w.sum())
    drift(0.0, y)
    return f"grid of {len(w)}", lambda: by_hand(0.0, y), lambda: drift(0.0, y), f"{goal}: {drift.nodes.mode[USED]}", 20


@job("drift at field sd 10, r = 2, 1e-6")
def _() -> tuple[str, Job | None, Job, str, int]:
    return _wide(10.0, "<= 1500 nodes")


@job("covariance of three-clusters")
def _() -> tuple[str, Job | None, Job, str, int]:
    path = asy.solve("three-clusters")

    def ours() -> object:
        # What is kept with the path would be all that is measured.
        path.__dict__.pop("_fluctuations", None)
        return path.covariance(4.0, 1000)

    return "", None, ours, "<= 25 ms", 3


@job("bias of three-clusters")
def _() -> tuple[str, Job | None, Job, str, int]:
    path = asy.solve("three-clusters")
    path.covariance(4.0, 1000)

    def ours() -> object:
        path.__dict__.pop("_bias", None)
        return path.bias(4.0, 1000)

    return "", None, ours, "<= 60 ms", 3


@job("solve three-clusters --json, process")
def _() -> tuple[str, Job | None, Job, str, int]:
    command = [sys.executable, "-m", "asymptotics", "solve", "three-clusters", "--json"]
    return "", None, lambda: subprocess.run(command, check=True, capture_output=True), "<= .6 s", 3


@job("covariance of tanh, r = 4")
def _() -> tuple[str, Job | None, Job, str, int]:
    exp, taus = asy.example("three-clusters").replace({"denoiser.hidden_units": 4}), iter(np.linspace(3.0, 4.0, 100))

    def covariance() -> None:
        tau = float(next(taus))
        asy.solve(exp.replace({"training.tau": tau})).covariance(tau, 1000)

    return "", None, covariance, "<= 10 s", 2


@job("compare with points, d = 100, 6 x 300")
def _() -> tuple[str, Job | None, Job, str, int]:
    changes = {"simulation.dimension": 100, "simulation.runs": 6, "simulation.samples": 300}
    exp = asy.example("three-clusters").replace(changes)
    path, runs = asy.solve(exp), asy.simulate(exp, progress=False)
    return "", None, lambda: asy.compare(path, runs), "<= 3 s", 3


def _draws(d: int, steps: int) -> Job:
    generator, draws = np.random.default_rng(0), np.empty(2 * d)

    def draw() -> None:
        for _ in range(steps):
            generator.standard_normal(out=draws)

    return draw


def _sgd(hidden: int, goal: str) -> tuple[str, Job | None, Job, str, int]:
    trainer, d, steps = Trainer(bench_simulation.problem(2048, hidden=hidden), 0), 2048, 2000
    return "NumPy's normals", _draws(d, steps), lambda: trainer.advance(steps), goal, 20


@job("2000 SGD steps, d = 2048, r = 2")
def _() -> tuple[str, Job | None, Job, str, int]:
    return _sgd(2, ">= 1/.15 = 6.7")


@job("2000 SGD steps, d = 2048, r = 8")
def _() -> tuple[str, Job | None, Job, str, int]:
    return _sgd(8, ">= 1/.26 = 3.8")


@job("10^5 steps of the exact chain")
def _() -> tuple[str, Job | None, Job, str, int]:
    chain = Chain(bench_simulation.problem(10**8), 0)
    return "", None, lambda: chain.advance(10**5), "<= .02 s (5 M/s)", 20


def _gated() -> asy.Experiment:
    """Four gated units: three vectors each, p = 12."""
    vectors = [f"{stem}_{k}" for stem in "uvg" for k in range(1, 5)]
    terms = [[f"u_{k}", f"tanh(v_{k})*(1+tanh(g_{k}))/2"] for k in range(1, 5)]
    table = asy.example("three-clusters").to_table()
    start = {"Theta": np.zeros((12, 2)).tolist(), "Q": (0.5 * np.eye(12)).tolist()}
    table["denoiser"] = {"vectors": vectors, "terms": terms, "init": start}
    return asy.Experiment.from_table(table)


@job("derive four gated units (p = 12)")
def _() -> tuple[str, Job | None, Job, str, int]:
    denoiser = _gated().problem.denoiser

    def write() -> None:
        clear_cache()
        write_source(denoiser.derived())

    return "", None, write, "<= 10 s", 1


@job("solve four gated units")
def _() -> tuple[str, Job | None, Job, str, int]:
    exp = _gated()
    return "", None, lambda: asy.solve(exp), "<= 5 s", 1


def main(names: list[str]) -> None:
    """Print the table."""
    print(f"{'job':<32} {'baseline':<22} {'baseline/s':>10} {'ours/s':>9} {'ratio':>7}  goal")
    for name, make in JOBS.items():
        if names and not any(part in name for part in names):
            continue
        what, baseline, ours, goal, repeats = make()
        other, own = best(repeats, baseline, ours)
        missing = "(not installed)" if what.startswith("JAX") and baseline is None else what
        ratio = f"{other / own:7.1f}" if other == other else f"{'':>7}"
        first = f"{other:10.4f}" if other == other else f"{'':>10}"
        print(f"{name:<32} {missing:<22} {first} {own:9.4f} {ratio}  {goal}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
