"""One data set of n samples: networks trained on it and on its halves with many passes, their losses and what they generate."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ...common.input.checks import InputError
from ...common.running.ensembles import Run
from ..model.data.samples import load_samples
from ..model.data.target import EmpiricalMixture
from ..model.problem import Problem
from ..process.generating.sampler_steps import generator_of
from ..process.training.problem import SgdProblem
from ..process.training.sgd import DivergedError, Trainer, default_chunk
from .losses import agreement, bulk, population_square, potential

#: Pairs of noise and data on which losses are measured.
EVALUATED = 1000
#: Names of what is measured at every recorded time.
ALONG = ("train_loss", "test_loss", "train_potential", "test_potential", "agreement", "Q", "Theta", "b", "parameters")


def fixed_data(
    problem: Problem,
    setup: SgdProblem,
    references: np.ndarray,
    counts: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Training samples and as many fresh ones, in the coordinates of the weights: shapes (count, d), (test, d).

    Of a target that was measured on samples from a file they are rows of that file, drawn without replacement.
    """
    target = problem.target
    if isinstance(target, EmpiricalMixture):
        if not target.source:
            raise InputError(
                "simulation.data: the target was made from an array; give target.samples a file, or its name"
            )
        rows, _ = load_samples(target.source)
        if count >= len(rows):
            raise InputError(f"simulation.data = {count}: must be less than the {len(rows)} samples of {target.source}")
        picked = rng.permutation(len(rows))[: count + min(len(rows) - count, max(count, EVALUATED))]
        x = target.coordinates(rows[picked])
        return x[:count], x[count:]
    total = count + max(count, EVALUATED)
    cluster = rng.choice(len(setup.weights), size=total, p=setup.weights)
    spreads = np.repeat(np.sqrt(setup.eigenvalues), counts, axis=1)
    x = setup.centroids[cluster] @ references + spreads[cluster] * rng.standard_normal((total, setup.dimension))
    return x[:count], x[count:]


class _Network:
    """A network in training, and its present weights."""

    def __init__(self, setup: SgdProblem, data: np.ndarray, start: Any, seed: np.random.SeedSequence) -> None:
        changes: dict[str, Any] = {
            "data": data,
            "data_order": "permutation",
            "theta": None,
            "q": None,
            "start": None,
            "frame": None,
        }
        self.setup = dataclasses.replace(setup, initial=start, **changes)
        self.trainer = Trainer(self.setup, seed)

    def go_to(self, step: int) -> None:
        """Train up to a step."""
        chunk = default_chunk(self.setup)
        while self.trainer.step < step:
            self.trainer.advance(min(chunk, step - self.trainer.step))
            if not self.trainer.finite():
                raise DivergedError(f"SGD diverged before step {step}: the weights are no longer finite")

    @property
    def now(self) -> tuple[np.ndarray, Any, np.ndarray]:
        """W, b and κ."""
        return self.trainer.network()


def nearest(points: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances per dimension to the nearest and to the second nearest of others (infinite where there is one)."""
    squares = np.sum(points**2, axis=1)[:, None] + np.sum(others**2, axis=1) - 2 * points @ others.T
    least = np.partition(squares, min(1, squares.shape[1] - 1), axis=1)
    second = least[:, 1] if squares.shape[1] > 1 else np.full(len(points), np.inf)
    return np.maximum(least[:, 0], 0.0) / points.shape[1], np.maximum(second, 0.0) / points.shape[1]


def one_data_set(
    seed: np.random.SeedSequence,
    problem: Problem,
    setup: SgdProblem,
    taus: np.ndarray,
    count: int,
    *,
    run: Run | None = None,
) -> dict[str, Any]:
    """Everything that is measured of one data set: arrays along τ, and of the generated points at the last τ."""
    begin, draw, shuffle, sampling, measure = seed.spawn(5)
    start = setup.begin(begin)
    data, fresh = fixed_data(problem, setup, start[1], start[2], count, np.random.default_rng(draw))
    whole, *halves = (
        _Network(setup, part, start, child)
        for part, child in zip((data, data[: count // 2], data[count // 2 :]), shuffle.spawn(3), strict=True)
    )
    rng = np.random.default_rng(measure)
    repeats = -(-EVALUATED // count)
    train = np.tile(data, (repeats, 1))[:EVALUATED]
    test = fresh[:EVALUATED]
    # The same noise for both, and at all times, so that differences are of the data.
    noise = rng.standard_normal((max(len(train), len(test)), setup.dimension))
    seen = float(np.mean(np.sum(data**2, axis=1)))
    unseen = population_square(setup, start[2])
    if isinstance(problem.target, EmpiricalMixture):
        unseen = float(np.mean(np.sum(fresh**2, axis=1)))
    found: dict[str, list[Any]] = {name: [] for name in ALONG}
    steps = [setup.step_of(tau) for tau in taus]
    for step in steps:
        for network in (whole, *halves):
            network.go_to(step)
        now = whole.now
        for name, x, square in (("train", train, seen), ("test", test, unseen)):
            value = potential(setup, now, noise[: len(x)], x).mean()
            found[f"{name}_potential"].append(value)
            found[f"{name}_loss"].append((bulk(setup, now[1], square) + value) / setup.dimension)
        found["agreement"].append(agreement(setup, halves[0].now, halves[1].now, noise[: len(test)], test))
        overlaps = whole.trainer.overlaps()
        found["Q"].append(overlaps.q.sum(axis=0))
        found["Theta"].append(overlaps.theta.sum(axis=0))
        found["b"].append(now[1])
        found["parameters"].append(now[2])
        if run is not None:
            run.progress(step, max(steps[-1], 1))
    arrays = {name: np.array(values, dtype=float) for name, values in found.items()}
    return arrays | _generated(problem, (whole, *halves), start[1], data, fresh, sampling)


def _generated(
    problem: Problem, networks: Any, references: np.ndarray, data: np.ndarray, fresh: np.ndarray,
    seed: np.random.SeedSequence,
) -> dict[str, Any]:  # fmt: skip
    """Points of the three networks from the same noise: projections, nearest training and fresh points, agreement."""
    count = problem.simulation.samples
    points = []
    for network in networks:
        generator = generator_of(problem, network.setup.denoiser, network.now, references)
        points.append(generator.sample(count, seed, keep_points=True))
    x = points[0].points
    # As many fresh points as training points: nearer to the former is memory, not density.
    others = fresh[: len(data)]
    first, second = nearest(x, data)
    away, _ = nearest(x, others)
    a, b = points[1].points, points[2].points
    cosine = np.sum(a * b, axis=1) / np.sqrt(np.sum(a * a, axis=1) * np.sum(b * b, axis=1))
    return {
        "generated": points[0].projections,
        "trained": data @ references.T,
        "norms": points[0].squared_norms / x.shape[1],
        "distance_train": first,
        "distance_fresh": away if len(others) == len(data) else np.full(count, np.nan),
        "copied": np.array(np.mean(first < second / 9)),
        "sample_agreement": cosine,
    }
