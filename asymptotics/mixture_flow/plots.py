"""Plots of the binary-mixture flow: theory as lines, simulation as points with standard errors."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ..common.output.plotting import COLOURS, axes_of, draw, points, style
from .equations.rates import curve
from .simulation import Runs
from .theory import Solution

#: (name, label) of the curves along t.
CURVES = (
    ("M", r"$M$"),
    ("Q_xi", r"$Q^\xi$"),
    ("Q_eta", r"$Q^\eta$"),
    ("Q", r"$Q = \|X\|^2/d$"),
    ("cosine", r"$\cos(X,\mu)$"),
)


@draw.register(Solution)
def comparison(theory: Solution | None, runs: Runs | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """M, Q_ξ (negative, as in its equation), Q_η, Q and the cosine against t; returns ``(figure, axes)``."""
    with style():
        figure, ax = axes_of(ax, figsize=(3.4, 2.5))
        ax.axhline(0.0, color="0.8", linewidth=0.7, zorder=0)
        for (name, label), colour in zip(CURVES, COLOURS, strict=False):
            if theory is not None:
                ax.plot(theory.t, getattr(theory, name), color=colour, label=label)
            if runs is not None:
                shown = None if theory is not None else label
                points(ax, runs.t, runs.mean(name), runs.sem(name), color=colour, label=shown)
        ax.set_xlabel("$t$")
        ax.set_ylabel("order parameter")
        ax.legend()
    return figure, ax


@draw.register
def measured(runs: Runs, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Order parameters along t with error bars."""
    return comparison(None, runs, ax)


def error_curve(
    cluster_std: float,
    ridge: float,
    centroid_norm: float = 1.0,
    samples: ArrayLike | None = None,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """‖μ̂ − μ‖²/d against n with the Bayes-optimal, no-skip and PCA estimates and the law 2σ²/n."""
    n = np.unique(np.geomspace(2, 1024, 60).round()) if samples is None else samples
    values = curve(n, cluster_std, ridge, centroid_norm)
    with style():
        figure, ax = axes_of(ax, figsize=(3.4, 2.5))
        shown = (
            ("mean_error", r"learned flow, $\|\hat\mu-\mu\|^2/d$", "-"),
            ("mw2_squared", r"$MW_2^2/d$", (0, (1, 1))),
            ("no_skip_error", "no skip connection", "-."),
            ("pca_error", "PCA", ":"),
            ("bayes_error", "Bayes-optimal", "--"),
        )
        for (name, label, line), colour in zip(shown, COLOURS, strict=False):
            ax.plot(n, values[name], color=colour, label=label, linestyle=line)
        ax.plot(n, values["asymptote"], color="0.6", label=r"$2\sigma^2/n$", linewidth=0.8)
        ax.set(xscale="log", yscale="log", xlabel="$n$", ylabel="error per dimension")
        ax.legend()
    return figure, ax
