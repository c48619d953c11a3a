"""Plots of this room: theory as lines, simulation as points with error bars."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..common.output.plotting import COLOURS, axes_of, draw, panel, points, style
from .images import ImageComparison
from .prediction import Averages, Sweep
from .simulation import Runs


@draw.register
def comparison(theory: Averages | Sweep, runs: Runs | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Train and test loss per dimension against training time, the optimum marked, simulation as points; a sweep against N."""
    if isinstance(theory, Sweep):
        return sweep_curve(theory, ax=ax)
    with style():
        figure, ax = axes_of(ax)
        d, stopping = theory.dimension, theory.stopping
        tau = np.asarray(stopping.tau)
        ax.plot(tau, np.asarray(stopping.train_loss) / d, color=COLOURS[0], label="train")
        ax.plot(tau, np.asarray(stopping.test_loss) / d, color=COLOURS[1], label="test")
        best = stopping.optimum
        if best.tau is not None:
            ax.plot(best.tau, best.loss / d, marker="*", markersize=9, color=COLOURS[1], linestyle="none")
            ax.annotate(
                rf"$\tau^*={best.tau:.3g}$",
                (best.tau, best.loss / d),
                textcoords="offset points",
                xytext=(4, -12),
                fontsize=7.5,
            )
        if runs is not None:
            _measured(ax, runs)
        ax.set_xscale("log")
        if max(stopping.test_loss) > 4 * min(stopping.train_loss):
            ax.set_yscale("log")
        ax.set_xlabel(r"training time $\tau$")
        ax.set_ylabel("loss per dimension")
        ax.set_title(
            f"{theory.spectrum}, $d={d}$, $N={theory.samples}$, $c={theory.regularisation:g}$, $t={theory.time}$"
        )
        ax.legend()
    return figure, ax


def _measured(ax: Axes, runs: Runs) -> None:
    for name, colour in (("flow_train_loss", COLOURS[0]), ("flow_test_loss", COLOURS[1])):
        mean, sem = runs.mean(name), runs.sem(name)
        if mean.size:
            points(ax, runs.tau, mean / runs.dimension, sem / runs.dimension, color=colour)


@draw.register
@panel()
def measured_curve(runs: Runs, ax: Axes) -> None:
    """Measured losses of gradient flow against training time; returns ``(figure, axes)``."""
    _measured(ax, runs)
    ax.set_xscale("log")
    ax.set_xlabel(r"training time $\tau$")
    ax.set_ylabel("loss per dimension")
    ax.legend(["train", "test"])


@draw.register
@panel()
def image_losses(images: ImageComparison, ax: Axes) -> None:
    """Losses on training and held-out digits against N (points), and of Gaussian data with their covariance (lines)."""
    for name, label, colour in (("train", "train", COLOURS[0]), ("test", "test", COLOURS[1])):
        ax.plot(images.samples, getattr(images, f"theory_{name}"), color=colour, label=f"{label}, Gaussian theory")
        points(ax, images.samples, *getattr(images, name).T, color=colour, label=f"{label}, digits")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("samples $N$")
    ax.set_ylabel("loss")
    ax.set_title(f"MNIST, $c={images.regularisation:g}$, step {images.time} of {images.steps}")
    ax.legend()


@panel()
def sweep_curve(sweep: Sweep, ax: Axes) -> None:
    """Train and test loss per dimension and the cosine of two models against N; returns ``(figure, axes)``."""
    n, d = np.asarray(sweep.samples), sweep.points[0].dimension
    order = np.argsort(n)
    for name, label, colour in (("train_loss", "train", COLOURS[0]), ("test_loss", "test", COLOURS[1])):
        ax.plot(
            n[order],
            np.array([getattr(point, name) for point in sweep.points])[order] / d,
            color=colour,
            label=label,
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("samples $N$")
    ax.set_ylabel("loss per dimension")
    ax.legend()
