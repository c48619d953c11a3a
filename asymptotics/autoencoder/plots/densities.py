"""Densities and points of the first two projections: target, theory and experiment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...common.output.plotting import COLOURS, axes_of, draw, panel, points, style
from ..generated.density import GeneratedDensity
from ..model.data.target import GaussianMixture
from ..model.problem import Problem
from ..process.generating.generate import GeneratedPoints
from .axes import contours, exact_density, histogram, image, mesh, on_grid, projections, resolved


def target_density(problem: Problem, x: np.ndarray) -> np.ndarray:
    """`mixture_density` of the problem's target."""
    return mixture_density(problem.target, x)


def mixture_density(target: GaussianMixture, x: np.ndarray) -> np.ndarray:
    """Density of the target's first m ≤ K projections at points (..., m); singular projections give NaN."""
    m = x.shape[-1]
    means, covariances = target.projected_centroids()[:, :m], target.projected_covariance()[:, :m, :m]
    total = np.zeros(x.shape[:-1])
    for weight, mean, covariance in zip(target.weights, means, covariances, strict=True):
        sign, log_determinant = np.linalg.slogdet(covariance)
        if sign <= 0:
            return np.full(x.shape[:-1], np.nan)
        deviation = x - mean
        quadratic = np.einsum("...k,kl,...l->...", deviation, np.linalg.inv(covariance), deviation)
        total += weight * np.exp(-0.5 * (quadratic + log_determinant + x.shape[-1] * np.log(2 * np.pi)))
    return total


@draw.register
def density(
    law: GeneratedDensity, ax: Axes | None = None, *, count: int = 200_000, seed: int = 0
) -> tuple[Figure, Axes]:
    """The generated law of the first two projections as a picture, or of a single one as a line.

    The exact density where there is one that a picture resolves (ε = 0, at most two encoders), else a histogram of
    ``count`` samples.
    """
    m = len(law.span_covariance)
    low, high = np.quantile(law.sample(4000, seed)[:, :2], [0.001, 0.999], axis=0)
    low, high = low - 0.12 * (high - low), high + 0.12 * (high - low)
    with style():
        figure, axis = axes_of(ax, figsize=(3.4, 3.0))
        if m == 1:
            x = np.linspace(low[0], high[0], 401)
            exact = exact_density(law, x[:, None])
            if exact is not None:
                axis.plot(x, exact, color=COLOURS[0])
            else:
                axis.hist(
                    law.sample(count, seed)[:, 0], bins=list(x[::8]), density=True, histtype="step", color=COLOURS[0]
                )
        else:
            grid = [np.linspace(low[k], high[k], 81) for k in range(2)]
            fine = m == 2 and resolved(law, np.max(high - low) / 80)
            shown = exact_density(law, mesh(grid)) if fine else None
            values = histogram(law.sample(count, seed), grid) if shown is None else shown
            figure.colorbar(image(axis, values, low, high), ax=axis, label="generated density", shrink=0.8)
        projections(axis, m, "generated density")
        return figure, axis


@draw.register
def target(mixture: GaussianMixture, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Density of the target's first two projections as a picture with the centroids, or of a single one as a line."""
    means, covariances = mixture.projected_centroids()[:, :2], mixture.projected_covariance()
    spread = 3.5 * np.sqrt(np.max(np.diagonal(covariances, axis1=1, axis2=2)[:, :2], axis=0))
    low, high = means.min(axis=0) - spread, means.max(axis=0) + spread
    grid = [np.linspace(a, b, 121) for a, b in zip(low, high, strict=True)]
    with style():
        figure, axis = axes_of(ax, figsize=(3.4, 3.0))
        if len(grid) == 1:
            axis.plot(grid[0], mixture_density(mixture, grid[0][:, None]), color=COLOURS[6])
        else:
            values = image(axis, mixture_density(mixture, mesh(grid)), low, high)
            figure.colorbar(values, ax=axis, label="target density", shrink=0.8)
            axis.plot(*means.T, "+", color="white")
        projections(axis, len(grid), "target density")
        return figure, axis


@draw.register
@panel(figsize=(3.4, 3.0))
def generated_points(result: GeneratedPoints, axis: Axes, *, shown: int = 4000) -> None:
    """The first two projections as points; of a single projection, or of ‖X‖² where none was kept, a histogram."""
    if result.projections.shape[1] >= 2:
        x, y = result.projections[:shown, :2].T
        axis.plot(x, y, ".", ms=1.8, alpha=0.5, color=COLOURS[1], rasterized=True)
        axis.set_ylabel(r"$u_2\cdot x$")
    else:
        values = result.projections[:, 0] if result.projections.shape[1] else result.squared_norms
        axis.hist(values, bins="auto", density=True, color=COLOURS[1], alpha=0.6)
        axis.set_ylabel("density")
    axis.set_xlabel(r"$u_1\cdot x$" if result.projections.shape[1] else r"$\|x\|^2$")


def window(problem: Problem, sample: np.ndarray, tail: float = 0.004) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a box that holds the target's clusters and the generated points but a share ``tail`` on every side."""
    centroids = problem.target.projected_centroids()[:, :2]
    spread = np.sqrt(np.max(np.diagonal(problem.target.projected_covariance(), axis1=1, axis2=2)[:, :2], axis=0))
    low, high = np.quantile(sample, tail, axis=0), np.quantile(sample, 1 - tail, axis=0)
    low = np.minimum(low, centroids.min(axis=0) - 2.5 * spread)
    high = np.maximum(high, centroids.max(axis=0) + 2.5 * spread)
    margin = 0.05 * (high - low)
    return low - margin, high + margin


def draw_densities(problem: Problem, law: GeneratedDensity, generated: np.ndarray | None, axes: Sequence[Axes]) -> None:
    """Target, theory and experiment in three axes with one square frame and a colour bar each.

    Dashed: contours of the target; full, over the experiment: those of theory. They hold 30, 60 and 90 % of the mass.
    """
    K = min(problem.target.directions, 2)
    sample = law.sample(4000, 0)[:, :2]
    if K == 1:
        _draw_line(problem, law, generated, axes, *window(problem, sample))
        return
    from matplotlib.lines import Line2D

    # Long thin tails would make the clusters small.
    low, high = window(problem, sample, 0.02)
    middle, half = (low + high) / 2, float(np.max(high - low)) / 2
    low, high = middle - half, middle + half
    grid = [np.linspace(low[k], high[k], 121) for k in range(2)]
    bins = [np.linspace(low[k], high[k], 61) for k in range(2)]
    shown = [target_density(problem, mesh(grid)), on_grid(law, grid)]
    titles = ["target", "generated, theory"]
    if generated is not None and generated.size:
        points_ = generated[:, :2]
        inside = np.mean(np.all((points_ >= low) & (points_ <= high), axis=1))
        shown.append(histogram(points_, bins) * inside)
        titles.append("generated, experiment")
    top = float(np.nanmax(shown[1]))
    for axis, values, title in zip(axes, shown, titles, strict=False):
        highest = float(np.nanmax(shown[0])) if axis is axes[0] else 1.1 * top
        picture = image(axis, values, low, high, cmap="Blues", vmin=0, vmax=highest)
        axis.figure.colorbar(picture, ax=axis, shrink=0.75, pad=0.02, label="density")
        contours(axis, grid, shown[0], COLOURS[1], linewidths=0.8, linestyles="dashed")
        axis.set_title(title)
        projections(axis, 2)
        axis.set_xlim(low[0], high[0])
        axis.set_ylim(low[1], high[1])
    if len(shown) > 2:
        contours(axes[2], grid, shown[1], "black", linewidths=0.8)
        handles = [
            Line2D([], [], color="black", lw=0.8, label="theory"),
            Line2D([], [], color=COLOURS[1], lw=0.8, ls="--", label="target"),
        ]
        axes[2].legend(
            handles=handles, loc="lower left", handlelength=1.3, frameon=True, facecolor="w", edgecolor="none"
        )


def _draw_line(
    problem: Problem,
    law: GeneratedDensity,
    generated: np.ndarray | None,
    axes: Sequence[Axes],
    low: np.ndarray,
    high: np.ndarray,
) -> None:
    x = np.linspace(low[0], high[0], 401)
    bins = np.linspace(low[0], high[0], 61)
    axes[0].plot(x, target_density(problem, x[:, None]), color=COLOURS[6])
    axes[0].set_title("target")
    exact = exact_density(law, x[:, None])
    for axis in axes[1:]:
        if exact is not None:
            axis.plot(x, exact, color=COLOURS[0])
        else:
            axis.hist(law.sample(200_000, 0)[:, 0], bins=list(bins), density=True, histtype="step", color=COLOURS[0])
    axes[1].set_title("generated, theory")
    if generated is not None and generated.size:
        counts, _ = np.histogram(generated[:, 0], bins=bins)
        width, total = np.diff(bins), len(generated)
        centre = (bins[1:] + bins[:-1]) / 2
        points(axes[2], centre, counts / (total * width), np.sqrt(counts) / (total * width), color=COLOURS[1])
    axes[2].set_title("generated, experiment (line: theory)")
    for axis in axes:
        projections(axis, 1)
