"""Orbits that leave a saddle: when a deviation of a given size and direction has grown to the threshold."""

from __future__ import annotations

import numpy as np

from ...common.input.checks import InputError
from ...common.numerics.gram import TINY
from ..finite_size.fluctuations import Fluctuations, fluctuations
from .saddle import Saddle

#: Amplitude (of Θ) at which an orbit starts on the unstable manifold of a saddle at rest.
START = 1e-5
#: Elsewhere an orbit starts where the most likely deviation is this share of the threshold.
SMALL = 0.05
#: Relative and absolute tolerance of an orbit.
RTOL, ATOL = 1e-10, 1e-12
#: An orbit that has not reached the threshold when it could have grown by e to this power never does.
LONGEST = 60.0


class Orbits:
    """Orbits from the neighbourhood of a saddle's path.

    Parameters
    ----------
    saddle : Saddle
    threshold : float
        ‖Θ − Θ_path‖ at which a run has escaped.
    """

    def __init__(self, saddle: Saddle, threshold: float) -> None:
        self.saddle, self.threshold = saddle, threshold
        self.path, self.flow, self.layout = saddle.path, saddle.flow, saddle.flow.layout

    def reference(self, tau: float) -> np.ndarray:
        """Θ of the path, at rest after its end, (p, K)."""
        at_end = tau >= self.path.tau_max or self.saddle.resting
        y = self.saddle.state if at_end else self.path.state(tau)
        return np.asarray(self.layout.unpack(y)[0].sum(axis=0))

    def distance(self, tau: float, y: np.ndarray) -> float:
        """‖Θ − Θ_path(τ)‖."""
        return float(np.linalg.norm(self.layout.unpack(y)[0].sum(axis=0) - self.reference(tau)))

    def time(self, tau: float, y: np.ndarray) -> float:
        """When the orbit from y at τ has the distance of the threshold.

        Raises
        ------
        InputError
            If it never has.
        """
        from scipy.integrate import solve_ivp

        if self.distance(tau, y) >= self.threshold:
            return tau

        def reached(t: float, x: np.ndarray) -> float:
            return self.distance(t, x) - self.threshold

        reached.terminal = True  # type: ignore[attr-defined]
        end = tau + LONGEST / self.saddle.rate

        def drift(t: float, x: np.ndarray) -> np.ndarray:
            return self.flow.at(t, x)

        found = solve_ivp(drift, (tau, end), y, method="DOP853", rtol=RTOL, atol=ATOL, events=reached)
        if not len(found.t_events[0]):
            far = max(self.distance(t, x) for t, x in zip(found.t, found.y.T, strict=True))
            raise InputError(
                f"threshold = {self.threshold:g}: an orbit from the saddle never gets farther from it than {far:.3g}; must be smaller"
            )
        return float(found.t_events[0][0])

    def from_rest(self, direction: np.ndarray) -> float:
        """s*: time at which the orbit that is e^{γs} × direction (unit norm in Θ) at s → −∞ reaches the threshold."""
        size = min(START, 1e-3 * self.threshold)
        y = self.saddle.state + size * self.saddle.right @ direction
        return self.time(0.0, y) + float(np.log(size)) / self.saddle.rate


class Lift:
    """The most likely deviation at an early time of runs that have a given amplitude at the end of the path."""

    def __init__(self, saddle: Saddle, dimension: float, threshold: float) -> None:
        self.saddle = saddle
        path, f = saddle.path, fluctuations(saddle.path, initial=saddle.initial)
        forms = backward(f, saddle.left)
        self.tau, self.lift = 0.0, np.zeros((len(saddle.state), len(saddle.left)))
        size = np.linalg.cholesky(saddle.covariance / dimension + TINY * np.eye(len(saddle.left)))
        drawn = saddle.initial == "drawn"
        for k, tau in enumerate(f.knots):
            if float(tau) >= path.tau_max or (k == 0 and not drawn):
                continue
            C = f.covariances[k]
            of = forms[k] @ C @ forms[k].T
            if np.linalg.eigvalsh(of)[0] <= TINY:
                continue
            lift = C @ forms[k].T @ np.linalg.inv(of)
            theta = np.stack([saddle.flow.layout.unpack(v)[0].sum(axis=0).ravel() for v in (lift @ size).T])
            if np.any(self.lift) and np.linalg.norm(theta, 2) > SMALL * threshold:
                break
            self.tau, self.lift = float(tau), lift
        if not np.any(self.lift):
            raise InputError("initial: no noise reaches the growing directions, and runs stay on the path")

    def state(self, amplitudes: np.ndarray) -> np.ndarray:
        """State at ``tau`` of runs whose amplitudes at the end of the path, extrapolated by the linear theory, are these."""
        saddle = self.saddle
        return saddle.flow.physical(saddle.path.state(self.tau) + self.lift @ amplitudes)


def backward(f: Fluctuations, left: np.ndarray) -> list[np.ndarray]:
    """The linear forms ``left`` of the end taken back to every knot: left Φ(end, τ_k)."""
    forms = [left]
    size = f.jacobian.shape[-1]
    for k in range(len(f.jacobian) - 1, -1, -1):
        U = f.carried(k, float(f.knots[k]), float(f.knots[k + 1]), np.eye(size), lambda J, _, u: J @ u)
        forms.append(forms[-1] @ U)
    return forms[::-1]
