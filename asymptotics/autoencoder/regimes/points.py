"""The point at which a trained network's flow bifurcates: the symmetric one, or else a continued fixed point of the drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fields import TIMES, Fields

#: Newton steps at one time, and the largest step of the flow that is followed to a first fixed point.
NEWTON = 50
FIRST_STEPS = 20_000


@dataclass(frozen=True)
class Point:
    """A point z*(t) along the sampling time.

    Attributes
    ----------
    times, places : (m,), (m, n)
        Where it is known.
    symmetric : bool
        Whether it is z = 0 by the network's symmetry.
    reason : str
        Why there is none, or why it ends.
    """

    times: np.ndarray
    places: np.ndarray
    symmetric: bool
    reason: str = ""

    @property
    def exists(self) -> bool:
        """Whether it is there at any time."""
        return len(self.times) > 0


def newton(fields: Fields, z: np.ndarray, t: float) -> np.ndarray | None:
    """The zero of the drift at time t that Newton's rule reaches from z, or None."""
    for _ in range(NEWTON):
        value, slope = fields.drift(z[None], t)[0], fields.jacobian(z[None], t)[0]
        if not np.all(np.isfinite(slope)) or np.linalg.cond(slope) > 1e13:
            return None
        step = np.linalg.solve(slope, value)
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
    found = newton(fields, z[0], t)
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


def relevant(fields: Fields) -> Point:
    """The symmetric point z = 0 of an odd network; else the continuation of the drift's fixed point that is stable at the start."""
    times = TIMES[slice(*np.searchsorted(TIMES, [fields.start, fields.end()]))]
    if fields.odd:
        if kinked(fields, np.zeros(fields.n), 0.5):
            return Point(times[:0], np.zeros((0, fields.n)), True, "phi has a kink at the symmetric point")
        return Point(times, np.zeros((len(times), fields.n)), True)
    z = first(fields, float(times[0]))
    if z is None:
        return Point(times[:0], np.zeros((0, fields.n)), False, "no fixed point of the drift is stable at the start")
    places: list[np.ndarray] = []
    for t in times:
        following = newton(fields, z, float(t))
        if following is None or np.max(np.abs(following - z)) > 0.2 * (1 + np.max(np.abs(z))):
            reason = f"the fixed point that is stable at the start ends at t = {t:.6g}"
            break
        z = following
        if kinked(fields, z, float(t)):
            reason = f"phi has a kink at the fixed point (t = {t:.6g})"
            break
        places.append(z)
    else:
        reason = ""
    kept = np.array(places).reshape(-1, fields.n)
    return Point(times[: len(kept)], kept, False, reason)


def at(fields: Fields, point: Point, t: float) -> np.ndarray:
    """z*(t) between the known times."""
    if point.symmetric:
        return np.zeros(fields.n)
    near = np.array([np.interp(t, point.times, point.places[:, a]) for a in range(fields.n)])
    refined = newton(fields, near, t)
    return near if refined is None else refined
