"""The score and the law that an experiment names."""

from __future__ import annotations

import numpy as np

from ..points import half_spacing
from ..processes import exploding_time
from ..scores.averaging import AveragedScore
from ..scores.empirical import EmpiricalScore
from ..scores.score import Score
from ..scores.smoothed import SmoothedScore
from ..settings import ScoreSmoothing
from .closed import EarlyStoppedLaw, GeneratedLaw
from .law import Law
from .numerical import NumericalLaw


def score_of(settings: ScoreSmoothing) -> Score:
    """The variance-exploding score on the line that an experiment names."""
    y = np.asarray(settings.points)
    delta = half_spacing(y)
    if settings.kernel == "box":
        return SmoothedScore(y, settings.kappa)
    if settings.kernel == "none":
        return EmpiricalScore(y)
    kernel = "box" if settings.kernel == "box-numerical" else "gaussian"

    def ball(t: float) -> float:
        return settings.kappa * float(np.sqrt(t))

    return AveragedScore(y, lambda t: delta - ball(t), kernel, "piecewise-linear", margin=ball)


def law_of(settings: ScoreSmoothing) -> Law | None:
    """The generated law on the line; None for the exact score at end_time = 0, which gives the training set back."""
    y = np.asarray(settings.points)
    if settings.kernel == "box":
        return GeneratedLaw(y, settings.kappa, settings.start_time, settings.end_time, settings.process)
    if settings.kernel == "none":
        return None if settings.end_time == 0.0 else EarlyStoppedLaw(y, settings.end_time, settings.process)
    end = exploding_time(settings.process, settings.end_time)
    return NumericalLaw(
        score_of(settings),
        settings.start_time,
        settings.end_time,
        ball=settings.kappa * float(np.sqrt(end)),
        process=settings.process,
    )
