"""Ensembles of independent runs: one spawned seed a run, the same answer for any number of workers."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from ..input.checks import ComputationError, integer
from . import progress as _progress
from .checkpoints import Checkpoint, Interrupted, RunFiles
from .threads import deferred_interrupt, start_worker

T = TypeVar("T")
_log = logging.getLogger(__name__)

#: Seconds between two looks at how far the runs are.
LOOK = 0.1
#: Seconds that runs have to keep their states after Ctrl-C.
GRACE = 5.0


class WorkerDiedError(ComputationError):
    """A worker process was killed, by hand or for want of memory."""


class Stopped(Exception):
    """Raised inside a run that is asked to stop."""


def spawn(seed: int | np.random.SeedSequence, count: int) -> list[np.random.SeedSequence]:
    """``count`` independent children of a seed; child k does not depend on ``count``."""
    root = (
        seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(integer("seed", seed, at_least=0))
    )
    fresh = np.random.SeedSequence(entropy=root.entropy, spawn_key=root.spawn_key)
    return fresh.spawn(count)


def context() -> multiprocessing.context.BaseContext:
    """How worker processes are made."""
    # Forking keeps the compiled kernels and costs milliseconds, but is only safe while no other thread runs.
    if "fork" in multiprocessing.get_all_start_methods() and threading.active_count() == 1:
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


# What the runs of this process write to: how far each is, and in the last entry whether they are to stop.
_board: Any = None


def _start_worker(board: Any, parent: int) -> None:
    global _board
    _board = board
    start_worker(parent)


def cores() -> int:
    """Processes to use by default: one a core, and one alone in a process that is itself a worker."""
    if multiprocessing.parent_process() is not None:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


class Run:
    """What a run tells the ensemble, and where it keeps its state. It pickles.

    Attributes
    ----------
    index : int
        Which run of the ensemble this is.
    files : RunFiles or None
        Of its checkpoint, if one is kept.
    """

    def __init__(self, index: int, files: RunFiles | None) -> None:
        self.index, self.files = index, files

    def progress(self, done: float, total: float) -> None:
        """Say how far the run is.

        Raises
        ------
        Stopped
            If the ensemble was interrupted: the run keeps its state, if it can, and lets the exception pass.
        """
        if _board is not None:
            _board[self.index] = done / total
            if _board[-1]:
                raise Stopped


class _Bar(list[float]):
    """The board of an ensemble that runs in this process: it moves the bar itself."""

    def __init__(self, watch: Any, length: int) -> None:
        super().__init__([0.0] * (length + 1))
        self.watch = watch

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, value)
        _advance(self.watch, sum(self[:-1]))


def _advance(watch: Any, runs: float) -> None:
    if runs > watch.n:
        watch.update(runs - watch.n)


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
    number = cores() if workers is None else integer("workers", workers, at_least=1)
    results: dict[int, T] = {}
    runs: list[Run] = []
    for k in range(len(seeds)):
        files = None if checkpoint is None else checkpoint.run(k, part)
        found, result = (False, None) if files is None else files.load_result()
        if found:
            results[k] = result  # type: ignore[assignment]
        runs.append(Run(k, files))
    if results:
        _log.info("%d of %d runs read from %s", len(results), len(seeds), checkpoint and checkpoint.folder)
    left = [k for k in range(len(seeds)) if k not in results]

    def keep(k: int, result: T) -> None:
        files = runs[k].files
        if files is not None:
            files.keep_result(result)
        results[k] = result
        _log.info("%s: run %d done (%d of %d)", description, k, len(results), len(seeds))

    def call(k: int) -> tuple[Callable[..., T], tuple[Any, ...], dict[str, Any]]:
        return function, (seeds[k], *arguments), {"run": runs[k]} if watched else {}

    with _progress.bar(len(seeds), description, enabled=progress, unit="run", unit_scale=True) as watch:
        _advance(watch, len(results))
        try:
            if executor is None and (number == 1 or len(left) < 2):
                _here(call, left, keep, watch, len(seeds), set(results))
            elif executor is None:
                _on_processes(call, left, keep, watch, len(seeds), min(number, len(left)), set(results))
            else:
                futures = {executor.submit(f, *a, **o): k for k in left for f, a, o in [call(k)]}
                _collect(futures, keep, lambda: _advance(watch, len(results)))
        except KeyboardInterrupt:
            raise Interrupted(_message("interrupted", len(results), len(seeds), checkpoint)) from None
        except BrokenExecutor:
            what = "a worker process was killed (too little memory?)"
            raise WorkerDiedError(_message(what, len(results), len(seeds), checkpoint)) from None
    return [results[k] for k in range(len(seeds))]


def _message(what: str, done: int, total: int, checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return f"{what} after {done} of {total} runs; nothing is kept (a checkpoint would have kept them)"
    states = len(list(checkpoint.folder.rglob("*.state.npz")))
    under_way = f" and the states of {states} runs under way" if states else ""
    return (
        f"{what}; {done} of {total} runs{under_way} are kept in {checkpoint.folder}:"
        " the same command goes on from there"
    )


def _here(
    call: Callable[[int], Any],
    left: list[int],
    keep: Callable[[int, Any], None],
    watch: Any,
    length: int,
    done: set[int],
) -> None:
    global _board
    outer, _board = _board, _Bar(watch, length)
    try:
        for k in done:
            list.__setitem__(_board, k, 1.0)
        for k in left:
            function, given, options = call(k)
            keep(k, function(*given, **options))
            _board[k] = 1.0
    finally:
        _board = outer


def _on_processes(
    call: Callable[[int], Any],
    left: list[int],
    keep: Callable[[int, Any], None],
    watch: Any,
    length: int,
    workers: int,
    done: set[int],
) -> None:
    kind = context()
    board = kind.RawArray("d", length + 1)
    for k in done:
        board[k] = 1.0

    def ended(k: int, result: Any) -> None:
        keep(k, result)
        board[k] = 1.0

    pool = ProcessPoolExecutor(workers, mp_context=kind, initializer=_start_worker, initargs=(board, os.getpid()))
    with deferred_interrupt() as interrupted, _closed(pool):

        def look() -> None:
            interrupted()
            _advance(watch, sum(board[:-1]))

        futures = {pool.submit(f, *a, **o): k for k in left for f, a, o in [call(k)]}
        try:
            _collect(futures, ended, look)
        except KeyboardInterrupt:
            board[-1] = 1.0  # runs that look at it keep their states and stop
            for future in futures:
                future.cancel()
            for future in wait([f for f in futures if not f.cancelled()], timeout=GRACE).done:
                if not future.cancelled() and future.exception() is None:
                    keep(futures[future], future.result())
            raise


@contextmanager
def _closed(pool: ProcessPoolExecutor) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _collect(futures: dict[Future[Any], int], keep: Callable[[int, Any], None], look: Callable[[], None]) -> None:
    """Keep every result as it comes, and look at the bar in between."""
    pending = set(futures)
    try:
        while pending:
            ready, pending = wait(pending, timeout=LOOK, return_when=FIRST_COMPLETED)
            for future in ready:
                keep(futures[future], future.result())
            look()
    except BaseException:
        for future in pending:
            future.cancel()
        raise
