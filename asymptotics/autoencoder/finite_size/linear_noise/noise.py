"""Random increments of the order parameters: from moments of g, P̂ and the fields to the covariance of one step."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ....common.numerics.algebra.gram import square_root
from ...model.start.weights import joint_gram
from .laws import FieldLaws
from .moments import flat, transposed


@dataclass(frozen=True)
class Samples:
    """Second moments of the monomials V = (1, g_i, g_i f_l, g_i g_j, P̂, K) of one sample of every cluster (and time).

    Leading axes (…) are several states; then come the samples, of every cell at every time that is drawn.

    Attributes
    ----------
    weight : (…, samples)
        Probability of this cell, and of the time where one is drawn.
    cluster : (…, samples)
        Index of the cell.
    second : (…, samples, monomials, monomials)
        E[V Vᵀ]; g, P̂ and K are those of the weighted loss.
    fields, covariance : (…, samples, F), (…, samples, F, F)
        Mean and covariance of the fields f.
    slopes : (…, samples, 2, F, p)
        f_l = Σ_{c,a} slopes × λ_ca.
    skip : (…, samples, basis, 3)
        Coefficients of x₀·x₀, x₀·x₁, x₁·x₁ in −½ ∂_{b_k} loss.
    """

    weight: np.ndarray
    cluster: np.ndarray
    second: np.ndarray
    fields: np.ndarray
    covariance: np.ndarray
    slopes: np.ndarray
    skip: np.ndarray

    def __getitem__(self, index: int | slice | tuple[slice, ...]) -> Samples:
        """Those of some states."""
        return Samples(*(getattr(self, f.name)[index] for f in fields(self)))

    def flat(self, axes: int) -> Samples:
        """The samples along one axis, of the ``axes`` of cells and times."""
        lead = self.weight.ndim - axes
        return Samples(*(x.reshape(*x.shape[:lead], -1, *x.shape[lead + axes :]) for x in vars(self).values()))

    @property
    def gradients(self) -> np.ndarray:
        """E[g_ca g_eb], (…, samples, 2, p, 2, p)."""
        p = self.slopes.shape[-1]
        here = self.second[..., 1 : 1 + 2 * p, 1 : 1 + 2 * p]
        return here.reshape(*here.shape[:-2], 2, p, 2, p)


@dataclass(frozen=True)
class InnerProducts:
    """ζ_c(s) = (x_c·w_b/√d, x_c·u_k) on atom s for all P stacked vectors, given the fields of a sample.

    Attributes
    ----------
    centred : (…, samples, 2, S, P + K)
        The mean where the fields are zero: ζ = centred + regression f + what the fields leave open.
    regression, cross : (…, samples, 2, S, P + K, F)
        And Cov(ζ, f).
    spread : (…, samples, 2, S)
        Cov(ζ_c(s)) = spread × Gram(s), different atoms and channels independent.
    gram : (…, 1, S, P + K, P + K)
    """

    centred: np.ndarray
    regression: np.ndarray
    cross: np.ndarray
    spread: np.ndarray
    gram: np.ndarray

    @classmethod
    def of(cls, model: FieldLaws, samples: Samples, theta: np.ndarray, q: np.ndarray) -> InnerProducts:
        """Those of every sample, at Θ (…, S, P, K) and q (…, S, P, P)."""
        given, p, P, c = model.coefficients, model.p, model.layout.p, samples.cluster
        T = np.broadcast_to(given.T, (*theta.shape[:-3], *given.T.shape))
        gram = joint_gram(theta, q, T)[..., None, :, :, :]
        spread = np.stack([np.ones((*c.shape, model.layout.atoms)), given.varsigma[c]], axis=-2)
        # Cov(ζ_c(s), f_l) = ς_c(s) Gram(s)[:, a] slopes[c, l, a]
        along = gram[..., None, :, :, :p] @ transposed(samples.slopes)[..., None, :, :]
        cross = spread[..., None, None] * along
        _, inverse = square_root(samples.covariance)
        regression = cross @ (inverse @ inverse)[..., None, None, :, :]
        centred = -(regression @ samples.fields[..., None, None, :, None])[..., 0]
        centred[..., 1, :, :P] += (theta[..., None, :, :, :] @ given.c[c][..., None, :, None])[..., 0]
        centred[..., 1, :, P:] += given.t[c]
        return cls(centred, regression, cross, spread, gram)


def increments(
    model: FieldLaws,
    samples: Samples,
    R: np.ndarray,
    rate: np.ndarray,
    rate_b: np.ndarray,
    theta: np.ndarray,
    q: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """E[Y] (…, samples, n) and E[Y Yᵀ] (…, samples, n, n) of the random increment (2η/d) Y of the order parameters.

    One step moves w_a/√d by (2η/d) Σ_i R_ai u_i, u_i = g_{0i}x₀ + g_{1i}x₁ + Σ_e P̂_ie w_e/√d. So Θ_ak gets Σ_i R_ai u_i·u_k, and
    q_ab gets Σ_i R_ai u_i·w_b + Σ_i R_bi u_i·w_a and the square of the step, of which the extensive part is
    2η p_s Σ_ij R_ai R_bj (g_{0i} g_{0j} + ς g_{1i} g_{1j}). (`derivations.autoencoder.dynamics.linear_noise` has these for the network's
    own vectors.) With ζ of `InnerProducts`, Y = Z V + Σ_u Σ_i R_{a_u i} g_i δζ_{z_u}: every entry of Θ has one term u, of q two.

    Parameters
    ----------
    model : FieldLaws
    samples : Samples
    R : (…, P, p)
        Of the optimiser, with s(τ).
    rate, rate_b : (…)
        Factors on the learning rates of κ and of b.
    theta, q : (…, S, P, K), (…, S, P, P)
    """
    given, layout, p = model.coefficients, model.layout, model.p
    S, K, P, at_b, (a, b), (i, j) = layout.atoms, layout.K, layout.p, layout.at_b, layout.upper, model.pairs
    zeta, F, n_pairs = InnerProducts.of(model, samples, theta, q), samples.fields.shape[-1], len(i)
    lead, one = samples.weight.shape, R[..., None, :, :]
    at_f, at_gg = 1 + 2 * p, 1 + 2 * p * (1 + F)
    at_P = at_gg + 2 * n_pairs
    # Vector a_u and place z_u of the one or two terms of every entry of Θ and q.
    vector, place, there = np.zeros((2, at_b), dtype=int), np.zeros((2, at_b), dtype=int), np.zeros((2, at_b))
    for s in range(S):
        first, of_theta, of_q = s * (P + K), layout.theta(s), layout.q(s)
        vector[0, of_theta] = np.repeat(np.arange(P), K)
        place[0, of_theta] = first + P + np.tile(np.arange(K), P)
        vector[:, of_q], place[:, of_q] = (a, b), (first + b, first + a)
        there[0, of_theta] = there[:, of_q] = 1.0
    Y = np.zeros((*lead, layout.size, samples.second.shape[-1]))
    centred, regression, cross = (
        x.reshape(*lead, 2, S * (P + K), *x.shape[len(lead) + 3 :]) for x in (zeta.centred, zeta.regression, zeta.cross)
    )
    for u in (0, 1):
        by = R[..., None, vector[u], :] * there[u, :, None]
        Y[..., :at_b, 1:at_f] += flat(np.einsum("...nk,...cn->...nck", by, centred[..., place[u]]), 2)
        Y[..., :at_b, at_f:at_gg] += flat(np.einsum("...nk,...cnl->...nckl", by, regression[..., place[u], :]), 3)
    # P̂_ie = P̂_ei is one number: where both stand in a sum over (i, e).
    twice = np.where(i == j, 0.0, 1.0)
    product = R[..., a, :][..., i] * R[..., b, :][..., j] + twice * R[..., a, :][..., j] * R[..., b, :][..., i]
    for s in range(S):
        of_theta, of_q, here, own = layout.theta(s), layout.q(s), theta[..., s, :, :], q[..., s, :, :]
        through = R[..., :, i, None] * here[..., None, j, :] + (twice * R[..., :, j])[..., None] * here[..., None, i, :]
        through = np.swapaxes(through, -1, -2).reshape(*lead[:-1], P * K, n_pairs)
        Y[..., of_theta, at_P : at_P + n_pairs] = through[..., None, :, :]
        # Σ_ie R_ai P̂_ie q_eb, and with a and b exchanged
        across = R[..., :, i, None] * own[..., None, j, :] + (twice * R[..., :, j])[..., None] * own[..., None, i, :]
        across = np.moveaxis(across, -2, -1)
        across = across[..., a, b, :] + across[..., b, a, :]
        Y[..., of_q, at_P : at_P + n_pairs] = across[..., None, :, :]
        square = 2 * given.eta / given.batch * given.mass[s] * product[..., None, :, :]
        Y[..., of_q, at_gg : at_gg + n_pairs] = square
        Y[..., of_q, at_gg + n_pairs : at_P] = given.varsigma[samples.cluster, s][..., None, None] * square
    trace = given.varsigma[samples.cluster] @ given.mass
    of_skip = samples.skip[..., 0] + trace[..., None] * samples.skip[..., 2]
    Y[..., at_b : at_b + layout.basis, 0] = rate_b[..., None, None] * of_skip
    for k in range(layout.parameters):
        Y[..., at_b + layout.basis + k, at_P + n_pairs + k] = rate[..., None]
    second = Y @ samples.second @ transposed(Y)
    # Σ_ij R_ai R_bj E[g_i g_j] Cov(δζ, δζ′), one pair of channels at a time.
    vectors, places, weight = vector.ravel(), place.ravel(), there.ravel()
    atom, at = places // (P + K), places % (P + K)
    same = np.where(atom[:, None] == atom, weight[:, None] * weight, 0.0)
    gradients = samples.gradients
    for c in (0, 1):
        for e in (0, 1):
            G = one @ gradients[..., c, :, e, :] @ transposed(one)
            residual = -regression[..., c, places, :] @ transposed(cross[..., e, places, :])
            if c == e:
                gram = zeta.gram[..., atom[:, None], at[:, None], at] * same
                residual = residual + zeta.spread[..., c, atom][..., None] * gram
            part = G[..., vectors[:, None], vectors] * (weight[:, None] * weight) * residual
            part = part.reshape(*lead, 2, at_b, 2, at_b)
            second[..., :at_b, :at_b] += (
                part[..., 0, :, 0, :] + part[..., 0, :, 1, :] + part[..., 1, :, 0, :] + part[..., 1, :, 1, :]
            )
    return (Y @ samples.second[..., :1])[..., 0], second
