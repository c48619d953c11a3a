"""Plots of generations: Λ and distances, densities by generation, cobweb and phase diagram of the collapse map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...common.input.checks import fail, present
from ...common.output.plotting import COLOURS, axes_of, draw, panel, points, style
from ..collapse.collapse_map import CollapseMap
from ..collapse.phases import PhaseDiagram
from ..collapse.result import Collapse
from ..collapse.runs import CollapseRuns
from ..generated.density import GeneratedDensity
from .axes import contours, mesh, on_grid, projections
from .densities import target_density

#: Cells a direction of a density's picture.
CELLS = 100
#: What is drawn against the generation: field, label.
SERIES = (
    ("Lambda", r"$\Lambda$"),
    ("b", "$b$"),
    ("distance", "sliced $W_2$"),
    ("bulk_distance", r"bulk $W_2/\sqrt{d}$"),
)


@draw.register(Collapse)
def plot_collapse(
    collapse: Collapse | None, runs: CollapseRuns | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Λ, b and the distances to the original target against generation: theory as lines, experiment as points."""
    with style():
        figure, axis = axes_of(ax, figsize=(3.4, 2.5))
        if runs is None and collapse is not None:
            runs = collapse.simulation
        shown = collapse if collapse is not None else present(runs, "collapse or runs")
        generation, smallest = np.arange(1, shown.count + 1), 1.0
        for k, (name, label) in enumerate(SERIES):
            values = getattr(collapse, name) if collapse is not None else runs.mean(name)  # type: ignore[union-attr]
            smallest = float(np.min(values[values > 0], initial=smallest))
            if collapse is not None:
                axis.plot(generation, values, color=COLOURS[k], label=label)
            if runs is not None:
                only = None if collapse is not None else label
                points(axis, generation, runs.mean(name), runs.sem(name), color=COLOURS[k], label=only)
            else:
                axis.plot(generation, values, ".", color=COLOURS[k])
        if smallest < 0.02:
            axis.set_yscale("log")
        axis.set_xticks(generation)
        axis.set_xlabel("generation")
        axis.legend(ncols=2)
        return figure, axis


@draw.register
def measured(runs: CollapseRuns, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Λ, b and the distances against generation: points with standard errors."""
    return plot_collapse(None, runs, ax)


def plot_generations(collapse: Collapse, axes: Sequence[Axes] | None = None) -> tuple[Figure, Sequence[Axes]]:
    """Densities of the first two projections by generation: theory as contours over simulated points, the target first.

    All panels have one frame; where a generation's law has shrunk to peaks that are specks in it, an inset shows the highest of
    them. Contours hold 30, 60 and 90 % of the mass; a peak is drawn no narrower than a cell, the frame's hundredth.
    """
    problem = collapse.problem
    if problem.target.directions != 2:
        fail("target.centroids", problem.target.directions, "two reference directions for a picture of densities")
    from matplotlib.lines import Line2D

    with style() as plt:
        if axes is None:
            width = 2.6 * (collapse.count + 1)
            _, axes = plt.subplots(1, collapse.count + 1, figsize=(width, 2.9), layout="constrained", sharey=True)
        laws = [collapse.density(g + 1) for g in range(collapse.count)]
        samples = [law.sample(20_000, g) for g, law in enumerate(laws)]
        spread = np.concatenate([np.quantile(s, [0.002, 0.998], axis=0) for s in samples])
        centroids = problem.target.projected_centroids()
        low = np.minimum(spread.min(axis=0), centroids.min(axis=0) - 3) - 0.3
        high = np.maximum(spread.max(axis=0), centroids.max(axis=0) + 3) + 0.3
        grid = [np.linspace(low[k], high[k], CELLS + 1) for k in range(2)]
        target = target_density(problem, mesh(grid))
        contours(axes[0], grid, target, "0.4", linestyles="dashed")
        axes[0].set_title("target")
        for g, (axis, law, sample) in enumerate(zip(axes[1:], laws, samples, strict=True)):
            runs = collapse.simulation
            cloud = None if runs is None else runs.generated[:, g].reshape(-1, 2)
            contours(axis, grid, target, "0.6", linewidths=0.6, linestyles="dashed")
            _law(axis, law, grid, cloud)
            peak, half = _peak(sample)
            if half < SPECK * float(np.max(high - low)):
                _magnify(axis, law, cloud, peak, half)
            axis.set_title(f"generation {g + 1}")
        for axis in axes:
            axis.set_xlim(low[0], high[0])
            axis.set_ylim(low[1], high[1])
            axis.set_aspect("equal")
            projections(axis, 1)
        projections(axes[0], 2)
        handles = [
            Line2D([], [], color="0.4", ls="--", label="target"),
            Line2D([], [], color=COLOURS[0], label="theory"),
        ]
        if collapse.simulation is not None:
            handles.append(Line2D([], [], color=COLOURS[1], marker=".", ls="", label="experiment"))
        axes[0].legend(handles=handles, loc="lower left")
        return axes_of(axes[0])[0], axes


#: Width of a peak, over that of the frame, below which it is shown larger.
SPECK = 0.05
#: Simulated points in a panel.
SHOWN = 3000


def _law(
    axis: Axes, law: GeneratedDensity, grid: list[np.ndarray], cloud: np.ndarray | None, exact: bool = True
) -> None:
    """Contours of a law's density over simulated points that lie on the grid."""
    if cloud is not None:
        inside = np.all([(x >= g[0]) & (x <= g[-1]) for x, g in zip(cloud.T, grid, strict=True)], axis=0)
        shown = cloud[inside]
        # Of every network alike.
        shown = shown[:: max(1, len(shown) // SHOWN)]
        axis.plot(*shown.T, ".", ms=1.5, mew=0, color=COLOURS[1], alpha=0.4, rasterized=True)
    contours(axis, grid, on_grid(law, grid, exact=exact), COLOURS[0], linewidths=0.8)


def _peak(sample: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre of the highest peak of a sample, and half the side of a square that holds it."""
    counted, x, y = np.histogram2d(sample[:, 0], sample[:, 1], bins=60)
    i, j = (int(k) for k in np.unravel_index(int(np.argmax(counted)), counted.shape))
    centre = np.array([(x[i] + x[i + 1]) / 2, (y[j] + y[j + 1]) / 2])
    near = np.max(np.abs(sample - centre), axis=1)
    # Of the points nearer than three cells, those that lie together.
    mine = sample[near < 3 * max(x[1] - x[0], y[1] - y[0])]
    middle = np.median(mine, axis=0)
    width = 1.4826 * np.median(np.abs(mine - middle), axis=0)
    return middle, float(8 * np.max(width))


def _magnify(axis: Axes, law: GeneratedDensity, cloud: np.ndarray | None, peak: np.ndarray, half: float) -> None:
    """An inset at the lower edge that shows a square around a peak, and where it lies."""
    inset = axis.inset_axes((0.33, 0.03, 0.34, 0.34))
    grid = [np.linspace(c - half, c + half, CELLS + 1) for c in peak]
    _law(inset, law, grid, cloud, exact=False)
    inset.set(xlim=(grid[0][0], grid[0][-1]), ylim=(grid[1][0], grid[1][-1]), aspect="equal", xticks=[], yticks=[])
    inset.set_facecolor("white")
    for side in inset.spines.values():
        side.set(visible=True, color="0.4")
    inset.set_title(f"{2 * half:.2g} wide", fontsize=7, pad=2)
    axis.indicate_inset_zoom(inset, edgecolor="0.4")


@draw.register
@panel(figsize=(3.4, 3.2))
def plot_cobweb(collapse_map: CollapseMap, axis: Axes, *, start: float | None = None, count: int = 12) -> None:
    """The map Λ → f(Λ), the diagonal, fixed points (filled: stable) and the cobweb from Λ₀."""
    here = collapse_map.start if start is None else start
    fixed = collapse_map.fixed_points()
    ends = [here, *(p.Lambda for p in fixed)]
    x = np.logspace(np.log10(min(ends)) - 0.7, np.log10(max(ends)) + 0.7, 401)
    axis.plot(x, collapse_map(x), color=COLOURS[0], label=r"$f(\Lambda)$")
    axis.plot(x, x, color="0.6", lw=0.8)
    for p in fixed:
        face = COLOURS[0] if p.stable else "white"
        axis.plot(p.Lambda, p.Lambda, "o", ms=5, color=COLOURS[0], mfc=face, zorder=4)
    path = [(here, x[0])]
    # The chain itself: with a warm start, or data that accumulate, its points are not on the curve.
    for following in collapse_map.iterate(count, here)[1:].tolist():
        path += [(here, following), (following, following)]
        here = following
    axis.plot(*np.array(path).T, color=COLOURS[1], lw=0.9, label="generations")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(x[0], x[-1])
    axis.set_ylim(x[0], x[-1])
    axis.set_xlabel(r"$\Lambda$ of a generation's target")
    axis.set_ylabel(r"$\Lambda$ of the next")
    axis.legend(loc="upper left")


#: Axes of a phase diagram.
LABELS = {
    "stop": "$t_f$",
    "tau": r"training time $\tau$",
    "original": r"original share $\varphi$",
    "epsilon": r"noise $\varepsilon$",
}


@draw.register
@panel()
def plot_phase_diagram(diagram: PhaseDiagram, axis: Axes, *, factor: float = 10.0, bar: bool = True) -> None:
    """log₁₀ of the limit over Λ₀, with lines at 1/factor (collapse), 1 and factor (blow-up); dashed: where a second limit is stable."""
    value = np.log10(np.clip(diagram.limit / diagram.start, 1e-300, 1e300))
    shown = np.clip(value, -3, 3)
    image = axis.pcolormesh(
        diagram.x, diagram.y, shown, cmap="RdBu_r", vmin=-3, vmax=3, shading="gouraud", rasterized=True
    )
    levels = [x for x in (-np.log10(factor), 0.0, np.log10(factor)) if np.nanmin(value) < x < np.nanmax(value)]
    if levels:
        axis.contour(diagram.x, diagram.y, value, levels=levels, colors="black", linestyles="solid", linewidths=0.8)
    if diagram.stable.min() < 2 <= diagram.stable.max():
        axis.contour(
            diagram.x, diagram.y, diagram.stable, levels=[1.5], colors="0.35", linestyles="dashed", linewidths=0.9
        )
    if bar:
        axis.figure.colorbar(image, ax=axis, label=r"$\log_{10}\,\Lambda_\infty/\Lambda_0$")
    axis.set_xlabel(LABELS[diagram.names[0]])
    axis.set_ylabel(LABELS[diagram.names[1]])
