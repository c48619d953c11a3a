"""The live network alone: averages of the weights follow it and change nothing of it, so that nodes and stability are its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...model.problem import Problem
from ..derivative.layout import Layout


def without_averages(problem: Problem) -> Problem:
    """The same experiment with no average of the weights."""
    if not problem.training.averages:
        return problem
    return replace(
        problem, training=problem.training.replace(ema=None), sampling=problem.sampling.replace(network="live")
    )


def live_states(states: np.ndarray, layout: Layout, averages: Layout) -> np.ndarray:
    """What packed states (n, size) say of the live network.

    Parameters
    ----------
    states : (n, size)
    layout : Layout
        Of the live network.
    averages : Layout
        Of the states.
    """
    if layout.size == averages.size:
        return states
    theta, q, b, kappa = averages.unpack(states)
    p, n = layout.p, len(states)
    i, j = layout.upper
    parts = [theta[:, :, :p], q[:, :, :p, :p][:, :, i, j], b, kappa]
    return np.concatenate([np.reshape(x, (n, -1)) for x in parts], axis=1)
