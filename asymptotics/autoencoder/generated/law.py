"""The generated law in a few numbers: what `solve` reports of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.input.checks import ComputationError, InputError
from ...common.output.results import to_builtin
from ..equations.training_path.path import TrainingPath
from ..model.problem import Problem
from .density import GeneratedDensity

#: Levels of the quantiles that are reported.
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def reported(path: TrainingPath, problem: Problem, tau: float) -> dict[str, Any]:
    """Mean (K,), covariance (K, K) and quantiles (K, levels) of what ``sampling.network`` generates at τ.

    Or ``{"reason": ...}`` where the experiment has no such law.
    """
    try:
        law = GeneratedDensity.from_path(path, problem, tau)
        mean, covariance = law.moments()
        quantiles = law.quantiles(np.array(LEVELS)).T
    except (InputError, ComputationError) as error:
        return {"reason": " ".join(str(error).split())}
    found = {"tau": tau, "mean": mean, "covariance": covariance, "levels": list(LEVELS), "quantiles": quantiles}
    return dict(to_builtin(found))
