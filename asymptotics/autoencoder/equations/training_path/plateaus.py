"""Plateaus of a path: stretches on which it is slow although deviations grow, near saddles that it (or only its runs) will leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..derivative.layout import Layout
from .stability import Stability, label

#: Points of a path at which its speed is looked at.
POINTS = 801
#: Slow: below this share of the path's largest speed both before and after.
SLOW = 0.25
#: Shorter ones, as a share of the path, are turns and no plateaus.
SHORTEST = 0.05
#: A path that moves less than this, relative, over all its length rests on its saddle.
RESTS = 1e-6


@dataclass(frozen=True)
class Plateau:
    """One plateau.

    Attributes
    ----------
    start, end : float
        In τ.
    rate : float
        Growth rate of deviations where it is slowest.
    direction : tuple of str
        Order parameters along which the path leaves it; of the last one, along which runs do.
    left : bool
        Whether the path itself leaves it.
    """

    start: float
    end: float
    rate: float
    direction: tuple[str, ...]
    left: bool

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {**vars(self), "direction": list(self.direction)}

    def __str__(self) -> str:
        where = f"plateau from tau = {self.start:z.4g} to {self.end:z.4g}: deviations grow at {self.rate:+z.4g} per tau"
        how = "left along" if self.left else "only runs leave it, along"
        return f"{where}; {how} {', '.join(self.direction)}"


def plateaus_of(tau: np.ndarray, states: np.ndarray, layout: Layout, known: Stability) -> tuple[Plateau, ...]:
    """Plateaus of a path.

    Parameters
    ----------
    tau, states : (n,), (n, size)
        Equally spaced.
    layout : Layout
    known : Stability
    """
    if not len(known.tau):
        return ()
    totals = layout.totals()[: layout.p * layout.K + len(layout.upper[0])]
    y = states @ totals.T
    speed = np.linalg.norm(np.gradient(y, tau, axis=0), axis=1)
    scale = float(np.max(np.linalg.norm(y, axis=1), initial=0.0))
    rates = np.interp(tau, known.tau, known.rate)
    # Without overlap for ever, or at rest: all of it.
    if known.saddle and (known.start or speed.max() * tau[-1] < RESTS * scale):
        return (Plateau(0.0, float(tau[-1]), float(rates[-1]), known.direction, False),)
    before, after = np.maximum.accumulate(speed), np.maximum.accumulate(speed[::-1])[::-1]
    if known.saddle:
        after = np.full_like(after, np.inf)
    # Nothing has been fast before a slow start.
    slow_start = np.logical_and.accumulate(speed < SLOW * after) if not known.saddle else np.zeros(len(tau), bool)
    before = np.where(slow_start, np.inf, before)
    slow = (speed < SLOW * np.minimum(before, after)) & (speed > 0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], slow.astype(int), [0]])))
    found = []
    for first, last in zip(edges[::2], edges[1::2] - 1, strict=True):
        rate = float(rates[first + int(np.argmin(speed[first : last + 1]))])
        if tau[last] - tau[first] < SHORTEST * tau[-1] or rate <= 0:
            continue
        left = last + 1 < len(tau)
        step = states[min(last + len(tau) // 40, len(tau) - 1)] - states[last]
        step[layout.at_b :] = 0.0
        direction = label(layout, step) if left else known.direction
        found.append(Plateau(float(tau[first]), float(tau[last]), rate, direction, bool(left)))
    return tuple(found)
