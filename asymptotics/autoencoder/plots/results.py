"""What each result of the auto-encoder draws: lines from theory, points from experiment."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.input.checks import InputError
from ...common.output.plotting import COLOURS, axes_of, draw, style
from ..finite_size.fluctuations import Fluctuations
from ..generated.density import GeneratedDensity
from ..generated.mode_finding import Modes
from ..generated.modes import ModeReport
from ..model.target import GaussianMixture
from ..observables.errors import DenoisingError, SampleComplexity
from ..observables.learning_curves import LearningCurves
from ..observables.linear_network import ModeLearning
from ..observables.score_error import ScoreError
from ..process.generate import GeneratedPoints
from ..process.results import TrainedRun
from .paths import entries, histogram, mixture_density

TAU = r"training time $\tau = 2\eta n/d$"


@draw.register
def density(law: GeneratedDensity, ax: Any = None, *, points: int = 200_000, seed: int = 0) -> tuple[Any, Any]:
    """The generated law of the first two projections as a picture, or of a single one as a line.

    The exact density where there is one that a picture resolves (ε = 0, at most two encoders), else a histogram of
    ``points`` samples.
    """
    m = len(law.span_covariance)
    low, high = np.quantile(law.sample(4000, seed)[:, :2], [0.001, 0.999], axis=0)
    low, high = low - 0.12 * (high - low), high + 0.12 * (high - low)
    with style():
        figure, axis = axes_of(ax, figsize=(3.6, 3.2))
        if m == 1:
            x = np.linspace(low[0], high[0], 401)
            exact = _exact(law, x[:, None])
            if exact is not None:
                axis.plot(x, exact, color=COLOURS[0])
            else:
                axis.hist(law.sample(points, seed)[:, 0], bins=x[::8], density=True, histtype="step", color=COLOURS[0])
            axis.set_ylabel("generated density")
        else:
            grid = [np.linspace(low[k], high[k], 81) for k in range(2)]
            cell, narrow = np.max(high - low) / 80, np.sqrt(max(np.linalg.eigvalsh(law.span_covariance)[0], 0.0))
            # A Gaussian part narrower than a cell makes the exact density costly, and a picture does not resolve it.
            resolved = m == 2 and narrow > 0.6 * cell
            image = _exact(law, np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1)) if resolved else None
            if image is None:
                image = histogram(law.sample(points, seed), grid)
            extent = (low[0], high[0], low[1], high[1])
            axis.imshow(image.T, extent=extent, origin="lower", aspect="auto", interpolation="bilinear")
            axis.set_ylabel(r"$u_2\cdot x$")
        axis.set_xlabel(r"$u_1\cdot x$")
        return figure, axis


def _exact(law: GeneratedDensity, x: np.ndarray) -> np.ndarray | None:
    """The exact density at the points, None where there is none."""
    try:
        return law.density(x)
    except InputError:
        return None


@draw.register
def target(mixture: GaussianMixture, ax: Any = None) -> tuple[Any, Any]:
    """Density of the target's first two projections as a picture with the centroids, or of a single one as a line."""
    means, covariances = mixture.projected_centroids()[:, :2], mixture.projected_covariance()
    spread = 3.5 * np.sqrt(np.max(np.diagonal(covariances, axis1=1, axis2=2)[:, :2], axis=0))
    low, high = means.min(axis=0) - spread, means.max(axis=0) + spread
    grid = [np.linspace(a, b, 121) for a, b in zip(low, high, strict=True)]
    with style():
        figure, axis = axes_of(ax, figsize=(3.6, 3.2))
        if len(grid) == 1:
            axis.plot(grid[0], mixture_density(mixture, grid[0][:, None]), color=COLOURS[6])
            axis.set_ylabel("target density")
        else:
            image = mixture_density(mixture, np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1))
            extent = (low[0], high[0], low[1], high[1])
            axis.imshow(image.T, extent=extent, origin="lower", aspect="auto", interpolation="bilinear")
            axis.plot(*means.T, "+", color="white")
            axis.set_ylabel(r"$u_2\cdot x$")
        axis.set_xlabel(r"$u_1\cdot x$")
        return figure, axis


@draw.register
def deviations(result: Fluctuations, ax: Any = None) -> tuple[Any, Any]:
    """Standard deviation × √d of the diagonal of Q, of Θ's first entries and of b against τ."""
    tau = np.linspace(0.0, float(result.knots[-1]), 101)
    at = result.deviations(tau, 1.0)
    with style():
        figure, axis = axes_of(ax, figsize=(4.2, 3.2))
        for a in range(min(result.p, 3)):
            axis.plot(tau, at.Q[:, a, a], color=COLOURS[a], label=rf"$Q_{{{a + 1}{a + 1}}}$")
        for a in range(min(result.p, result.K, 3)):
            axis.plot(tau, at.Theta[:, a, a], "--", color=COLOURS[a], label=rf"$\Theta_{{{a + 1}{a + 1}}}$")
        axis.set_xlabel(TAU)
        axis.set_ylabel(r"standard deviation of one run $\times\sqrt{d}$")
        axis.legend(ncols=2)
        return figure, axis


@draw.register
def learning_curves(curves: LearningCurves, ax: Any = None) -> tuple[Any, Any]:
    """Both distances to the target (solid) and the cosine of each centroid with the weights (dashed) against τ."""
    with style():
        figure, axis = axes_of(ax, figsize=(4.2, 3.2))
        axis.plot(curves.tau, curves.sliced, color=COLOURS[0], label=r"sliced $W_2$")
        axis.plot(curves.tau, curves.mixture, color=COLOURS[1], label=r"mixture $W_2$")
        for c in range(curves.cosines.shape[1]):
            axis.plot(
                curves.tau, curves.cosines[:, c], "--", color=COLOURS[2 + c % 6], lw=1.0, label=rf"cosine, $c={c + 1}$"
            )
        axis.set_xlabel(TAU)
        axis.set_ylabel("distance to the target; cosine")
        axis.legend()
        return figure, axis


@draw.register
def mode_learning(modes: ModeLearning, ax: Any = None) -> tuple[Any, Any]:
    """Strength ‖Θ_k‖² of every mode against τ; dots: where it escapes; dotted: its plateau when alone."""
    with style():
        figure, axis = axes_of(ax, figsize=(4.2, 3.2))
        for k, value in enumerate(modes.eigenvalues):
            colour = COLOURS[k % len(COLOURS)]
            axis.plot(modes.tau, modes.strength[:, k], color=colour, label=rf"$\lambda_{{{k + 1}}}={value:.3g}$")
            axis.axhline(modes.plateau[k], color=colour, lw=0.8, ls=":")
            if np.isfinite(modes.escape[k]):
                axis.plot(modes.escape[k], modes.final[k] / 2, "o", ms=4, color=colour)
        axis.set_xlabel(TAU)
        axis.set_ylabel(r"strength $\|\Theta_k\|^2$")
        axis.legend()
        return figure, axis


def _ellipse(centre: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The line of one standard deviation, (2, points)."""
    angle = np.linspace(0, 2 * np.pi, 97)
    values, vectors = np.linalg.eigh(covariance)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    return np.asarray(centre[:, None] + vectors @ (np.sqrt(np.maximum(values, 0.0))[:, None] * circle))


def _draw_modes(axis: Any, modes: Modes, colours: Any, label: str, marker: str) -> None:
    for k, (place, weight, width) in enumerate(zip(modes.places, modes.weights, modes.widths, strict=True)):
        shown = label if k == 0 else None
        if len(place) == 1:
            spread = np.sqrt(width[0, 0])
            axis.errorbar(place[0], weight, xerr=spread, fmt=marker, color=colours[k], capsize=2, label=shown)
            continue
        axis.plot(*_ellipse(place, width), color=colours[k], lw=1.0)
        axis.plot(*place, marker, ms=3 + 9 * np.sqrt(weight), color=colours[k], label=shown)
        axis.annotate(f"{weight:.2f}", place, textcoords="offset points", xytext=(5, 4), fontsize=7, color=colours[k])


def _mode_axes(axis: Any, dimension: int) -> None:
    axis.set_xlabel(r"$u_1\cdot x$")
    axis.set_ylabel(r"$u_2\cdot x$" if dimension == 2 else "weight (bar: one standard deviation)")
    axis.legend()


@draw.register
def modes(found: Modes, ax: Any = None) -> tuple[Any, Any]:
    """Every mode at its place with its weight, and the ellipse (in one dimension the bar) of one standard deviation."""
    with style():
        figure, axis = axes_of(ax, figsize=(3.6, 3.2))
        _draw_modes(axis, found, [COLOURS[0]] * found.count, "modes", "o")
        _mode_axes(axis, found.places.shape[1])
        return figure, axis


@draw.register
def mode_report(report: ModeReport, ax: Any = None) -> tuple[Any, Any]:
    """Modes of the target (black squares) and generated ones (blue dots; spurious ones red), with their widths."""
    with style():
        figure, axis = axes_of(ax, figsize=(3.8, 3.3))
        _draw_modes(axis, report.target, [COLOURS[6]] * report.target.count, "target", "s")
        colours = [COLOURS[1] if spurious else COLOURS[0] for spurious in report.spurious]
        _draw_modes(axis, report.generated, colours, "generated", "o")
        if report.spurious.any():
            axis.plot([], [], "o", color=COLOURS[1], label="spurious")
        _mode_axes(axis, report.target.places.shape[1])
        return figure, axis


@draw.register
def denoising_error(error: DenoisingError, ax: Any = None) -> tuple[Any, Any]:
    """The two orders of the denoising error, per dimension and of order one, against the noise level t."""
    with style():
        figure, axis = axes_of(ax, figsize=(4.2, 3.2))
        axis.plot(error.t, error.bulk, ".-", color=COLOURS[0], label="bulk (times $d$)")
        axis.plot(error.t, error.order_one, ".-", color=COLOURS[1], label="of order one")
        axis.set_xlabel("noise level $t$")
        axis.set_ylabel("denoising error")
        axis.legend()
        return figure, axis


@draw.register
def score_error(error: ScoreError, ax: Any = None) -> tuple[Any, Any]:
    """Mean squared error of the score, and the exact score's mean square, against the noise level t."""
    with style():
        figure, axis = axes_of(ax, figsize=(4.2, 3.2))
        axis.plot(error.t, error.error, ".-", color=COLOURS[0], label=r"$E\|\Pi\hat s_t - s_t\|^2$")
        axis.plot(error.t, error.norm, ".--", color=COLOURS[6], label=r"$E\|s_t\|^2$")
        axis.set_yscale("log")
        axis.set_xlabel("noise level $t$")
        axis.set_title(f"averaged over the {error.law}")
        axis.legend()
        return figure, axis


@draw.register
def sample_complexity(result: SampleComplexity, ax: Any = None) -> tuple[Any, Any]:
    """A bar a cluster: samples per dimension at which it is found; a cross where it is not found on the path."""
    with style():
        figure, axis = axes_of(ax, figsize=(3.6, 3.0))
        cluster = np.arange(1, len(result.samples) + 1)
        found = np.isfinite(result.samples)
        axis.bar(cluster[found], result.samples[found], width=0.6, color=COLOURS[0])
        axis.plot(cluster[~found], np.zeros(np.sum(~found)), "x", color=COLOURS[1], clip_on=False)
        axis.plot(cluster[found], result.samples[found], "o", ms=4, color=COLOURS[0], clip_on=False)
        axis.set_xticks(cluster)
        axis.set_ylim(0, 1.1 * float(np.max(result.samples[found], initial=0.0)) or 1.0)
        axis.set_xlabel("cluster")
        axis.set_ylabel(f"samples $n/d$ until the {result.measure} is {result.threshold:g}")
        return figure, axis


@draw.register
def generated_points(result: GeneratedPoints, ax: Any = None, *, shown: int = 4000) -> tuple[Any, Any]:
    """The first two projections as points; of a single projection, or of ‖X‖² where none was kept, a histogram."""
    with style():
        figure, axis = axes_of(ax, figsize=(3.6, 3.2))
        if result.projections.shape[1] >= 2:
            x, y = result.projections[:shown, :2].T
            axis.plot(x, y, ".", ms=1.8, alpha=0.5, color=COLOURS[1], rasterized=True)
            axis.set_ylabel(r"$u_2\cdot x$")
        else:
            values = result.projections[:, 0] if result.projections.shape[1] else result.squared_norms
            axis.hist(values, bins="auto", density=True, color=COLOURS[1], alpha=0.6)
            axis.set_ylabel("density")
        axis.set_xlabel(r"$u_1\cdot x$" if result.projections.shape[1] else r"$\|x\|^2$")
        return figure, axis


@draw.register
def trained_run(run: TrainedRun, ax: Any = None) -> tuple[Any, Any]:
    """Order parameters of one training against τ: points (a single run has no error bars)."""
    with style():
        figure, axis = axes_of(ax, figsize=(4.2, 3.2))
        for k, (label, field, index) in enumerate(entries(run.Q.shape[1], run.Theta.shape[2])):
            axis.plot(
                run.tau, getattr(run, field)[(slice(None), *index)], "o", ms=3.5, color=COLOURS[k % 8], label=label
            )
        axis.set_xlabel(TAU)
        axis.set_ylabel("order parameters")
        axis.set_title(f"one run, $d={run.dimension}$")
        axis.legend(ncols=2)
        return figure, axis
