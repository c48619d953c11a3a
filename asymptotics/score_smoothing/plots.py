"""Plots of this room: density with atoms, trajectories, scores; theory as lines, particles as points with error bars."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..common.output.ensemble import standard_error
from ..common.output.plotting import COLOURS, axes_of, draw, panel, points, style
from .laws.circle import CircleLaw
from .laws.experiment import law_of
from .laws.law import Law
from .networks.plane import TrainedCircle
from .networks.training import TrainedScore
from .networks.variational import Minimiser
from .problem import Problem
from .scores.empirical import EmpiricalScore, PiecewiseLinearScore
from .scores.smoothed import SmoothedScore
from .settings import ScoreSmoothing
from .simulation import Particles
from .theory import Solution


def binned(runs: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Histogram density over runs (runs, samples): mean and standard error in each bin."""
    heights = np.array([np.histogram(r, edges)[0] / r.size / np.diff(edges) for r in runs])
    return heights.mean(axis=0), standard_error(heights)


@draw.register
def comparison(theory: Solution, runs: Particles | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Continuous density as a line, atoms as stems; particles as a histogram with standard errors.

    Parameters
    ----------
    theory : Solution
    runs : Particles, optional
    ax : matplotlib Axes, optional

    Returns
    -------
    (figure, axes)
    """
    settings = Problem.from_tables(theory.experiment).score_smoothing
    with style():
        figure, axes = axes_of(ax, figsize=(3.4, 2.5))
        if settings.curve == "circle":
            _circle(theory, runs, axes)
        else:
            _line(settings, theory, runs, axes)
    return figure, axes


@draw.register
@panel(figsize=(3.4, 2.5))
def particles(runs: Particles, axes: Axes) -> None:
    """Particles alone: histogram along the line with standard errors, or the first run in the plane of the circle."""
    if Problem.from_tables(runs.experiment).score_smoothing.curve == "circle":
        _plane(runs, axes)
    else:
        edges = np.linspace(float(np.min(runs.positions)), float(np.max(runs.positions)), 41)
        mean, sem = binned(runs.positions, edges)
        points(axes, (edges[1:] + edges[:-1]) / 2, mean, sem)
        axes.set_yscale("log")
        axes.set(xlabel="x", ylabel="density", ylim=(0.3 * float(np.min(mean[mean > 0])), None))


def _plane(runs: Particles | None, axes: Axes) -> None:
    """Particles of the first run in the plane of the circle."""
    if runs is not None:
        shown = runs.positions[0][:4000]
        axes.plot(*shown.T, ".", color="C0", markersize=1.5, alpha=0.4, rasterized=True, label="particles")
    axes.set_aspect("equal")
    axes.set(xlabel="x", ylabel="y")


def _stems(axes: Axes, y: np.ndarray, masses: np.ndarray, label: str) -> None:
    """Masses at the points on a second axis."""
    stems = axes.twinx()
    stems.vlines(y, 0.0, masses, color="C1", linewidth=2.2)
    stems.plot(y, masses, "_", color="C1", markersize=9)
    stems.set_ylim(0, 1.25 * float(np.max(masses)))
    stems.set_ylabel(label, color="C1")
    stems.spines["right"].set_visible(True)


def _line(settings: ScoreSmoothing, theory: Solution, runs: Particles | None, axes: Axes) -> None:
    y, law = theory.points, law_of(settings)
    length = y[-1] - y[0]
    margin = 0.02 * length if settings.end_time == 0.0 else 4 * float(np.sqrt(settings.end_time))
    x = np.linspace(y[0] - margin, y[-1] + margin, 1601)
    if law is not None:
        axes.plot(x, law.density(x), label="theory, continuous part")
    axes.axhline(1 / length, color="0.75", linewidth=0.8, zorder=0, label="uniform")
    if settings.end_time == 0.0:
        _stems(axes, y, theory.atoms, "mass of an atom")
    if runs is not None:
        ball = 3 * settings.kappa * np.sqrt(runs.end_time) if settings.end_time == 0.0 else 0.0
        parts = [np.linspace(a + ball, b - ball, 13) for a, b in itertools.pairwise(y)]
        for edges in parts:
            mean, sem = binned(runs.positions, edges)
            label = "particles" if edges is parts[0] else None
            points(axes, (edges[1:] + edges[:-1]) / 2, mean, sem, color="C0", label=label)
    top = 1 / length if law is None else max(1 / length, float(np.max(law.density(x))))
    axes.set_ylim(0, 1.3 * top)
    axes.set(xlabel="x", ylabel="density")
    axes.legend(loc="upper center", ncols=3)


def _circle(theory: Solution, runs: Particles | None, axes: Axes) -> None:
    _plane(runs, axes)
    axes.plot(
        *np.concatenate([theory.points, theory.points[:1]]).T, color="0.5", linewidth=0.8, label="inscribed polygon"
    )
    axes.plot(*theory.points.T, "o", color="C1", markersize=4, label="training points")
    axes.legend(loc="center")


@draw.register
def circle_law(law: CircleLaw, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """`edge_density` without particles."""
    return edge_density(law, ax=ax)


def edge_density(law: CircleLaw, runs: Particles | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Continuous part along an edge of the polygon, all edges folded together; particles with standard errors."""
    with style():
        figure, axes = axes_of(ax, figsize=(3.4, 2.5))
        n = law.count
        x = np.linspace(-law.sine, law.sine, 401)
        axes.plot(x, n * law.density(x), label="chord window, theory")
        if runs is not None:
            edges = np.linspace(-0.98 * law.sine, 0.98 * law.sine, 16)
            angle = np.arctan2(runs.positions[..., 1], runs.positions[..., 0])
            theta = np.mod(angle, 2 * np.pi / n) - np.pi / n
            across = np.hypot(runs.positions[..., 0], runs.positions[..., 1]) * np.sin(theta)
            mean, sem = binned(across, edges)
            points(axes, (edges[1:] + edges[:-1]) / 2, mean, sem, label="particles")
        axes.set(xlabel="position along the edge", ylabel="density (all edges)")
        axes.set_ylim(bottom=0)
        axes.legend()
    return figure, axes


def scores(n: int, kappa: float, t: float, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """t·s_t of the exact, piecewise-linear and smoothed scores at one time."""
    smoothed = SmoothedScore(n, kappa)
    return learned_score(lambda x: smoothed(x, t), smoothed.points, t, "smoothed", ax)


def learned_score(
    score: Callable[[np.ndarray], np.ndarray], training: np.ndarray, t: float, label: str, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """t·s_t of any score beside the exact and the piecewise-linear one of the training points; returns (figure, axes)."""
    with style():
        figure, axes = axes_of(ax, figsize=(3.4, 2.5))
        margin = 0.15 * (training[-1] - training[0]) + 2 * np.sqrt(t)
        x = np.linspace(training[0] - margin, training[-1] + margin, 2001)
        axes.plot(x, t * EmpiricalScore(training)(x, t), color="C6", linewidth=1.0, label="exact")
        limit = t * PiecewiseLinearScore(training)(x, t)
        axes.plot(x, limit, "--", color="0.6", linewidth=1.0, label="piecewise linear")
        axes.plot(x, t * np.asarray(score(x)), color="C0", label=label)
        axes.plot(training, np.zeros(training.size), "o", color="C1", markersize=4, clip_on=False)
        axes.set(xlabel="x", ylabel=r"$t\, s_t(x)$", title=f"t = {t:g}")
        axes.legend()
    return figure, axes


@draw.register
@panel(figsize=(3.4, 2.5))
def law(generated: Law, axes: Axes) -> None:
    """Continuous density of a law on the line, masses of the balls as stems on a second axis; returns (figure, axes)."""
    y = generated.scale * generated.points
    margin = 0.1 * (y[-1] - y[0]) + 3 * generated.scale * np.sqrt(generated.end)
    x = np.linspace(y[0] - margin, y[-1] + margin, 1601)
    axes.plot(x, generated.density(x), color="C0")
    axes.set(xlabel="x", ylabel="density (continuous part)")
    axes.set_ylim(bottom=0)
    _stems(axes, y, generated.ball_masses(), "mass of a ball")


def trajectories(n: int, kappa: float, start: float, ax: Axes | None = None, count: int = 41) -> tuple[Figure, Axes]:
    """Straight trajectories of the smoothed score in the plane (x, √t); shaded: where smoothing acts."""
    with style():
        figure, axes = axes_of(ax, figsize=(3.4, 2.5))
        score = SmoothedScore(n, kappa)
        root = np.linspace(0, np.sqrt(start), 60)
        for x0 in np.linspace(-1.45, 1.45, count):
            path = [float(score.flow(np.array(x0), start, r * r)) for r in root]
            axes.plot(path, root, color="C0", linewidth=0.8)
        for c in (score.points[1:] + score.points[:-1]) / 2:
            axes.fill_betweenx(root, c - score.half_spacing + kappa * root, c + score.half_spacing - kappa * root,
                               color="C4", alpha=0.18, linewidth=0)  # fmt: skip
        axes.plot(score.points, np.zeros(n), "o", color="C1", clip_on=False, markersize=4)
        axes.set(xlabel="x", ylabel=r"$\sqrt{t}$")
        axes.set_ylim(0, root[-1])
    return figure, axes


@draw.register
def minimiser(found: Minimiser, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """`learned_score` of the least path norm at a given loss."""
    return learned_score(found, found.points, found.t, rf"least path norm at $\epsilon={found.epsilon:g}$", ax)


@draw.register
def trained(network: TrainedScore, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """`learned_score` of a trained network."""
    return learned_score(network, network.points, network.t, f"network, decay {network.decay:g}", ax)


@draw.register
@panel()
def circle_network(network: TrainedCircle, axis: Axes) -> None:
    """The posterior mean of a network in the plane along every chord, against the smoothed score of its δ; returns ``(figure, axes)``."""
    n = len(network.points)
    alpha = np.pi / n
    along = np.linspace(-1.5, 1.5, 121) * np.sin(alpha)
    for k in range(n):
        middle = (2 * k + 1) * alpha
        e_m, e_c = np.array([np.cos(middle), np.sin(middle)]), np.array([-np.sin(middle), np.cos(middle)])
        mean = network.posterior_mean(np.cos(alpha) * e_m + along[:, None] * e_c)
        axis.plot(along, mean @ e_c, color=COLOURS[0], alpha=0.5, label="network, every chord" if k == 0 else None)
    inner = np.sin(alpha) - float(np.mean(network.effective_delta))
    smoothed = np.sin(alpha) * np.clip(along / inner, -1, 1)
    axis.plot(along, smoothed, color=COLOURS[1], linestyle="--", label="smoothed score, same slope")
    axis.set(xlabel="position along the chord", ylabel="posterior mean along the chord", title=f"t = {network.t:g}")
    axis.legend()
