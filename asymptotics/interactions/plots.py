"""Plots of this room: theory as lines, fitted models as points with error bars."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..common.output.plotting import COLOURS, axes_of, draw, panel, points, style
from .coupling.model import PARTS
from .simulation import DIRECTIONS, Runs
from .theory import Solution

LABELS = {"kl_target_learned": "KL(target‖learned)", "kl_learned_target": "KL(learned‖target)"}
TICKS = ("inputs", "noise", "order 0", "order 1", "order 2", "total")


@draw.register
def comparison(theory: Solution, runs: Runs | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """The parts of both divergences; returns ``(figure, axes)``."""
    with style():
        figure, axis = axes_of(ax)
        for k, name in enumerate(DIRECTIONS):
            split = getattr(theory, name)
            values = [np.nan if (value := getattr(split, part)) is None else value for part in PARTS]
            axis.hlines(
                values, np.arange(6) - 0.4 + 0.4 * k, np.arange(6) + 0.4 * k, color=COLOURS[k], label=LABELS[name]
            )
            if runs is not None:
                _points(axis, runs, k, name)
        _frame(axis)
    return figure, axis


def _points(axis: Axes, runs: Runs, k: int, name: str) -> None:
    at = np.arange(6) - 0.2 + 0.4 * k
    label = f"{LABELS[name]}, {runs.runs} data sets"
    points(axis, at, runs.mean(name), runs.sem(name), color=COLOURS[k], linestyle="none", label=label)


def _frame(axis: Axes) -> None:
    axis.set(yscale="log", ylabel="nats", xticks=np.arange(6), xticklabels=TICKS)
    axis.legend()


@draw.register
@panel()
def measured(runs: Runs, axis: Axes) -> None:
    """Mean divergences of the fitted models by parts; returns ``(figure, axes)``."""
    for k, name in enumerate(DIRECTIONS):
        _points(axis, runs, k, name)
    _frame(axis)
