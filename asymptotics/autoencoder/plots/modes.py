"""Modes of the target and of what is generated: places, weights, widths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ...common.output.plotting import COLOURS, draw, panel
from ..generated.mode_finding import Modes
from ..generated.modes import ModeReport
from .axes import projections

WEIGHT = "weight (bar: one standard deviation)"


def _ellipse(centre: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The line of one standard deviation, (2, points)."""
    angle = np.linspace(0, 2 * np.pi, 97)
    values, vectors = np.linalg.eigh(covariance)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    return np.asarray(centre[:, None] + vectors @ (np.sqrt(np.maximum(values, 0.0))[:, None] * circle))


def _draw_modes(axis: Axes, modes: Modes, colours: Sequence[str], label: str, marker: str) -> None:
    for k, (place, weight, width) in enumerate(zip(modes.places, modes.weights, modes.widths, strict=True)):
        shown = label if k == 0 else None
        if len(place) == 1:
            spread = np.sqrt(width[0, 0])
            axis.errorbar(place[0], weight, xerr=spread, fmt=marker, color=colours[k], capsize=2, label=shown)
            continue
        axis.plot(*_ellipse(place, width), color=colours[k], lw=1.0)
        axis.plot(*place, marker, ms=3 + 9 * np.sqrt(weight), color=colours[k], label=shown)
        axis.annotate(f"{weight:.2f}", place, textcoords="offset points", xytext=(5, 4), fontsize=7, color=colours[k])


@draw.register
@panel(figsize=(3.4, 3.0))
def modes(found: Modes, axis: Axes) -> None:
    """Every mode at its place with its weight, and the ellipse (in one dimension the bar) of one standard deviation."""
    _draw_modes(axis, found, [COLOURS[0]] * found.count, "modes", "o")
    projections(axis, found.places.shape[1], WEIGHT)
    axis.legend()


@draw.register
@panel(figsize=(3.4, 3.0))
def mode_report(report: ModeReport, axis: Axes) -> None:
    """Modes of the target (black squares) and generated ones (blue dots; spurious ones red), with their widths."""
    _draw_modes(axis, report.target, [COLOURS[6]] * report.target.count, "target", "s")
    colours = [COLOURS[1] if spurious else COLOURS[0] for spurious in report.spurious]
    _draw_modes(axis, report.generated, colours, "generated", "o")
    if report.spurious.any():
        axis.plot([], [], "o", color=COLOURS[1], label="spurious")
    projections(axis, report.target.places.shape[1], WEIGHT)
    axis.legend()
