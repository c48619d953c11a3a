"""Bifurcation times in sampling: of the learned score (t_S) and of the drift (t_c), where their curvature changes sign."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..sde.fields import Fields
from .points import Point


def crossings(function: Callable[[float], float], times: np.ndarray) -> list[float]:
    """All times at which a function of time changes its sign, from its values at ascending times, each refined by bisection."""
    from scipy.optimize import brentq

    values = np.array([function(float(t)) for t in times])
    found = []
    for k in np.flatnonzero((values[:-1] > 0) != (values[1:] > 0)):
        if values[k] == 0.0 or values[k + 1] == 0.0:
            found.append(float(times[k] if values[k] == 0.0 else times[k + 1]))
        else:
            found.append(float(brentq(function, times[k], times[k + 1], xtol=1e-14, rtol=1e-13)))
    return found


def score_times(fields: Fields, point: Point) -> list[float]:
    """t_S: where the top eigenvalue of the learned score's Jacobian changes sign; (βκ − 1)/α² for a data prediction."""
    if not point.exists:
        return []
    found = crossings(lambda t: fields.score_curvature(point.at(t), t), point.times)
    return [*found, *([] if point.fold is None else [point.fold])]


def drift_times(fields: Fields, point: Point) -> list[float]:
    """t_c: where the top eigenvalue of the drift's Jacobian changes sign."""
    if not point.exists:
        return []
    found = crossings(lambda t: fields.drift_curvature(point.at(t), t), point.times)
    return [*found, *([] if point.fold is None else [point.fold])]
