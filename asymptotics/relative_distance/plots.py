"""The picture of a relative distance."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ..common.output.plotting import COLOURS, draw, panel, points
from .result import PAIRS, RelativeDistance


@draw.register
@panel()
def distances(result: RelativeDistance, axis: Axes) -> None:
    """The three distances with their errors; the data sets as light points; returns ``(figure, axes)``."""
    joint = result.density == "joint"
    for k, name in enumerate(PAIRS):
        estimate = getattr(result, name)
        values = result.values[:, k]
        if len(values) > 1:
            shown = values[np.isfinite(values)]
            axis.plot(np.full(len(shown), k), shown, ".", color=COLOURS[k], alpha=0.3)
        height = estimate.log_value if joint else estimate.value
        if height is not None:
            points(axis, [k], [height], [0.0 if joint else estimate.sem or 0.0], color=COLOURS[k], linestyle="none")
    axis.set(xticks=range(3), xticklabels=PAIRS, xlim=(-0.5, 2.5))
    axis.set_ylabel("ln E" if joint else "E = mean ∫(p − q)²")
    axis.set_title("generalises" if result.generalises else "memorises")
