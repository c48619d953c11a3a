"""Many independent calls: in this process, on processes of our own, or on any executor in the manner of `concurrent.futures`."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from typing import Any

from ..input.checks import InputError, integer
from .calls import Board, Failure, Watched, attempt, reporting_to, start
from .progress import Bar
from .threads import deferred_interrupt

#: Seconds between two looks at how far the calls are.
LOOK = 0.1


_MAIN = threading.Lock()


@contextmanager
def _without_script() -> Iterator[None]:
    """Within the block ``__main__`` is no file: a process that is spawned does not run the user's script again.

    What our calls need is in modules, and a script without ``if __name__ == "__main__"`` would start processes in every process.
    """
    main = sys.modules.get("__main__")
    with _MAIN:
        kept = {name: getattr(main, name, None) for name in ("__file__", "__spec__")}
        for name in kept:
            if main is not None:
                setattr(main, name, None)
        try:
            yield
        finally:
            for name, value in kept.items():
                if main is not None:
                    setattr(main, name, value)


class _Spawned(multiprocessing.context.SpawnProcess):
    @staticmethod
    def _Popen(process: multiprocessing.process.BaseProcess) -> Any:  # as multiprocessing has it
        with _without_script():
            return multiprocessing.context.SpawnProcess._Popen(process)  # type: ignore[attr-defined]


class _Spawn(multiprocessing.context.SpawnContext):
    Process = _Spawned


def context() -> multiprocessing.context.BaseContext:
    """How worker processes are made."""
    # Forking keeps the compiled kernels and costs milliseconds, but is only safe while no other thread runs.
    if "fork" in multiprocessing.get_all_start_methods() and threading.active_count() == 1:
        return multiprocessing.get_context("fork")
    return _Spawn()


def count_workers(workers: int | None, most: int) -> int:
    """The number of processes: as asked, by default one a core (one in a worker); never more than there are calls."""
    if workers is not None:
        number = integer("workers", workers, at_least=1)
        # A worker of multiprocessing.Pool may have no processes of its own; the numbers do not depend on how many there are.
        number = 1 if multiprocessing.current_process().daemon else number
    elif multiprocessing.parent_process() is not None:
        number = 1
    else:
        number = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return min(number, max(1, most))


def outcomes(
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    watch: Bar | None = None,
    again: bool = True,
    grace: float = 0.0,
) -> Generator[tuple[int, Any], None, None]:
    """Yield ``(k, function(*tasks[k]))`` as the calls end, in any order; a `Failure` in place of what a call raised.

    Every call has one BLAS thread, so that its numbers do not depend on where it runs. Ctrl-C is raised between two yields. A
    generator that is closed early ends its processes.

    Parameters
    ----------
    function : callable
        A module-level function (it travels by name).
    tasks : sequence of tuples
        Arguments of each call; they must pickle.
    executor : concurrent.futures.Executor, optional
        Any executor of that manner (`dask`, ``mpi4py.futures.MPIPoolExecutor()``); default processes of this machine.
    workers : int, optional
        Number of processes, by default one a core; 1 runs in this process. Not used with ``executor``.
    watch : Bar, optional
        Moved as the calls end, and by what they `report` on the way.
    again : bool
        A process that dies (killed, out of memory) takes those beside it along: their calls are tried again, and at last one by
        one, so that nothing is lost but the call that kills. Without it, all of them fail.
    grace : float
        Seconds that calls under way have after Ctrl-C, to end or to stop where they `report`.

    Raises
    ------
    InputError
        If ``workers`` is not a positive integer.
    """
    number = count_workers(workers, len(tasks))
    board = Watched(len(tasks), watch)
    if executor is not None:
        with deferred_interrupt() as interrupted:
            yield from _finished(executor, function, dict(enumerate(tasks)), board, board, interrupted, grace)
        return
    if number == 1:
        for k, task in enumerate(tasks):
            with reporting_to(board):
                outcome = attempt(k, function, task)
            board[k] = 1.0
            yield k, outcome
        return
    left, alone = dict(enumerate(tasks)), False
    while left:
        first, before = next(iter(left)), len(left)
        batch = {first: left[first]} if alone else dict(left)
        kind = context()
        shared = kind.RawArray("d", list(board))
        with deferred_interrupt() as interrupted, _processes(1 if alone else number, kind, shared) as pool:
            for k, outcome in _finished(pool, function, batch, shared, board, interrupted, grace):
                if again and not alone and isinstance(outcome, Failure) and outcome.died:
                    continue
                del left[k]
                yield k, outcome
        # Without progress some call kills its process: they go one by one until it is found.
        alone = not alone and len(left) == before


@contextmanager
def _processes(workers: int, kind: multiprocessing.context.BaseContext, board: Board) -> Iterator[Executor]:
    pool = ProcessPoolExecutor(workers, mp_context=kind, initializer=start, initargs=(board, os.getpid()))
    try:
        yield pool
    except BaseException:
        # There is no public way to end what runs.
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _finished(
    pool: Executor,
    function: Callable[..., Any],
    tasks: Mapping[int, tuple[Any, ...]],
    shared: Board,
    board: Watched,
    interrupted: Callable[[], None],
    grace: float,
) -> Iterator[tuple[int, Any]]:
    """Outcomes on an executor; ``shared`` is what the calls write to, ``board`` what the bar shows."""
    futures: dict[Future[Any], int] = {}
    try:
        for k, task in tasks.items():
            try:
                futures[pool.submit(attempt, k, function, task)] = k
            except BrokenExecutor as error:
                yield k, Failure.of(error)
        pending = set(futures)
        try:
            while pending:
                interrupted()
                ready, pending = wait(pending, timeout=LOOK, return_when=FIRST_COMPLETED)
                for k, outcome in _of(ready, futures):
                    if not (isinstance(outcome, Failure) and outcome.died):
                        shared[k] = board[k] = 1.0
                    yield k, outcome
                if shared is not board:
                    board[:] = shared
        except KeyboardInterrupt:
            shared[-1] = 1.0
            for k, outcome in _of(wait([f for f in pending if not f.cancel()], timeout=grace).done, futures):
                if not isinstance(outcome, Failure):
                    yield k, outcome
            raise
    finally:
        for future in futures:
            future.cancel()


def _of(ready: set[Future[Any]], futures: Mapping[Future[Any], int]) -> list[tuple[int, Any]]:
    """Results before failures: who stops at a failure has kept the results."""
    found = []
    for future in ready:
        try:
            outcome = future.result()
        except (Exception, CancelledError) as error:
            outcome = Failure.of(error)
        found.append((futures[future], outcome))
    return sorted(found, key=lambda pair: isinstance(pair[1], Failure))


@contextmanager
def dask(scheduler: str | None = None, workers: int | None = None) -> Iterator[Executor]:
    """An executor on a Dask cluster (``pip install "asymptotics[cluster]"``), for the time of a ``with`` block.

    Parameters
    ----------
    scheduler : str, optional
        Address of a running scheduler (``tcp://host:8786``); default a cluster of this machine's own processes.
    workers : int, optional
        Number of processes of the own cluster, by default one a core. Not used with ``scheduler``.

    Raises
    ------
    InputError
        If Dask is not installed, or nothing answers at the address.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError("scheduler: needs Dask; install it by pip install 'asymptotics[cluster]'") from None
    own: Any = None
    if scheduler is None:
        number = count_workers(workers, 1 << 16)
        own = LocalCluster(n_workers=number, threads_per_worker=1, dashboard_address=None)
    try:
        try:
            client = Client(own if own is not None else scheduler, timeout=10, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"scheduler = {scheduler!r}: no Dask scheduler answers there ({reason})") from None
        with client:
            # A point is a function of its arguments, but Dask must not drop one that it takes for a repetition.
            yield client.get_executor(pure=False)
    finally:
        if own is not None:
            own.close()
