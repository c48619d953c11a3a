"""Plots of the auto-encoder: order parameters against τ, densities side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.input.checks import InputError, present
from ...common.output.plotting import COLOURS, axes_of, draw, points, style
from ..generated.density import GeneratedDensity
from ..model.problem import Problem
from ..model.target import GaussianMixture
from ..process.ensemble import Runs
from ..solution import OrderParameterPath


def _series(path: OrderParameterPath | None, runs: Runs | None) -> list[tuple[str, str, tuple[int, ...]]]:
    """`entries` of the path or else of the runs."""
    if path is not None:
        return entries(path.p, path.K)
    runs = present(runs, "path or runs")
    return entries(runs.Q.shape[2], runs.Theta.shape[3])


def entries(p: int, K: int) -> list[tuple[str, str, tuple[int, ...]]]:
    """(label, field, index) of the order parameters that are drawn, for p weight vectors and K directions."""
    shown = [(rf"$Q_{{{a + 1}{a + 1}}}$", "Q", (a, a)) for a in range(min(p, 4))]
    if p > 1:
        shown.append((r"$Q_{12}$", "Q", (0, 1)))
    shown += [(rf"$\Theta_{{{a + 1}{a + 1}}}$", "Theta", (a, a)) for a in range(min(p, K, 3))]
    return [*shown, ("$b$", "b", ())]


def _bands(path: OrderParameterPath | None, runs: Runs | None, dimension: float | None) -> Any:
    """Predicted standard deviations along τ, or None where there is no dimension or no prediction."""
    from ..finite_size.fluctuations import fluctuations

    dimension = runs.dimension if dimension is None and runs is not None else dimension
    if path is None or dimension is None:
        return None
    try:
        return fluctuations(path).deviations(np.linspace(0, path.tau_max, 41), dimension)
    except InputError:
        return None


def plot_path(
    path: OrderParameterPath | None, runs: Runs | None = None, ax: Any = None, *, dimension: float | None = None
) -> tuple[Any, Any]:
    """Order parameters against τ: theory as lines, mean over runs as points with standard errors.

    The shaded band is the predicted standard deviation of one run at ``dimension`` (default: that of the runs).
    """
    bands = _bands(path, runs, dimension)
    shown: list[float] = []
    with style():
        figure, axis = axes_of(ax, figsize=(4.2, 3.2))
        for k, (label, field, index) in enumerate(_series(path, runs)):
            colour = COLOURS[k % len(COLOURS)]
            if path is not None:
                tau = np.linspace(0, path.tau_max, 201)
                line = getattr(path(tau), field)[(slice(None), *index)]
                axis.plot(tau, line, color=colour, label=label)
                shown += [float(line.min()), float(line.max())]
                if bands is not None:
                    width = np.interp(tau, bands.tau, getattr(bands, field)[(slice(None), *index)])
                    axis.fill_between(tau, line - width, line + width, color=colour, alpha=0.2, linewidth=0)
            if runs is not None:
                entry: Any = (slice(None), *index)
                mean, sem = runs.mean(field)[entry], runs.sem(field)[entry]
                points(axis, runs.tau, mean, sem, color=colour, label=None if path is not None else label)
                error = np.nan_to_num(sem)
                shown += [float((mean - error).min()), float((mean + error).max())]
        _frame(axis, shown)
        axis.set_xlabel(r"training time $\tau = 2\eta n/d$")
        axis.set_ylabel("order parameters")
        axis.legend(ncols=2)
        return figure, axis


@draw.register
def solved(path: OrderParameterPath, ax: Any = None) -> tuple[Any, Any]:
    """Order parameters against τ: lines."""
    return plot_path(path, ax=ax)


@draw.register
def measured(runs: Runs, ax: Any = None) -> tuple[Any, Any]:
    """Order parameters against τ: points with error bars."""
    return plot_path(None, runs, ax)


def _frame(axis: Any, shown: list[float]) -> None:
    """Keep lines and points in the picture where bands of an unstable path, in which noise grows without end, would not."""
    low, high = min(shown), max(shown)
    room = max(high - low, 1e-9)
    bottom, top = axis.get_ylim()
    axis.set_ylim(max(bottom, low - room / 2), min(top, high + room / 2))


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


def comparison(path: OrderParameterPath, runs: Runs | None = None, ax: Any = None) -> tuple[Any, Any]:
    """Order parameters against τ, and target, theory and experiment densities of the first two projections side by side."""
    problem = path.problem
    with style() as plt:
        if ax is not None:
            return plot_path(path, runs, ax)
        if problem.target.directions < 1:
            return plot_path(path, runs)
        figure, axes = plt.subplots(1, 4, figsize=(13.2, 3.2), layout="constrained", width_ratios=(1.35, 1, 1, 1))
        plot_path(path, runs, axes[0])
        law = GeneratedDensity.from_path(path, problem, None, np.eye(problem.target.directions)[:2])
        draw_densities(
            problem, law, None if runs is None else runs.generated.reshape(-1, runs.generated.shape[-1]), axes[1:]
        )
        return figure, axes


def _has_density(law: GeneratedDensity) -> bool:
    """Whether the law states a density: not with noise, more than two encoders, or confined to a lower dimension."""
    try:
        law.density(np.zeros((1, len(law.span_covariance))))
    except InputError:
        return False
    return True


def window(problem: Problem, sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a box that holds the target's clusters and the bulk of the generated points."""
    centroids = problem.target.projected_centroids()[:, :2]
    spread = np.sqrt(np.max(np.diagonal(problem.target.projected_covariance(), axis1=1, axis2=2)[:, :2], axis=0))
    low, high = np.quantile(sample, 0.004, axis=0), np.quantile(sample, 0.996, axis=0)
    low = np.minimum(low, centroids.min(axis=0) - 2.5 * spread)
    high = np.maximum(high, centroids.max(axis=0) + 2.5 * spread)
    margin = 0.05 * (high - low)
    return low - margin, high + margin


def draw_densities(problem: Problem, law: GeneratedDensity, generated: np.ndarray | None, axes: Any) -> None:
    """Target, theory and experiment in three axes with one frame."""
    K = min(problem.target.directions, 2)
    low, high = window(problem, law.sample(4000, 0)[:, :2])
    exact = _has_density(law)
    if K == 1:
        _draw_line(problem, law, generated, axes, low, high, exact)
        return
    grid = [np.linspace(low[k], high[k], 81) for k in range(2)]
    mesh = np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1)
    extent = (low[0], high[0], low[1], high[1])
    axes[0].imshow(
        target_density(problem, mesh).T, extent=extent, origin="lower", aspect="auto", interpolation="bilinear"
    )
    axes[0].set_title("target")
    bins = [np.linspace(low[k], high[k], 61) for k in range(2)]
    image = law.density(mesh) if exact else histogram(law.sample(400_000, 0), bins)
    axes[1].imshow(image.T, extent=extent, origin="lower", aspect="auto", interpolation="bilinear")
    axes[1].set_title("generated, theory" + ("" if exact else " (samples)"))
    if generated is not None and generated.size:
        counted = histogram(generated[:, :2], bins)
        top = float(np.nanmax(image))
        axes[2].imshow(counted.T, extent=extent, origin="lower", aspect="auto", vmin=0, vmax=1.25 * top)
        levels = top * np.array([0.1, 0.35, 0.7])
        x, y = grid if exact else [(edge[1:] + edge[:-1]) / 2 for edge in bins]
        axes[2].contour(x, y, image.T, levels=levels, colors="white", linewidths=0.8)
    axes[2].set_title("generated, experiment (contours: theory)")
    for axis in axes:
        axis.set_xlabel(r"$u_1\cdot x$")
    axes[0].set_ylabel(r"$u_2\cdot x$")


def histogram(sample: np.ndarray, bins: list[np.ndarray]) -> np.ndarray:
    """Density of the first two columns of a sample in the given bins."""
    return np.histogram2d(sample[:, 0], sample[:, 1], bins=bins, density=True)[0]


def _draw_line(
    problem: Problem, law: GeneratedDensity, generated: Any, axes: Any, low: Any, high: Any, exact: bool
) -> None:
    x = np.linspace(low[0], high[0], 401)
    bins = np.linspace(low[0], high[0], 61)
    axes[0].plot(x, target_density(problem, x[:, None]), color=COLOURS[6])
    axes[0].set_title("target")
    for axis in axes[1:]:
        if exact:
            axis.plot(x, law.density(x[:, None]), color=COLOURS[0])
        else:
            axis.hist(law.sample(200_000, 0)[:, 0], bins=bins, density=True, histtype="step", color=COLOURS[0])
    axes[1].set_title("generated, theory")
    if generated is not None and generated.size:
        counts, _ = np.histogram(generated[:, 0], bins=bins)
        width, total = np.diff(bins), len(generated)
        centre = (bins[1:] + bins[:-1]) / 2
        points(axes[2], centre, counts / (total * width), np.sqrt(counts) / (total * width), color=COLOURS[1])
    axes[2].set_title("generated, experiment (line: theory)")
    for axis in axes:
        axis.set_xlabel(r"$u_1\cdot x$")
