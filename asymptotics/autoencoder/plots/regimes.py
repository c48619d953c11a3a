"""Dynamical regimes: the (τ, t) diagram, the landscape and the flow of the fields, clones and U-turns."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...common.input.checks import fail
from ...common.output.plotting import COLOURS, axes_of, draw, panel, points, style
from ..equations.training_path.path import OrderParameters
from ..model.problem import Problem
from ..regimes.landscape import frozen, landscape, potential
from ..regimes.result import Regimes
from ..regimes.sde.fields import Fields
from ..regimes.sde.paths import Stepping
from ..regimes.space import SpaceRuns
from .axes import TAU

#: Lines of the diagram: field, label, colour.
LINES = (
    ("t_bimodal", r"$t_B$, law of the fields", COLOURS[2]),
    ("t_score", r"$t_S$, learned score", COLOURS[0]),
    ("t_drift", r"$t_c$, drift", COLOURS[4]),
)
CURVES = (("clones", "clones", COLOURS[0], "o"), ("uturns", "U-turns", COLOURS[1], "s"))


@panel(figsize=(3.4, 2.5))
def plot_phase(found: Regimes, axis: Axes) -> None:
    """Crossing times in sampling against τ: dots joined where they follow each other; dashed: the exact score's t_S."""
    for name, label, colour in LINES:
        times: list[list[float]] = getattr(found, name)
        for k in range(max(map(len, times), default=0)):
            line = np.array([row[k] if len(row) > k else np.nan for row in times])
            axis.plot(found.tau, line, ".-", color=colour, label=label if k == 0 else None)
    for k, t in enumerate(found.exact_t_score):
        axis.axhline(t, color="0.2", ls="--", lw=1.0, label=r"$t_S$, exact score" if k == 0 else None)
    for k, tau in enumerate(found.training_bifurcations):
        said = "the origin loses a direction" if k == 0 else None
        axis.axvline(tau, color="0.6", ls=":", lw=1.0, label=said)
    spread = max(float(found.tau.max() - found.tau.min()), 1e-9)
    axis.set_xlim(found.tau.min() - 0.02 * spread, found.tau.max() + 0.02 * spread)
    axis.set_ylim(0.0, 1.0)
    axis.set_xlabel(TAU)
    axis.set_ylabel("sampling time $t$")
    axis.legend()


@panel()
def plot_clusters(found: Regimes, axis: Axes) -> None:
    """Clones and U-turns against t: reduced SDE (lines), exact score (dashed), whole samples in R^d (points) where they were run."""
    if found.clones is None or found.uturns is None:
        fail("clones", None, "given: the times in sampling at which clones split")
    order = np.argsort(found.clones.t)
    for name, label, colour, marker in CURVES:
        curve = getattr(found, name)
        axis.plot(curve.t[order], curve.phi[order], color=colour, label=f"{label}, reduced SDE")
        width = 2 * curve.sem[order]
        axis.fill_between(curve.t[order], curve.phi[order] - width, curve.phi[order] + width, color=colour, alpha=0.2)
        if found.simulation is not None:
            runs: SpaceRuns = found.simulation
            shown = points(axis, runs.t, runs.mean(name), runs.sem(name), color=colour)
            shown.lines[0].set_marker(marker)
    axis.plot(found.clones.t[order], found.clones.exact[order], "--", color="0.2", label="exact score")
    axis.set_xlabel("time $t$ of the split, or of the turn")
    axis.set_ylabel("same cluster")
    axis.legend()


@draw.register
def regimes(found: Regimes, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """The (τ, t) diagram and, where they were asked for, clones and U-turns beside it (into given axes: the diagram)."""
    if ax is not None or found.clones is None:
        return plot_phase(found, ax)
    with style() as plt:
        figure, axes = plt.subplots(1, 2, figsize=(7.0, 2.7), layout="constrained")
        plot_phase(found, axes[0])
        plot_clusters(found, axes[1])
        return figure, axes[0]


@draw.register
@panel()
def space_runs(runs: SpaceRuns, axis: Axes) -> None:
    """Clones and U-turns of networks in R^d with their standard errors; lines: the reduced SDE with their own overlaps."""
    order = np.argsort(runs.t)
    for name, label, colour, _ in CURVES:
        points(axis, runs.t, runs.mean(name), runs.sem(name), color=colour, label=label)
        axis.plot(runs.t[order], runs.mean(f"reduced_{name}")[order], color=colour)
    axis.set_xlabel("time $t$ of the split, or of the turn")
    axis.set_ylabel("same cluster")
    axis.set_title(f"{runs.runs} networks, $d={runs.dimension}$")
    axis.legend()


def plot_landscape(
    problem: Problem, at: OrderParameters, ax: Axes | None = None, *, trajectories: int = 12
) -> tuple[Figure, Axes]:
    """Landscape and flow of the fields of one network (one or two encoders).

    One field: V(z) with its minima. Two: contours of V where the flow has a potential, the vector field at t → 1, trajectories of the
    sampler, and the modes with the weights of their basins.

    Raises
    ------
    InputError
        For more than two encoders.
    """
    fields = Fields(problem, at)
    if fields.n > 2:
        fail("denoiser.hidden_units", fields.n, "at most 2 encoders for a picture of the landscape")
    ground = landscape(fields)
    size = np.sqrt(np.diag(fields.Q))
    reach = np.maximum(2.5 * size, 1.25 * np.max(np.abs(ground.fields), axis=0, initial=0.0))
    with style():
        figure, axis = axes_of(ax, figsize=(3.4, 2.9))
        if fields.n == 1:
            z = np.linspace(-reach[0], reach[0], 401)[:, None]
            axis.plot(z[:, 0], potential(fields, z), color=COLOURS[0])
            for place, weight in zip(ground.fields, ground.weights, strict=True):
                V = float(potential(fields, place[None])[0])
                axis.plot(place[0], V, "o", color=COLOURS[1])
                axis.annotate(f"{weight:.2f}", (place[0], V), textcoords="offset points", xytext=(4, -10), fontsize=7)
            axis.set_xlabel("$z$")
            axis.set_ylabel("landscape $V$")
        else:
            _draw_plane(axis, fields, ground.fields, ground.weights, reach, trajectories)
        axis.set_title(rf"$\tau = {float(at.tau):g}$")
        return figure, axis


def _draw_plane(
    axis: Axes, fields: Fields, modes: np.ndarray, weights: np.ndarray, reach: np.ndarray, trajectories: int
) -> None:
    grids = [np.linspace(-r, r, 121) for r in reach]
    mesh = np.stack(np.meshgrid(*grids, indexing="xy"), axis=-1)
    flat = mesh.reshape(-1, 2)
    if fields.gradient():
        V = potential(fields, flat).reshape(mesh.shape[:2])
        axis.contour(*grids, V, levels=18, colors="0.75", linewidths=0.6)
    pull = frozen(fields, flat).reshape(mesh.shape)
    axis.streamplot(
        grids[0], grids[1], pull[..., 0], pull[..., 1], density=0.8, color=COLOURS[5], linewidth=0.5, arrowsize=0.6
    )
    stepping, rng = Stepping.of(fields, np.zeros(0)), np.random.default_rng(1)
    state = stepping.begin(rng.standard_normal((trajectories, 2)) @ fields.root)
    track = [state[:, :2]]
    for k in range(stepping.count):
        state = stepping.advance(state, k, k + 1, rng)
        track.append(state[:, :2])
    lines = np.array(track)
    for k in range(trajectories):
        axis.plot(lines[:, k, 0], lines[:, k, 1], color=COLOURS[0], lw=0.8)
        axis.plot(*lines[0, k], ".", ms=3, color=COLOURS[0])
    for place, weight in zip(modes, weights, strict=True):
        axis.plot(*place, "o", ms=5, color=COLOURS[1], zorder=5)
        axis.annotate(f"{weight:.2f}", place, textcoords="offset points", xytext=(4, 4), fontsize=7, color=COLOURS[1])
    axis.set_xlim(-reach[0], reach[0])
    axis.set_ylim(-reach[1], reach[1])
    axis.set_xlabel("$z_1$")
    axis.set_ylabel("$z_2$")
