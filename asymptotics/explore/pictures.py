"""Views as Bokeh figures that are updated in place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from bokeh.models import ColorBar, ColumnDataSource, Div, LinearColorMapper, Whisker
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from ..common.output.plotting import COLOURS
from ..common.output.views import Curve, Plane, View

#: Levels of the target's contours, as shares of its largest value.
LEVELS = (0.1, 0.3, 0.6, 0.9)


class Picture:
    """One view: made once for its labels, then only its numbers change.

    Parameters
    ----------
    view : View
    width, height : int
        Pixels.
    """

    def __init__(self, view: View, width: int = 430, height: int = 330) -> None:
        kind = "log" if view.log else "linear"
        self.figure = figure(
            name=view.name, width=width, height=height, title=view.title, x_axis_label=view.across, y_axis_label=view.up,
            x_axis_type=kind, y_axis_type=kind, tools="pan,wheel_zoom,box_zoom,reset,save,hover",
            match_aspect=view.plane is not None, tooltips=[("", "$name"), ("x", "$x"), ("y", "$y")],
        )  # fmt: skip
        self.figure.toolbar.logo = None
        self.note = Div(text=view.note, name=f"{view.name}_note")
        self.lines: dict[str, ColumnDataSource] = {}
        self.colours: dict[str, str] = {}
        self.plane: tuple[ColumnDataSource, ColumnDataSource, LinearColorMapper] | None = None
        self.show(view)
        if self.lines:
            legend = self.figure.legend[0]
            legend.update(
                label_text_font_size="10px", spacing=0, padding=2, click_policy="hide", border_line_color=None
            )
            self.figure.add_layout(legend, "right")

    def show(self, view: View) -> None:
        """Other numbers."""
        self.figure.title.text = view.title
        self.note.text = view.note
        seen = set()
        for curve in view.curves:
            name = f"{curve.label}{'' if curve.error is None else ' measured'}"
            seen.add(name)
            data: dict[str, Any] = {"x": curve.x, "y": curve.y}
            if curve.error is not None:
                data |= {"low": curve.y - curve.error, "high": curve.y + curve.error}
            if name in self.lines:
                self.lines[name].data = data
            else:
                self._new(curve, name, data)
        for name in self.lines.keys() - seen:
            self.lines[name].data = {column: [] for column in self.lines[name].data}
        if view.plane is not None:
            self._plane(view.plane)

    def _new(self, curve: Curve, name: str, data: dict[str, Any]) -> None:
        source: Any = ColumnDataSource(data, name=f"{self.figure.name}:{name}")
        self.lines[name] = source
        colour = self.colours.setdefault(curve.label, COLOURS[len(self.colours) % len(COLOURS)])
        if curve.error is None:
            dash = "dashed" if curve.dashed else "solid"
            self.figure.line("x", "y", source=source, color=colour, line_dash=dash, name=name, legend_label=curve.label)
        else:
            self.figure.scatter("x", "y", source=source, color=colour, size=6, name=name)
            self.figure.add_layout(
                Whisker(base="x", lower="low", upper="high", source=source, line_color=colour, level="annotation")
            )

    def _plane(self, plane: Plane) -> None:
        corner: dict[str, Any] = {
            "x": [plane.x[0]],
            "y": [plane.y[0]],
            "dw": [np.ptp(plane.x)],
            "dh": [np.ptp(plane.y)],
        }
        image: dict[str, Any] = {"image": [np.ascontiguousarray(plane.values.T)], **corner}
        xs, ys = _contours(plane)
        top = float(np.max(plane.values)) or 1.0
        if self.plane is None:
            mapper = LinearColorMapper(palette=Viridis256, low=0.0, high=top)
            source, lines = (
                ColumnDataSource(image, name="density"),
                ColumnDataSource({"xs": xs, "ys": ys}, name="target"),
            )
            self.figure.image("image", "x", "y", "dw", "dh", source=source, color_mapper=mapper, name="generated")
            self.figure.multi_line("xs", "ys", source=lines, color="white", line_alpha=0.7, name="target")
            self.figure.add_layout(ColorBar(color_mapper=mapper, width=8, title=None), "right")
            self.plane = (source, lines, mapper)
        else:
            source, lines, mapper = self.plane
            mapper.high = top
            source.data, lines.data = image, {"xs": xs, "ys": ys}


def _contours(plane: Plane) -> tuple[list[list[float]], list[list[float]]]:
    from contourpy import contour_generator

    top = float(np.nanmax(plane.contours))
    xs: list[list[float]] = []
    ys: list[list[float]] = []
    if not math.isfinite(top) or top <= 0:
        return xs, ys
    found = contour_generator(plane.x, plane.y, plane.contours.T)
    for level in LEVELS:
        for line in map(np.asarray, found.lines(level * top)):
            xs.append(line[:, 0].tolist())
            ys.append(line[:, 1].tolist())
    return xs, ys
