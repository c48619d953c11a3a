"""The objectives by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ....common.input.checks import InputError, array, choice, fail, number
from .collapsed import Collapsed
from .generated import Moments, Wasserstein
from .trained import Function, Hitting, Loss, Objective, StateFunction

#: What a user may give.
Chosen: TypeAlias = str | StateFunction | Objective
#: Parts of the loss.
LOSSES = ("potential", "order_one", "loss")
NAMES = (*LOSSES, "moments", "w2", "collapse", "hitting")
#: Those that have no options.
PLAIN: dict[str, type[Objective]] = {"moments": Moments, "w2": Wasserstein, "collapse": Collapsed}


def objective_of(objective: Chosen, *, at: Sequence[float] | None = None, cosine: float | None = None) -> Objective:
    """An objective from what a user gives.

    Parameters
    ----------
    objective : str, callable or Objective
        A name, or a function of the `OrderParameters` at the end that returns a number.
    at : sequence of float, optional
        Times t of a loss; default those of the training.
    cosine : float, optional
        To be hit; default 0.9.

    Raises
    ------
    InputError
        Naming what is wrong.
    """
    if isinstance(objective, Objective):
        return objective
    if callable(objective):
        return Function(getattr(objective, "__name__", "function"), objective)
    choice("objective", objective, NAMES)
    if at is not None and objective not in LOSSES:
        raise InputError(f"at: says at which times a loss is taken; must be left out for the objective {objective}")
    if cosine is not None and objective != "hitting":
        raise InputError(f"cosine: must be left out for the objective {objective}; hitting has one")
    if objective in PLAIN:
        return PLAIN[objective](objective)
    if objective in LOSSES:
        if at is None:
            return Loss(objective)
        times = array("at", at if isinstance(at, (list, tuple)) else [at], ndim=1)
        if not len(times) or (times < 0).any() or (times > 1).any():
            fail("at", at, "at least one time in [0, 1]")
        return Loss(objective, tuple(float(t) for t in times))
    return Hitting("hitting", number("cosine", 0.9 if cosine is None else cosine, above=0, below=1))
