"""The picture of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..common.input.checks import InputError
from ..common.output.plotting import COLOURS, axes_of, draw, points, style
from .table import Sweep, text_of


def _varying(sweep: Sweep) -> list[str]:
    """Numerical results of theory that vary over the sweep and are not the swept keys themselves."""
    names = [n for n in sweep.columns if n not in sweep.over and not n.startswith("simulation.")]
    values = {n: sweep[n] for n in names if sweep[n].dtype.kind == "f"}
    keys = [sweep[key] for key in sweep.over]
    varying = {n: v for n, v in values.items() if len(np.unique(v[np.isfinite(v)])) > 1}
    return [n for n, v in varying.items() if not any(np.array_equal(v, key) for key in keys)]


@draw.register(Sweep)
def _(sweep: Sweep, ax: Axes | None = None, *, columns: str | Sequence[str] | None = None) -> tuple[Figure, Axes]:
    """The results over the swept keys.

    One key: theory as lines against it, means of simulations as points with standard errors. Two keys and more: the
    first of ``columns`` as a picture over the first two (at the first value of the others).

    Parameters
    ----------
    sweep : Sweep
    ax : matplotlib Axes, optional
    columns : str or sequence of str, optional
        Which results; default the first six that vary.
    """
    drawn = _varying(sweep)[:6] if columns is None else [columns] if isinstance(columns, str) else list(columns)
    if not drawn:
        raise InputError("columns: no numerical result varies over the sweep")
    (x_name, x_values), *rest = sweep.over.items()
    numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in x_values)
    x = np.array(x_values, dtype=np.float64) if numeric else np.arange(len(x_values))
    with style():
        figure, axis = axes_of(ax, figsize=(3.4, 2.5))
        if rest:
            y_name, y_values = rest[0]
            grid = sweep[drawn[0]].reshape(*sweep.shape[:2], -1)[:, :, 0]
            across = np.arange(len(y_values))
            image = axis.pcolormesh(np.arange(len(x)), across, grid.T, shading="nearest", rasterized=True)
            figure.colorbar(image, ax=axis, label=drawn[0])
            axis.set_xticks(np.arange(len(x)), [text_of(v) for v in x_values])
            axis.set_yticks(across, [text_of(v) for v in y_values])
            axis.set_ylabel(y_name)
            axis.set_title(", ".join(f"{key} = {text_of(values[0])}" for key, values in rest[1:]))
        else:
            for k, name in enumerate(drawn):
                colour, at = COLOURS[k % len(COLOURS)], np.argsort(x, kind="stable")
                axis.plot(x[at], sweep[name][at], ".-", ms=3, color=colour, label=name)
                mean, sem = f"simulation.mean.{name}", f"simulation.sem.{name}"
                if mean in sweep.columns and sem in sweep.columns:
                    points(axis, x, sweep[mean], sweep[sem], color=colour)
            if not numeric:
                axis.set_xticks(x, [text_of(v) for v in x_values])
            finite = np.concatenate([sweep[name][np.isfinite(sweep[name])] for name in drawn])
            if np.all(finite > 0) and finite.max() > 100 * finite.min():
                axis.set_yscale("log")
            axis.legend()
        axis.set_xlabel(x_name)
        return figure, axis
