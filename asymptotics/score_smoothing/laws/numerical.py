"""The same law where no closed form exists: the flow of any score, integrated in λ = ½ ln t, kept as polynomials."""

from __future__ import annotations

import numpy as np

from ...common.input.checks import choice, number
from ..points import locate
from ..processes import PROCESSES, contraction, expansion, exploding_time
from ..scores.empirical import EmpiricalScore
from ..scores.score import Score, integrate
from .law import Law
from .panels import mass_edges, panels_between

_DEGREE = 12


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
        choice("process", process, PROCESSES)
        self.start, self.end = exploding_time(process, t0), exploding_time(process, s)
        self.scale, self.growth = contraction(process, s), expansion(process, s)
        self.ball_end = number("ball", ball, at_least=0.0)
        n = self.points.size
        # The map is smooth between the particles that start or end on a kink of the drift, or on the edge of a ball.
        each = np.tile(np.arange(n), 2)
        kinks, at = score.relative_kinks(self.end)
        marks = np.concatenate([each, kinks])
        ends = np.concatenate([np.repeat([-self.ball_end, self.ball_end], n), at])
        begun = self._carry(score, marks, ends, self.end, self.start)
        self._edges = (begun[n : 2 * n - 1], begun[1:n])
        own, first = locate(self.points, marks, begun), score.relative_kinks(self.start)
        self.breaks = np.concatenate([own[0], first[0]]), np.concatenate([own[1], first[1]])
        k, v = mass_edges(self)
        far = 40.0 * np.sqrt(self.start)
        k, v = np.concatenate([k, [0, n - 1]]), np.concatenate([v, [-far, far]])
        whole = panels_between(k, v)
        k, v = np.concatenate([k, whole.k]), np.concatenate([v, (whole.low + whole.high) / 2])
        self._panels = panels_between(k, v)
        # Panels of one training point are neighbours; `_first[k]` is the first of them.
        self._first = np.searchsorted(self._panels.k, np.arange(n + 1))
        k, v, _ = self._panels.nodes(_DEGREE)
        values = self._carry(score, np.broadcast_to(k, v.shape), v, self.start, self.end)
        g = np.polynomial.legendre.leggauss(_DEGREE)[0]
        vander = np.polynomial.legendre.legvander(g, _DEGREE - 1)
        self._coefficients = np.linalg.solve(vander, values.T).T

    @staticmethod
    def _carry(score: Score, k: np.ndarray, v: np.ndarray, start: float, end: float) -> np.ndarray:
        """Offsets from y_k at ``end`` of particles at y_k + v at ``start``."""

        def mean(offset: np.ndarray, t: float) -> np.ndarray:
            return score.relative_mean(k, offset, t)

        # Offsets are as small as √t.
        return integrate(mean, v, start, end, atol=1e-12 * min(1.0, float(np.sqrt(end)), float(np.sqrt(start))))

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Where, at t₀, the gaps of time s begin and end."""
        return self._edges

    def _locate(self, k: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        k, v = np.broadcast_arrays(k, v)
        panels, low, high = self._panels, self._first[k], self._first[k + 1] - 1
        for _ in range(int(np.ceil(np.log2(len(panels.k) + 1)))):
            middle = (low + high + 1) // 2
            above = panels.low[middle] <= v
            low, high = np.where(above, middle, low), np.where(above, high, np.maximum(middle - 1, low))
        v = np.clip(v, panels.low[low], panels.high[low])
        half = (panels.high[low] - panels.low[low]) / 2
        return low, (v - panels.low[low]) / half - 1.0, half

    def move(self, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        """w(k, v) by the polynomials."""
        index, u, _ = self._locate(k, v)
        basis = np.polynomial.legendre.legvander(u, _DEGREE - 1)
        return (basis * self._coefficients[index]).sum(axis=-1)

    def rate(self, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        """dw/dv from the derivative of the polynomials."""
        index, u, half = self._locate(k, v)
        derivative = np.polynomial.legendre.legder(self._coefficients, axis=1)
        basis = np.polynomial.legendre.legvander(u, _DEGREE - 2)
        return (basis * derivative[index]).sum(axis=-1) / half

    def back(self, k: np.ndarray, w: np.ndarray, side: str = "right") -> tuple[np.ndarray, np.ndarray]:
        """The inverse map by bisection, first over the panels, then inside one."""
        k, w = np.broadcast_arrays(k, np.asarray(w, dtype=np.float64))
        panels = self._panels

        def beyond(own: np.ndarray, v: np.ndarray) -> np.ndarray:
            """Whether the particle at y_own + v ends above y_k + w."""
            above: np.ndarray = (self.points[own] - self.points[k]) + self.move(own, v) > w
            return above

        low, high = np.zeros(w.shape, dtype=np.int64), np.full(w.shape, len(panels.k) - 1)
        for _ in range(int(np.ceil(np.log2(len(panels.k) + 1)))):
            middle = (low + high + 1) // 2
            after = beyond(panels.k[middle], panels.low[middle])
            low, high = np.where(after, low, middle), np.where(after, np.maximum(middle - 1, low), high)
        own, a, b = panels.k[low], panels.low[low], panels.high[low]
        for _ in range(60):
            v = (a + b) / 2
            after = beyond(own, v)
            a, b = np.where(after, a, v), np.where(after, v, b)
        return own, (a + b) / 2
