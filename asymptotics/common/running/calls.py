"""One call among many: how far it is, whether it is to stop, and what is left of it when it fails."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Iterator, MutableSequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from .progress import Bar, advance
from .threads import single_threaded, start_worker


class Stopped(Exception):
    """Raised inside a call that is asked to stop."""


@dataclass(frozen=True)
class Failure:
    """What is left of a call that raised, or whose process died.

    Parameters
    ----------
    kind : str
        Name of the exception's class; "WorkerDied" where there was none.
    message : str
        Its message in one line.
    trace : str
        The traceback as text.
    error : BaseException, optional
        The exception itself, where it can travel between processes.
    """

    kind: str
    message: str
    trace: str = ""
    error: BaseException | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """The failure that an exception describes."""
        if isinstance(error, BrokenExecutor):
            return cls("WorkerDied", "its process was killed or ran out of memory", error=error)
        text = "".join(traceback.format_exception(error))
        return cls(type(error).__name__, " ".join(str(error).split()), text, error)

    @property
    def died(self) -> bool:
        """Whether the process was killed."""
        return isinstance(self.error, BrokenExecutor)

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    def __getstate__(self) -> dict[str, Any]:
        # An exception may hold what does not travel between processes.
        state = dict(vars(self))
        try:
            pickle.loads(pickle.dumps(self.error))
        except Exception:
            state["error"] = None
        return state

    def reraise(self) -> NoReturn:
        """Raise the exception, with the traceback that it had where it came from."""
        error = RuntimeError(str(self)) if self.error is None else self.error
        if error.__traceback__ is None and self.trace:
            error.add_note(self.trace)
        raise error


# How far every call is; in the last entry, whether they are to stop.
Board = MutableSequence[float]
_board: Board | None = None
_cell = 0


def report(fraction: float) -> None:
    """Say how far the call is that runs in this process: nothing, where nobody asks.

    Raises
    ------
    Stopped
        If the calls were interrupted.
    """
    if _board is not None:
        _board[_cell] = fraction
        if _board[-1]:
            raise Stopped


class Watched(list[float]):
    """The board of calls in this process: it moves the bar itself."""

    def __init__(self, cells: int, watch: Bar | None) -> None:
        super().__init__([0.0] * (cells + 1))
        self._watch, self._begun = watch, 0.0 if watch is None else watch.n

    def look(self) -> None:
        """Move the bar."""
        if self._watch is not None:
            advance(self._watch, self._begun + sum(self[:-1]))

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, value)
        self.look()


def start(board: Board, parent: int) -> None:
    """Initialiser of worker processes: what their calls report goes to the board."""
    global _board
    _board = board
    start_worker(parent)


def attempt(cell: int, function: Callable[..., Any], task: tuple[Any, ...]) -> Any:
    """The call's outcome, or the `Failure` that it is; ``cell`` is its place on the board."""
    global _cell
    _cell = cell
    # Sums of a threaded BLAS depend on the number of its threads, which differs between executors.
    try:
        with single_threaded():
            return function(*task)
    except Exception as error:
        return Failure.of(error)


@contextmanager
def reporting_to(board: Board) -> Iterator[None]:
    """Within the block calls of this process report to that board."""
    global _board, _cell
    outer, _board = (_board, _cell), board
    try:
        yield
    finally:
        _board, _cell = outer
