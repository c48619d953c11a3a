"""Progress bars: tqdm, silent where nobody watches."""

from __future__ import annotations

import logging
import sys
from typing import Any

# What ``enabled=None`` means: None shows a bar on a terminal.
_default: bool | None = None


def set_default(enabled: bool | None) -> None:
    """From now on, bars that are not asked for by name are shown (True), hidden (False) or left to the terminal (None)."""
    global _default
    _default = enabled


class LogHandler(logging.Handler):
    """Writes records to standard error, above a bar if one is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(self.format(record), file=sys.stderr)


def bar(
    total: float | None, description: str, *, enabled: bool | None = None, unit: str = "step", unit_scale: bool = False
) -> Any:
    """A tqdm bar with rate and time left, on standard error; ``enabled=None`` shows it only on a terminal (see `set_default`).

    ``unit_scale`` writes fractions of a unit (3.27/8.00).
    """
    from tqdm import tqdm

    class Bar(tqdm):
        # tqdm's monitor is a thread, after which no process may fork (see `ensembles`).
        monitor_interval = 0

    if enabled is None:
        enabled = sys.stderr.isatty() if _default is None else _default
    return Bar(
        total=total,
        desc=description,
        unit=unit,
        unit_scale=unit_scale,
        disable=not enabled,
        leave=False,
        file=sys.stderr,
    )
