"""An ensemble of networks, each trained to the end, in several dimensions: what is compared is extrapolated in 1/d."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, overload

import numpy as np

from ..common.input.checks import choice
from ..common.output.ensemble import PerRun
from ..common.output.results import Result, dataframe
from ..common.running.checkpoints import Checkpoint
from ..common.running.ensembles import rows_of_runs, spawn
from .activations import activation
from .digits import DigitsComparison, compare_digits
from .problem import OfProblem, Problem
from .process.network import Trained, averaged_features, drawn_features, population_features

LOSSES = ("train_loss", "test_loss", "memorisation_loss")
#: Networks at d/2 (and their square at d/4) for one at d: the cost of all sizes is about the same.
REPLICATES = 4


def sizes(problem: Problem) -> list[int]:
    """The dimensions of a run: d and, near d/2 and d/4, those where features and samples are nearest to whole numbers."""
    table, d = problem.random_features, problem.simulation.dimension
    found = [d]
    for k in range(1, problem.simulation.sizes):
        aim = d / 2**k
        candidates = range(max(2, round(0.9 * aim)), max(2, round(1.1 * aim)) + 1)

        def off(size: int, aim: float = aim) -> tuple[float, float]:
            ratios = (table.features, table.samples)
            rounding = max(abs(round(r * size) - r * size) / (r * size) for r in ratios)
            return round(rounding, 9), abs(size - aim)

        found.append(min(candidates, key=off))
    return found


def extrapolation(dimensions: list[int]) -> np.ndarray:
    """Weights of the sizes in the value at 1/d = 0 of the polynomial in 1/d through them."""
    x = 1 / np.asarray(dimensions, dtype=float)
    return np.array([np.prod([other / (other - mine) for other in x if other != mine]) for mine in x])


def one_network(rng: np.random.Generator, problem: Problem, dimension: int) -> np.ndarray:
    """Losses of one network: train, test, memorisation × (the ridge, then every time), shape (3, 1 + times)."""
    table = problem.random_features
    p, n, nm = problem.counts(dimension)
    variances = problem.variances(dimension)
    function = activation(table.activation)
    weights = rng.standard_normal((p, dimension)) / np.sqrt(dimension)
    data = np.sqrt(variances)[:, None] * rng.standard_normal((dimension, n))
    averaged = averaged_features(weights, data, table.diffusion_time, function)
    population = population_features(weights, variances, table.diffusion_time, function)
    if nm == 0:
        trained = Trained(averaged, population)
    else:
        drawn = drawn_features(rng, weights, data, table.diffusion_time, function, nm // n)
        trained = Trained(drawn, population, averaged)
    filters = [
        trained.ridge_filter(table.ridge),
        trained.flow_filter(np.asarray(table.times, dtype=float), table.weight_decay),
    ]
    losses = trained.losses(np.concatenate(filters))
    if table.initial_variance > 0:
        start = np.sqrt(table.start / p) * rng.standard_normal((dimension, p))
        fading = trained.fading(np.asarray(table.times, dtype=float), table.weight_decay)
        losses[:, 1:] += trained.started(filters[1], fading, start)
    # With the noise averaged exactly the memorisation loss is the train loss.
    return losses if nm else np.concatenate([losses, losses[:1]])


def one_run(seed: np.random.SeedSequence, problem: Problem) -> np.ndarray:
    """One run in every size (smaller ones averaged over several networks), shape (sizes, 3, 1 + times)."""
    rng = np.random.default_rng(seed)
    found = []
    for k, dimension in enumerate(sizes(problem)):
        found.append(np.mean([one_network(rng, problem, dimension) for _ in range(REPLICATES**k)], axis=0))
    return np.array(found)


@dataclass(frozen=True)
class Runs(OfProblem, PerRun, Result):
    """Losses of trained networks over independent draws of weights and data.

    Parameters
    ----------
    dimension, runs : int
    sizes : tuple of int
        Dimensions run, the first is ``dimension``.
    times : ndarray
        τ of gradient flow.
    train_loss, test_loss, memorisation_loss : ndarray, shape (runs, sizes, times)
    ridge : ndarray, shape (runs, sizes, 3)
        Train, test and memorisation loss of the ridge estimator.
    experiment : dict
        The tables that made them.
    seconds : float
    """

    JSON: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("dimension", "runs", "sizes", "times"), ""),
        "mean": "means over runs at the largest dimension of train_loss, test_loss, memorisation_loss and ridge",
        "sem": "their standard errors",
        "extrapolated": "mean and sem of the same, extrapolated to 1/d = 0",
        "settings": "",
        "seconds": "",
    }

    dimension: int
    runs: int
    sizes: tuple[int, ...]
    times: np.ndarray
    train_loss: np.ndarray
    test_loss: np.ndarray
    memorisation_loss: np.ndarray
    ridge: np.ndarray
    experiment: dict[str, Any]
    seconds: float

    def values(self, name: str, *, extrapolated: bool = True) -> np.ndarray:
        """A quantity of every run, extrapolated to 1/d = 0 or in the largest dimension: shape (runs, …)."""
        weights = extrapolation(list(self.sizes)) if extrapolated else np.eye(len(self.sizes))[0]
        found: np.ndarray = np.einsum("k,rk...->r...", weights, getattr(self, name))
        return found

    def to_json(self) -> dict[str, Any]:
        names = (*LOSSES, "ridge")
        return {
            "dimension": self.dimension,
            "runs": self.runs,
            "sizes": self.sizes,
            "times": self.times,
            **self.statistics(names, extrapolated=False),
            "extrapolated": {n: {"mean": self.mean(n), "sem": self.sem(n)} for n in names},
            "settings": self.experiment,
            "seconds": self.seconds,
        }

    def summary(self) -> str:
        lines = [
            f"random features: {self.runs} networks in d = {self.dimension} "
            f"(and d = {', '.join(map(str, self.sizes[1:])) or 'no other'}), {self.seconds:.1f} s",
            f"  {'tau':>12} " + " ".join(f"{name:>24}" for name in LOSSES),
        ]
        columns = [(self.mean(n, extrapolated=False), self.sem(n, extrapolated=False)) for n in (*LOSSES, "ridge")]
        for k, tau in list(enumerate(self.times))[:: -(-self.times.size // 12)]:
            lines.append(f"  {tau:>z12.6g} " + " ".join(f"{m[k]:>z13.6g} ± {s[k]:<z8.2g}" for m, s in columns[:3]))
        mean, sem = columns[3]
        return "\n".join(
            [
                *lines,
                f"  {'ridge':>12} " + " ".join(f"{m:>z13.6g} ± {s:<z8.2g}" for m, s in zip(mean, sem, strict=True)),
            ]
        )

    def to_dataframe(self) -> Any:
        """One row a run in the largest dimension as a pandas DataFrame."""
        columns = {name: list(getattr(self, name)[:, 0]) for name in (*LOSSES, "ridge")}
        return dataframe({"run": np.arange(self.runs), **columns}, "run")


@overload
def simulate(
    problem: Problem,
    *,
    data: None = None,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Runs: ...


@overload
def simulate(
    problem: Problem,
    *,
    data: str,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> DigitsComparison: ...


def simulate(
    problem: Problem,
    *,
    data: str | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Runs | DigitsComparison:
    """Networks of independent weights and data, trained by ridge and by gradient flow at the table's times.

    Parameters
    ----------
    problem : Problem
    data : str, optional
        ``"mnist"``: train on digits instead; the answer, a `DigitsComparison`, holds the theory of their covariance too.
    workers, progress, checkpoint
        See `asymptotics.common.running.ensembles.run_ensemble`.
    """
    started = clock.perf_counter()
    table, simulation = problem.random_features, problem.simulation
    if data is not None:
        choice("data", data, ("mnist",))
        return compare_digits(table, simulation, workers=workers, progress=progress, checkpoint=checkpoint)
    dimensions = sizes(problem)
    for dimension in dimensions:
        problem.counts(dimension)
    found = rows_of_runs(
        one_run, spawn(simulation.seed, simulation.runs), problem,
        description="networks", workers=workers, progress=progress, checkpoint=checkpoint,
    )  # fmt: skip
    return Runs(
        simulation.dimension,
        simulation.runs,
        tuple(dimensions),
        np.asarray(table.times, dtype=float),
        found[:, :, 0, 1:],
        found[:, :, 1, 1:],
        found[:, :, 2, 1:],
        found[:, :, :, 0],
        problem.to_tables(),
        clock.perf_counter() - started,
    )
