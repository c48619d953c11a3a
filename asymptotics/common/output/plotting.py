"""House style of every plot: theory as lines, experiment as points with error bars; no TeX, colour-blind safe.

Figures are drawn at the width they are printed (`COLUMN` or `PAGE`), so that no text is below 7 pt on paper.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from ..input.checks import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

Shown = TypeVar("Shown", contravariant=True)
P = ParamSpec("P")
PACKAGE = __name__.partition(".")[0]

# Okabe and Ito's palette: distinct to all common forms of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933")
#: Printed widths in inches: one column, and the two of a page.
COLUMN, PAGE = 3.4, 7.0
STYLE = {
    "figure.dpi": 110,
    "figure.figsize": (COLUMN, 2.6),
    "savefig.dpi": 300,
    # Type 42: fonts that a journal can embed, and text that stays text.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.5,
    "legend.columnspacing": 1.0,
    "legend.labelspacing": 0.3,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    "errorbar.capsize": 2,
    "text.usetex": False,
    "mathtext.fontset": "dejavusans",
    "image.cmap": "viridis",
}
#: Marks the letter of a panel, so that it is given once.
LETTER = "panel letter"


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


def axes_of(ax: Axes | None = None, **options: Any) -> tuple[Figure, Axes]:
    """``(figure, axes)``: the given axes, or new ones."""
    if ax is not None:
        return cast("Figure", ax.figure), ax
    return pyplot().subplots(layout="constrained", **options)


class Panel(Protocol[Shown, P]):
    """What draws one thing into given axes or new ones."""

    def __call__(
        self, shown: Shown, /, ax: Axes | None = None, *args: P.args, **options: P.kwargs
    ) -> tuple[Figure, Axes]: ...


def panel(
    figsize: tuple[float, float] = (COLUMN, 2.6),
) -> Callable[[Callable[Concatenate[Shown, Axes, P], None]], Panel[Shown, P]]:
    """Of a function that draws into axes: one in house style that makes them where none are given, and returns ``(figure, axes)``."""

    def with_axes(drawn: Callable[Concatenate[Shown, Axes, P], None]) -> Panel[Shown, P]:
        first, _, *others = inspect.signature(drawn).parameters.values()
        ax = inspect.Parameter("ax", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation="Axes | None")

        @functools.wraps(drawn)
        def complete(shown: Shown, ax: Axes | None = None, *args: P.args, **options: P.kwargs) -> tuple[Figure, Axes]:
            with style():
                figure, axes = axes_of(ax, figsize=figsize)
                drawn(shown, axes, *args, **options)
                return figure, axes

        told = inspect.Signature([first, ax, *others], return_annotation="tuple[Figure, Axes]")
        vars(complete)["__signature__"] = told
        return complete

    return with_axes


def letter_panels(figure: Figure) -> None:
    """Letter the panels of a figure that has several: (a), (b), … in the order they were made, at their upper left.

    Colour bars, axes over others (twins, insets) and pictures without a frame are no panels.
    """
    seen: list[Any] = []
    panels = []
    for axis in figure.axes:
        place = axis.get_subplotspec()
        cells = None if place is None else (place.get_gridspec(), place.num1, place.num2)
        if place is None or not axis.axison or axis.get_label() == "<colorbar>" or cells in seen:
            continue
        seen.append(cells)
        panels.append(axis)
    if len(panels) < 2 or any(text.get_gid() == LETTER for axis in panels for text in axis.texts):
        return
    for k, axis in enumerate(panels):
        axis.annotate(
            f"({chr(ord('a') + k)})", (0.0, 1.0), xycoords="axes fraction", xytext=(-4, 4), textcoords="offset points",
            ha="right", va="bottom", fontweight="bold", fontsize=8, gid=LETTER,
        )  # fmt: skip


def points(ax: Axes, x: ArrayLike, mean: ArrayLike, sem: ArrayLike, **options: Any) -> ErrorbarContainer:
    """Experiment: points with error bars of one standard error."""
    given: dict[str, Any] = {"fmt": "o", "markersize": 3.5} | options
    return ax.errorbar(x, mean, yerr=sem, **given)


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
        with style():
            figure, axes = draw(self, ax=ax, **options)
            if ax is None:
                letter_panels(figure)
            return figure, axes
