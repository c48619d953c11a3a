"""The full process: an ensemble of data sets, one given data set, or a sweep over the number of samples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..common.input.checks import InputError, fail
from ..common.running.checkpoints import Checkpoint
from .problem import Problem
from .process.ensemble import Simulated, ensemble, evaluate
from .process.transition import Transition, probability_curve
from .settings import Sampling, Simulation


def read_array(name: str, value: object) -> Any:
    """An array, or the one in the ``.npy`` file of that path."""
    if not isinstance(value, (str, os.PathLike)):
        return value
    try:
        return np.load(value, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{name} = {str(value)!r}: no such file") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{name} = {str(value)!r}: must be a .npy file of numbers ({error})") from None


def simulate(
    problem: Problem,
    sampler: Sampling | None = None,
    simulation: Simulation | None = None,
    *,
    data: ArrayLike | None = None,
    noise: ArrayLike | None = None,
    samples: Sequence[int] | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Simulated | Transition:
    """The full process: an ensemble of data sets, one given data set, or a sweep.

    Parameters
    ----------
    problem : Problem
    sampler, simulation
        Before 0.2.0: settings were given one by one.
    data : array_like of shape (n, d), or path, optional
        A training set to evaluate instead of drawing some; it must have n = ``samples``, d = ``dimension``. An array of shape
        (2, n, d) is data and noise.
    noise : array_like of shape (n, d), or (k, n, d) for k steps, or path, optional
        Noise of its training pairs; drawn from the seed if absent.
    samples : sequence of int, optional
        A sweep: `asymptotics.one_step.process.transition.probability_curve`.
    workers, progress, checkpoint
        See `asymptotics.common.running.ensembles.run_ensemble`.

    Raises
    ------
    InputError
        For arrays of the wrong shape, noise without data, or a sweep of a given data set.
    """
    problem = Problem.of(problem, sampler, simulation)
    if samples is not None:
        if data is not None or noise is not None:
            fail("samples", samples, "absent where data are given")
        return probability_curve(problem, samples, workers=workers, progress=progress, checkpoint=checkpoint)
    data, noise = read_array("data", data), read_array("noise", noise)
    if data is None:
        if noise is not None:
            fail("noise", "given", "given together with data")
        return ensemble(problem, workers=workers, progress=progress, checkpoint=checkpoint)
    data = np.asarray(data)
    if noise is None and data.ndim == 3 and len(data) == 2:
        data, noise = data
    return evaluate(problem, data, noise)
