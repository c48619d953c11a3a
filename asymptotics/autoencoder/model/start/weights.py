"""Reference directions and weights in R^d that have given overlaps exactly, and the overlaps that weights have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import InputError, array, fail, integer
from ....common.numerics.algebra.gram import COMPUTED, INDEFINITE, NULL, TINY, indefinite, present
from ..streams import INITIAL


def joint_gram(theta: np.ndarray, q: np.ndarray, T: np.ndarray) -> np.ndarray:
    """[[q, Θ], [Θᵀ, T]]: the Gram matrix of weights over √d and reference directions; leading axes (atoms) are kept."""
    return np.block([[q, theta], [np.swapaxes(theta, -1, -2), T]])


@dataclass(frozen=True)
class Overlaps:
    """Order parameters of weights, resolved by atom; sums over the coordinates of an atom, not divided by its mass.

    Attributes
    ----------
    q : (atoms, p, p)
        Σ_{i∈s} w_ai w_bi/d.
    theta : (atoms, p, K)
        Σ_{i∈s} w_ai u_ki/√d.
    T : (atoms, K, K)
        Σ_{i∈s} u_ki u_li.
    """

    q: np.ndarray
    theta: np.ndarray
    T: np.ndarray

    @property
    def Q(self) -> np.ndarray:
        """Q = Σ_s q(s), (p, p)."""
        return np.asarray(self.q.sum(axis=0))

    @property
    def Theta(self) -> np.ndarray:
        """Θ = Σ_s Θ(s), (p, K)."""
        return np.asarray(self.theta.sum(axis=0))

    def M(self, coordinates: np.ndarray) -> np.ndarray:
        """M(c) = Θ c for every row c of ``coordinates``, (p, clusters)."""
        return np.asarray(self.Theta @ np.asarray(coordinates).T)


def atom_counts(dimension: int, masses: ArrayLike, massless: ArrayLike = 0) -> np.ndarray:
    """Number of coordinates of every atom: p_s d rounded by largest remainder, so that they sum to d.

    Parameters
    ----------
    dimension : int
        d.
    masses : (atoms,)
        p_s ≥ 0 with sum one.
    massless : int or (atoms,)
        Coordinates given to the atoms of mass 0 (a finite number of directions); the others share the rest.

    Raises
    ------
    InputError
        If the atoms of mass 0 leave nothing for the others.
    """
    d = integer("dimension", dimension, at_least=1)
    p = array("masses", masses, ndim=1)
    if np.any(p < 0) or abs(p.sum() - 1) > 1e-8:
        fail("masses", masses, "non-negative and sum to 1")
    counts = np.where(p > 0, 0, np.broadcast_to(massless, p.shape)).astype(np.int64)
    rest = d - int(counts.sum())
    if rest < 1:
        fail("dimension", d, f"> {counts.sum()}, the number of directions of the atoms of mass 0")
    shares = p / p.sum() * rest
    whole = np.floor(shares + 1e-9).astype(np.int64)
    order = np.argsort(-(shares - whole), kind="stable")
    whole[order[: rest - int(whole.sum())]] += 1
    return counts + whole


def starts(counts: np.ndarray) -> np.ndarray:
    """First coordinate of every atom, and d: atom s is the slice starts[s] … starts[s + 1]."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _factors(q: np.ndarray, theta: np.ndarray, T: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """A(s) with A Aᵀ = [[q, Θ], [Θᵀ, T]] and as many columns as its rank; and the ranks."""
    factors = []
    for s, gram in enumerate(joint_gram(theta, q, T)):
        if not np.allclose(gram, gram.T, atol=1e-12):
            raise InputError(f"q, T (atom {s + 1}): must be symmetric")
        values, vectors = np.linalg.eigh((gram + gram.T) / 2)
        if indefinite(values):
            raise InputError(
                f"q, Theta, T (atom {s + 1}): no vectors have these overlaps; [[q, Theta], [Theta^T, T]] has the"
                f" eigenvalue {values[0]:.3g} and must be positive semi-definite"
            )
        kept = present(values)
        factors.append(vectors[:, kept] * np.sqrt(values[kept]))
    return factors, np.array([a.shape[1] for a in factors])


def construct(
    dimension: int,
    masses: ArrayLike,
    reference_overlaps: ArrayLike,
    theta: ArrayLike,
    q: ArrayLike,
    seed: int | np.random.SeedSequence,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Weights and reference directions that have the given overlaps to rounding, otherwise random.

    In atom s the vectors (w_1/√d, …, w_p/√d, u_1, …, u_K) are A(s) E(s), with A Aᵀ = [[q, Θ], [Θᵀ, T]] and E an
    orthonormal frame of uniformly random directions of its coordinates.

    Parameters
    ----------
    dimension : int
        d.
    masses : (atoms,)
        p_s; an atom of mass 0 gets as many coordinates as its overlaps have dimensions.
    reference_overlaps, theta, q : (atoms, K, K), (atoms, p, K), (atoms, p, p)
        T(s), Θ(s), q(s).
    seed : int or SeedSequence

    Returns
    -------
    weights : (p, d)
    references : (K, d)
    counts : (atoms,)
        Coordinates of each atom, which are consecutive.

    Raises
    ------
    InputError
        If no vectors have these overlaps, or an atom has fewer coordinates at this d than they need.
    """
    # Here, so that reading an experiment does not load numba.
    from ....common.numerics.laws.normals import fill_normals64, philox_key

    T = array("reference_overlaps", reference_overlaps, ndim=3)
    theta, q = array("Theta", theta, ndim=3), array("q", q, ndim=3)
    atoms, K, p = len(T), T.shape[1], q.shape[1]
    array("Theta", theta, shape=(atoms, p, K))
    array("q", q, shape=(atoms, p, p))
    array("masses", masses, shape=(atoms,))
    factors, ranks = _factors(q, theta, T)
    counts = atom_counts(dimension, masses, ranks)
    edges, key = starts(counts), philox_key(seed)
    stacked = np.zeros((p + K, dimension))
    for s, (factor, rank, count) in enumerate(zip(factors, ranks, counts, strict=True)):
        if rank > count:
            raise InputError(
                f"dimension = {dimension}: atom {s + 1} has {count} coordinate{'s' * int(count != 1)}, but its overlaps q,"
                f" Theta, T need {rank}; take a larger dimension or initial weights that fit"
            )
        if rank == 0:
            continue
        normals = np.empty(rank * count)
        fill_normals64(*key, INITIAL, s, normals)
        frame, _ = np.linalg.qr(normals.reshape(rank, count).T)
        stacked[:, edges[s] : edges[s + 1]] = factor @ frame.T
    return np.sqrt(dimension) * stacked[:p], stacked[p:], counts


def on_references(
    references: np.ndarray, counts: np.ndarray, theta: ArrayLike, q: ArrayLike, seed: int | np.random.SeedSequence
) -> np.ndarray:
    """Weights (p, d) that have the overlaps Θ(s), q(s) with *given* reference directions, otherwise random.

    In atom s, W(s)/√d = Θ T⁺ U(s) + A E with A Aᵀ = q − Θ T⁺ Θᵀ and E a random orthonormal frame of the directions of the
    atom's coordinates that are orthogonal to U(s).

    Parameters
    ----------
    references : (K, d)
    counts : (atoms,)
        Coordinates of each atom, which are consecutive.
    theta, q : (atoms, p, K), (atoms, p, p)
    seed : int or SeedSequence

    Raises
    ------
    InputError
        If no weights have these overlaps, or an atom has fewer coordinates than they need.
    """
    # Here, so that reading an experiment does not load numba.
    from ....common.numerics.laws.normals import fill_normals64, philox_key

    theta, q = array("Theta", theta, ndim=3), array("q", q, ndim=3)
    d, edges, key = references.shape[1], starts(counts), philox_key(seed)
    weights = np.zeros((q.shape[1], d))
    for s, count in enumerate(counts):
        part = slice(edges[s], edges[s + 1])
        U = references[:, part]
        along = theta[s] @ np.linalg.pinv(U @ U.T, rcond=NULL, hermitian=True)
        rest = q[s] - along @ theta[s].T
        scale = max(float(np.abs(q[s]).max()), TINY)
        values, vectors = np.linalg.eigh((rest + rest.T) / 2)
        if np.abs(along @ (U @ U.T) - theta[s]).max() > 1e-6 * max(1.0, scale) or values[0] < -INDEFINITE * max(
            1.0, scale
        ):
            raise InputError(f"Theta, q (atom {s + 1}): no weights have these overlaps with the reference directions")
        # The overlaps are computed elsewhere: with these references they agree to rounding only.
        kept = values > COMPUTED * scale
        weights[:, part] = along @ U
        rank = int(kept.sum())
        if rank == 0:
            continue
        span, size, _ = np.linalg.svd(U.T, full_matrices=False)
        span = span[:, size > 1e-7 * max(float(size[0]), 1e-300)]
        if rank + span.shape[1] > count:
            raise InputError(
                f"Theta, q: atom {s + 1} has {count} coordinate{'s' * int(count != 1)}, but its overlaps need"
                f" {rank + span.shape[1]}; take fewer atoms, or one drawn start (init.realisation)"
            )
        normals = np.empty(rank * int(count))
        fill_normals64(*key, INITIAL, s, normals)
        frame = normals.reshape(rank, -1).T
        for _ in range(2):  # twice is enough: orthogonal to rounding
            frame = frame - span @ (span.T @ frame)
        frame, _ = np.linalg.qr(frame)
        weights[:, part] += (vectors[:, kept] * np.sqrt(values[kept])) @ frame.T
    return np.sqrt(d) * weights


def drawn(
    references: np.ndarray, coordinates: ArrayLike, random: float, seed: int | np.random.SeedSequence
) -> np.ndarray:
    """Weights w_a = √d Σ_k coordinates_ak u_k + random × i.i.d. N(0, 1) entries, (p, d).

    Parameters
    ----------
    references : (K, d)
    coordinates : (p, K)
        The deterministic part in the reference directions.
    random : float
        Standard deviation of the entries added.
    seed : int or SeedSequence
    """
    # Here, so that reading an experiment does not load numba.
    from ....common.numerics.laws.normals import fill_normals64, philox_key

    u = np.asarray(references, dtype=np.float64)
    c = array("coordinates", coordinates, shape=(None, len(u)))
    weights = np.sqrt(u.shape[1]) * c @ u
    if random:
        key, z = philox_key(seed), np.empty(u.shape[1])
        for a in range(len(c)):
            fill_normals64(*key, INITIAL, 2**32 + a, z)
            weights[a] += random * z
    return weights


def overlaps(weights: np.ndarray, references: np.ndarray, counts: np.ndarray) -> Overlaps:
    """q(s), Θ(s), T(s) of weights (p, d) and reference directions (K, d) over atoms of ``counts`` coordinates each."""
    d = weights.shape[1]
    vectors = [np.asarray(v, dtype=np.float64) for v in (*weights, *references)]
    p, n, atoms = len(weights), len(vectors), len(counts)
    edges, filled = starts(counts), np.flatnonzero(counts)
    gram = np.zeros((atoms, n, n))
    for a in range(n):
        for c in range(a + 1):
            product = vectors[a] * vectors[c]
            gram[filled, a, c] = gram[filled, c, a] = np.add.reduceat(product, edges[filled])
    return Overlaps(gram[:, :p, :p] / d, gram[:, :p, p:] / np.sqrt(d), gram[:, p:, p:])
