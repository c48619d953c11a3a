r"""Self-consistent equations of the resolvent of U, their Newton steps and their responses.

Unknowns :math:`q=\frac1p\mathrm{Tr}(U+c_0)^{-1}`, θ (a sample's factor) and θ_d (a noise's factor), with θ̄ = θ/m + (1−1/m)θ_d,
:math:`H=\theta\alpha^2\sigma+\bar\theta b^2`, :math:`k=(1/(\psi_pq)+H)^{-1}`:

.. math::

    \frac1q=c_0+\theta v^2+\bar\theta s^2+\Big\langle\frac H{1+\psi_pqH}\Big\rangle,\quad
    \frac1\theta=e+\frac{\alpha^2\langle\sigma k\rangle+v^2\psi_pq+g/m}{\psi_n},\quad
    \frac1{\theta_d}=e+\frac g{m\psi_n},\quad g=b^2\langle k\rangle+s^2\psi_pq,

with the unit e = 1; e = 0 at c₀ = 1 is the limit λ → 0 where U has zero eigenvalues (q, 1/θ, 1/θ_d in units of 1/λ).
All arrays run over points c₀; derivation in `derivations.random_features`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...common.numerics.laws.sample_covariance import SolveError


@dataclass(frozen=True)
class Model:
    """Numbers that the equations hold.

    Parameters
    ----------
    psi_p, psi_n : float
        p/d, n/d.
    per_noise : float
        1/m; 0: the noise is averaged exactly.
    alpha2, b2, v2, s2 : float
        See `constants.Constants`.
    sigma, mass : ndarray, shape (atoms,)
        Eigenvalues of Σ and their shares.
    """

    psi_p: float
    psi_n: float
    per_noise: float
    alpha2: float
    b2: float
    v2: float
    s2: float
    sigma: np.ndarray
    mass: np.ndarray

    @cached_property
    def weights(self) -> np.ndarray:
        """Shares times 1, σ, σ², shape (atoms, 3)."""
        return self.mass[:, None] * self.sigma[:, None] ** np.arange(3)

    def largest(self) -> float:
        """A bound on the largest eigenvalue of U."""
        top = float(self.sigma.max())
        mean = float(self.mass @ self.sigma)
        w = 1 + np.sqrt(self.psi_p)
        x = np.sqrt(top) + np.sqrt(mean / self.psi_n)
        shared = np.sqrt(self.alpha2) * w * x + np.sqrt(self.v2) * (1 + np.sqrt(self.psi_p / self.psi_n))
        rate = self.per_noise / self.psi_n
        noise = np.sqrt(self.b2) * w * (1 + np.sqrt(rate)) + np.sqrt(self.s2) * (1 + np.sqrt(self.psi_p * rate))
        return float((shared + noise) ** 2)


@dataclass(frozen=True)
class Points:
    """Values of the unknowns at points c₀ (real or complex), arrays of one shape (points,)."""

    model: Model
    q: np.ndarray
    theta: np.ndarray
    theta_d: np.ndarray

    @cached_property
    def bar(self) -> np.ndarray:
        """θ̄."""
        r: np.ndarray = self.model.per_noise * self.theta + (1 - self.model.per_noise) * self.theta_d
        return r

    @cached_property
    def k(self) -> np.ndarray:
        """k(σ), shape (points, atoms)."""
        m = self.model
        constant = 1 / (m.psi_p * self.q) + m.b2 * self.bar
        r: np.ndarray = 1 / (constant[:, None] + (m.alpha2 * self.theta)[:, None] * m.sigma)
        return r

    @cached_property
    def sums(self) -> np.ndarray:
        """⟨k⟩, ⟨σk⟩, shape (points, 2)."""
        return self.k @ self.model.weights[:, :2]

    @property
    def mean_k(self) -> np.ndarray:
        return self.sums[:, 0]

    @cached_property
    def tau_w(self) -> np.ndarray:
        """τ_w = (α²⟨σk⟩ + v²ψ_p q)/ψ_n."""
        m = self.model
        r: np.ndarray = (m.alpha2 * self.sums[:, 1] + m.v2 * m.psi_p * self.q) / m.psi_n
        return r

    @cached_property
    def phi(self) -> np.ndarray:
        """φ = θ̄ − θ̄²b²⟨k⟩, the value of the ridge objective."""
        r: np.ndarray = self.bar - self.bar**2 * self.model.b2 * self.mean_k
        return r

    def take(self, index: Any) -> Points:
        """Some of the points."""
        return Points(self.model, self.q[index], self.theta[index], self.theta_d[index])

    def conj(self) -> Points:
        """At the complex conjugate points."""
        return Points(self.model, self.q.conj(), self.theta.conj(), self.theta_d.conj())

    def residual(self, c0: np.ndarray, unit: float = 1.0) -> np.ndarray:
        """Right-hand side minus left-hand side of the three equations, shape (points, 3)."""
        m = self.model
        inner = (1 - self.mean_k / (m.psi_p * self.q)) / (m.psi_p * self.q)
        g = m.per_noise * (m.b2 * self.mean_k + m.s2 * m.psi_p * self.q) / m.psi_n
        first = c0 + self.theta * m.v2 + self.bar * m.s2 + inner - 1 / self.q
        return np.stack([first, unit + self.tau_w + g - 1 / self.theta, unit + g - 1 / self.theta_d], axis=-1)


@dataclass(frozen=True)
class Source:
    """What changes between two points: c₀ by δc, H by δβ₀ + σδβ₁, and what memorisation adds to 1/θ.

    Each a number or an array over the pairs; ``shared`` multiplies τ_w1 τ_w2, what the own sample adds to 1/θ.
    """

    c: np.ndarray | float
    beta_0: np.ndarray | float = 0.0
    beta_1: np.ndarray | float = 0.0
    shared: float = 0.0


def system(one: Points, two: Points, sources: tuple[Source, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrix and right-hand sides of the off-diagonal response, and ⟨k₁k₂σ^j⟩.

    ``one`` and ``two`` broadcast as (a,) and (b,) to all pairs (a, b).

    Returns
    -------
    matrix : ndarray, shape (a, b, 3, 3)
    right : ndarray, shape (a, b, 3, sources)
    products : ndarray, shape (3, a, b)
    """
    products = np.stack([(one.k * w) @ two.k.T for w in one.model.weights.T])
    across = [x[:, None] for x in (one.q, one.theta, one.theta_d, one.bar, one.tau_w)]
    along = [x[None, :] for x in (two.q, two.theta, two.theta_d, two.bar, two.tau_w)]
    matrix, right = _assemble(one.model, across, along, products, sources)
    return matrix, right, products


def tangent(points: Points, sources: tuple[Source, ...] = ()) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with 1 = 2, point by point: the Jacobian of `Points.residual` and the derivatives' right-hand sides."""
    products = np.moveaxis((points.k**2) @ points.model.weights, -1, 0)
    values = [points.q, points.theta, points.theta_d, points.bar, points.tau_w]
    matrix, right = _assemble(points.model, values, values, products, sources)
    return matrix, right, products


def _assemble(
    m: Model, one: list[np.ndarray], two: list[np.ndarray], products: np.ndarray, sources: tuple[Source, ...]
) -> tuple[np.ndarray, np.ndarray]:
    q1, t1, d1, b1, w1 = one
    q2, t2, d2, b2, w2 = two
    k0, k1, k2 = products
    x = 1 / (m.psi_p * q1 * q2)
    e, rest, n = m.per_noise, 1 - m.per_noise, m.psi_n
    a, b = m.alpha2, m.b2
    squares = t1 * t2 * a**2 * k2 + a * b * (t1 * b2 + t2 * b1) * k1 + b1 * b2 * b**2 * k0
    matrix = np.zeros((*k0.shape, 3, 3), dtype=k0.dtype)
    bar = m.s2 + b * k0 * x / m.psi_p
    matrix[..., 0, 0] = 1 / (q1 * q2) - squares * x
    matrix[..., 0, 1] = m.v2 + a * k1 * x / m.psi_p + e * bar
    matrix[..., 0, 2] = rest * bar
    g_q, g_theta, g_bar = e * (b * k0 * x + m.s2 * m.psi_p) / n, -e * b * a * k1 / n, -e * b**2 * k0 / n
    bar = g_bar - a * b * k1 / n
    matrix[..., 1, 0] = (a * k1 * x + m.v2 * m.psi_p) / n + g_q
    matrix[..., 1, 1] = 1 / (t1 * t2) - a**2 * k2 / n + g_theta + e * bar
    matrix[..., 1, 2] = rest * bar
    matrix[..., 2, 0] = g_q
    matrix[..., 2, 1] = g_theta + e * g_bar
    matrix[..., 2, 2] = 1 / (d1 * d2) + rest * g_bar
    right = np.zeros((*k0.shape, 3, len(sources)), dtype=k0.dtype)
    for i, s in enumerate(sources):
        first = s.beta_0 * k0 + s.beta_1 * k1
        right[..., 0, i] = -s.c - first * x / m.psi_p
        right[..., 2, i] = e * b * first / n
        right[..., 1, i] = right[..., 2, i] + a * (s.beta_0 * k1 + s.beta_1 * k2) / n + s.shared * w1 * w2
    return matrix, right


def response(one: Points, two: Points, sources: tuple[Source, ...]) -> np.ndarray:
    """δφ between all pairs of points for every source, shape (sources, a, b)."""
    matrix, right, products = system(one, two, sources)
    x, y = (lambda v: v[:, None]), (lambda v: v[None, :])
    pair = [(x(getattr(one, n)), y(getattr(two, n))) for n in ("q", "bar", "mean_k")]
    return _delta_phi(one.model, np.linalg.solve(matrix, right), products, pair, sources)


def derivative(points: Points, sources: tuple[Source, ...]) -> np.ndarray:
    """∂φ for every source, point by point, shape (sources, points)."""
    matrix, right, products = tangent(points, sources)
    pair = [(getattr(points, n),) * 2 for n in ("q", "bar", "mean_k")]
    return _delta_phi(points.model, np.linalg.solve(matrix, right), products, pair, sources)


def _delta_phi(
    m: Model,
    change: np.ndarray,
    products: np.ndarray,
    pair: list[tuple[np.ndarray, np.ndarray]],
    sources: tuple[Source, ...],
) -> np.ndarray:
    (q1, q2), (b1, b2), (k1, k2) = pair
    found = []
    for i, s in enumerate(sources):
        dq, dt, dd = (change[..., j, i] for j in range(3))
        bar = m.per_noise * dt + (1 - m.per_noise) * dd
        moved = m.alpha2 * products[1] * dt + m.b2 * products[0] * bar + s.beta_0 * products[0] + s.beta_1 * products[1]
        dk = products[0] * dq / (m.psi_p * q1 * q2) - moved
        found.append(bar - m.b2 * (bar * k2 * b2 + b1 * dk * b2 + b1 * k1 * bar))
    return np.array(found)


def solve_real(model: Model, c0: float, unit: float = 1.0) -> Points:
    """The positive root at real c₀ (left of the spectrum of U), by Newton's method in the logarithms.

    Raises
    ------
    SolveError
        If there is none.
    """
    at = np.array([float(c0)])
    scale = max(abs(c0), model.s2 + model.v2, 1e-12)
    start = np.log([1 / (scale + model.b2 + model.alpha2), 1.0, 1.0])
    points = Points(model, *(np.array([np.exp(v)]) for v in start))
    before = np.inf
    for _ in range(200):
        values = np.array([points.q[0], points.theta[0], points.theta_d[0]])
        residual = points.residual(at, unit)[0]
        jacobian = tangent(points)[0][0]
        wanted = residual + 1 / values
        if np.all(wanted > 0):
            # log(wanted x) = 0: far from the root much straighter than wanted = 1/x
            jacobian = (jacobian - np.diag(1 / values**2)) * values / wanted[:, None] + np.eye(3)
            step = -np.linalg.solve(jacobian, np.log(wanted * values))
        else:
            step = -np.linalg.solve(jacobian * values, residual)
        size = np.abs(step).max()
        if not np.isfinite(size):
            break
        values = values * np.exp(step * min(1.0, 2.0 / max(size, 1e-300)))
        points = Points(model, *(np.array([v]) for v in values))
        if _ended(np.array(size), np.array(before), 1e-13):
            return points
        before = size
    raise SolveError(f"no positive root of the self-consistent equations at c = {c0:.6g}")


def newton(points: Points, c0: np.ndarray, *, steps: int = 30, tolerance: float = 1e-9) -> tuple[Points, np.ndarray]:
    """Newton's method at complex points c₀; the points and which of them converged.

    The error after a last step of relative size 1e-9 is its square.
    """
    c0 = np.asarray(c0)
    values = np.stack([points.q, points.theta, points.theta_d]).astype(np.result_type(points.q, c0))
    done, before, left = np.zeros(c0.size, dtype=bool), np.full(c0.size, np.inf), np.arange(c0.size)
    for _ in range(steps):
        here = Points(points.model, *values[:, left])
        with np.errstate(all="ignore"):
            matrix, residual = tangent(here)[0], here.residual(c0[left])
            bad = ~np.isfinite(matrix.sum(axis=(1, 2)) + residual.sum(axis=1))
            matrix[bad], residual[bad] = np.eye(3), np.nan
            step = -np.linalg.solve(matrix, residual[..., None])[..., 0].T
            values[:, left] += step
            size = np.max(np.abs(step) / np.abs(values[:, left]), axis=0)
        ended = _ended(size, before[left], tolerance)
        done[left], before[left] = ended, size
        left = left[~(ended | bad)]
        if left.size == 0:
            break
    return Points(points.model, *values), done


def _ended(size: np.ndarray, before: np.ndarray, tolerance: float) -> np.ndarray:
    """Whether relative steps are below the tolerance, or at the rounding of an ill-conditioned root (p near nm)."""
    r: np.ndarray = (size < tolerance) | ((size < 1e-8) & (size > 0.3 * before))
    return r
