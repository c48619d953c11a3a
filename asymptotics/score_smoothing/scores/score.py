"""A score on a line, written through a posterior mean, and the flow that it drives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import InputError
from ..points import nearest, positive_time

# Beyond this many standard deviations a Gaussian tail (1e-21) is below the rounding of everything computed from it.
REACH = 9.6


def integrate(
    posterior_mean: Callable[[np.ndarray, float], np.ndarray],
    x: ArrayLike,
    start: float,
    end: float,
    *,
    rtol: float = 1e-10,
    atol: float = 1e-12,
) -> np.ndarray:
    """Positions at time ``end`` of particles at ``x`` at time ``start``: dx/dλ = x − m(x, e^{2λ}), DOP853.

    Raises
    ------
    InputError
        If a time is not positive, or the integrator gives up.
    """
    from scipy.integrate import solve_ivp

    x = np.asarray(x, dtype=np.float64)
    a, b = 0.5 * np.log(positive_time("start", start)), 0.5 * np.log(positive_time("end", end))
    if a == b or x.size == 0:
        return x.copy()
    shape = x.shape

    def drift(lam: float, v: np.ndarray) -> np.ndarray:
        p = v.reshape(shape)
        return (p - posterior_mean(p, float(np.exp(2 * lam)))).ravel()

    # Kinks of m are crossed by single particles: a bound on the step keeps their error within the tolerance.
    found = solve_ivp(drift, (a, b), x.ravel(), method="DOP853", rtol=rtol, atol=atol, max_step=0.25)
    if not found.success:
        raise InputError(f"end = {end}: the flow could not be integrated from {start} ({found.message})")
    return found.y[:, -1].reshape(shape)


class Score(ABC):
    """A score on the line, written through a posterior mean: s_t(x) = (m(x, t) − x)/t.

    A subclass gives `posterior_mean`; particles follow the probability-flow equation ẋ = −s_t(x)/2 from t down to 0, in
    λ = ½ ln t: dx/dλ = x − m(x, t), which is regular down to any t.
    """

    points: np.ndarray

    @abstractmethod
    def posterior_mean(self, x: ArrayLike, t: float) -> np.ndarray:
        """m(x, t), shape of ``x``."""

    def kinks(self, t: float) -> np.ndarray:
        """Positions where m(·, t) has a kink."""
        return np.empty(0)

    def relative_mean(self, near: np.ndarray, offset: np.ndarray, t: float) -> np.ndarray:
        """m(y_k + v, t) − y_k with k = ``near`` and v = ``offset``, which may be below the rounding of y_k."""
        y = self.points[near]
        return self.posterior_mean(y + offset, t) - y

    def relative_kinks(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """(k, v) of the kinks: nearest training point and offset from it."""
        kinks = self.kinks(t)
        k = nearest(self.points, kinks)
        return k, kinks - self.points[k]

    def __call__(self, x: ArrayLike, t: float) -> np.ndarray:
        """s_t(x) = (m(x, t) − x)/t at positions ``x`` (any shape) and one time ``t`` > 0."""
        x = np.asarray(x, dtype=np.float64)
        return (self.posterior_mean(x, t) - x) / positive_time("t", t)

    def flow(self, x: ArrayLike, start: float, end: float) -> np.ndarray:
        """Where particles at ``x`` at time ``start`` are at time ``end``; here by integrating dx/dλ = x − m (DOP853).

        Raises
        ------
        InputError
            If a time is not positive: the limit t → 0 needs a closed form.
        """
        return integrate(self.posterior_mean, x, start, end)
