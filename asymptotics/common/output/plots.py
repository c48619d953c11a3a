"""The picture of a verdict."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .plotting import COLOURS, axes_of, draw, style
from .verdict import Verdict


@draw.register(Verdict)
def _(verdict: Verdict, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Every compared number: experiment − theory over the largest difference that passes.

    Points with bars of one standard error; between the dashed lines a number agrees. The grey part of the largest
    difference is what the stated finite-size bias allows, the rest the threshold in standard errors. What disagrees is red.
    """
    with style():
        figure, axis = axes_of(ax, figsize=(max(3.6, min(9.0, 0.09 * verdict.count)), 3.2))
        start, names = 0, []
        for r in filter(lambda r: r.counted, verdict.rows):
            shape = np.shape(r.theory)
            theory, mean, sem, allowed = (
                np.broadcast_to(np.asarray(v, dtype=np.float64), shape).ravel()
                for v in (r.theory, r.mean, r.sem, r.allowance)
            )
            x = np.arange(start, start + theory.size)
            # A quantity without fluctuations must agree to rounding, as in `Row.scores`.
            largest = allowed + verdict.threshold(r) * np.maximum(sem, r.floor.ravel())
            good = np.atleast_1d(r.scores()).ravel() <= verdict.threshold(r)
            for chosen, colour in ((good, COLOURS[0]), (~good, COLOURS[1])):
                y, bar = ((v / largest)[chosen] for v in (mean - theory, sem))
                axis.errorbar(x[chosen], y, yerr=bar, fmt="o", ms=2.5, lw=0.8, capsize=0, color=colour)
            axis.bar(x, 2 * allowed / largest, bottom=-allowed / largest, width=1.0, color="0.88", zorder=0)
            names.append((start + (theory.size - 1) / 2, r.name))
            start += theory.size
        for height, line in ((-1.0, "--"), (0.0, "-"), (1.0, "--")):
            axis.axhline(height, color="0.4", lw=0.8, ls=line)
        shown = names[:: -(-len(names) // 30) or 1]
        axis.set_xticks([x for x, _ in shown], [name for _, name in shown], rotation=90, fontsize=7)
        axis.set_ylabel("(experiment − theory)/largest allowed")
        axis.set_title(f"{verdict.outcome}: {verdict.count} numbers, level {verdict.level:g}")
        return figure, axis
