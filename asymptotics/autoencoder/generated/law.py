"""The generated law in a few numbers: what `solve` reports of it."""

from __future__ import annotations

import numpy as np

from ...common.input.checks import ComputationError, InputError
from ..equations.training_path.path import TrainingPath
from ..model.problem import Problem
from .density import GeneratedDensity
from .reported import Reported

#: Levels of the quantiles that are reported.
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def reported(path: TrainingPath, problem: Problem, tau: float) -> Reported:
    """Mean, covariance and quantiles of what ``sampling.network`` generates at τ, or why the experiment has no such law."""
    try:
        law = GeneratedDensity.from_path(path, problem, tau)
        mean, covariance = law.moments()
        quantiles = law.quantiles(np.array(LEVELS)).T
    except (InputError, ComputationError) as error:
        return Reported(reason=" ".join(str(error).split()))
    return Reported(tau, mean.tolist(), covariance.tolist(), list(LEVELS), quantiles.tolist())
