"""Plots of generations: Λ and distances, densities by generation, cobweb and phase diagram of the collapse map."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.input.checks import fail, present
from ...common.output.plotting import COLOURS, axes_of, draw, points, style
from ..collapse.collapse_map import CollapseMap, PhaseDiagram
from ..collapse.result import Collapse
from ..collapse.runs import CollapseRuns
from .axes import contours, exact_density, mesh, projections, resolved
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


def plot_collapse(collapse: Collapse | None, runs: CollapseRuns | None = None, ax: Any = None) -> tuple[Any, Any]:
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
def solved(collapse: Collapse, ax: Any = None) -> tuple[Any, Any]:
    """Λ, b and the distances against generation: theory as lines, experiment as points."""
    return plot_collapse(collapse, ax=ax)


@draw.register
def measured(runs: CollapseRuns, ax: Any = None) -> tuple[Any, Any]:
    """Λ, b and the distances against generation: points with standard errors."""
    return plot_collapse(None, runs, ax)


def plot_generations(collapse: Collapse, axes: Any = None) -> tuple[Any, Any]:
    """Densities of the first two projections by generation: theory as contours over simulated points, the target first.

    Where the theory's density is too narrow to draw, quasi-random points of it stand for it.
    """
    problem = collapse.problem
    if problem.target.directions != 2:
        fail("target.centroids", problem.target.directions, "two reference directions for a picture of densities")
    with style() as plt:
        figure = None
        if axes is None:
            width = 2.6 * (collapse.count + 1)
            figure, axes = plt.subplots(1, collapse.count + 1, figsize=(width, 2.9), layout="constrained", sharey=True)
        laws = [collapse.density(g + 1) for g in range(collapse.count)]
        samples = [law.sample(20_000, g) for g, law in enumerate(laws)]
        spread = np.concatenate([np.quantile(s, [0.002, 0.998], axis=0) for s in samples])
        centroids = problem.target.projected_centroids()
        low = np.minimum(spread.min(axis=0), centroids.min(axis=0) - 3) - 0.3
        high = np.maximum(spread.max(axis=0), centroids.max(axis=0) + 3) + 0.3
        grid = [np.linspace(low[k], high[k], CELLS + 1) for k in range(2)]
        contours(axes[0], grid, target_density(problem, mesh(grid)), COLOURS[0])
        axes[0].set_title("target")
        for g, (axis, law, sample) in enumerate(zip(axes[1:], laws, samples, strict=True)):
            if collapse.simulation is not None:
                cloud = collapse.simulation.generated[:, g].reshape(-1, 2)[:3000]
                axis.plot(*cloud.T, ".", ms=1.2, color=COLOURS[1], alpha=0.35, rasterized=True)
            cell = float(np.max(np.asarray(high) - low)) / CELLS
            exact = exact_density(law, mesh(grid)) if resolved(law, cell) else None
            if exact is not None:
                contours(axis, grid, exact, COLOURS[0])
            else:
                axis.plot(*sample[:2000].T, ".", ms=1.2, color=COLOURS[0], alpha=0.5, rasterized=True)
            axis.set_title(f"generation {g + 1}")
        for axis in axes:
            axis.set_xlim(low[0], high[0])
            axis.set_ylim(low[1], high[1])
            projections(axis, 1)
        projections(axes[0], 2)
        return figure if figure is not None else axes[0].figure, axes


@draw.register
def plot_cobweb(
    collapse_map: CollapseMap, ax: Any = None, *, start: float | None = None, count: int = 12
) -> tuple[Any, Any]:
    """The map Λ → f(Λ), the diagonal, fixed points (filled: stable) and the cobweb from Λ₀."""
    with style():
        figure, axis = axes_of(ax, figsize=(3.4, 3.2))
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
        return figure, axis


#: Axes of a phase diagram.
LABELS = {
    "stop": "$t_f$",
    "tau": r"training time $\tau$",
    "original": r"original share $\varphi$",
    "epsilon": r"noise $\varepsilon$",
}


@draw.register
def plot_phase_diagram(
    diagram: PhaseDiagram, ax: Any = None, *, factor: float = 10.0, bar: bool = True
) -> tuple[Any, Any]:
    """log₁₀ of the limit over Λ₀, with lines at 1/factor (collapse), 1 and factor (blow-up); dashed: where a second limit is stable."""
    with style():
        figure, axis = axes_of(ax, figsize=(3.4, 2.6))
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
        return figure, axis
