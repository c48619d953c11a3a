"""The simulation on fixed data sets: `simulation.data` samples, passed over again and again."""

from __future__ import annotations

import dataclasses
import time as clock
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...common.input.checks import InputError
from ...common.running.checkpoints import Checkpoint
from ...common.running.ensembles import run_ensemble, spawn
from ..model.data.target import EmpiricalMixture
from ..model.extensions import in_use, refuse
from ..model.problem import Problem
from ..process.generating.generate import prepare as prepare_generator
from ..process.training.setup import sgd_problem
from ..process.training.sgd import prepare as prepare_sgd
from .result import FiniteRuns
from .training import ALONG, one_data_set

#: What one data set gives of its generated points.
POINTS = ("generated", "trained", "norms", "distance_train", "distance_fresh", "copied", "sample_agreement")


def trained_until(problem: Problem) -> Problem:
    """The experiment with τ of the wanted number of epochs, τ = 2η · epochs · n/(batch · d)."""
    epochs, count = problem.simulation.epochs, problem.simulation.data
    if epochs is None or count is None:
        return problem
    target, training = problem.target, problem.training
    d = target.dimension if isinstance(target, EmpiricalMixture) else problem.simulation.dimension
    steps = max(1, round(epochs * count / training.batch))
    return dataclasses.replace(problem, training=training.replace(tau=2 * training.learning_rate * steps / d))


def simulate(
    problem: Problem,
    *,
    tau: Sequence[float] | np.ndarray | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> FiniteRuns:
    """``simulation.runs`` data sets of ``simulation.data`` samples, three networks each: of all, and of both halves.

    All three begin with the same weights; every sample is used once an epoch, in random order, with fresh noise x₀. Nothing is
    claimed of the theory here: for n → ∞ at fixed τ one pass is enough and it is the theory's.

    Parameters
    ----------
    problem : Problem
    tau : sequence of float, optional
        Training times to record; default 9 equally spaced ones from 0 to the end (``simulation.epochs``, or ``training.tau``).
    workers, progress, checkpoint
        See `asymptotics.common.running.ensembles.run_ensemble`.

    Raises
    ------
    InputError
        For fewer than 2 samples, labelled networks, or times that move along τ.
    """
    started = clock.perf_counter()
    count = problem.simulation.data
    if count is None:
        raise InputError("simulation.data: missing; the number of samples of the fixed data set")
    covered = set(in_use(problem)) - {"labels", "moving"}
    refuse(problem, "simulation.data", covered)
    if problem.generating is not None:
        raise InputError('sampling.network: must be "live" with simulation.data')
    problem = trained_until(problem)
    target = problem.target
    d = target.dimension if isinstance(target, EmpiricalMixture) else problem.simulation.dimension
    setup = sgd_problem(problem, dimension=d)
    taus = np.sort(problem.training.recorded(tau))
    setup.begin(0)
    prepare_sgd(setup)
    prepare_generator(setup.denoiser)
    rows = run_ensemble(
        one_data_set,
        spawn(problem.simulation.seed, problem.simulation.runs),
        problem,
        setup,
        taus,
        count,
        workers=workers,
        progress=progress,
        description=f"data sets, n = {count}",
        checkpoint=checkpoint,
        watched=True,
    )
    arrays: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in (*ALONG, *POINTS)}
    unit, recorded = 2 * setup.learning_rate / d, setup.nearest(taus)
    return FiniteRuns(
        dimension=d,
        samples=count,
        runs=len(rows),
        tau=recorded,
        epochs=recorded / unit * setup.batch / count,
        **arrays,
        data=str(target.source) if isinstance(target, EmpiricalMixture) else "",
        seed=problem.simulation.seed,
        experiment=problem.to_tables(),
        seconds=clock.perf_counter() - started,
    )
