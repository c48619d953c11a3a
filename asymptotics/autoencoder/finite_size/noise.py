"""Random increments of the order parameters: from moments of g, P̂ and the fields to the covariance of one step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.numerics.gram import square_root
from ..model.weights import joint_gram
from .laws import FieldLaws


@dataclass(frozen=True)
class Sample:
    """Second moments of the monomials V = (1, g_i, g_i f_l, g_i g_j, P̂, K) of one sample of a cluster (and time).

    Attributes
    ----------
    weight : float
        Probability of this cluster and time.
    cluster : int
    second : (monomials, monomials)
        E[V Vᵀ].
    fields, covariance : (F,), (F, F)
        Mean and covariance of the fields f.
    slopes : (2, F, p)
        f_l = Σ_{c,a} slopes × λ_ca.
    skip : (3,)
        Coefficients of x₀·x₀, x₀·x₁, x₁·x₁ in −½ ∂_b loss.
    """

    weight: float
    cluster: int
    second: np.ndarray
    fields: np.ndarray
    covariance: np.ndarray
    slopes: np.ndarray
    skip: np.ndarray


@dataclass(frozen=True)
class Increments:
    """Y of one sample as a linear map of V and of what the fields leave open in the inner products ζ.

    ζ_c(s) = (x_c·w_b/√d, x_c·u_k) on atom s, stacked as (channel, atom, p + K); given f it has the mean
    ``mean + regression (f − E f)`` and the covariance ``residual``.

    Attributes
    ----------
    of_monomials : (n, monomials)
        Y = of_monomials V + Σ_i of_overlaps[i] g_i δζ.
    of_overlaps : (2p, n, S (p + K))
        Coefficient of g_i ζ, with ζ of the channel of i.
    mean, regression, residual : (2, Z), (2, Z, F), (2, Z, 2, Z)
        Z = S (p + K).
    """

    of_monomials: np.ndarray
    of_overlaps: np.ndarray
    mean: np.ndarray
    regression: np.ndarray
    residual: np.ndarray

    def second(self, sample: Sample) -> np.ndarray:
        """E[Y Yᵀ], (n, n)."""
        total = self.of_monomials @ sample.second @ self.of_monomials.T
        count, p = len(self.of_overlaps), len(self.of_overlaps) // 2
        gg = sample.second[1 : 1 + count, 1 : 1 + count]
        # Σ_ij E[g_i g_j] R_i Σ_ζ R_jᵀ, one pair of channels at a time.
        for c in (0, 1):
            for e in (0, 1):
                left, right = self.of_overlaps[c * p : c * p + p], self.of_overlaps[e * p : e * p + p]
                weighted = np.tensordot(gg[c * p : c * p + p, e * p : e * p + p], right, axes=(1, 0))
                block = (left @ self.residual[c, :, e]).transpose(1, 0, 2).reshape(len(total), -1)
                total = total + block @ weighted.transpose(1, 0, 2).reshape(len(total), -1).T
        return np.asarray(total)

    def first(self, sample: Sample) -> np.ndarray:
        """E[Y], (n,)."""
        return np.asarray(self.of_monomials @ sample.second[0])


def inner_products(
    model: FieldLaws, sample: Sample, theta: np.ndarray, q: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, regression on f and residual covariance of ζ given the fields of a sample."""
    given, S, p, K, c = model.coefficients, model.layout.atoms, model.p, model.layout.K, sample.cluster
    Z, F = S * (p + K), len(sample.fields)
    gram = joint_gram(theta, q, given.T)
    spread = np.stack([np.ones(S), given.varsigma[c]])
    mean = np.zeros((2, S, p + K))
    mean[1, :, :p], mean[1, :, p:] = theta @ given.c[c], given.t[c]
    # Cov(ζ_c(s), f_l) = ς_c(s) Gram(s)[:, a] slopes[c, l, a]
    along = (gram[None, :, :, :p] @ np.swapaxes(sample.slopes, 1, 2)[:, None]).reshape(2, S, p + K, F)
    cross = (spread[:, :, None, None] * along).reshape(2, Z, F)
    _, inverse = square_root(sample.covariance)
    regression = cross @ (inverse @ inverse)
    residual = -(regression.reshape(2 * Z, F) @ cross.reshape(2 * Z, F).T).reshape(2, Z, 2, Z)
    for ch in (0, 1):
        blocks = residual[ch].reshape(S, p + K, 2, S, p + K)
        for s in range(S):
            blocks[s, :, ch, s] += spread[ch, s] * gram[s]
    return mean.reshape(2, Z), regression, residual


def increments(model: FieldLaws, sample: Sample, scale: float, theta: np.ndarray, q: np.ndarray) -> Increments:
    """The map from V to Y, with the coefficients that the derivation gives.

    Parameters
    ----------
    model : FieldLaws
    sample : Sample
    scale : float
        s(τ).
    theta, q : (S, p, K), (S, p, p)
    """
    given, layout, p, c = model.coefficients, model.layout, model.p, sample.cluster
    S, K, n_pairs, size, at_b = layout.atoms, layout.K, len(model.pairs[0]), layout.size, layout.at_b
    mean, regression, residual = inner_products(model, sample, theta, q)
    F, Z = len(sample.fields), S * (p + K)
    R, Y = np.zeros((2 * p, size, Z)), np.zeros((size, len(sample.second)))
    at_gg = 1 + 2 * p * (1 + F)
    at_P = at_gg + 2 * n_pairs
    Tg, TP = np.zeros((p, 2, p)), np.zeros((p, n_pairs, K))
    Gg, GP, Gs = np.zeros((n_pairs, 2, p, p)), np.zeros((n_pairs, n_pairs)), np.zeros((n_pairs, 2, n_pairs))
    for s in range(S):
        model.kernels.module.increments(
            float(given.varsigma[c, s]), float(given.mass[s]), theta[s], q[s], given.eta / given.batch,
            scale * given.rho, Tg, TP, Gg, GP, Gs,
        )  # fmt: skip
        rows, first = layout.q(s), s * (p + K)
        R[:, rows, first : first + p] = Gg.reshape(n_pairs, 2 * p, p).transpose(1, 0, 2)
        Y[rows, at_gg:at_P] = Gs.reshape(n_pairs, -1)
        Y[rows, at_P : at_P + n_pairs] = GP
        for k in range(K):
            along = s * p * K + np.arange(p) * K + k
            R[:, along, first + p + k] = Tg.reshape(p, 2 * p).T
            Y[along, at_P : at_P + n_pairs] = TP[:, :, k]
    centred = mean - regression @ sample.fields
    for i in range(2 * p):
        ch = i // p
        Y[:, 1 + i] = R[i] @ centred[ch]
        Y[:, 1 + 2 * p + i * F : 1 + 2 * p + (i + 1) * F] = R[i] @ regression[ch]
    trace = float(given.varsigma[c] @ given.mass)
    Y[at_b, 0] = scale * given.rho_b * (sample.skip[0] + trace * sample.skip[2])
    for k in range(layout.parameters):
        Y[at_b + 1 + k, at_P + n_pairs + k] = scale
    return Increments(Y, R, mean, regression, residual)
