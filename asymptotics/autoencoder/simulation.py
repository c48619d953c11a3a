"""The full process at dimension d: weights trained by SGD in R^d, or the order parameters' own exact chain."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np

from ..common.input.checks import InputError
from ..common.running.checkpoints import Checkpoint
from .finite_size import reduced_chain
from .memory import ensemble as memory
from .memory.result import FiniteRuns
from .model.data.samples import Source
from .model.problem import Problem
from .process import ensemble
from .process.ensemble import Runs


def simulate(
    problem: Problem,
    *,
    tau: Sequence[float] | np.ndarray | None = None,
    data: Source | None = None,
    companion: bool | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
    initial: str = "exact",
) -> Runs | FiniteRuns:
    """An ensemble of independent trainings by ``simulation.method``; with ``simulation.data`` on fixed sets of samples.

    Parameters
    ----------
    problem : Problem
    tau : sequence of float, optional
        Training times to record; default 9 equally spaced ones from 0 to the end.
    workers, progress, checkpoint
        See `asymptotics.common.running.ensembles.run_ensemble`.
    initial : {"exact", "drawn"}
        Every run starts from exactly the initial overlaps, or draws the random part of its weights.
    data, companion, executor
        See `asymptotics.autoencoder.process.ensemble.simulate`.

    Raises
    ------
    InputError
        If an argument is not allowed, or the chain is asked for what it does not have.
    """
    if problem.simulation.data is not None:
        for name, given in {"data": data, "companion": companion or None, "executor": executor}.items():
            if given is not None:
                raise InputError(f"{name}: not with simulation.data, whose samples are those of the target")
        if initial != "exact":
            raise InputError(f"initial = {initial!r}: must be 'exact' with simulation.data")
        return memory.simulate(problem, tau=tau, workers=workers, progress=progress, checkpoint=checkpoint)
    if problem.simulation.method == "chain":
        for name, given in {"data": data, "companion": companion or None, "executor": executor}.items():
            if given is not None:
                raise InputError(f"{name}: needs weights in R^d; not with simulation.method = 'chain'")
        return reduced_chain.simulate(
            problem, tau=tau, initial=initial, workers=workers, progress=progress, checkpoint=checkpoint
        )
    return ensemble.simulate(
        problem, tau=tau, data=data, companion=companion, executor=executor, workers=workers, progress=progress,
        checkpoint=checkpoint, initial=initial,
    )  # fmt: skip
