"""Deviations along a path to first order: the drift's Jacobian, the noise that feeds them, and the propagator."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any

import numpy as np

from ....common.numerics.algebra.gram import TINY, present
from .drift import Drift
from .layout import Layout

#: Up to this many order parameters J is taken whole; above, its growth is looked for in a Krylov space of this many vectors.
WHOLE, KRYLOV = 64, 8
#: Displacement of the differences, in units of 1 + |y|; with a kink and fixed nodes the drift is only piecewise smooth.
STEP, KINK_STEP = 1e-5, 1e-3
#: Growth exponent of one part of τ, the most parts between two nodes, and the exponent beyond which all is the same.
PART, MOST_PARTS, LARGEST_GROWTH = 0.5, 200, 200.0


class Tangent:
    """J of a drift by the clock of the rates, on the directions in which a state can move (orthonormal, a sparse matrix's columns)."""

    def __init__(self, drift: Drift, ever: np.ndarray) -> None:
        self.of = copy.copy(drift)
        self.rates(1.0)
        self.step = KINK_STEP if drift.kernels.kink else STEP
        held = frozenset(s for s, _ in drift.held)
        T = drift.coefficients.T
        self.basis: Any = _basis(drift.layout, T.tobytes(), ever.tobytes(), held)
        self.size: int = self.basis.shape[1]

    def rates(self, s: float, tau: float = 0.0) -> None:
        """Take the factor s on all learning rates (where they stand still, that of nearby is as good as any: 1) and the time τ."""
        s = s if s > 0 else 1.0
        self.scale, self.clock, self.tau = s, s * (1 + s) / 2, tau

    def drift(self, y: np.ndarray) -> np.ndarray:
        """dy/dτ at these rates."""
        return self.of.slope(y, self.scale, self.tau)

    def slopes(self, y: np.ndarray, base: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """J times each row of ``directions``."""
        h = self.step * (1 + np.max(np.abs(y)))
        out = np.empty_like(directions)
        for k, direction in enumerate(directions):
            out[k] = self.basis.T @ (self.drift(y + h * (self.basis @ direction)) - base) / h
        return out / self.clock

    def jacobians(
        self, taus: np.ndarray, states: np.ndarray, speeds: np.ndarray, noise: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """J and (if wanted) the covariance of the noise (times d) at several states, both per unit of the clock.

        Parameters
        ----------
        taus, states : (m,), (m, size)
        speeds : (m,)
            The factor on all learning rates at each.
        """
        scales = np.where(speeds > 0, speeds, 1.0)
        J, base, quiet = self.of.jacobians(taus, states, scales, self.step, self.basis, noise)
        clock = (scales * (1 + scales) / 2)[:, None, None]
        if not noise:
            return J / clock, np.zeros((0, self.size, self.size))
        return J / clock, self.noise(states, base - quiet) / clock

    def noise(self, states: np.ndarray, excess: np.ndarray) -> np.ndarray:
        """d × covariance per τ of the noise of SGD at every state, as if a step moved the weights alike in all directions.

        With increments of w_a and w_b of covariance N_ab, read off the part of dq/dτ that is quadratic in the learning rate,
        Cov(Θ_ak, Θ_bl) = N_ab T_kl, and so on with q by the product rule. ``excess`` (m, size) is that part of the derivative.
        """
        given, layout = self.of.coefficients, self.of.layout
        _, extra, _, _ = layout.unpack(excess)
        theta, q, _, _ = layout.unpack(states)
        N = extra.sum(axis=1) / max(float(given.mass.sum()), TINY)
        m, p, K, (i, j) = len(states), layout.p, layout.K, layout.upper
        D = np.zeros((m, layout.size, layout.size))
        for s, T in enumerate(given.T):
            at_theta, at_q = layout.theta(s), layout.q(s)
            D[:, at_theta, at_theta] = np.einsum("mac,kl->makcl", N, T).reshape(m, p * K, p * K)
            cross = np.einsum("mac,mdk->makcd", N, theta[:, s])
            cross = (cross + cross.swapaxes(3, 4))[..., i, j].reshape(m, p * K, len(i))
            D[:, at_theta, at_q], D[:, at_q, at_theta] = cross, cross.swapaxes(1, 2)
            half = np.einsum("mac,mbe->mabce", N, q[:, s]) + np.einsum("mae,mbc->mabce", N, q[:, s])
            D[:, at_q, at_q] = (half + half.swapaxes(1, 2))[:, i, j][..., i, j]
        return np.array([self.basis.T @ (self.basis.T @ one).T for one in D])


@lru_cache(maxsize=4)
def _basis(layout: Layout, overlaps: bytes, ever: bytes, held: frozenset[int]) -> Any:
    """The directions in which a state can move: T(s), which units are ever there, and atoms in which q follows Θ."""
    moves = np.frombuffer(ever, dtype=bool)
    i, j = layout.upper
    values, vectors = np.linalg.eigh(np.frombuffer(overlaps).reshape(layout.atoms, layout.K, layout.K))
    blocks: list[np.ndarray] = []
    for s in range(layout.atoms):
        # Θ(s) lies in the range of T(s); units that start at zero stay there.
        rows, columns = np.eye(layout.p)[:, moves], vectors[s][:, present(values[s])]
        product = rows[:, None, :, None] * columns[None, :, None, :]
        blocks.append(product.reshape(layout.p * layout.K, rows.shape[1] * columns.shape[1]))
    pairs = np.eye(len(i))[:, moves[i] & moves[j]]
    # Where the weights lie in the span of the reference directions, q follows Θ.
    blocks += [np.zeros((len(i), 0)) if s in held else pairs for s in range(layout.atoms)]
    blocks.append(np.eye(layout.size - layout.at_b))
    return _diagonal(blocks) if sum(block.shape[1] for block in blocks) <= WHOLE else _sparse(blocks)


def _diagonal(blocks: list[np.ndarray]) -> np.ndarray:
    out = np.zeros((sum(len(block) for block in blocks), sum(block.shape[1] for block in blocks)))
    row = column = 0
    for block in blocks:
        out[row : row + len(block), column : column + block.shape[1]] = block
        row, column = row + len(block), column + block.shape[1]
    return out


def _sparse(blocks: list[np.ndarray]) -> Any:
    from scipy.sparse import block_diag, csc_array

    return csc_array(block_diag(blocks))


def krylov_rate(tangent: Tangent, y: np.ndarray, base: np.ndarray) -> float:
    """Largest real part of J's eigenvalues as a few vectors see it."""
    n = tangent.size
    basis = np.zeros((KRYLOV + 1, n))
    basis[0] = np.random.default_rng(0).standard_normal(n)
    basis[0] /= np.linalg.norm(basis[0])
    H = np.zeros((KRYLOV + 1, KRYLOV))
    for k in range(KRYLOV):
        image = tangent.slopes(y, base, basis[k : k + 1])[0]
        for _ in range(2):
            along = basis[: k + 1] @ image
            H[: k + 1, k] += along
            image = image - along @ basis[: k + 1]
        H[k + 1, k] = np.linalg.norm(image)
        if H[k + 1, k] < 1e-10:
            return float(np.linalg.eigvals(H[: k + 1, : k + 1]).real.max())
        basis[k + 1] = image / H[k + 1, k]
    return float(np.linalg.eigvals(H[:-1]).real.max())


def _exponentials(A: np.ndarray, D: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """U = e^A and ∫₀¹ e^{sA} D e^{sAᵀ} ds of stacks of matrices: Taylor's series of a small part, doubled."""
    size = float(np.max(np.abs(A).sum(axis=-1), initial=0.0))
    doublings = max(0, int(np.ceil(np.log2(max(size / 0.25, TINY)))))
    A, D = A / 2.0**doublings, D / 2.0**doublings
    U, term, one, N = np.eye(A.shape[-1]), np.eye(A.shape[-1]), D, D
    for k in range(1, 7):
        term = term @ A / k
        U = U + term
        one = (A @ one + one @ np.swapaxes(A, -1, -2)) / (k + 1)
        N = N + one
    for _ in range(doublings):
        N = N + U @ N @ np.swapaxes(U, -1, -2)
        U = U @ U
    return U, N


def propagate(J: np.ndarray, clock: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places between the nodes (0, 1, …; fractions between), log of the largest norm of Φ and √(largest eigenvalue of C) there.

    J and the noise are taken as linear between the nodes, on parts in which nothing grows by more than `PART`.
    """
    lengths = np.diff(clock)
    growth = np.linalg.eigvals(J).real.max(axis=1)
    wanted = np.maximum(growth[:-1], growth[1:]) * lengths / PART
    parts = np.clip(np.ceil(wanted), 1, MOST_PARTS).astype(int)
    place = np.concatenate([[0.0], *[k + np.arange(1, m + 1) / m for k, m in enumerate(parts)]])
    middle = (place[1:] + place[:-1]) / 2
    index, share = middle.astype(int), (middle % 1)
    length = np.repeat(lengths / parts, parts)
    A = ((1 - share)[:, None, None] * J[index] + share[:, None, None] * J[index + 1]) * length[:, None, None]
    D = ((1 - share)[:, None, None] * noise[index] + share[:, None, None] * noise[index + 1]) * length[:, None, None]
    # More growth than this in one part is beyond all numbers: it says the same if it is less.
    strongest = np.linalg.eigvals(A).real.max(axis=1)
    A = A * np.minimum(1.0, LARGEST_GROWTH / np.maximum(strongest, TINY))[:, None, None]
    U, N = _exponentials(A, D)
    gain, spread = np.zeros(len(place)), np.zeros(len(place))
    starts, factors = np.zeros((0, *J.shape[1:])), np.zeros(0)
    C, logarithm = np.zeros(J.shape[1:]), 0.0
    for k in range(len(U)):
        if place[k] == round(place[k]):
            starts, factors = np.concatenate([starts, np.eye(J.shape[1])[None]]), np.append(factors, 0.0)
        starts = U[k] @ starts
        largest = np.linalg.eigvalsh(starts @ starts.swapaxes(1, 2))[:, -1]
        sizes = np.maximum(np.sqrt(np.maximum(largest, 0.0)), TINY)
        starts, factors = starts / sizes[:, None, None], factors + np.log(sizes)
        gain[k + 1] = max(0.0, float(factors.max()))
        C = U[k] @ C @ U[k].T + N[k] * np.exp(-logarithm)
        top = max(float(np.linalg.eigvalsh((C + C.T) / 2)[-1]), TINY)
        spread[k + 1] = np.exp(min((np.log(top) + logarithm) / 2, 600.0))
        if top > 1e60:
            C, logarithm = C / top, logarithm + np.log(top)
    return place, gain, spread
