"""The variational problem behind the smoothing: least ∫|f''| at a given score-matching loss, and how near S-PL comes to it.

R[f] = ∫|f''| is the path norm of a two-layer ReLU network with free biases and a free affine part (Savarese et al. 2019).
r*_{t,ε} = inf{R[f] : L_t[f] <= ε}, L_t[f] = t E_{p_t}|f − ∂ log p_t|² (Chen 2025, arXiv 2502.19499).

The smoothed score with δ = κ√t is a near-minimiser at small t, not the minimiser: that one also flattens the outer slopes to
−(1 − √ε)/t, and (t/2) r* → 1 − √ε for two points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, nnls
from scipy.special import ndtr

from ...common.input.checks import fail, integer, number
from ...common.output.records import Record
from ...common.output.results import Result
from ..laws.panels import spread
from ..points import checked_points, half_spacing, midpoints, positive_time
from ..scores.empirical import EmpiricalScore
from ..scores.smoothed import SmoothedScore


def gap_loss(kappa: ArrayLike) -> np.ndarray:
    """G(κ) = (1 + κ²)Φ(−κ) − κφ(κ) = ∫_κ^∞ (u − κ)² φ(u) du; shape of ``kappa``."""
    k = np.asarray(kappa, dtype=np.float64)
    return (1 + k**2) * ndtr(-k) - k * np.exp(-(k**2) / 2) / np.sqrt(2 * np.pi)


def least_kappa(epsilon: float, n: int = 2) -> float:
    """κ_ε with 2(n−1)/n G(κ_ε) = ε: below ε at small t only for κ > κ_ε *strictly* (at equality the loss exceeds ε).

    Raises
    ------
    InputError
        If ε is not in (0, (n−1)/n), where κ >= 0 exists.
    """
    share = 2 * (integer("n", n, at_least=2) - 1) / n
    number("epsilon", epsilon, above=0.0, below=share / 2)
    return float(brentq(lambda k: share * float(gap_loss(k)) - epsilon, 0.0, 40.0, xtol=1e-14))


def smoothed_loss(points: ArrayLike, kappa: float, t: float) -> float:
    """L_t of the smoothed score, leading order at Δ²/t ≫ 1: 2(n−1)/n G(κ)/(1 − δ_t/Δ)²; no number for δ_t >= Δ."""
    score = SmoothedScore(points, kappa)
    n = score.points.size
    return float(2 * (n - 1) / n * gap_loss(kappa) / (1 - score.delta(t) / score.half_spacing) ** 2)


def matching_kappa(epsilon: float, t: float, n: int = 2, half_gap: float = 1.0) -> float:
    """The least κ whose smoothed score has loss ε at time t: 2(n−1)/n G(κ)/(1 − κ√t/Δ)² = ε; above `least_kappa`.

    NaN where no κ reaches ε (t too large).
    """
    low = least_kappa(epsilon, n)
    ratio = float(np.sqrt(positive_time("t", t))) / number("half_gap", half_gap, above=0.0)
    kappas = np.linspace(low, 0.999 / ratio, 4001)

    def excess(kappa: np.ndarray) -> np.ndarray:
        return 2 * (n - 1) / n * gap_loss(kappa) / (1 - kappa * ratio) ** 2 - epsilon

    reached = np.nonzero(excess(kappas) <= 0.0)[0]
    if reached.size == 0:
        return float("nan")
    return float(brentq(excess, low, kappas[reached[0]], xtol=1e-14)) if reached[0] else low


def smoothed_path_norm(points: ArrayLike, kappa: float, t: float) -> float:
    """R[ŝ] = 2(n−1)Δ/((Δ − δ_t) t)."""
    score = SmoothedScore(points, kappa)
    delta = score.half_spacing
    return float(2 * (score.points.size - 1) * delta / ((delta - score.delta(t)) * positive_time("t", t)))


def lower_bound(epsilon: float, t: float, half_gap: float = 1.0) -> float:
    """Two points: r* >= (2/t)(1 − √ε − √(εt)/Δ), up to terms exponentially small in Δ²/t; sharp as t → 0."""
    e = number("epsilon", epsilon, at_least=0.0)
    return 2 / positive_time("t", t) * (1 - np.sqrt(e) - np.sqrt(e * t) / number("half_gap", half_gap, above=0.0))


def exact_loss(score: Callable[[np.ndarray, float], np.ndarray], points: ArrayLike, t: float) -> float:
    """L_t[f] = t E_{p_t}|f − ∂ log p_t|² of any score on the line, by quadrature split at the points and midpoints."""
    empirical = EmpiricalScore(points)
    x, w = _nodes(empirical.points, positive_time("t", t), 60)
    return float(t * np.sum(w * empirical.density(x, t) * (score(x, t) - empirical(x, t)) ** 2))


def _nodes(y: np.ndarray, t: float, panels: int) -> tuple[np.ndarray, np.ndarray]:
    sigma = np.sqrt(t)
    c = midpoints(y)
    edges = (y[:, None] + sigma * np.linspace(-9.0, 9.0, panels + 1)).ravel()
    # log p_t bends at the midpoints over a width t/Δ.
    width = min(t / half_spacing(y), sigma)
    bend = (c[:, None] + width * np.linspace(-20.0, 20.0, 41)).ravel()
    edges = np.unique(np.concatenate([edges, bend, c]))
    x, w = spread(edges, 8)
    return x.ravel(), w.ravel()


@dataclass(frozen=True)
class Neurons(Record):
    """f = Σ a_j [w_j x + b_j]_+ + c, and its path norm."""

    a: np.ndarray
    w: np.ndarray
    b: np.ndarray
    c: float
    path_norm: float


def three_neurons(t: float, delta: float) -> Neurons:
    """S-PL for two points ±1 as three ReLU neurons: slopes, signs and biases of f = Σ a_j [w_j x + b_j]_+ + c.

    K = 1/((1 − δ)t), x_∓ = ∓(1 − δ): f = (K − 1/t)[x − x_−]_+ + (1/t)[x_− − x]_+ − K[x − x_+]_+ − δ/t; the neurons are balanced
    (|a_j| = |w_j|), so that ½Σ(a² + w²) = 2K = R[ŝ].

    Raises
    ------
    InputError
        If t <= 0 or δ is not in (0, 1).
    """
    number("delta", delta, above=0.0, below=1.0)
    inverse = 1 / positive_time("t", t)
    slope = inverse / (1 - delta)
    edge = 1 - delta
    jumps = np.array([slope - inverse, inverse, -slope])
    root = np.sqrt(np.abs(jumps))
    w = root * np.array([1.0, -1.0, 1.0])
    biases = w * np.array([edge, edge, -edge])
    return Neurons(np.sign(jumps) * root, w, biases, -delta * inverse, float(np.sum(np.abs(jumps))))


@dataclass(frozen=True)
class Minimiser(Result):
    """Solution of the convex program.

    Parameters
    ----------
    points, knots : ndarray
    jumps : ndarray
        Jump of f' at each knot (f'' = Σ jumps δ(x − knot)), units 1/t.
    offset, slope : float
        f(y_1) and f'(−∞) are fixed by these: f(x) = offset + slope·x + Σ jumps [x − knot]_+.
    t, epsilon : float
    path_norm : float
        r* = Σ|jumps|.
    scaled : float
        (t/2) r*.
    loss : float
        L_t of the minimiser (equals ε where the constraint is active).
    """

    points: np.ndarray
    knots: np.ndarray
    jumps: np.ndarray
    offset: float
    slope: float
    t: float
    epsilon: float
    path_norm: float
    scaled: float
    loss: float

    COLUMNS = ("knots", "jumps")

    def __call__(self, x: ArrayLike) -> np.ndarray:
        """f(x), shape of ``x``."""
        x = np.asarray(x, dtype=np.float64)
        bent = np.maximum(x[..., None] - self.knots, 0.0) @ self.jumps
        return self.offset + self.slope * x + bent


class _Frontier:
    """Least loss at given path norm, for f = g/t piecewise linear with knots around every training point."""

    def __init__(self, points: ArrayLike, t: float, knots: int) -> None:
        self.points = y = checked_points(points)
        self.t = positive_time("t", t)
        sigma = np.sqrt(t)
        integer("knots", knots, at_least=5)
        c = midpoints(y)
        low, high = np.concatenate([[-np.inf], c]), np.concatenate([c, [np.inf]])
        grid = y[:, None] + sigma * np.linspace(-6.0, 6.0, knots)
        self.knots = np.unique(np.concatenate([grid[(grid > low[:, None]) & (grid < high[:, None])], c]))
        empirical = EmpiricalScore(y)
        x, w = _nodes(y, t, 48)
        root = np.sqrt(w * empirical.density(x, t) / t)
        keep = root > 1e-12 * root.max()
        x, root = x[keep], root[keep]
        # L = E|g − (m − x)|²/t.
        self.target = root * (empirical.posterior_mean(x, t) - x)
        self.basis = root[:, None] * np.maximum(x[:, None] - self.knots, 0.0)
        self.affine = root[:, None] * np.stack([np.ones_like(x), x], axis=1)
        free = np.linalg.qr(self.affine)[0]
        rest = self.target - free @ (free.T @ self.target)
        design = self.basis - free @ (free.T @ self.basis)
        # The triangular factor has the same least squares and far fewer rows.
        small: np.ndarray = np.asarray(np.linalg.qr(np.concatenate([design, rest[:, None]], axis=1), mode="r"))
        self._design, self._rest = small[:, :-1], small[:, -1]
        self._signed = np.concatenate([self._design, -self._design], axis=1)
        self.affine_loss = float(self._rest @ self._rest)

    def at(self, log_mu: float) -> tuple[np.ndarray, float]:
        """Jumps of g' and the loss that minimise loss + e^{log_mu} (Σ|jumps|)²."""
        penalty = np.full((1, self._signed.shape[1]), np.exp(log_mu / 2))
        rows, right = np.concatenate([self._signed, penalty]), np.concatenate([self._rest, [0.0]])
        found, _ = nnls(rows, right, maxiter=50 * self._signed.shape[1])
        jumps = found[: self.knots.size] - found[self.knots.size :]
        return jumps, float(np.sum((self._design @ jumps - self._rest) ** 2))

    def minimiser(self, log_mu: float) -> Minimiser:
        """The network function at that multiplier."""
        jumps, loss = self.at(log_mu)
        linear = np.linalg.lstsq(self.affine, self.target - self.basis @ jumps, rcond=None)[0] / self.t
        norm = float(np.sum(np.abs(jumps))) / self.t
        return Minimiser(
            points=self.points,
            knots=self.knots,
            jumps=jumps / self.t,
            offset=float(linear[0]),
            slope=float(linear[1]),
            t=self.t,
            epsilon=loss,
            path_norm=norm,
            scaled=norm * self.t / 2,
            loss=loss,
        )


_BOUNDS = (-34.0, 6.0)


def convex_program(points: ArrayLike, t: float, epsilon: float, *, knots: int = 61) -> Minimiser:
    r"""Minimise R[f] = ∫|f''| subject to L_t[f] <= ε over piecewise-linear f with knots around every training point.

    With jumps c = c₊ − c₋, c± >= 0, the pairs (loss, R) of minimal loss at given R are those of the non-negative least squares
    min ‖A(c₊ − c₋) − y‖² + μ (Σ(c₊ + c₋))² for μ >= 0 (the affine part is projected out); μ is then chosen so that L = ε.

    Parameters
    ----------
    points : int or sequence of float
    t : float
        Time, > 0.
    epsilon : float
        ε in (0, 1).
    knots : int
        Knots around each point, spread over ±6√t (cut at the midpoints); a finer grid lowers r* a little.

    Raises
    ------
    InputError
        If ε is so large that an affine f satisfies it (r* = 0), or so small that no f on these knots does.
    """
    eps = number("epsilon", epsilon, above=0.0, below=1.0)
    frontier = _Frontier(points, t, knots)
    if eps >= frontier.affine_loss:
        fail("epsilon", eps, f"< {frontier.affine_loss:.6g}, the loss of the best affine f (above, r* = 0)")
    least = frontier.at(_BOUNDS[0])[1]
    if least > eps:
        fail("epsilon", eps, f"above {least:.3g}, the least loss on these knots (more knots reach lower)")
    log_mu = brentq(lambda v: frontier.at(v)[1] - eps, *_BOUNDS, xtol=1e-9, rtol=1e-12)
    return frontier.minimiser(float(log_mu))


def penalised_program(points: ArrayLike, t: float, decay: float, *, knots: int = 61) -> Minimiser:
    """Minimise ½ L_t[f] + μ t R[f], what weight decay μ drives a wide network to; arguments as `convex_program`."""
    mu = number("decay", decay, above=0.0)
    frontier = _Frontier(points, t, knots)

    def excess(log_mu: float) -> float:
        # Stationarity of loss + m R²: dL/dR = −2 m R, and of ½ L + μ R: dL/dR = −2 μ.
        return float(np.log(max(np.sum(np.abs(frontier.at(log_mu)[0])), 1e-300)) + log_mu - np.log(mu))

    low, high = _BOUNDS[0], 20.0
    if excess(high) < 0.0:
        fail("decay", mu, "small enough that some kink survives")
    return frontier.minimiser(float(brentq(excess, low, high, xtol=1e-10)))
