"""Ensembles of independent runs: one spawned seed a run, the same answer for any number of workers."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

import numpy as np

from . import progress as _progress
from .checks import integer
from .threads import limit_threads

T = TypeVar("T")


def spawn(seed: int | np.random.SeedSequence, count: int) -> list[np.random.SeedSequence]:
    """``count`` independent children of a seed; child k does not depend on ``count``."""
    root = (
        seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(integer("seed", seed, at_least=0))
    )
    fresh = np.random.SeedSequence(entropy=root.entropy, spawn_key=root.spawn_key)
    return fresh.spawn(count)


def _context() -> multiprocessing.context.BaseContext:
    # Forking keeps the compiled kernels and costs milliseconds, but is only safe while no other thread runs.
    if "fork" in multiprocessing.get_all_start_methods() and threading.active_count() == 1:
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def run_ensemble(
    function: Callable[..., T],
    seeds: Sequence[np.random.SeedSequence],
    *arguments: Any,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool | None = None,
    description: str = "runs",
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
    """
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    workers = min(integer("workers", workers, at_least=1), max(1, len(seeds)))
    with _progress.bar(len(seeds), description, enabled=progress, unit="run") as watch:
        if executor is None and workers == 1:
            results = []
            for seed in seeds:
                results.append(function(seed, *arguments))
                watch.update()
            return results
        owned = executor is None
        pool: Executor = (
            ProcessPoolExecutor(workers, mp_context=_context(), initializer=limit_threads)
            if executor is None
            else executor
        )
        futures: list[Any] = []
        try:
            futures = [pool.submit(function, seed, *arguments) for seed in seeds]
            for future in as_completed(futures):
                future.result()
                watch.update()
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            if owned:
                for process in list(getattr(pool, "_processes", {}).values()):
                    process.terminate()
            raise
        finally:
            if owned:
                pool.shutdown(wait=True, cancel_futures=True)
