"""What a figure module gives back, and what several of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Drawing:
    """A drawn figure with everything needed to draw it again.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    caption : str
        What is seen, with parameters; theory as lines, experiment as points with standard errors.
    source : str
        Paper and figure that it regenerates.
    data : dict of ndarray
        Every plotted number, by name.
    experiment : dict
        The experiment's tables (as in its TOML file), where the figure comes from one.
    closeness : str
        How near theory and experiment (or the published values) are, in numbers measured for this drawing.
    """

    figure: Any
    caption: str
    source: str
    data: dict[str, np.ndarray]
    experiment: dict[str, Any] = field(default_factory=dict)
    closeness: str = ""


#: The figures of a module, by name; ``quick`` asks for small ensembles.
Figures = dict[str, Callable[[bool], Drawing]]


def mean_and_error(values: ArrayLike, axis: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Mean of independent runs along an axis and its standard error."""
    runs = np.asarray(values)
    return runs.mean(axis=axis), runs.std(axis=axis, ddof=1) / np.sqrt(runs.shape[axis])


def label_ticks(axis: Axis, values: Sequence[float]) -> None:
    """Ticks of a logarithmic axis (``ax.xaxis`` or ``ax.yaxis``) at these values, in plain numbers.

    Over less than two decades the labels that are made otherwise (6 × 10⁻¹ …) run into one another.
    """
    from matplotlib.ticker import NullFormatter

    low, high = axis.get_view_interval()
    shown = [x for x in values if low <= x <= high]
    axis.set_ticks(shown, [f"{x:g}" for x in shown])
    axis.set_minor_formatter(NullFormatter())


def name_kinds(
    ax: Axes, *, line: str = "", dashed: str = "", dotted: str = "", point: str = "", band: str = ""
) -> None:
    """Entries of the legend that say what lines, points and bands are, in grey: of whatever colour, they mean the same.

    Call it before ``ax.legend()``.
    """
    grey = "0.35"
    for text, kind in ((line, "-"), (dashed, "--"), (dotted, ":")):
        if text:
            ax.plot([], [], kind, color=grey, label=text)
    if point:
        ax.errorbar([], [], yerr=[], fmt="o", markersize=3.5, color=grey, label=point)
    if band:
        ax.fill_between([], [], [], color=grey, alpha=0.25, linewidth=0, label=band)
