"""One BLAS thread a process: many processes with many threads each hinder one another."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


_lock = threading.Lock()
_inside: list[Any] = []
_found: dict[int, ThreadpoolController] = {}


def _libraries() -> ThreadpoolController:
    """The BLAS libraries of this process: a search of milliseconds, so made again only after further imports."""
    from threadpoolctl import ThreadpoolController

    imported = len(sys.modules)
    if imported not in _found:
        _found.clear()
        _found[imported] = ThreadpoolController()
    return _found[imported]


@contextmanager
def single_threaded() -> Iterator[None]:
    """Within the block BLAS libraries use one thread; afterwards as many as before, when the last thread leaves its block."""
    # The limit is the whole process's: of blocks that overlap, the first sets it and the last undoes it.
    with _lock:
        _inside.append(_inside[0] if _inside else _libraries().limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _lock:
            limits = _inside.pop()
            if not _inside:
                limits.restore_original_limits()


def limit_threads() -> None:
    """One BLAS thread in this process from now on."""
    import numpy  # noqa: F401  # loads the library that is limited
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1, user_api="blas")


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], None]]:
    """Within the block Ctrl-C is noted, and raised where the given function is called next (and at the block's end).

    A `KeyboardInterrupt` that arrives while a process is forked is lost: Python calls hooks then whose exceptions it ignores.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield lambda: None
        return
    pressed = threading.Event()

    def look() -> None:
        if pressed.is_set():
            pressed.clear()
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, lambda *_: pressed.set())
    try:
        yield look
        look()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def end_with(parent: int) -> None:
    """End this process when its parent is gone: one that is killed outright can tell nobody."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def start_worker(parent: int) -> None:
    """Initialiser of worker processes: one BLAS thread, Ctrl-C left to the parent, an end when the parent ends."""
    # Ctrl-C reaches the whole group of processes; the parent alone decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_threads()
    end_with(parent)
