"""Progress bars: tqdm, silent where nobody watches."""

from __future__ import annotations

import importlib.util
import logging
import sys
import time
from types import TracebackType
from typing import Any, Protocol, Self

_log = logging.getLogger(__name__)

# What ``enabled=None`` means: None shows a bar on a terminal.
_default: bool | None = None
_forecasts = True


def set_default(enabled: bool | None, *, forecasts: bool = True) -> None:
    """From now on, bars that are not asked for by name are shown (True), hidden (False) or left to the terminal (None).

    ``forecasts``: whether long work without a bar says how long it will take.
    """
    global _default, _forecasts
    _default, _forecasts = enabled, forecasts


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


#: Seconds after which it is known how long the work will take, and what is long enough to be said.
KNOWN_AFTER, LONG = 5.0, 120.0


class Forecast:
    """Says once, in the log, how long work will take that nobody watches on a bar.

    Parameters
    ----------
    what : str
        The work.
    total : float
        All of it.
    unit : str
        What it is counted in.
    """

    def __init__(self, what: str, total: float, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.first: tuple[float, float] | None = None
        self.said = False

    def at(self, done: float) -> None:
        """Look at the clock; it starts here for the first time, when what has to be compiled is compiled."""
        if self.said or done >= self.total:
            return
        now = time.monotonic()
        if self.first is None:
            self.first = (now, done)
            return
        spent, gained = now - self.first[0], done - self.first[1]
        if spent < KNOWN_AFTER or gained <= 0:
            return
        self.said = True
        left = spent * (self.total - done) / gained
        if left > LONG:
            _log.warning(
                "%s: about %s more at this pace (%.3g of %.3g %s after %.0f s); Ctrl-C stops it",
                self.what, in_words(left), done, self.total, self.unit.strip().removeprefix("of "), spent,
            )  # fmt: skip


def forecast(what: str, total: float, unit: str, enabled: bool | None) -> Forecast | None:
    """A `Forecast`, unless nobody wants to hear of it (``enabled=False``, or ``--quiet``)."""
    return Forecast(what, total, unit) if enabled is not False and _forecasts else None


def in_words(seconds: float) -> str:
    """A time for a person."""
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    python = sys.modules.get("IPython")
    shell = None if python is None else python.get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _tqdm() -> Any:
    """The bar of a terminal; in a notebook that of its own kind, where the widgets that it needs are installed."""
    if in_notebook() and importlib.util.find_spec("ipywidgets") is not None:
        from tqdm.notebook import tqdm as notebook

        return notebook
    from tqdm import tqdm

    return tqdm


class Unseen:
    """A bar that nobody watches: it counts, and says once how long the work will take.

    Parameters
    ----------
    clock : Forecast, optional
    """

    def __init__(self, clock: Forecast | None) -> None:
        self.n, self._clock = 0.0, clock

    def update(self, n: float = 1) -> None:
        """Go on by ``n``."""
        self.n += n
        if self._clock is not None:
            self._clock.at(self.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def bar(
    total: float | None, description: str, *, enabled: bool | None = None, unit: str = "step", unit_scale: bool = False
) -> Bar:
    """A tqdm bar with rate and time left, on standard error; ``enabled=None`` shows it only on a terminal and in notebooks.

    Without a bar long work says once in the log how long it will take (`Forecast`), unless ``enabled=False``. See `set_default`.
    ``unit`` is what is counted; ``unit_scale`` writes fractions of it (3.27/8.00).
    """
    wanted = enabled if enabled is not None else _default
    shown = (sys.stderr.isatty() or in_notebook()) if wanted is None else wanted
    if not shown:
        return Unseen(forecast(description, total, unit, enabled) if total else None)
    kind: Any = _tqdm()

    class Quiet(kind):  # type: ignore[misc]
        # tqdm's monitor is a thread, after which no process may fork (see `pool`).
        monitor_interval = 0

    watch: Bar = Quiet(
        total=total,
        desc=description,
        unit=unit,
        unit_scale=unit_scale,
        leave=False,
        file=sys.stderr,
    )
    return watch
