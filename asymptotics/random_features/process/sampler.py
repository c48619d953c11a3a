"""Samples of trained networks: their norm, how near they are to training points, and recall."""

from __future__ import annotations

import itertools
import time as clock
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.input.checks import array, integer, number
from ...common.output.ensemble import PerRun
from ...common.output.results import Result
from ...common.running.checkpoints import Checkpoint
from ...common.running.ensembles import rows_of_runs, spawn
from ..activations import activation
from ..generated import FIRST, LAST, STEPS, sampling_times, step_factors
from ..problem import OfProblem, Problem
from .network import Trained, averaged_features, drawn_features

MEASURES = ("norm", "copied", "cosine", "recall_train", "recall_fresh")
#: A sample is a copy if its nearest training point is nearer than this share of the distance to the second nearest.
COPY = 1 / 3


@dataclass(frozen=True)
class Samples(OfProblem, PerRun, Result):
    """What networks generate, against training time (the same number of gradient steps at all diffusion times).

    Parameters
    ----------
    dimension, runs, points : int
    tau : ndarray, shape (times,)
        τ₀: the network of time t is trained until τ = Δτ₀.
    norm : ndarray, shape (runs, times)
        Mean |x|²/d.
    copied : ndarray, shape (runs, times)
        Share of samples with d₁/d₂ < 1/3 (distances to the nearest training points); it does not move in this model.
    cosine : ndarray, shape (runs, times)
        Mean of the largest cosine to a training point.
    recall_train, recall_fresh : ndarray, shape (runs, times)
        Distance²/d after a training (fresh) point is noised and denoised: their difference is what shows memory.
    experiment : dict
    seconds : float
    """

    COLUMNS = ()

    dimension: int
    runs: int
    points: int
    tau: np.ndarray
    norm: np.ndarray
    copied: np.ndarray
    cosine: np.ndarray
    recall_train: np.ndarray
    recall_fresh: np.ndarray
    experiment: dict[str, Any]
    seconds: float

    @property
    def recall_gap(self) -> np.ndarray:
        """Fresh minus training distance²/d, shape (runs, times)."""
        return self.recall_fresh - self.recall_train

    def to_json(self) -> dict[str, Any]:
        names = (*MEASURES, "recall_gap")
        return {
            "dimension": self.dimension,
            "runs": self.runs,
            "points": self.points,
            "tau": self.tau,
            "mean": {name: self.mean(name) for name in names},
            "sem": {name: self.sem(name) for name in names},
            "settings": self.experiment,
            "seconds": self.seconds,
        }

    def summary(self) -> str:
        lines = [
            f"samples of random-feature models: {self.runs} networks in d = {self.dimension}, {self.points} points each",
            f"  {'tau':>10} " + " ".join(f"{name:>14}" for name in MEASURES),
        ]
        for k, tau in enumerate(self.tau):
            lines.append(f"  {tau:>z10.4g} " + " ".join(f"{getattr(self, n)[:, k].mean():>z14.4g}" for n in MEASURES))
        return "\n".join(lines)


def sample(
    problem: Problem,
    tau: object,
    *,
    points: int = 400,
    first: float = FIRST,
    last: float = LAST,
    steps: int = STEPS,
    recall: float = 0.3,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Samples:
    """Train one network a diffusion time and run the deterministic (DDIM) sampler with them.

    Parameters
    ----------
    problem : Problem
        Its diffusion time is replaced by those of the sampler; dimension, runs and seed are those of its simulation.
    tau : list of float
        τ₀.
    points : int
        Samples, and training and fresh points for recall.
    first, last, steps : float, float, int
        Diffusion times of the sampler, equally spaced in ln t.
    recall : float
        Time to which points are noised for recall.
    workers, progress, checkpoint
        As in `simulation.simulate`.
    """
    started = clock.perf_counter()
    wanted = np.atleast_1d(array("tau", tau))
    integer("points", points, at_least=1)
    integer("steps", steps, at_least=1, at_most=1000)
    number("recall", recall, above=last, at_most=first)
    path = sampling_times(first, last, steps)
    simulation = problem.simulation
    problem.counts(simulation.dimension)
    found = rows_of_runs(
        _one_run, spawn(simulation.seed, simulation.runs), problem, wanted, path, points, recall,
        description="samplers", workers=workers, progress=progress, checkpoint=checkpoint,
    )  # fmt: skip
    norm, copied, cosine, train, fresh = np.moveaxis(found, 1, 0)
    spent = clock.perf_counter() - started
    return Samples(
        simulation.dimension,
        simulation.runs,
        points,
        wanted,
        norm,
        copied,
        cosine,
        train,
        fresh,
        problem.to_tables(),
        spent,
    )


def _one_run(
    seed: np.random.SeedSequence, problem: Problem, tau: np.ndarray, path: np.ndarray, points: int, recall: float
) -> np.ndarray:
    """The measures of one network at every τ₀, shape (measures, times)."""
    rng = np.random.default_rng(seed)
    table, d = problem.random_features, problem.simulation.dimension
    p, n, nm = problem.counts(d)
    function = activation(table.activation)
    scale = np.sqrt(problem.variances(d))[:, None]
    weights = rng.standard_normal((p, d)) / np.sqrt(d)
    data = scale * rng.standard_normal((d, n))
    own, fresh = data[:, rng.integers(n, size=points)], scale * rng.standard_normal((d, points))
    # From noise; and from points noised to the recall time, which wait until the sampler is there.
    begin = int(np.argmin(np.abs(path - recall)))
    noise = np.sqrt(-np.expm1(-2 * path[begin]))
    starts = [np.exp(-path[begin]) * x + noise * rng.standard_normal(x.shape) for x in (own, fresh)]
    x = np.stack([np.concatenate([rng.standard_normal((d, points)), *starts], axis=1)] * tau.size)
    for k, (here, there) in enumerate(itertools.pairwise(path)):
        if nm == 0:
            features = averaged_features(weights, data, float(here), function)
        else:
            features = drawn_features(rng, weights, data, float(here), function, nm // n)
        trained = Trained(features)
        keep, score, step_noise = step_factors(here, there)
        times = step_noise * tau
        start = fading = None
        if table.initial_variance > 0:
            # One network a diffusion time, each from a start of its own.
            start = np.sqrt(table.initial_variance / p) * rng.standard_normal((d, p))
            fading = trained.fading(times, table.weight_decay)
        moving = slice(None) if k >= begin else slice(0, points)
        for i, filter_ in enumerate(trained.flow_filter(times, table.weight_decay)):
            a = trained.coefficients(filter_, step_noise)
            if start is not None and fading is not None:
                a += trained.remainder(fading[i], start)
            x[i][:, moving] = keep * x[i][:, moving] + score * (a @ function(weights @ x[i][:, moving]))
    return np.array([_measures(y, data, own, fresh, points) for y in x]).T


def _measures(x: np.ndarray, data: np.ndarray, own: np.ndarray, fresh: np.ndarray, points: int) -> list[float]:
    d = len(x)
    generated, from_own, from_fresh = x[:, :points], x[:, points : 2 * points], x[:, 2 * points :]
    products = data.T @ generated
    norms, lengths = (np.einsum("ij,ij->j", y, y) for y in (generated, data))
    distances = np.sqrt(np.maximum(lengths[:, None] + norms[None, :] - 2 * products, 0.0))
    nearest = np.partition(distances, 1, axis=0) if len(distances) > 1 else np.vstack([distances, distances])
    return [
        float(norms.mean() / d),
        float(np.mean(nearest[0] < COPY * nearest[1])),
        float(np.mean((products / np.sqrt(lengths[:, None] * norms[None, :])).max(axis=0))),
        float(np.mean((from_own - own) ** 2)),
        float(np.mean((from_fresh - fresh) ** 2)),
    ]
