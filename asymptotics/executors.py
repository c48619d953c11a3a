"""Many independent tasks on any executor in the manner of `concurrent.futures`: processes, Dask, MPI."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .common.input.checks import InputError, integer
from .common.running.ensembles import LOOK, context, cores
from .common.running.threads import deferred_interrupt, single_threaded, start_worker


@dataclass(frozen=True)
class Failure:
    """What is left of a task that raised, or whose process died.

    Parameters
    ----------
    kind : str
        Name of the exception's class.
    message : str
        Its message in one line.
    trace : str
        The traceback as text.
    """

    kind: str
    message: str
    trace: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """The failure that an exception describes."""
        text = "".join(traceback.format_exception(error))
        return cls(type(error).__name__, " ".join(str(error).split()), text)

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


def _attempt(function: Callable[..., Any], task: tuple[Any, ...]) -> Any:
    # Exceptions may hold results that do not travel between processes; and sums of a threaded BLAS depend on the number
    # of its threads, which differs between executors.
    try:
        with single_threaded():
            return function(*task)
    except Exception as error:
        return Failure.of(error)


def count_workers(workers: int | None, most: int) -> int:
    """The number of processes: as asked, by default one a core; never more than there are tasks."""
    return min(cores() if workers is None else integer("workers", workers, at_least=1), max(1, most))


def outcomes(
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
) -> Generator[tuple[int, Any], None, None]:
    """Yield ``(k, function(*tasks[k]))`` as the tasks finish, in any order; a `Failure` in place of what a task raised.

    Every task runs with one BLAS thread, so that its numbers do not depend on where it runs. A process that dies
    (killed, out of memory) loses nothing but its own task, which is then tried again alone.

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

    Raises
    ------
    InputError
        If ``workers`` is not a positive integer.
    """
    if executor is not None:
        with deferred_interrupt() as interrupted:
            for k, outcome in _finished(executor, function, dict(enumerate(tasks)), interrupted):
                yield k, Failure.of(outcome) if isinstance(outcome, BaseException) else outcome
        return
    number = count_workers(workers, len(tasks))
    if number > 1:
        yield from _on_processes(function, tasks, number)
        return
    for k, task in enumerate(tasks):
        yield k, _attempt(function, task)


def _finished(
    executor: Executor,
    function: Callable[..., Any],
    tasks: dict[int, tuple[Any, ...]],
    interrupted: Callable[[], None],
) -> Iterator[tuple[int, Any]]:
    """Outcomes on an executor; an exception where the executor itself failed."""
    futures: dict[Any, int] = {}
    try:
        try:
            for k, task in tasks.items():
                futures[executor.submit(_attempt, function, task)] = k
        except BrokenExecutor as error:
            for k in tasks.keys() - futures.values():
                yield k, error
        pending = set(futures)
        while pending:
            interrupted()
            ready, pending = wait(pending, timeout=LOOK, return_when=FIRST_COMPLETED)
            for future in ready:
                try:
                    outcome = future.result()
                except (Exception, CancelledError) as error:
                    outcome = error
                yield futures[future], outcome
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def _pool(workers: int) -> Iterator[Executor]:
    pool = ProcessPoolExecutor(workers, mp_context=context(), initializer=start_worker, initargs=(os.getpid(),))
    try:
        yield pool
    except BaseException:
        for process in list(getattr(pool, "_processes", None) or {}):
            os.kill(process, signal.SIGTERM)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _on_processes(
    function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], workers: int
) -> Iterator[tuple[int, Any]]:
    left, alone = dict(enumerate(tasks)), False
    while left:
        first, before = next(iter(left)), len(left)
        batch = {first: left[first]} if alone else dict(left)
        reason: BaseException | None = None
        with deferred_interrupt() as interrupted, _pool(1 if alone else workers) as pool:
            for k, outcome in _finished(pool, function, batch, interrupted):
                if isinstance(outcome, BrokenExecutor):
                    reason = outcome  # one process died and took the pool along: these tasks are not to blame
                    continue
                del left[k]
                yield k, Failure.of(outcome) if isinstance(outcome, BaseException) else outcome
        if alone and reason is not None:
            del left[first]
            yield first, Failure("WorkerDied", "its process was killed or ran out of memory")
        # Without progress some task kills its process: they go one by one until it is found.
        alone = not alone and len(left) == before


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
