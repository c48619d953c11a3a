"""The same law where no closed form exists: the flow of any score, integrated in λ = ½ ln t, kept as polynomials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..common.input.checks import InputError, number
from .distances import _spread, mass_edges
from .law import Law, contraction, exploding_time
from .points import positive_time
from .scores import EmpiricalScore, Score

_DEGREE = 12


def integrate(
    posterior_mean: Callable[[np.ndarray, float], np.ndarray],
    x: Any,
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


class NumericalLaw(Law):
    """p_{t₀} pushed by the flow of any score on the line to s > 0 (non-uniform points, any kernel, any δ(t)).

    The map is sampled on the panels of the quadrature and kept as polynomials of degree 11.

    Parameters
    ----------
    score : Score
    start, end : float
        Times 0 < s <= t₀.
    ball : float
        Radius at s of the balls whose masses count as memorised; the gaps are what lies between them.
    process : {"variance-exploding", "ornstein-uhlenbeck"}

    Raises
    ------
    InputError
        If ``end`` is not in (0, start].
    """

    def __init__(
        self, score: Score, start: float, end: float, *, ball: float = 0.0, process: str = "variance-exploding"
    ) -> None:
        self.points = score.points
        self.empirical = EmpiricalScore(self.points)
        t0 = number("start_time", start, above=0.0)
        s = number("end_time", end, above=0.0, at_most=t0)
        self.start, self.end, self.scale = (
            exploding_time(process, t0),
            exploding_time(process, s),
            contraction(process, s),
        )
        self.ball_end = number("ball", ball, at_least=0.0)
        # The map is smooth between the particles that start or end on a kink of the drift, or on the edge of a ball.
        ends = np.concatenate([self.points - self.ball_end, self.points + self.ball_end])
        marks = integrate(score.posterior_mean, np.concatenate([ends, score.kinks(self.end)]), self.end, self.start)
        n = self.points.size
        self._gaps = (marks[n : 2 * n - 1], marks[1:n])
        self.breaks = np.concatenate([marks, score.kinks(self.start)])
        edges = mass_edges(self)
        far = 40.0 * np.sqrt(self.start)
        edges = np.unique(np.concatenate([edges, (edges[1:] + edges[:-1]) / 2]))
        edges = np.concatenate([[self.points[0] - far], edges, [self.points[-1] + far]])
        self._edges = edges
        nodes, _ = _spread(edges, _DEGREE)
        values = integrate(score.posterior_mean, nodes, self.start, self.end)
        g = np.polynomial.legendre.leggauss(_DEGREE)[0]
        vander = np.polynomial.legendre.legvander(g, _DEGREE - 1)
        self._coefficients = np.linalg.solve(vander, values.T).T

    def gaps(self) -> tuple[np.ndarray, np.ndarray]:
        """Where, at t₀, the gaps of time s begin and end."""
        return self._gaps

    def _locate(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        z = np.clip(z, self._edges[0], self._edges[-1])
        k = np.clip(np.searchsorted(self._edges, z, side="right") - 1, 0, self._edges.size - 2)
        half = (self._edges[k + 1] - self._edges[k]) / 2
        return k, (z - self._edges[k]) / half - 1.0, half

    def push(self, z: Any) -> np.ndarray:
        """x(z), not scaled."""
        k, u, _ = self._locate(np.asarray(z, dtype=np.float64))
        basis = np.polynomial.legendre.legvander(u, _DEGREE - 1)
        return (basis * self._coefficients[k]).sum(axis=-1)

    def slope(self, z: Any) -> np.ndarray:
        """dx/dz from the derivative of the polynomials."""
        k, u, half = self._locate(np.asarray(z, dtype=np.float64))
        derivative = np.polynomial.legendre.legder(self._coefficients, axis=1)
        basis = np.polynomial.legendre.legvander(u, _DEGREE - 2)
        return (basis * derivative[k]).sum(axis=-1) / half

    def pull(self, x: Any, side: str = "right") -> np.ndarray:
        """The inverse map by bisection."""
        x = np.asarray(x, dtype=np.float64)
        low = np.full(x.shape, self._edges[0])
        high = np.full(x.shape, self._edges[-1])
        for _ in range(60):
            middle = (low + high) / 2
            after = self.push(middle) > x
            low, high = np.where(after, low, middle), np.where(after, middle, high)
        return (low + high) / 2
