"""The points at which a trained network's flow and score turn: z = 0 where all rests there, else continued fixed points.

Where φ(0) = 0 at all times z = 0 is a fixed point of the drift and a zero of the learned score; for an odd network it is the symmetric
point. Otherwise the learned score turns at its own zero, which at β = 0 is z = 0 and stable; the law of the fields and the drift at
the drift's fixed point that is stable at the start. Both are continued in t; where they end in a fold, a stable and an unstable
point meet, an eigenvalue is zero there, and that is the time of the turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..sde.fields import TIMES, Fields

#: Newton steps at one time; steps of the flow that is followed to a first fixed point; halvings of the time of a fold.
NEWTON, FIRST_STEPS, HALVINGS = 50, 20_000, 40
#: A step of a continued point beyond this share of its size is a jump to another one.
JUMP = 0.2

Function = Callable[[np.ndarray, float], np.ndarray]


@dataclass(frozen=True)
class Point:
    """A point z*(t) along the sampling time.

    Attributes
    ----------
    times, places : (m,), (m, n)
        Where it is known.
    resting : bool
        Whether it is z = 0 at all times.
    fold : float, optional
        The time at which it meets an unstable point and ends.
    reason : str
        Why there is none, or why it ends.
    value, slope : callable
        Of which it is a zero: the drift, or the learned score.
    """

    times: np.ndarray
    places: np.ndarray
    resting: bool
    value: Function
    slope: Function
    fold: float | None = None
    reason: str = ""

    @property
    def exists(self) -> bool:
        """Whether it is there at any time."""
        return len(self.times) > 0

    def at(self, t: float) -> np.ndarray:
        """z*(t) between the known times."""
        if self.resting:
            return np.zeros(self.places.shape[1])
        k = int(np.searchsorted(self.times, t))
        if k < len(self.times) and self.times[k] == t:
            return np.asarray(self.places[k])
        near = np.array([np.interp(t, self.times, column) for column in self.places.T])
        refined = newton(self.value, self.slope, near, t)
        return near if refined is None else refined


def newton(value: Function, slope: Function, z: np.ndarray, t: float) -> np.ndarray | None:
    """The zero at time t that Newton's rule reaches from z, or None."""
    for _ in range(NEWTON):
        here, matrix = value(z[None], t)[0], slope(z[None], t)[0]
        if not np.all(np.isfinite(matrix)) or np.linalg.cond(matrix) > 1e13:
            return None
        step = np.linalg.solve(matrix, here)
        z = z - step
        if np.max(np.abs(step)) < 1e-12 * (1 + np.max(np.abs(z))):
            return np.asarray(z)
    return None


def first(fields: Fields, t: float) -> np.ndarray | None:
    """The stable fixed point of the drift frozen at time t to which z = 0, the mean of Z at the start, flows; or None."""
    z = np.zeros((1, fields.n))
    rate = 0.2 / (1e-12 + float(np.max(np.abs(np.linalg.eigvals(fields.jacobian(z, t)[0])))))
    size = 1.0 + float(np.sqrt(np.trace(fields.Q)))
    for _ in range(FIRST_STEPS):
        step = rate * fields.drift(z, t)
        z = z + step
        if np.max(np.abs(z)) > 1e6 * size:
            return None
        if np.max(np.abs(step)) < 1e-10 * size:
            break
    found = newton(fields.drift, fields.jacobian, z[0], t)
    if found is None or np.max(np.linalg.eigvals(fields.jacobian(found[None], t)[0]).real) >= 0:
        return None
    return found


def kinked(fields: Fields, z: np.ndarray, t: float) -> bool:
    """Whether φ has a kink at a point: slopes on its two sides differ."""
    if fields.smooth:
        return False
    step = 1e-6 * (1.0 + np.abs(z))
    sides = fields.slopes(np.stack([z - step, z + step]), t)
    return bool(np.max(np.abs(sides[1] - sides[0])) > 1e-3)


def _continued(fields: Fields, value: Function, slope: Function, z: np.ndarray, times: np.ndarray, what: str) -> Point:
    """A zero followed from the first of the times on."""

    def near(place: np.ndarray, t: float) -> np.ndarray | None:
        found = newton(value, slope, place, t)
        jumped = found is not None and np.max(np.abs(found - place)) > JUMP * (1 + np.max(np.abs(place)))
        return None if jumped else found

    places: list[np.ndarray] = []
    fold, reason = None, ""
    for k, t in enumerate(times):
        following = near(z, float(t))
        if following is None and places:
            # Halved down to where it is last found: there an eigenvalue vanishes, or else it is lost for another reason.
            low, high, place = float(times[k - 1]), float(t), z
            for _ in range(HALVINGS):
                middle = (low + high) / 2
                found = near(place, middle)
                low, high, place = (low, middle, place) if found is None else (middle, high, found)
            end = np.linalg.eigvals(slope(place[None], low)[0])
            start = np.linalg.eigvals(slope(places[0][None], float(times[0]))[0])
            fold = low if np.min(np.abs(end)) < 1e-3 * np.max(np.abs(start)) else None
            reason = f"{what} ends at t = {low:.6g}" + (" in a fold" if fold is not None else "")
            break
        if following is None:
            reason = f"{what} is not found at the start"
            break
        z = following
        if kinked(fields, z, float(t)):
            reason = f"phi has a kink at {what} (t = {t:.6g})"
            break
        places.append(z)
    kept = np.array(places).reshape(-1, fields.n)
    return Point(times[: len(kept)], kept, False, value, slope, fold, reason)


def points_of(fields: Fields) -> tuple[Point, Point]:
    """The point of the law and the drift, and the point of the learned score."""
    times = TIMES[slice(*np.searchsorted(TIMES, [fields.start, fields.horizon]))]
    zero, none = np.zeros(fields.n), (times[:0], np.zeros((0, fields.n)))
    if fields.resting:
        if kinked(fields, zero, 0.5):
            reason = "phi has a kink at the fixed point z = 0"
            point = Point(*none, True, fields.drift, fields.jacobian, None, reason)
            return point, point
        point = Point(times, np.zeros((len(times), fields.n)), True, fields.drift, fields.jacobian)
        return point, point
    what = "the zero of the learned score that is stable at the start"
    later = times[times > 0]
    score = _continued(fields, fields.score, fields.score_slope, zero, later, what)
    z = first(fields, float(times[0]))
    if z is None:
        reason = "no fixed point of the drift is stable at the start"
        return Point(*none, False, fields.drift, fields.jacobian, None, reason), score
    what = "the drift's fixed point that is stable at the start"
    return _continued(fields, fields.drift, fields.jacobian, z, times, what), score
