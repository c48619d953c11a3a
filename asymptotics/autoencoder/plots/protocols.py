"""Plots of optimal protocols and gradients."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ...common.output.plotting import COLOURS, draw, panel
from ..control.protocols.optimum import Optimum
from ..control.result import Gradient


@draw.register
@panel(figsize=(3.4, 2.5))
def protocol(optimum: Optimum, axis: Axes) -> None:
    """The optimal controls against n/d as steps (splines as lines), the best constants as dashed lines."""
    keys = list(optimum.controls)
    colour, spline = 0, optimum.optimum.basis == "spline"
    fine = np.linspace(0.0, optimum.horizon, 401)
    for key in keys:
        values = np.asarray(optimum.optimum.control[key] if len(keys) > 1 else optimum.optimum.control)
        constant = optimum.constant.control[key] if len(keys) > 1 else optimum.constant.control
        values = values.reshape(len(values), -1)
        knots = np.asarray(optimum.optimum.knots)
        ends = knots if len(knots) == len(values) + 1 else np.linspace(0, optimum.horizon, len(values) + 1)
        for k, column in enumerate(values.T):
            name = key.removeprefix("training.") + (f"[{k}]" if values.shape[1] > 1 else "")
            if spline:
                line = optimum.control(fine, key).reshape(len(fine), -1)[:, k]
                axis.plot(fine, line, color=COLOURS[colour % len(COLOURS)], label=name)
            else:
                axis.stairs(column, ends, baseline=None, color=COLOURS[colour % len(COLOURS)], label=name)
            axis.axhline(np.ravel(constant)[k], color=COLOURS[colour % len(COLOURS)], linestyle="--", linewidth=0.8)
            colour += 1
    axis.set_xlabel("$n/d$")
    axis.set_title(f"{optimum.objective}: {100 * optimum.gain:.3g} % below the best constant (dashed)")
    axis.legend()


@draw.register
@panel(figsize=(3.4, 2.5))
def derivatives(gradient: Gradient, axis: Axes) -> None:
    """The derivatives, entry by entry, as bars."""
    names, values = [], []
    for key in gradient:
        value = np.asarray(gradient[key])
        for index in np.ndindex(value.shape):
            names.append(key + "".join(f"[{i}]" for i in index))
            values.append(float(value[index]))
    axis.barh(range(len(values)), values, color=COLOURS[0])
    axis.set_yticks(range(len(values)), names)
    axis.invert_yaxis()
    axis.set_xlabel(f"d {gradient.objective} / d key")
