"""The Gaussian law of the local fields: means, covariance, and the decoders' residual fields given the encoders' fields.

A sample is x_t = αx₀ + βx₁, with λ₀ = W x₀/√d ~ N(0, Q) and, in cluster c, λ₁ = W x₁/√d ~ N(M(c), Q^c). The encoder fields
ω = αλ₀ + βλ₁ and the residual fields e = c₀λ₀ + c₁λ₁ of the decoders are jointly Gaussian, at one time; so are λ₀ and λ₁
themselves, which several times share. All that needs a law of fields takes it from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from ....common.numerics.algebra.gram import COMPUTED, NULL_DEVIATION
from ....common.numerics.algebra.symmetric import eigen
from ....common.numerics.code.compiled import inlined, njit


@dataclass(frozen=True)
class FieldLaw:
    """Known fields ω = m + S z with z ~ N(0, I), and linear fields e = μ + U z + δ with δ ~ N(0, R) independent of z.

    Attributes
    ----------
    mean, root, inverse : (…, n), (…, n, n), (…, n, n)
        m, S and its pseudo-inverse (directions without variance are null in both).
    emean, eroot : (…, J), (…, J, n)
        μ, and U = Cov(e, ω) S⁺.
    cross, residual : (…, J, n), (…, J, J)
        Cov(e, ω) and R.
    """

    mean: np.ndarray
    root: np.ndarray
    inverse: np.ndarray
    emean: np.ndarray
    eroot: np.ndarray
    cross: np.ndarray
    residual: np.ndarray

    def arrays(self) -> tuple[np.ndarray, ...]:
        """The fields of this class, in order."""
        return tuple(getattr(self, f.name) for f in fields(FieldLaw))

    def __getitem__(self, index: int | slice) -> FieldLaw:
        """The law of some conditions."""
        return FieldLaw(*(np.ascontiguousarray(x[index]) for x in self.arrays()))

    @property
    def regression(self) -> np.ndarray:
        """B = Cov(e, ω) Ω⁺, (…, J, n)."""
        return np.asarray(self.eroot @ self.inverse)

    def covariance(self) -> np.ndarray:
        """Joint covariance of (ω, e)."""
        transposed = np.swapaxes(self.eroot, -1, -2)
        cross = self.eroot @ self.root
        return np.block(
            [[self.root @ self.root, np.swapaxes(cross, -1, -2)], [cross, self.residual + self.eroot @ transposed]]
        )

    def beside(self, other: FieldLaw) -> FieldLaw:
        """The joint law of two independent sets of fields, known ones first."""

        def block(name: str) -> np.ndarray:
            x, y = getattr(self, name), getattr(other, name)
            if name in ("mean", "emean"):
                return np.concatenate([x, y], axis=-1)
            out = np.zeros((*x.shape[:-2], x.shape[-2] + y.shape[-2], x.shape[-1] + y.shape[-1]))
            out[..., : x.shape[-2], : x.shape[-1]], out[..., x.shape[-2] :, x.shape[-1] :] = x, y
            return out

        return FieldLaw(*(block(f.name) for f in fields(FieldLaw)))

    def moved_by(self, along: np.ndarray, eroot: np.ndarray) -> FieldLaw:
        """The law whose means move with more coordinates of a node: ``along`` (…, n, m) and ``eroot`` (…, J, m) multiply them."""
        return replace(
            self,
            root=np.ascontiguousarray(np.concatenate([self.root, along], axis=-1)),
            eroot=np.ascontiguousarray(np.concatenate([self.eroot, eroot], axis=-1)),
        )


def mixed_overlaps(
    theta: np.ndarray, q: np.ndarray, c: np.ndarray, varsigma: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Q (p, p), M(c) (clusters, p) and Q^c (clusters, p, p) of Θ(s) and q(s), for centroids c and eigenvalues ς_s(c)."""
    C, p = len(c), q.shape[1]
    Q, M, Qc = np.empty((p, p)), np.empty((C, p)), np.empty((C, p, p))
    overlap_sums(theta, q, c, varsigma, Q, M, Qc)
    return Q, M, Qc


def fields_at(
    Q: np.ndarray, M: np.ndarray, Qc: np.ndarray, mixing: np.ndarray, encoders: np.ndarray, decoders: np.ndarray
) -> FieldLaw:
    """The law of (ω, e) in every cluster at every time: (cluster 0, time 0), (cluster 0, time 1), ….

    Parameters
    ----------
    Q, M, Qc : (p, p), (clusters, p), (clusters, p, p)
    mixing : (4, times)
        α, β, c₀, c₁: coefficients of λ₀ and λ₁ in ω, and in e.
    encoders, decoders : (n,), (J,)
        Which vectors' fields are known, and which are linear.
    """
    count, n, J = len(M) * mixing.shape[1], len(encoders), len(decoders)
    shapes = ((n,), (n, n), (n, n), (J,), (J, n), (J, n), (J, J))
    law = FieldLaw(*(np.empty((count, *shape)) for shape in shapes))
    conditions(Q, M, Qc, *mixing, encoders, decoders, *law.arrays())  # type: ignore[call-arg]
    return law


def channels(
    Q: np.ndarray, M: np.ndarray, Qc: np.ndarray, encoders: np.ndarray, decoders: np.ndarray
) -> tuple[FieldLaw, FieldLaw]:
    """The laws of λ₀ and of λ₁ in every cluster: what several times of one sample share."""
    both = fields_at(Q, M, Qc, np.tile(np.eye(2), (2, 1)), encoders, decoders)
    return both[slice(0, None, 2)], both[slice(1, None, 2)]


def of_pairs(zero: FieldLaw, one: FieldLaw) -> tuple[np.ndarray, ...]:
    """What the kernel ``noise`` takes of the laws of both channels."""
    return (
        one.mean, zero.root, one.root, one.emean, zero.eroot, one.eroot, zero.residual, one.residual,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _eigen_root(root: np.ndarray, inverse: np.ndarray) -> None:
    n = root.shape[0]
    values, vectors = np.empty(n), np.empty((n, n))
    eigen(inverse, values, vectors)
    largest = math.sqrt(max(values[n - 1], 0.0))
    for i in range(n):
        for j in range(n):
            root[i, j] = inverse[i, j] = 0.0
    for k in range(n):
        value = math.sqrt(max(values[k], 0.0))
        if value <= NULL_DEVIATION * largest:
            continue
        for i in range(n):
            for j in range(n):
                product = vectors[i, k] * vectors[j, k]
                root[i, j] += value * product
                inverse[i, j] += product / value


@inlined
def _root(root: np.ndarray, inverse: np.ndarray) -> None:
    """Symmetric square root of the covariance that stands in ``inverse``, and there its pseudo-inverse."""
    n = root.shape[0]
    if n == 1:
        value = math.sqrt(max(inverse[0, 0], 0.0))
        root[0, 0] = value
        inverse[0, 0] = 1.0 / value if value > 0 else 0.0
        return
    if n == 2:
        # Closed form where it is well conditioned: (C + √det 1)/√(tr + 2√det).
        first, last, beside = inverse[0, 0], inverse[1, 1], 0.5 * (inverse[0, 1] + inverse[1, 0])
        determinant, trace = first * last - inverse[0, 1] * inverse[1, 0], first + last
        # (What rounding leaves of a zero covariance may be negative.)
        if trace > 0.0 and determinant > COMPUTED * trace * trace:
            s = math.sqrt(determinant)
            t = math.sqrt(trace + 2.0 * s)
            root[0, 0], root[1, 1], root[0, 1] = (first + s) / t, (last + s) / t, beside / t
            root[1, 0] = root[0, 1]
            inverse[0, 0], inverse[1, 1], inverse[0, 1] = root[1, 1] / s, root[0, 0] / s, -root[0, 1] / s
            inverse[1, 0] = inverse[0, 1]
            return
    _eigen_root(root, inverse)


@njit(cache=True, nogil=True, error_model="numpy")
def overlap_sums(
    theta: np.ndarray, q: np.ndarray, c: np.ndarray, varsigma: np.ndarray, Q: np.ndarray, M: np.ndarray, Qc: np.ndarray
) -> None:
    """Q = Σ_s q(s), M(c) = Θ c, Q^c = Σ_s ς_s(c) q(s)."""
    S, p, K = theta.shape
    C = c.shape[0]
    total = np.zeros((p, K))
    Q[:] = 0.0
    Qc[:] = 0.0
    for s in range(S):
        for a in range(p):
            for k in range(K):
                total[a, k] += theta[s, a, k]
            for e in range(p):
                Q[a, e] += q[s, a, e]
                for g in range(C):
                    Qc[g, a, e] += varsigma[g, s] * q[s, a, e]
    for g in range(C):
        for a in range(p):
            value = 0.0
            for k in range(K):
                value += total[a, k] * c[g, k]
            M[g, a] = value


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def conditions(
    Q: np.ndarray,
    M: np.ndarray,
    Qc: np.ndarray,
    alpha: np.ndarray,
    beta: np.ndarray,
    c0: np.ndarray,
    c1: np.ndarray,
    enc: np.ndarray,
    dec: np.ndarray,
    mean: np.ndarray,
    root: np.ndarray,
    inverse: np.ndarray,
    emean: np.ndarray,
    eroot: np.ndarray,
    cross: np.ndarray,
    R: np.ndarray,
) -> None:
    """Means and roots of the encoder fields, and the residual fields given them, for every (cluster, time).

    Ω = α²Q + β²Q^c; Cov(e, ω) = c₀αQ + c₁βQ^c; E[e | ω] = c₁M + Cov(e, ω) Ω⁺ (ω − βM); R is the residual covariance.
    """
    C, T, n, J = M.shape[0], alpha.shape[0], enc.shape[0], dec.shape[0]
    for g in range(C):
        for t in range(T):
            i = g * T + t
            for a in range(n):
                mean[i, a] = beta[t] * M[g, enc[a]]
                for e in range(n):
                    inverse[i, a, e] = alpha[t] ** 2 * Q[enc[a], enc[e]] + beta[t] ** 2 * Qc[g, enc[a], enc[e]]
            _root(root[i], inverse[i])
            for j in range(J):
                u = dec[j]
                emean[i, j] = c1[t] * M[g, u]
                for a in range(n):
                    cross[i, j, a] = c0[t] * alpha[t] * Q[u, enc[a]] + c1[t] * beta[t] * Qc[g, u, enc[a]]
                for a in range(n):
                    value = 0.0
                    for e in range(n):
                        value += cross[i, j, e] * inverse[i, e, a]
                    eroot[i, j, a] = value
            for j in range(J):
                for k in range(J):
                    value = c0[t] ** 2 * Q[dec[j], dec[k]] + c1[t] ** 2 * Qc[g, dec[j], dec[k]]
                    for a in range(n):
                        value -= eroot[i, j, a] * eroot[i, k, a]
                    R[i, j, k] = value


@njit(cache=True, nogil=True, error_model="numpy")
def _channel(
    Q: np.ndarray, M: np.ndarray, Qc: np.ndarray, zero: float, one: float, enc: np.ndarray, dec: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    C, n, J = M.shape[0], enc.shape[0], dec.shape[0]
    law = (
        np.empty((C, n)), np.empty((C, n, n)), np.empty((C, n, n)), np.empty((C, J)), np.empty((C, J, n)),
        np.empty((C, J, n)), np.empty((C, J, J)),
    )  # fmt: skip
    a, b = np.full(1, zero), np.full(1, one)
    conditions(Q, M, Qc, a, b, a, b, enc, dec, law[0], law[1], law[2], law[3], law[4], law[5], law[6])
    return law


@njit(cache=True, nogil=True, error_model="numpy")
def channel_roots(
    Q: np.ndarray, M: np.ndarray, Qc: np.ndarray, enc: np.ndarray, dec: np.ndarray
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """The arrays of both laws of `channels`, from compiled code."""
    return _channel(Q, M, Qc, 1.0, 0.0, enc, dec), _channel(Q, M, Qc, 0.0, 1.0, enc, dec)
