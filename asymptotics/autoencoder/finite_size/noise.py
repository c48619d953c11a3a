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
        Probability of this cell, and of the time where one is drawn.
    cluster : int
        Index of the cell.
    second : (monomials, monomials)
        E[V Vᵀ]; g, P̂ and K are those of the weighted loss.
    fields, covariance : (F,), (F, F)
        Mean and covariance of the fields f.
    slopes : (2, F, p)
        f_l = Σ_{c,a} slopes × λ_ca.
    skip : (basis, 3)
        Coefficients of x₀·x₀, x₀·x₁, x₁·x₁ in −½ ∂_{b_k} loss.
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

    ζ_c(s) = (x_c·w_b/√d, x_c·u_k) on atom s for all P stacked vectors, as (channel, atom, P + K); given f it has the mean
    ``mean + regression (f − E f)`` and the covariance ``residual``.

    Attributes
    ----------
    of_monomials : (n, monomials)
        Y = of_monomials V + Σ_i of_overlaps[i] g_i δζ.
    of_overlaps : (2p, n, S (P + K))
        Coefficient of g_i ζ, with ζ of the channel of i.
    mean, regression, residual : (2, Z), (2, Z, F), (2, Z, 2, Z)
        Z = S (P + K).
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
    P, F = model.layout.p, len(sample.fields)
    Z = S * (P + K)
    gram = joint_gram(theta, q, given.T)
    spread = np.stack([np.ones(S), given.varsigma[c]])
    mean = np.zeros((2, S, P + K))
    mean[1, :, :P], mean[1, :, P:] = theta @ given.c[c], given.t[c]
    # Cov(ζ_c(s), f_l) = ς_c(s) Gram(s)[:, a] slopes[c, l, a]
    along = (gram[None, :, :, :p] @ np.swapaxes(sample.slopes, 1, 2)[:, None]).reshape(2, S, P + K, F)
    cross = (spread[:, :, None, None] * along).reshape(2, Z, F)
    _, inverse = square_root(sample.covariance)
    regression = cross @ (inverse @ inverse)
    residual = -(regression.reshape(2 * Z, F) @ cross.reshape(2 * Z, F).T).reshape(2, Z, 2, Z)
    for ch in (0, 1):
        blocks = residual[ch].reshape(S, P + K, 2, S, P + K)
        for s in range(S):
            blocks[s, :, ch, s] += spread[ch, s] * gram[s]
    return mean.reshape(2, Z), regression, residual


def increments(
    model: FieldLaws, sample: Sample, R: np.ndarray, rate: float, rate_b: float, theta: np.ndarray, q: np.ndarray
) -> Increments:
    """The map from V to Y: one step moves w_a/√d by (2η/d) Σ_i R_ai u_i, u_i = g_{0i}x₀ + g_{1i}x₁ + Σ_e P̂_ie w_e/√d.

    So Θ_ak gets Σ_i R_ai u_i·u_k, and q_ab gets Σ_i R_ai u_i·w_b + Σ_i R_bi u_i·w_a and the square of the step, of which the
    extensive part is 2η p_s Σ_ij R_ai R_bj (g_{0i} g_{0j} + ς g_{1i} g_{1j}). (`derivations.autoencoder.dynamics.linear_noise` has these
    for the network's own vectors.)

    Parameters
    ----------
    model : FieldLaws
    sample : Sample
    R : (P, p)
        Of the optimiser, with s(τ).
    rate, rate_b : float
        Factors on the learning rates of κ and of b.
    theta, q : (S, P, K), (S, P, P)
    """
    given, layout, p, c = model.coefficients, model.layout, model.p, sample.cluster
    S, K, P, size, at_b = layout.atoms, layout.K, layout.p, layout.size, layout.at_b
    mean, regression, residual = inner_products(model, sample, theta, q)
    (a, b), (i, j) = layout.upper, model.pairs
    F, Z, n_pairs = len(sample.fields), S * (P + K), len(i)
    overlaps, Y = np.zeros((2 * p, size, Z)), np.zeros((size, len(sample.second)))
    at_gg = 1 + 2 * p * (1 + F)
    at_P = at_gg + 2 * n_pairs
    # P̂_ie = P̂_ei is one number: where both stand in a sum over (i, e).
    twice = np.where(i == j, 0.0, 1.0)
    product = R[a][:, i] * R[b][:, j] + twice * R[a][:, j] * R[b][:, i]
    for s in range(S):
        rows, first = np.arange(size)[layout.q(s)], s * (P + K)
        for k in range(p):
            for n in (k, p + k):
                np.add.at(overlaps[n], (rows, first + b), R[a, k])
                np.add.at(overlaps[n], (rows, first + a), R[b, k])
        through = R[:, i, None] * theta[s][j] + (twice[:, None] * R[:, j, None]) * theta[s][i]
        for k in range(K):
            along = layout.theta(s).start + np.arange(P) * K + k
            for n in range(2 * p):
                overlaps[n, along, first + P + k] = R[:, n % p]
            Y[along, at_P : at_P + n_pairs] = through[:, :, k]
        # Σ_ie R_ai P̂_ie q_eb, and with a and b exchanged
        across = R[:, i, None] * q[s][j][None] + (twice[:, None] * R[:, j, None]) * q[s][i][None]
        Y[rows, at_P : at_P + n_pairs] = across[a, :, b] + across[b, :, a]
        square = 2 * given.eta / given.batch * given.mass[s] * product
        Y[rows, at_gg : at_gg + n_pairs] = square
        Y[rows, at_gg + n_pairs : at_P] = given.varsigma[c, s] * square
    centred = mean - regression @ sample.fields
    for n in range(2 * p):
        ch = n // p
        Y[:, 1 + n] = overlaps[n] @ centred[ch]
        Y[:, 1 + 2 * p + n * F : 1 + 2 * p + (n + 1) * F] = overlaps[n] @ regression[ch]
    trace = float(given.varsigma[c] @ given.mass)
    Y[at_b : at_b + layout.basis, 0] = rate_b * (sample.skip[:, 0] + trace * sample.skip[:, 2])
    for k in range(layout.parameters):
        Y[at_b + layout.basis + k, at_P + n_pairs + k] = rate
    return Increments(Y, overlaps, mean, regression, residual)
