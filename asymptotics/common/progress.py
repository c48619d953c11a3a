"""Progress bars: tqdm, silent where nobody watches."""

from __future__ import annotations

import sys
from typing import Any


def bar(total: int, description: str, *, enabled: bool | None = None, unit: str = "step") -> Any:
    """A tqdm bar on standard error; ``enabled=None`` shows it only on a terminal."""
    from tqdm import tqdm

    class Bar(tqdm):
        # tqdm's monitor is a thread, after which no process may fork (see `ensembles`).
        monitor_interval = 0

    if enabled is None:
        enabled = sys.stderr.isatty()
    return Bar(total=total, desc=description, unit=unit, disable=not enabled, leave=False, file=sys.stderr)
