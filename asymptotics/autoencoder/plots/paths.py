"""Order parameters against τ: theory as lines with the predicted spread, experiment as points."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...common.input.checks import InputError, present
from ...common.output.plotting import COLOURS, axes_of, draw, panel, points, style
from ..comparison.typical import DRAWS, leaves
from ..finite_size.covariances import Fluctuations
from ..finite_size.fluctuations import fluctuations
from ..generated.density import GeneratedDensity
from ..memory.result import FiniteRuns
from ..process.ensemble import Runs
from ..process.measured import Means
from ..process.training.results import TrainedRun
from ..solution import OrderParameterPath
from ..stability.leaving.typical import of_path
from .axes import TAU
from .densities import draw_densities
from .memory import plot_finite
from .stability import bands


def _series(path: OrderParameterPath | None, runs: Runs | Means | None) -> list[tuple[str, str, tuple[int, ...]]]:
    """`entries` of the path or else of the runs."""
    if path is not None:
        # The network's own vectors: a path may follow velocities and averages too.
        return entries(path(0.0).Q.shape[0], path.K, path.basis)
    p, K = present(None if runs is None else runs.Theta, "path or runs").shape[-2:]
    return entries(p, K, runs.b.shape[2] if isinstance(runs, Runs) and runs.b.ndim > 2 else 1)


def entries(p: int, K: int, basis: int = 1) -> list[tuple[str, str, tuple[int, ...]]]:
    """(label, field, index) of the order parameters that are drawn, for p weight vectors, K directions and so many b."""
    shown = [(rf"$Q_{{{a + 1}{a + 1}}}$", "Q", (a, a)) for a in range(min(p, 4))]
    if p > 1:
        shown.append((r"$Q_{12}$", "Q", (0, 1)))
    shown += [(rf"$\Theta_{{{a + 1}{a + 1}}}$", "Theta", (a, a)) for a in range(min(p, K, 3))]
    if basis == 1:
        return [*shown, ("$b$", "b", ())]
    return shown + [(rf"$b_{{{k + 1}}}$", "b", (k,)) for k in range(min(basis, 3))]


def _bands(path: OrderParameterPath | None, runs: Runs | Means | None, dimension: float | None) -> Any:
    """Predicted standard deviations along τ, or None where there is no dimension or no prediction."""
    dimension = runs.dimension if dimension is None and runs is not None else dimension
    if path is None or dimension is None:
        return None
    try:
        return fluctuations(path).deviations(np.linspace(0, path.tau_max, 41), dimension)
    except InputError:
        return None


def _typical(
    axis: Axes, path: OrderParameterPath, runs: Runs | None, dimension: float | None, shown: list[float]
) -> None:
    """The law of runs that leave an unstable path: |Θ| by direction and Q averaged over units, dotted in black."""
    d = runs.dimension if runs is not None and dimension is None else dimension
    if d is None or runs is None or leaves(path, runs) is None:
        return
    taus = np.minimum(runs.tau, path.tau_max)
    law = of_path(path, int(d), DRAWS, 0, taus, runs.initial)
    for k, (label, (low, middle, high)) in enumerate(bands(law).items()):
        colour = ("black", "0.45", "0.65", "0.3")[k % 4]
        axis.plot(taus, middle, ":", color=colour, label=f"{label}, typical")
        axis.fill_between(taus, low, high, color=colour, alpha=0.12, linewidth=0)
        shown += [float(low.min()), float(high.max())]


@draw.register(OrderParameterPath)
def plot_path(
    path: OrderParameterPath | None,
    runs: Runs | Means | None = None,
    ax: Axes | None = None,
    *,
    dimension: float | None = None,
) -> tuple[Figure, Axes]:
    """Order parameters against τ: theory as lines, mean over runs as points with standard errors.

    The shaded band is the predicted standard deviation of one run at ``dimension`` (default: that of the runs). Plateaus are
    grey. Where runs leave an unstable path, dotted lines are the median and the middle 80 % of the law of typical runs, of
    |Θ| and of the diagonal of Q.
    """
    bands = _bands(path, runs, dimension)
    shown: list[float] = []
    with style():
        figure, axis = axes_of(ax, figsize=(3.4, 2.6))
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
                if not np.all(np.isnan(mean)):
                    shown += [float(np.nanmin(mean - error)), float(np.nanmax(mean + error))]
        if path is not None and isinstance(runs, Runs):
            _typical(axis, path, runs, dimension, shown)
        _frame(axis, shown)
        for plateau in () if path is None else path.plateaus:
            axis.axvspan(plateau.start, plateau.end, color="0.93", zorder=-2, linewidth=0)
        axis.set_xlabel(TAU)
        axis.set_ylabel("order parameters")
        axis.legend(ncols=2)
        return figure, axis


@draw.register
def measured(runs: Runs | Means, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Order parameters against τ: points with error bars."""
    return plot_path(None, runs, ax)


def _frame(axis: Axes, shown: list[float]) -> None:
    """Keep lines and points in the picture where bands of an unstable path, in which noise grows without end, would not."""
    low, high = min(shown), max(shown)
    room = max(high - low, 1e-9)
    bottom, top = axis.get_ylim()
    axis.set_ylim(max(bottom, low - room / 2), min(top, high + room / 2))


@draw.register
@panel()
def trained_run(run: TrainedRun, axis: Axes) -> None:
    """Order parameters of one training against τ: points (a single run has no error bars)."""
    basis = 1 if run.b.ndim == 1 else run.b.shape[1]
    for k, (label, field, index) in enumerate(entries(run.Q.shape[1], run.Theta.shape[2], basis)):
        axis.plot(run.tau, getattr(run, field)[(slice(None), *index)], "o", ms=3.5, color=COLOURS[k % 8], label=label)
    axis.set_xlabel(TAU)
    axis.set_ylabel("order parameters")
    axis.set_title(f"one run, $d={run.dimension}$")
    axis.legend(ncols=2)


@draw.register
@panel()
def deviations(result: Fluctuations, axis: Axes) -> None:
    """Standard deviation × √d of the diagonal of Q, of Θ's first entries and of b against τ."""
    tau = np.linspace(0.0, float(result.knots[-1]), 101)
    at = result.deviations(tau, 1.0)
    for a in range(min(result.p, 3)):
        axis.plot(tau, at.Q[:, a, a], color=COLOURS[a], label=rf"$Q_{{{a + 1}{a + 1}}}$")
    for a in range(min(result.p, result.K, 3)):
        axis.plot(tau, at.Theta[:, a, a], "--", color=COLOURS[a], label=rf"$\Theta_{{{a + 1}{a + 1}}}$")
    axis.set_xlabel(TAU)
    axis.set_ylabel(r"standard deviation of one run $\times\sqrt{d}$")
    axis.legend(ncols=2)


def comparison(
    path: OrderParameterPath, runs: Runs | Means | FiniteRuns | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Order parameters against τ, and target, theory and experiment densities of the first two projections side by side."""
    if isinstance(runs, FiniteRuns):
        return plot_finite(runs, ax, path=path)
    problem = path.problem
    with style() as plt:
        if ax is not None:
            return plot_path(path, runs, ax)
        if problem.target.directions < 1 or isinstance(runs, Means):
            return plot_path(path, runs)
        figure, panels = plt.subplots(2, 2, figsize=(7.0, 5.6), layout="constrained")
        axes = panels.ravel()
        plot_path(path, runs, axes[0])
        law = GeneratedDensity.from_path(path, problem, None, np.eye(problem.target.directions)[:2])
        generated = None if runs is None or not runs.generated.size else runs.generated
        draw_densities(
            problem, law, None if generated is None else generated.reshape(-1, generated.shape[-1]), axes[1:]
        )
        return figure, axes
