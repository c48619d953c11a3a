"""Plots of this room: theory as lines, networks as points with error bars."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..common.output.plotting import COLOURS, axes_of, draw, panel, points, style
from .digits import DigitsComparison
from .problem import OfProblem
from .process.sampler import Samples
from .simulation import LOSSES, Runs
from .theory import Solution

LABELS = {"train_loss": "train", "test_loss": "test", "memorisation_loss": "memorisation"}


def _kinds(result: OfProblem) -> tuple[str, ...]:
    """The losses that differ: with the noise averaged exactly the memorisation loss is the train loss."""
    return LOSSES[:2] if result.experiment["random_features"]["noises"] == "all" else LOSSES


def _frame(axis: Axes, times: np.ndarray) -> None:
    if times.size > 1 and times.max() > 0:
        axis.set_xscale("log")
    axis.set(xlabel=r"training time $\tau$", ylabel="loss per dimension")
    axis.legend()


@draw.register
@panel()
def measured(runs: Runs, axis: Axes) -> None:
    """Losses of the networks in the largest dimension; returns ``(figure, axes)``."""
    _points(axis, runs)
    _frame(axis, runs.times)


def _points(axis: Axes, runs: Runs) -> None:
    keep = runs.times > 0
    for k, name in enumerate(_kinds(runs)):
        mean, sem = runs.mean(name, extrapolated=False), runs.sem(name, extrapolated=False)
        label = f"{LABELS[name]}, d = {runs.dimension}"
        points(axis, runs.times[keep], mean[keep], sem[keep], color=COLOURS[k], linestyle="none", label=label)


@draw.register
def comparison(theory: Solution, runs: Runs | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Losses along gradient flow, networks as points; returns ``(figure, axes)``."""
    with style():
        figure, axis = axes_of(ax)
        keep = theory.times > 0
        for k, name in enumerate(_kinds(theory)):
            axis.plot(theory.times[keep], getattr(theory, name)[keep], color=COLOURS[k], label=LABELS[name])
        axis.axhline(theory.bayes_loss, color="0.6", linestyle=":", label="least possible")
        c = theory.characteristic
        for time, symbol in (
            (c.generalisation, r"$\tau_{gen}$"),
            (c.star, r"$\tau^*$"),
            (c.memorisation, r"$\tau_{mem}$"),
        ):
            if time is not None and keep.any() and theory.times[keep].min() <= time <= theory.times.max():
                axis.axvline(time, color="0.8", linewidth=0.8)
                axis.annotate(symbol, (time, 1.0), xycoords=("data", "axes fraction"), va="bottom", ha="center")
        if runs is not None:
            _points(axis, runs)
        _frame(axis, theory.times[keep])
    return figure, axis


@draw.register
@panel()
def samples(result: Samples, axis: Axes) -> None:
    """Norm and recall against training time; returns ``(figure, axes)``."""
    shown = (
        ("norm", r"$|x|^2/d$"),
        ("recall_train", "recall, training points"),
        ("recall_fresh", "recall, fresh points"),
    )
    for k, (name, label) in enumerate(shown):
        mean, sem = result.mean(name), result.sem(name)
        points(axis, result.tau, mean, sem, color=COLOURS[k], linestyle="-", label=label)
    axis.set(xscale="log", xlabel=r"training time $\tau_0$", ylabel="per dimension")
    axis.legend()


@draw.register
@panel()
def digits(result: DigitsComparison, axis: Axes) -> None:
    """Losses on digits against the theory with their covariance; returns ``(figure, axes)``."""
    for k, name in enumerate(("train", "test")):
        mean, sem, label = result.mean(name), result.sem(name), f"{name}, digits"
        axis.plot(result.times, getattr(result, f"theory_{name}"), color=COLOURS[k], label=f"{name}, theory")
        points(axis, result.times, mean, sem, color=COLOURS[k], linestyle="none", label=label)
    _frame(axis, result.times)
