r"""Contours around the spectrum of U: nodes in the upper half-plane with the order parameters there.

The contour is an ellipse in u = ln(z + ε) that stays in Re(z + ε) > 0, where exp(−zτ) is bounded at every training time, and
resolves eigenvalues of all magnitudes; the midpoint rule on it converges exponentially. The order parameters are carried along
it from a real point left of the spectrum, where the physical root is the positive one; that the contour encloses all
eigenvalues, :math:`\oint q\,dz/2\pi i=-1`, is then checked (a wrong root does not pass).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.numerics.quadrature.contours import around_interval
from .equations import Model, Points, SolveError, Source, newton, solve_real, tangent

#: Half-height of the ellipse; at π/2 the decay in training time would become growth.
HEIGHT = 0.3 * np.pi
#: Midpoints per unit of (half-length / half-height): the error of the rule is exp(−2 × this).
DENSITY = 15.0
#: Shortest step along the contour, relative to the distance of two nodes.
SHORTEST = 1e-6


@dataclass(frozen=True)
class Contour:
    """Nodes in the upper half-plane.

    Parameters
    ----------
    z : ndarray of complex, shape (nodes,)
    weights : ndarray of complex, shape (nodes,)
        ∮ f dz/2πi = 2 Re Σ_j weights_j f(z_j) for f that is real on the real axis.
    points : Points
        Order parameters at c₀ = −z.
    """

    z: np.ndarray
    weights: np.ndarray
    points: Points

    def integral(self, values: np.ndarray) -> np.ndarray:
        """∮ f dz/2πi from f at the nodes, shape (..., nodes)."""
        r: np.ndarray = 2 * (values @ self.weights).real
        return r


def around(model: Model, longest: float) -> Contour:
    """The contour around all eigenvalues for training times up to ``longest``.

    Raises
    ------
    SolveError
        If the order parameters cannot be followed, or the contour does not enclose all eigenvalues.
    """
    top = model.largest()
    if model.per_noise == 0 and model.s2 > 0:
        shift, bottom = 0.0, 0.9 * model.s2
    else:
        # U may have zero eigenvalues, which carry no target: the contour goes round them at a distance that no time resolves.
        shift, bottom = min(1e-6 * top, 0.3 / longest), 0.0
    shifted, weights, left = around_interval(bottom, top, shift, HEIGHT, DENSITY, 32)
    z, low = shifted - shift, left - shift
    contour = Contour(z, weights, along(solve_real(model, -low), low, z))
    mass = float(contour.integral(contour.points.q))
    if abs(mass + 1) > 1e-7:
        raise SolveError(f"the contour encloses {-mass:.8g} of the eigenvalues; the order parameters are not physical")
    return contour


def along(start: Points, at: float, z: np.ndarray) -> Points:
    """Order parameters at the nodes ``z`` in order, from those at the real point ``at``, by Newton's method in steps.

    Raises
    ------
    SolveError
        If a step would have to be too short. The physical root has Im q > 0 and Im θ ≤ 0 for Im z > 0.
    """
    points = Points(start.model, *(v.astype(complex) for v in (start.q, start.theta, start.theta_d)))
    here, found = complex(at), []
    for goal in z:
        stride = goal - here
        whole = stride
        while here != goal:
            wanted = goal if abs(goal - here) <= abs(stride) * (1 + 1e-12) else here + stride
            reached = _step(points, here, wanted)
            if reached is None:
                stride /= 2
                if abs(stride) < SHORTEST * abs(whole):
                    raise SolveError(f"no physical root of the self-consistent equations at z = {wanted:.6g}")
                continue
            points, here = reached, wanted
        found.append([points.q[0], points.theta[0], points.theta_d[0]])
    q, theta, theta_d = np.array(found).T
    return Points(start.model, q, theta, theta_d)


def _step(points: Points, here: complex, wanted: complex) -> Points | None:
    """From one point to the next by the tangent and Newton's method; None if it is not surely the same root."""
    # c₀ = −z: the source of the derivative by z is −1
    matrix, right, _ = tangent(points, (Source(-1.0),))
    guess = np.linalg.solve(matrix[0], right[0, :, 0]) * (wanted - here)
    values = np.array([points.q[0], points.theta[0], points.theta_d[0]])
    if not np.all(np.abs(guess) < 0.5 * np.abs(values)):
        return None
    start = Points(points.model, *(values + guess)[:, None])
    found, done = newton(start, np.array([-wanted]), steps=7)
    new = np.array([found.q[0], found.theta[0], found.theta_d[0]])
    near = np.all(np.abs(new - values - guess) <= 0.3 * np.abs(guess) + 1e-9 * np.abs(values))
    physical = new[0].imag >= 0 and new[1].imag <= 1e-12 * abs(new[1])
    return found if done[0] and near and physical else None
