"""House style of every plot: theory as lines, experiment as points with error bars; no TeX, colour-blind safe."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..input.checks import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

PACKAGE = __name__.partition(".")[0]

# Okabe and Ito's palette: distinct to all common forms of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933")
STYLE = {
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.4,
    "errorbar.capsize": 2,
    "text.usetex": False,
    "image.cmap": "viridis",
}


def pyplot() -> Any:
    """``matplotlib.pyplot``, whose backend is one that there is.

    A notebook leaves ``MPLBACKEND`` behind in what it starts, which may be another environment without that backend: files are
    drawn all the same.
    """
    backend = os.environ.get("MPLBACKEND", "")
    if "matplotlib" not in sys.modules and backend:
        # Matplotlib itself refuses to load with a name that it does not know.
        os.environ["MPLBACKEND"] = "agg"
        try:
            import matplotlib.pyplot as plt
        finally:
            os.environ["MPLBACKEND"] = backend
        with contextlib.suppress(ValueError, ImportError):
            plt.switch_backend(backend)
    import matplotlib.pyplot as plt

    return plt


@contextmanager
def style() -> Iterator[Any]:
    """Matplotlib with the house style, for the time of a ``with`` block; gives ``matplotlib.pyplot``."""
    plt = pyplot()
    import matplotlib as mpl
    from cycler import cycler

    settings: Any = {**STYLE, "axes.prop_cycle": cycler(color=COLOURS)}
    # Not `rc_context`: it would also undo what a notebook's backend sets when it is loaded, at the first figure.
    before = {key: mpl.rcParams[key] for key in settings}
    mpl.rcParams.update(settings)
    try:
        yield plt
    finally:
        mpl.rcParams.update(before)


def axes_of(ax: Axes | None = None, **options: Any) -> tuple[Any, Any]:
    """``(figure, axes)``: the given axes, or new ones."""
    if ax is not None:
        return ax.figure, ax
    return pyplot().subplots(layout="constrained", **options)


def points(ax: Axes, x: ArrayLike, mean: ArrayLike, sem: ArrayLike, **options: Any) -> ErrorbarContainer:
    """Experiment: points with error bars of one standard error."""
    return ax.errorbar(x, mean, yerr=sem, fmt="o", markersize=3.5, **options)


@functools.singledispatch
def draw(result: object, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Draw a result; returns ``(figure, axes)``.

    The ``plots`` of a room register what they draw: drawings know the results, not the other way round.
    """
    raise InputError(f"{type(result).__name__}: has no picture of its own")


class Drawn:
    """Mix-in of what has a picture: ``plot`` finds the drawing registered for its type in the nearest ``plots``, upward from its module."""

    def plot(self, ax: Axes | None = None, **options: Any) -> tuple[Figure, Axes]:
        """Draw what this is about, in house style, into ``ax`` or a new figure; returns ``(figure, axes)``.

        What its drawing offers besides goes by keyword (``columns=`` of a sweep).
        """
        for kind in type(self).__mro__:
            place = kind.__module__.rpartition(".")[0]
            while place.partition(".")[0] == PACKAGE and "." in place:
                if importlib.util.find_spec(f"{place}.plots") is not None:
                    importlib.import_module(f"{place}.plots")
                    break
                place = place.rpartition(".")[0]
        return draw(self, ax, **options)
