"""Ensembles of independent runs: one spawned seed a run, the same answer for any number of workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from typing import Any, TypedDict, TypeVar, Unpack

import numpy as np

from ..input.checks import ComputationError, integer
from . import progress as _progress
from .calls import Failure, report
from .checkpoints import Checkpoint, Interrupted, RunFiles
from .pool import outcomes

T = TypeVar("T")
_log = logging.getLogger(__name__)

#: Seconds that runs have to keep their states after Ctrl-C.
GRACE = 5.0


class WorkerDiedError(ComputationError):
    """A worker process was killed, by hand or for want of memory."""


def spawn(seed: int | np.random.SeedSequence, count: int) -> list[np.random.SeedSequence]:
    """``count`` independent children of a seed; child k does not depend on ``count``."""
    root = (
        seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(integer("seed", seed, at_least=0))
    )
    fresh = np.random.SeedSequence(entropy=root.entropy, spawn_key=root.spawn_key)
    return fresh.spawn(count)


class Run:
    """What a run tells the ensemble, and where it keeps its state. It pickles.

    Attributes
    ----------
    files : RunFiles or None
        Of its checkpoint, if one is kept.
    """

    def __init__(self, files: RunFiles | None) -> None:
        self.files = files

    def progress(self, done: float, total: float) -> None:
        """Say how far the run is.

        Raises
        ------
        Stopped
            If the ensemble was interrupted: the run keeps its state, if it can, and lets the exception pass.
        """
        report(done / total)


def _watched(function: Callable[..., T], run: Run, *arguments: Any) -> T:
    return function(*arguments, run=run)


def run_ensemble(
    function: Callable[..., T],
    seeds: Sequence[Any],
    *arguments: Any,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool | None = None,
    description: str = "runs",
    checkpoint: Checkpoint | None = None,
    part: str = "",
    watched: bool = False,
) -> list[T]:
    """Return ``[function(seed, *arguments) for seed in seeds]``, computed in parallel processes, in the order of the seeds.

    Parameters
    ----------
    function : callable
        A module-level function (it travels to other processes by name).
    seeds : sequence of SeedSequence
        One a run, from `spawn`.
    workers : int, optional
        Number of processes; default the number of cores, at most the number of runs. 1 runs in this process.
    executor : concurrent.futures.Executor, optional
        Use this one instead of processes of our own (Dask, MPI, threads).
    progress : bool, optional
        Show a bar; default only on a terminal.
    checkpoint : Checkpoint, optional
        Every run that ends is kept there, and taken from there by a later call. Results are then nested dicts, lists and
        tuples of arrays and plain values.
    part : str
        Subfolder of the checkpoint, where one experiment has several ensembles.
    watched : bool
        The function has a keyword ``run`` (a `Run`): it says how far it is and keeps its state on the way.

    Raises
    ------
    Interrupted
        On Ctrl-C, after the runs under way had the time to keep their states; the message says what is kept.
    WorkerDiedError
        If a process of ours is killed; runs that had ended are kept in the checkpoint.
    """
    files = [None if checkpoint is None else checkpoint.run(k, part) for k in range(len(seeds))]
    results: dict[int, T] = {}
    for k, kept in enumerate(files):
        found, result = (False, None) if kept is None else kept.load_result()
        if found:
            results[k] = result  # type: ignore[assignment]
    if results:
        _log.info("%d of %d runs read from %s", len(results), len(seeds), checkpoint and checkpoint.folder)
    left = [k for k in range(len(seeds)) if k not in results]
    tasks = [(seeds[k], *arguments) for k in left]
    if watched:
        tasks = [(function, Run(files[k]), *task) for k, task in zip(left, tasks, strict=True)]
    total = len(seeds)
    with _progress.bar(total, description, enabled=progress, unit="run", unit_scale=True) as watch:
        _progress.advance(watch, len(results))
        work = outcomes(
            _watched if watched else function, tasks, executor=executor, workers=workers, watch=watch, again=False,
            grace=GRACE,
        )  # fmt: skip
        try:
            with closing(work):
                for index, outcome in work:
                    k = left[index]
                    if isinstance(outcome, Failure):
                        if outcome.died:
                            what = "a worker process was killed (too little memory?)"
                            raise WorkerDiedError(_message(what, len(results), total, checkpoint))
                        outcome.reraise()
                    kept = files[k]
                    if kept is not None:
                        kept.keep_result(outcome)
                    results[k] = outcome
                    _log.info("%s: run %d done (%d of %d)", description, k, len(results), total)
        except KeyboardInterrupt:
            raise Interrupted(_message("interrupted", len(results), total, checkpoint)) from None
    return [results[k] for k in range(total)]


class Resources(TypedDict, total=False):
    """What every long verb takes, as `run_ensemble` has it."""

    workers: int | None
    progress: bool | None
    checkpoint: Checkpoint | None


class _Said(Resources, total=False):
    """That, and what the runs are called."""

    description: str
    part: str


def rows_of_runs(
    function: Callable[..., Any], seeds: Sequence[Any], *arguments: Any, **resources: Unpack[_Said]
) -> np.ndarray:
    """What `run_ensemble` gives of a function of numbers or arrays, as one array with a row a run."""
    return np.array(run_ensemble(function, seeds, *arguments, **resources))


def columns_of_runs(
    function: Callable[..., Mapping[str, Any]], seeds: Sequence[Any], *arguments: Any, **resources: Unpack[_Said]
) -> dict[str, np.ndarray]:
    """The same of a function that gives numbers and arrays by name: of each an array with a row a run."""
    found = run_ensemble(function, seeds, *arguments, **resources)
    return {name: np.array([one[name] for one in found]) for name in found[0]}


def _message(what: str, done: int, total: int, checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return f"{what} after {done} of {total} runs; nothing is kept (a checkpoint would have kept them)"
    states = len(list(checkpoint.folder.rglob("*.state.npz")))
    under_way = f" and the states of {states} runs under way" if states else ""
    return (
        f"{what}; {done} of {total} runs{under_way} are kept in {checkpoint.folder}:"
        " the same command goes on from there"
    )
