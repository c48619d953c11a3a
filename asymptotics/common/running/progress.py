"""Progress bars: tqdm, silent where nobody watches."""

from __future__ import annotations

import logging
import sys
from functools import lru_cache
from types import TracebackType
from typing import Any, Protocol, Self

# What ``enabled=None`` means: None shows a bar on a terminal.
_default: bool | None = None


def set_default(enabled: bool | None) -> None:
    """From now on, bars that are not asked for by name are shown (True), hidden (False) or left to the terminal (None)."""
    global _default
    _default = enabled


class Bar(Protocol):
    """What is used of a tqdm bar."""

    @property
    def n(self) -> float:
        """How far it is."""

    def update(self, n: float = 1) -> object:
        """Go on by ``n``."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def advance(watch: Bar, to: float) -> None:
    """Move a bar on to a value; never back."""
    if to > watch.n:
        watch.update(to - watch.n)


class LogHandler(logging.Handler):
    """Writes records to standard error, above a bar if one is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(self.format(record), file=sys.stderr)


@lru_cache(maxsize=1)
def _quiet() -> Any:
    from tqdm import tqdm

    class Quiet(tqdm):
        # tqdm's monitor is a thread, after which no process may fork (see `pool`).
        monitor_interval = 0

    return Quiet


def bar(
    total: float | None, description: str, *, enabled: bool | None = None, unit: str = "step", unit_scale: bool = False
) -> Bar:
    """A tqdm bar with rate and time left, on standard error; ``enabled=None`` shows it only on a terminal (see `set_default`).

    ``unit_scale`` writes fractions of a unit (3.27/8.00).
    """
    if enabled is None:
        enabled = sys.stderr.isatty() if _default is None else _default
    watch: Bar = _quiet()(
        total=total,
        desc=description,
        unit=unit,
        unit_scale=unit_scale,
        disable=not enabled,
        leave=False,
        file=sys.stderr,
    )
    return watch
