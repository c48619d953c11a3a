"""The problem whose flow is looked at: that of the network that is trained, where what is asked for covers its settings."""

from __future__ import annotations

from collections.abc import Collection

from ..equations.training_path.live import without_averages
from ..model.extensions import in_use, refuse
from ..model.problem import Problem

#: Settings with which the training is a flow dy/dτ = f(y) of one network's order parameters (see `model.extensions.NAMES`).
FLOW = ("skip", "time", "labels", "weights", "probabilities", "ema")
#: A fixed momentum is another rate; one of order 1/d has velocities beside the weights.
FIXED = ("momentum",)
#: What moves along τ counts by its values at the end.
ENDS = ("moving",)


def covers(problem: Problem, covered: Collection[str]) -> bool:
    """Whether nothing that the experiment uses is beyond what is covered."""
    fixed = problem.training.moved_by.friction is None
    return all(name in covered and (name not in FIXED or fixed) for name in in_use(problem))


def live(problem: Problem, what: str, covered: Collection[str]) -> Problem:
    """The problem without its averages of the weights, which the training does not depend on.

    Parameters
    ----------
    problem : Problem
    what : str
        What is asked for, as the message begins.
    covered : collection of str
        See `model.extensions.refuse`.

    Raises
    ------
    InputError
        If the experiment uses a setting that is not covered.
    """
    fixed = problem.training.moved_by.friction is None
    refuse(problem, what, [name for name in covered if name not in FIXED or fixed])
    return without_averages(problem)
