"""Networks on fixed data sets: train and test loss against τ, beside the one-pass theory."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ...common.output.plotting import COLOURS, draw, panel, points
from ..memory.result import FiniteRuns
from ..solution import OrderParameterPath
from .axes import TAU


@draw.register
@panel()
def plot_finite(runs: FiniteRuns, axis: Axes, *, path: OrderParameterPath | None = None) -> None:
    """Train and test loss against τ, with the one-pass theory as a line; returns ``(figure, axes)``."""
    for k, (name, label) in enumerate((("train_loss", "training samples"), ("test_loss", "fresh samples"))):
        points(axis, runs.tau, runs.mean(name), runs.sem(name), color=COLOURS[k], linestyle="-", label=label)
    if path is not None:
        tau = np.linspace(0.0, path.tau_max, 101)
        axis.plot(
            tau,
            path.loss_total(tau, runs.dimension) / runs.dimension,
            color="0.3",
            linestyle="--",
            label="one pass (theory)",
        )
    if runs.tau_star is not None:
        axis.axvline(runs.tau_star, color="0.7", linewidth=0.8, label="best stopping time")
    axis.set(xlabel=TAU, ylabel="loss per dimension", title=f"n = {runs.samples}, d = {runs.dimension}")
    axis.legend()
