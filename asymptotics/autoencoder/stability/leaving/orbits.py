"""Orbits that leave a saddle: when a deviation of a given size and direction has grown to the threshold."""

from __future__ import annotations

import numpy as np

from ....common.input.checks import InputError
from ....common.numerics.algebra.gram import COMPUTED, TINY, present
from ...finite_size.covariances import Fluctuations
from ...finite_size.fluctuations import fluctuations
from .saddle import Saddle

#: Amplitude (of Θ) at which an orbit starts on the unstable manifold of a saddle at rest.
START = 1e-5
#: Elsewhere an orbit starts where the most likely deviation is this share of the threshold.
SMALL = 0.05
#: An overlap of which less than this share is there at that time is left out; of noise that enters later no more is put in early than
#: makes deviations so many times larger.
LATEST, MOST_LATER = 1e-6, 4.0
#: Relative tolerance of an orbit on the unstable manifold, and of one of many that are averaged over; the absolute one is smaller.
RTOL, ROUGH, BELOW = 1e-10, 1e-7, 1e-2
#: An orbit that has not reached the threshold when it could have grown by e to this power never does.
LONGEST = 60.0


class Orbits:
    """Orbits from the neighbourhood of a saddle's path.

    Parameters
    ----------
    saddle : Saddle
    threshold : float
        ‖Θ − Θ_path‖ at which a run has escaped.
    tolerance : float
        Relative, of the integration.
    """

    def __init__(self, saddle: Saddle, threshold: float, tolerance: float = RTOL) -> None:
        self.saddle, self.threshold, self.tolerance = saddle, threshold, tolerance
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

        found = solve_ivp(
            drift, (tau, end), y, method="DOP853", rtol=self.tolerance, atol=BELOW * self.tolerance, events=reached
        )
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
    """Where runs are at an early time τ₁: what the linear theory makes of them at τ₂ stands in their overlaps, and Q and b scatter beside.

    With C the covariance along the path and F = P Φ(τ₂, τ₁) (P: Θ of the packed state), F C(τ₁) Fᵀ is what of P C(τ₂) Pᵀ is
    there at τ₁. Noise that enters later is put in early: along every principal axis of the one against the other deviations are
    larger by what it adds. All overlaps that grow count, also those that grow more slowly than the fastest.

    Parameters
    ----------
    saddle : Saddle
        Its path is followed until deviations would have the threshold's size, linearly.
    dimension : float
    threshold : float

    Attributes
    ----------
    tau : float
        τ₁: the last knot of the path at which runs scatter by less than a small share of the threshold.
    overlaps : (size, k)
        State at τ₁ for each of k independent standard Gaussian numbers: what carries the overlaps at τ₂.
    beside : (size, n)
        The same for what is independent of them.
    """

    def __init__(self, saddle: Saddle, dimension: float, threshold: float) -> None:
        self.saddle = saddle
        path, f = saddle.path, fluctuations(saddle.path, initial=saddle.initial)
        P = path.layout.totals()[: path.p * path.K]
        size = np.array([np.sqrt(max(float(np.trace(P @ C @ P.T)), 0.0) / dimension) for C in f.covariances])
        if not np.any(size > TINY):
            raise InputError("initial: no noise reaches the growing directions, and runs stay on the path")
        grown = np.flatnonzero(size >= threshold)
        last = int(grown[0]) if len(grown) else len(size) - 1
        begins = 0 if saddle.initial == "drawn" and size[0] > TINY else int(np.flatnonzero(size > TINY)[0])
        early = [k for k in range(begins, last) if size[k] <= SMALL * threshold]
        first = early[-1] if early else min(begins, last)
        self.tau = float(f.knots[first])
        F = backward(f, P, last, first)
        C = f.covariances[first] / dimension
        values, axes = np.linalg.eigh(P @ f.covariances[last] @ P.T / dimension)
        kept = present(values, COMPUTED)
        whitened = (axes[:, kept] / np.sqrt(values[kept])).T @ F
        share, mixed = np.linalg.eigh(whitened @ C @ whitened.T)
        there = share > LATEST
        forms = mixed.T[there] @ whitened
        share = share[there]
        towards = C @ forms.T / np.sqrt(share)
        self.overlaps = towards * np.minimum(1 / np.sqrt(share), MOST_LATER)
        values, axes = np.linalg.eigh(C - towards @ towards.T)
        kept = values > COMPUTED * max(float(np.max(np.diag(C))), TINY)
        self.beside = axes[:, kept] * np.sqrt(values[kept])

    def state(self, overlaps: np.ndarray, beside: np.ndarray) -> np.ndarray:
        """State at ``tau`` of a run with these standard Gaussian numbers."""
        saddle = self.saddle
        return saddle.flow.physical(saddle.path.state(self.tau) + self.overlaps @ overlaps + self.beside @ beside)


def backward(f: Fluctuations, forms: np.ndarray, last: int, first: int = 0) -> np.ndarray:
    """Linear forms of the state at one knot as those at an earlier one: forms Φ(τ_last, τ_first)."""
    for k in range(last - 1, first - 1, -1):
        forms = forms @ f.propagator(k, float(f.knots[k]), float(f.knots[k + 1]))
    return forms
