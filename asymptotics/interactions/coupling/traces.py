r"""Mean traces of the inverse Gram matrix of constant, linear and quadratic features of Gaussian inputs.

With ψ = (1, u_a, (u_a² − 1)/√2, u_au_b), u white, and Ψ of N samples, E(ΨᵀΨ + Λ)^{-1} has five numbers by rotation symmetry: a 2 × 2
block B on (1, (s − m)/√(2m)), s = |u|² (the constant and the trace), b₁ (vector) and b₂ (traceless). Conditioned on s:

.. math::

    B^{-1} = \mathrm{diag}(λ_0, λ_2) + N\Big\langle\frac{ee^\top}{1+q}\Big\rangle,\quad
    b_1^{-1} = λ_1 + N\Big\langle\frac{s/m}{1+q}\Big\rangle,\quad
    b_2^{-1} = λ_2 + N\Big\langle\frac{s^2/m(m+2)}{1+q}\Big\rangle,\quad
    q = e^\top Be + b_1s + b_2s^2\frac{m-1}{2m},

averages over χ²_m. At Λ = 0 N is replaced by N − 1, as is exact for Wishart matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.input.checks import ComputationError, InputError, array, integer
from ...common.numerics.laws.chi_square import chi_square_grid
from .model import feature_count, order_counts

NODES = 600
MOST_STEPS = 20_000
#: The order whose penalty each component of the unknowns has: constant, vector, traceless, trace.
PENALTY = np.array([0, 1, 2, 2])


@dataclass(frozen=True)
class Equivalent:
    """Solution of the equations.

    Parameters
    ----------
    inputs, samples : int
        m and the N that was used.
    values : ndarray, shape (5,)
        B₁₁, B₁₂, B₂₂, b₁, b₂.
    jacobian : ndarray, shape (5, 5)
        Of the residuals (B₁₁, B₁₂, B₂₂, b₁, b₂ inverted) with respect to the values.
    squares, weights : ndarray
        s and its weights divided by 1 + q.
    """

    inputs: int
    samples: float
    values: np.ndarray
    jacobian: np.ndarray
    squares: np.ndarray
    weights: np.ndarray

    @property
    def components(self) -> np.ndarray:
        """Constant, vector, traceless, trace, shape (4,)."""
        return self.values[[0, 3, 4, 2]]

    def traces(self) -> np.ndarray:
        """E Tr_j of order 0, 1, 2, shape (3,)."""
        return np.asarray(trace_matrix(self.inputs) @ self.components)

    def derivatives(self) -> np.ndarray:
        """∂(component)/∂λ_k, shape (4, 3)."""
        # residual = inverse − λ − average: ∂residual/∂λ is −1 at its own place.
        change = np.zeros((5, 3))
        change[0, 0] = change[2, 2] = change[3, 1] = change[4, 2] = -1.0
        return np.asarray(-np.linalg.solve(self.jacobian, change)[[0, 3, 4, 2]])


def trace_matrix(inputs: int) -> np.ndarray:
    """Multiplicity of every component in the trace of every order, shape (3, 4)."""
    m = inputs
    return np.array([[1.0, 0, 0, 0], [0, m, 0, 0], [0, 0, (m + 2) * (m - 1) / 2, 1]])


def equivalent(inputs: int, samples: float, penalties: np.ndarray | None = None) -> Equivalent:
    """Solve the equations at given N (as it stands) and penalties λ₀, λ₁, λ₂ (default 0).

    Raises
    ------
    InputError
        Without penalties, for N ≤ F.
    ComputationError
        If the iteration does not settle.
    """
    m, big = integer("inputs", inputs, at_least=1), float(samples)
    penalty = np.zeros(3) if penalties is None else array("penalties", penalties, shape=(3,))
    if not penalty.all() and big <= feature_count(m):
        raise InputError(f"samples = {big:g}: must be more than F = {feature_count(m)} without penalties on all orders")
    grid, weight = chi_square_grid(m, NODES)
    s = m * np.exp(grid)
    e = (s - m) / np.sqrt(2 * m)
    basis = np.array([np.ones_like(s), 2 * e, e * e, s, s * s * ((m - 1) / (2 * m))])
    moments = np.array([np.ones_like(s), e, e * e, s / m, s * s / (m * (m + 2))])
    shift = np.array([penalty[0], 0, penalty[2], penalty[1], penalty[2]])
    x = 1.0 / (shift + big) * np.array([1, 0, 1, 1, 1])
    for _ in range(MOST_STEPS):
        new = _inverted(shift + big * moments @ (weight / (1 + x @ basis)))
        moved = float(np.max(np.abs(new - x)[[0, 2, 3, 4]] / new[[0, 2, 3, 4]]))
        x = new
        if moved < 1e-4:
            break
    for _ in range(50):
        p = weight / (1 + x @ basis)
        residual = _inverted(x) - shift - big * moments @ p
        jacobian = _inverse_slope(x) + big * (moments * (p * p / weight)) @ basis.T
        step = np.linalg.solve(jacobian, residual)
        x = x - step
        if np.max(np.abs(step[[0, 2, 3, 4]] / x[[0, 2, 3, 4]])) < 1e-13:
            break
    p = weight / (1 + x @ basis)
    residual = _inverted(x) - shift - big * moments @ p
    scale = np.abs(_inverted(x)[[0, 2, 3, 4]])
    if not np.all(x[[0, 2, 3, 4]] > 0) or not np.max(np.abs(residual[[0, 2, 3, 4]]) / scale) < 1e-9:
        raise ComputationError(f"traces of {m} inputs, {big:g} samples: the equations did not settle")
    jacobian = _inverse_slope(x) + big * (moments * (p * p / weight)) @ basis.T
    return Equivalent(m, big, x, jacobian, s, p)


def _inverted(x: np.ndarray) -> np.ndarray:
    """(B^{-1})₁₁, ₁₂, ₂₂, 1/b₁, 1/b₂; its own inverse."""
    det = x[0] * x[2] - x[1] ** 2
    return np.array([x[2] / det, -x[1] / det, x[0] / det, 1 / x[3], 1 / x[4]])


def _inverse_slope(x: np.ndarray) -> np.ndarray:
    """Jacobian of `_inverted`."""
    i = _inverted(x)
    block = -np.array(
        [
            [i[0] * i[0], 2 * i[0] * i[1], i[1] * i[1]],
            [i[0] * i[1], i[0] * i[2] + i[1] * i[1], i[1] * i[2]],
            [i[1] * i[1], 2 * i[1] * i[2], i[2] * i[2]],
        ]
    )
    found = np.zeros((5, 5))
    found[:3, :3] = block
    found[3, 3], found[4, 4] = -(i[3] ** 2), -(i[4] ** 2)
    return found


def mean_traces(inputs: int, samples: int) -> np.ndarray:
    """t_j ≃ E Tr_j(ΨᵀΨ)^{-1}, j = 0, 1, 2, shape (3,); N − 1 > F."""
    return equivalent(inputs, samples - 1).traces()


def whitened_traces(inputs: int, samples: int) -> np.ndarray:
    r"""t̂_j: the same with empirically whitened inputs, to first order in the error of their covariance; t̂_0 = 1/N exactly.

    .. math:: \hat t_1 = t_1(1-\tfrac1N) + \tfrac{2t_2}N - (b_1^2+2b_1b_2)\langle\tfrac{s^2-s}{1+q}\rangle,\quad
              \hat t_2 = t_2\Big(1+\tfrac{m-F_2}{NF_2}\Big) - b_2^2\langle\tfrac{(s-1)^3-m+1}{1+q}\rangle

    with all numbers at N.
    """
    m, n = inputs, samples
    at = equivalent(m, n)
    _, t1, t2 = at.traces()
    b1, b2, s, p = at.values[3], at.values[4], at.squares, at.weights
    pairs = order_counts(m)[2]
    first = t1 * (1 - 1 / n) + 2 * t2 / n - (b1**2 + 2 * b1 * b2) * float(p @ (s**2 - s))
    second = t2 * (1 + (m - pairs) / (n * pairs)) - b2**2 * float(p @ ((s - 1) ** 3 - m + 1))
    return np.array([1 / n, first, second])


def trace_series(inputs: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """t_j and t̂_j to O(N^{−2}), exact to that order (derived by Wick averages): shapes (3,)."""
    m, n = inputs, samples
    counts = order_counts(m)
    plain = np.array([m * (m + 3) / 2, m * (m**2 + 7 * m + 8) / 2, m * (m**3 + 12 * m**2 + 35 * m + 32) / 4])
    white = np.array([0.0, m * (m + 1) * (m + 2) / 2, m * (m + 2) * (m + 3) ** 2 / 4])
    return counts / n + plain / n**2, counts / n + white / n**2


def trace_errors(inputs: int, samples: int) -> np.ndarray:
    """What `mean_traces` may be off, relative, by order: the known 2/N of large N, and an envelope of simulations near N = F.

    Simulated at m = 1 … 20 and N/F = 1.3 … 8: errors of orders 1 and 2 stay below 4F/(N − F)² + 2/N, of order 0 below
    2.5F²/(m(N − F)²) + 2/N (they are about a third of it at m ≥ 10).
    """
    m, n, f = inputs, samples, feature_count(inputs)
    off = 1.0 / (n - f) ** 2
    return np.array([2.5 * f * f * off / m, 4 * f * off, 4 * f * off]) + 2 / n
