"""Which of the wider settings an experiment uses, so that what does not cover one of them can say so in one line."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ...common.input.checks import InputError
from .problem import Problem

#: By name: what a user calls it.
NAMES = {
    "skip": "a skip connection that depends on the time (denoiser.skip_fixed, skip_basis)",
    "time": "a network that depends on the time (denoiser.input_scale, output_scale, or t in its terms)",
    "labels": "a network that is told labels",
    "weights": "weights of the loss (training.weights)",
    "probabilities": "probabilities of the times (training.time_probabilities)",
    "moving": "times, weights or a weight decay along tau (training.times, weights, time_probabilities, weight_decay)",
    "ema": "averages of the weights (training.ema)",
    "momentum": "momentum (training.momentum)",
    "optimiser": "a declared optimiser (training.optimiser)",
}


def in_use(problem: Problem) -> tuple[str, ...]:
    """The names of `NAMES` that the experiment uses."""
    denoiser, training = problem.denoiser, problem.training
    moved = training.moved_by
    p = training.time_probabilities
    uneven = p is not None and (not isinstance(p, np.ndarray) or not np.allclose(p, 1.0 / len(p), rtol=0, atol=1e-15))
    used = {
        "skip": not denoiser.network.time_skip.plain,
        "time": denoiser.network.conditioned,
        "labels": denoiser.labelled,
        "weights": training.weights is not None,
        "probabilities": uneven,
        "moving": bool(training.moving),
        "ema": bool(training.averages),
        "momentum": moved.fixed > 0 or moved.friction is not None,
        "optimiser": problem.optimiser.given is not None,
    }
    return tuple(name for name, there in used.items() if there)


def refuse(problem: Problem, what: str, covered: Collection[str] = ()) -> None:
    """Raise `InputError` where the experiment uses a setting that ``what`` does not cover.

    Parameters
    ----------
    problem : Problem
    what : str
        What is asked for, as the message begins.
    covered : collection of str
        Names of `NAMES` that it does cover.
    """
    for name in in_use(problem):
        if name not in covered:
            raise InputError(f"{what}: does not cover {NAMES[name]}")
