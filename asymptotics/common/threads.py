"""One BLAS thread a process: many processes with many threads each hinder one another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def single_threaded() -> Iterator[None]:
    """Within the block BLAS libraries use one thread; afterwards as many as before."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield


def limit_threads() -> None:
    """One BLAS thread in this process from now on (initialiser of worker processes)."""
    import numpy  # noqa: F401  # loads the library that is limited
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1, user_api="blas")
