"""The full d-dimensional process: an ensemble of online trainings, and samples generated from each trained network.

Nothing here comes from the order-parameter equations: SGD on fresh samples in R^d (`sgd`), the generative SDE in R^d
(`generate`), and overlaps measured on the weights.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from ...common.running.checkpoints import Checkpoint
from ...common.running.ensembles import Run
from ..equations.integration.integrate import check_start
from ..model.problem import Problem
from .companion import COMPANION, with_companion
from .generating.generate import prepare as prepare_generator
from .generating.sampler_steps import generator_of
from .training.problem import SgdProblem
from .training.results import STACKED, Runs, measured
from .training.setup import drawn_start, sgd_problem
from .training.sgd import prepare as prepare_sgd
from .training.sgd import train_member

__all__ = ["COMPANION", "Runs", "simulate"]

#: Share of the training in the progress of a run that also generates samples.
TRAINING_SHARE = 0.95


def _one(
    pair: tuple[np.random.SeedSequence, SgdProblem], problem: Problem, taus: np.ndarray, samples: int, *, run: Run
) -> dict[str, Any]:
    """Train once, then generate from the trained network."""
    seed, setup = pair
    training_seed, sampling_seed = seed.spawn(2)
    trained = train_member(run, setup, training_seed, taus, share=TRAINING_SHARE if samples else 1.0)
    fields: dict[str, Any] = measured(
        setup.stack, setup.centroids, trained.stacked_Q, trained.stacked_Theta, trained.stacked_b,
        trained.stacked_parameters,
    )  # fmt: skip
    K = setup.centroids.shape[1]
    fields |= {"generated": np.empty((0, K)), "norms": np.empty(0)}
    if samples:
        network = trained.network(setup.stack, problem.generating)
        points = generator_of(problem, setup.denoiser, network, trained.references).sample(samples, sampling_seed)
        fields |= {"generated": points.projections, "norms": points.squared_norms / setup.dimension}
    return fields


def simulate(
    problem: Problem,
    *,
    tau: Any = None,
    companion: bool | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
    data: Any = None,
    executor: Any = None,
    initial: str = "exact",
) -> Runs:
    """Train ``simulation.runs`` networks in R^d by online SGD and generate ``simulation.samples`` points from each.

    Parameters
    ----------
    problem : Problem
    tau : sequence of float, optional
        Training times to record; default 9 equally spaced ones from 0 to the end.
    companion : bool, optional
        Also run 4 times as many trainings at d/4 (a quarter more work), from which `compare` takes the experiment's own
        O(1/d) bias. Default: where the initial overlaps fit in d/4 dimensions and the start is not one drawn matrix.
    workers : int, optional
        Processes; the answer does not depend on it.
    progress : bool, optional
    checkpoint : Checkpoint, optional
        Keeps finished runs and the states of those under way; a later call goes on from there, bit for bit.
    data : array_like (n, d), str or path, optional
        Train on these samples (drawn with replacement) instead of fresh ones from the Gaussian target, which must have been
        measured on samples (`GaussianMixture.from_samples`): atoms and reference directions are those of its eigenbasis, and
        the same overlaps are recorded.
    executor : concurrent.futures.Executor, optional
    initial : {"exact", "drawn"}
        Every run starts from exactly the initial overlaps, or draws the random part of its weights (there is no companion then).

    Raises
    ------
    InputError
        If an argument is not allowed, or the dimension is too small for the initial overlaps.
    """
    start = time.perf_counter()
    taus = problem.training.recorded(tau)
    setup = drawn_start(sgd_problem(problem, data=data), problem, initial)
    companion = False if initial == "drawn" and companion is None else companion
    setup.begin(0)  # refuses impossible overlaps before any process starts
    check_start(problem)
    # Compiled here, so that worker processes find the machine code instead of each making their own.
    prepare_sgd(setup)
    prepare_generator(setup.denoiser)
    names = (*Runs.NAMES, *(() if setup.stack.plain else STACKED), "generated")
    main, low = with_companion(
        _one, (problem, taus, problem.simulation.samples), problem, setup, (*names, "norms"), names,
        companion=companion, workers=workers, executor=executor, progress=progress, checkpoint=checkpoint,
    )  # fmt: skip
    return Runs(
        main=main,
        low=low,
        tau=setup.nearest(taus),
        seed=problem.simulation.seed,
        seconds=time.perf_counter() - start,
        experiment=problem.to_tables(),
        data=_describe(data),
        initial=initial,
    )


def _describe(data: Any) -> str:
    if data is None or isinstance(data, (str, os.PathLike)):
        return str(data or "")
    return f"array of shape {np.shape(data)}"
