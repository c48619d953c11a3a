"""Plots of the one-step model: theory as lines, simulation as points with error bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ..common.output.plotting import COLOURS, axes_of, draw, points, style
from .closed_forms import bandwidth, divergences, hellinger
from .prediction import Theory
from .process.ensemble import Simulated
from .process.transition import Transition
from .theory import predict


def comparison(
    theory: Theory, runs: Simulated | Transition | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Divergences against d/n from theory, with the ensemble as points (or P against n for a sweep)."""
    return plot_probability([runs], ax=ax) if isinstance(runs, Transition) else plot_divergences(theory, runs, ax=ax)


@draw.register
@style()
def plot_divergences(theory: Theory, runs: Simulated | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """KL(G‖O), its variance and mean part, and typical KL(O‖G), against d/n at the q of ``theory``."""
    fig, ax = axes_of(ax)
    model = theory.problem.one_step
    d, n = model.dimension, model.samples
    ratios = np.geomspace(min(0.02, d / n), min(0.95, d / (d + 3.0)), 160) if d > 1 else np.array([0.1, 0.2, 0.3])
    sizes = np.unique(np.round(d / ratios).astype(int))
    sizes = sizes[sizes > d + 2]
    parts = [divergences.kl_generated_target(theory.q, d, int(size)) for size in sizes]
    reverse: Any = [divergences.kl_target_generated(theory.q, d, int(size)).total for size in sizes]
    x = d / sizes
    for k, (name, label) in enumerate((("total", "KL(G‖O)"), ("variance", "variance part"), ("mean", "mean part"))):
        ax.plot(x, [getattr(part, name) for part in parts], color=COLOURS[k], ls="-" if k == 0 else "--", label=label)
    ax.plot(x, np.where(np.isfinite(reverse), reverse, np.nan), color=COLOURS[3], label="KL(O‖G), typical")
    ax.axvline(theory.q, color="0.6", lw=0.8, ls=":")
    ax.annotate("$d/n = q$", (theory.q, 0.98), xycoords=("data", "axes fraction"), ha="right", va="top", rotation=90,
                fontsize=7, color="0.4")  # fmt: skip
    if runs is not None and runs.runs > 1:
        names = ("kl_generated_target", "kl_generated_target_variance", "kl_generated_target_mean")
        for k, name in enumerate(names):
            mean, sem = runs.mean(name), runs.sem(name)
            if mean is not None and sem is not None:
                points(ax, [d / n], [mean], [sem], color=COLOURS[k])
        median, (low, high) = runs.median("kl_target_generated"), runs.median_interval("kl_target_generated")
        if median is not None and low is not None and high is not None:
            points(ax, [d / n], [median], [[median - low], [high - median]], color=COLOURS[3])
    ax.set(xscale="log", yscale="log", xlabel="$d/n$", ylabel="divergence", title=rf"$d = {d}$, $q = {theory.q:.3f}$")
    ax.legend()
    return fig, ax


@style()
def plot_hellinger(
    q: float, dimension: int, sizes: ArrayLike, sweep: Transition | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """E H² against n from the fixed point, its floor, and a sweep's means."""
    fig, ax = axes_of(ax)
    sizes = np.asarray(sizes)
    values = []
    for n in sizes:
        log_det = divergences.log_det_rate(q, dimension, int(n))
        values.append(-np.expm1(hellinger.log_bhattacharyya(q, dimension, int(n), log_det)) if n > dimension else 1.0)
    line = ax.plot(sizes, values, label=f"q = {q:.3f}")[0]
    ax.axhline(hellinger.hellinger_floor(q, dimension), color=line.get_color(), ls=":", lw=0.9)
    if sweep is not None:
        points(ax, sweep.samples, sweep.column("mean", "hellinger_squared"), sweep.column("sem", "hellinger_squared"),
               color=line.get_color())  # fmt: skip
    ax.set(xscale="log", xlabel="samples $n$", ylabel=r"$\mathrm{E}\,H^2$")
    return fig, ax


@style()
def plot_probability(
    sweeps: Sequence[Any], labels: Sequence[str] | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """P(E_OG < E_TG) against n with Wilson intervals; lines only guide the eye."""
    fig, ax = axes_of(ax)
    for k, sweep in enumerate(sweeps):
        low, high = sweep.interval.T
        p = sweep.probability
        points(ax, sweep.samples, p, [np.maximum(p - low, 0.0), np.maximum(high - p, 0.0)],
               color=COLOURS[k], label=labels[k] if labels else None)  # fmt: skip
        ax.plot(sweep.samples, p, color=COLOURS[k], lw=0.7, ls=":")
    ax.set(xscale="log", xlabel="samples $n$", ylabel=r"$P(E_{OG} < E_{TG})$", ylim=(-0.04, 1.04))
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    span = float(np.ptp(np.log10(np.concatenate([sweep.samples for sweep in sweeps]))))
    if span < 1.6:  # within a decade or so the points themselves are the ticks
        ax.set_xticks(sorted({int(n) for sweep in sweeps for n in sweep.samples})[:: 1 if span > 0.8 else 2])
        ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())
    if labels:
        ax.legend()
    return fig, ax


@style()
def plot_bandwidths(
    dimension: int, sizes: np.ndarray | Sequence[int], std: float = 1.0, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """The four kernel variances against n."""
    fig, ax = axes_of(ax)
    for k, (function, label) in enumerate((
        (bandwidth.mixing_bandwidth, "mixing time, exact"),
        (bandwidth.kernel_bandwidth, "its leading term n^(−2/d)"),
        (bandwidth.amise_bandwidth, "AMISE"),
        (bandwidth.mise_bandwidth, "exact MISE"),
    )):  # fmt: skip
        values = [function(int(n), dimension, std) for n in sizes]
        ax.plot(sizes, values, color=COLOURS[k], ls=("-", "--", "-.", "-")[k], label=label)
    ax.set(xscale="log", yscale="log", xlabel="samples $n$", ylabel="kernel variance $h^2$", title=f"$d = {dimension}$")
    ax.legend()
    return fig, ax


@draw.register
def plot_transition(sweep: Transition, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """`plot_probability` of one sweep."""
    return plot_probability([sweep], ax=ax)


@draw.register
def plot_ensemble(runs: Simulated, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """The ensemble's divergences as points on the curves of the theory."""
    return plot_divergences(predict(runs.problem.one_step), runs, ax=ax)
