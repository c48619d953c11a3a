"""The drift's Jacobian on the stacked vectors: by the order parameters at fixed moments, and by the moments of every cell.

With A, B and N of a gradient step (`asymptotics.autoencoder.equations.assembly`) and the optimiser's map R, L,

    dΘ(s) = R [Σ_g π_g A_g (T(s)c_g)ᵀ + B(s) Θ(s)] + L Θ(s)
    dq(s) = X + Xᵀ + 2η p_s R N(s) Rᵀ,   X = R [Σ_g π_g A_g m_gᵀ + B(s) q(s)] + L q(s),   m_g = Θ(s) c_g,

B(s) = Σ_g π_g B(ς_s(c_g)) and N(s) alike; Θ and q inside the brackets are rows of the network's own vectors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np

from ...equations.derivative.coefficients import Coefficients
from ...equations.derivative.layout import Layout


@dataclass(frozen=True)
class OfMoments:
    """A (p, m), B and N (p, p, m) of a gradient step in the m moments; B and N as polynomials in ς: value + slope ς.

    ``B[0]``, ``N[0]`` are the values at ς = 0, ``B[1]``, ``N[1]`` the slopes.
    """

    A: np.ndarray
    B: np.ndarray
    N: np.ndarray

    @classmethod
    def of(cls, module: ModuleType) -> OfMoments:
        """As the derivation has them (``LINEAR`` of the generated module)."""
        p, m = module.VECTORS, len(module.MOMENTS)
        A, B, N = np.zeros((p, m)), np.zeros((2, p, p, m)), np.zeros((2, p, p, m))
        for which, a, e, moment, power, value in module.LINEAR:
            if which == "A":
                A[a, moment] = value
            else:
                (B if which == "B" else N)[power, a, e, moment] = value
        return cls(A, B, N)

    def at(self, varsigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """B and N at eigenvalues ς (atoms,): (atoms, p, p, m) each."""
        steps = varsigma[:, None, None, None]
        return self.B[0] + steps * self.B[1], self.N[0] + steps * self.N[1]


@dataclass(frozen=True)
class Assembly:
    """The optimiser's map, and what the derivatives of the drift need besides the state; leading axes (…) are several states.

    Attributes
    ----------
    given : Coefficients
    layout : Layout
    linear : OfMoments
    R, L : (…, P, p), (…, P, P)
    """

    given: Coefficients
    layout: Layout
    linear: OfMoments
    R: np.ndarray
    L: np.ndarray

    def __getitem__(self, index: int | slice) -> Assembly:
        """That of some states."""
        return replace(self, R=self.R[index], L=self.L[index])

    def local(self, moments: np.ndarray, theta: np.ndarray, q: np.ndarray) -> np.ndarray:
        """Derivatives of dΘ(s), dq(s) by Θ(s), q(s) at the moments (…, cells, m) of every cell, (…, n, n)."""
        given, layout, p = self.given, self.layout, self.R.shape[-1]
        lead, S, P, K, (i, j) = self.R.shape[:-2], layout.atoms, layout.p, layout.K, layout.upper
        B = np.zeros((*lead, S, p, p))
        for g, weight in enumerate(given.pi):
            B += weight * (self.linear.at(given.varsigma[g])[0] @ moments[..., g, None, None, :, None])[..., 0]
        mean = np.einsum("g,...gi,gk->...ik", given.pi, moments @ self.linear.A.T, given.c)
        T = np.zeros((*lead, S, P, P))
        T[..., :p] = self.R[..., None, :, :] @ B
        T += self.L[..., None, :, :]
        one, place = np.eye(P), np.zeros((P, P, len(i)))
        place[i, j, np.arange(len(i))] = place[j, i, np.arange(len(i))] = 1.0
        # dq_ab = Σ_k (R Ā)_ak Θ_bk + Σ_c T_ac q_cb, and the same with a and b exchanged
        by_theta = np.einsum("...ak,bc->...abck", self.R @ mean, one)
        by_theta = by_theta + np.swapaxes(by_theta, -4, -3)
        by_theta = by_theta[..., i, j, :, :].reshape(*lead, len(i), P * K)
        out = np.zeros((*lead, layout.size, layout.size))
        for s in range(S):
            at_theta, at_q = layout.theta(s), layout.q(s)
            out[..., at_theta, at_theta] = np.einsum("...ab,kl->...akbl", T[..., s, :, :], np.eye(K)).reshape(
                *lead, P * K, P * K
            )
            by_q = np.einsum("...ac,cbx->...abx", T[..., s, :, :], place)
            out[..., at_q, at_theta] = by_theta
            out[..., at_q, at_q] = (by_q + np.swapaxes(by_q, -3, -2))[..., i, j, :]
        return out

    def by_moment(self, g: int, theta: np.ndarray, q: np.ndarray) -> np.ndarray:
        """Derivatives of dΘ(s), dq(s) by the moments of cell g, its weight left out, (…, n, m)."""
        given, layout, R, p = self.given, self.layout, self.R, self.R.shape[-1]
        lead, S, (i, j) = R.shape[:-2], layout.atoms, layout.upper
        A, m = self.linear.A, self.linear.A.shape[1]
        B, N = self.linear.at(given.varsigma[g])
        out = np.zeros((*lead, layout.size, m))
        for s in range(S):
            here, own = theta[..., s, :, :], q[..., s, :, :]
            along = np.einsum("im,k->ikm", A, given.t[g, s]) + np.einsum("iem,...ek->...ikm", B[s], here[..., :p, :])
            out[..., layout.theta(s), :] = np.einsum("...ai,...ikm->...akm", R, along).reshape(*lead, -1, m)
            across = np.einsum("im,...b->...ibm", A, here @ given.c[g]) + np.einsum(
                "iem,...eb->...ibm", B[s], own[..., :p, :]
            )
            X = np.einsum("...ai,...ibm->...abm", R, across)
            spread = np.einsum("...ai,iem->...aem", 2 * given.eta * given.mass[s] * R, N[s])
            spread = np.einsum("...aem,...be->...abm", spread, R)
            out[..., layout.q(s), :] = (X + np.swapaxes(X, -3, -2) + spread)[..., i, j, :]
        return out
