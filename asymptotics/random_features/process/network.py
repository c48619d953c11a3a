r"""One network in R^d: the matrices U and V of its features, and its losses under ridge and gradient flow.

Features φ = ϱ(Wx/√d), score s_A = Aφ. With noises drawn, :math:`U=\frac1{nm}\sum\varphi\varphi^\top`; with the exact average over the
noise each pair of features is a Gaussian pair given the sample, and Mehler's formula sums its Hermite coefficients,

.. math:: U_{ij}=\sum_k\rho_{ij}^k\frac1n\sum_\nu c_k(h_{i\nu})c_k(h_{j\nu}),

ρ_ij the cosine of w_i and w_j; the diagonal is exact. The population matrices likewise, with one "sample" at 0. The loss is then
a quadratic form in A, and one eigendecomposition of U gives every τ and λ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..activations import Activation

#: Order of Mehler's formula: ρ^8 is nothing for vectors in 50 dimensions.
ORDERS = 8
#: The same for the population, where data with few large variances correlate the features.
POPULATION_ORDERS = 20
#: Eigenvalues of U below this share of the largest are zero.
RANK = 1e-12


@dataclass(frozen=True)
class Features:
    """Second moments of features and noise.

    Parameters
    ----------
    u : ndarray, shape (p, p)
    v : ndarray, shape (p, d)
        Of features with the noise.
    noise : float
        |ξ|²/d, 1 but for drawn noises: the loss without a network.
    """

    u: np.ndarray
    v: np.ndarray
    noise: float = 1.0


def averaged_features(
    weights: np.ndarray, data: np.ndarray, diffusion_time: float, function: Activation, orders: int = ORDERS
) -> Features:
    """Moments at the given samples, averaged exactly over the noise.

    Parameters
    ----------
    weights : ndarray, shape (p, d)
        W/√d.
    data : ndarray, shape (d, n)
    diffusion_time : float
    function : Activation
    orders : int
        Of Mehler's formula.
    """
    noise = -np.expm1(-2 * diffusion_time)
    length = np.linalg.norm(weights, axis=1)
    fields = np.exp(-diffusion_time) * (weights @ data)
    coefficients, square = function.smoothed(fields, np.sqrt(noise) * length[:, None], orders)
    unit = weights / length[:, None]
    u = _mehler(unit @ unit.T, coefficients, square)
    return Features(u, coefficients[1].mean(axis=1)[:, None] * unit)


def population_features(
    weights: np.ndarray, variances: np.ndarray, diffusion_time: float, function: Activation
) -> Features:
    """The same over all Gaussian data with these variances along the axes, shape (d,)."""
    decay, noise = np.exp(-2 * diffusion_time), -np.expm1(-2 * diffusion_time)
    covariance = (weights * (decay * variances + noise)) @ weights.T
    width = np.sqrt(np.diag(covariance))
    zero = np.zeros((len(weights), 1))
    coefficients, square = function.smoothed(zero, width[:, None], POPULATION_ORDERS)
    u = _mehler(covariance / np.outer(width, width), coefficients, square)
    return Features(u, coefficients[1] * np.sqrt(noise) * weights / width[:, None])


def _mehler(cosine: np.ndarray, coefficients: np.ndarray, square: np.ndarray) -> np.ndarray:
    n = coefficients.shape[2]
    u = np.zeros_like(cosine)
    for c in coefficients[::-1]:
        u *= cosine
        u += c @ c.T / n
    np.fill_diagonal(u, square.mean(axis=1))
    return u


def drawn_features(
    rng: np.random.Generator,
    weights: np.ndarray,
    data: np.ndarray,
    diffusion_time: float,
    function: Activation,
    noises: int,
) -> Features:
    """Moments with ``noises`` drawn noises a sample."""
    repeated = np.repeat(data, noises, axis=1)
    xi = rng.standard_normal(repeated.shape)
    noisy = np.exp(-diffusion_time) * repeated + np.sqrt(-np.expm1(-2 * diffusion_time)) * xi
    phi = function(weights @ noisy)
    count = repeated.shape[1]
    return Features(phi @ phi.T / count, phi @ xi.T / count, float(np.mean(xi**2)))


class Trained:
    """Ridge and gradient flow on one data set.

    Parameters
    ----------
    train : Features
        Moments of the training set as trained on.
    *others : Features
        Moments that further losses are measured with: of the population, of the training set without the noise's draws.
    """

    def __init__(self, train: Features, *others: Features) -> None:
        values, self.vectors = np.linalg.eigh(train.u)
        self.values = np.where(values < RANK * values[-1], 0.0, values)
        self.dimension, self.noise = train.v.shape[1], train.noise
        self.rotated = self.vectors.T @ train.v
        self.own = np.einsum("ij,ij->i", self.rotated, self.rotated)
        self.others = [(self.vectors.T @ f.v, self.vectors.T @ f.u @ self.vectors) for f in others]

    def flow_filter(self, times: np.ndarray, decay: float = 0.0) -> np.ndarray:
        """f_τ = (1 − e^{−(u+λ)τ})/(u+λ), shape (times, p)."""
        rate = self.values + decay
        safe = np.where(rate > 0, rate, 1.0)
        return np.where(rate > 0, -np.expm1(-np.outer(times, safe)) / safe, np.asarray(times)[:, None])

    def ridge_filter(self, strength: float) -> np.ndarray:
        """1/(u + λ); at λ = 0 the pseudo-inverse."""
        rate = self.values + strength
        return np.where(rate > 0, 1 / np.where(rate > 0, rate, 1.0), 0.0)[None, :]

    def fading(self, times: np.ndarray, decay: float = 0.0) -> np.ndarray:
        """e^{−(u+λ)τ}, what is left of A(0), shape (times, p)."""
        r: np.ndarray = np.exp(-np.outer(times, self.values + decay))
        return r

    def losses(self, filters: np.ndarray) -> np.ndarray:
        """Train loss and the others, per dimension, for every filter, shape (1 + others, filters)."""
        d, gram = self.dimension, self.rotated @ self.rotated.T
        train = self.noise + (filters**2 @ (self.values * self.own) - 2 * filters @ self.own) / d
        others = []
        for v, u in self.others:
            linear = np.einsum("ij,ij->i", self.rotated, v)
            others.append(1 + (_form(filters, u * gram, filters) - 2 * filters @ linear) / d)
        return np.array([train, *others])

    def started(self, filters: np.ndarray, fading: np.ndarray, start: np.ndarray) -> np.ndarray:
        """What a start A(0) adds to `losses`.

        Parameters
        ----------
        filters, fading : ndarray, shape (times, p)
            Of gradient flow at the same times.
        start : ndarray, shape (d, p)
            √Δ A(0).
        """
        b, d = start @ self.vectors, self.dimension
        cross, own = np.einsum("ai,ia->i", b, self.rotated), np.einsum("ai,ai->i", b, b)
        train = fading**2 @ (self.values * own) + 2 * fading @ cross - 2 * (fading * filters) @ (self.values * cross)
        others = []
        for v, u in self.others:
            linear = np.einsum("ai,ia->i", b, v)
            alone, mixed = _form(fading, u * (b.T @ b), fading), _form(fading, u * (self.rotated @ b).T, filters)
            others.append(alone + 2 * fading @ linear - 2 * mixed)
        return np.array([train, *others]) / d

    def coefficients(self, filter_: np.ndarray, noise: float) -> np.ndarray:
        """A = −Δ^{−1/2} Vᵀ f(U), shape (d, p)."""
        found: np.ndarray = -((self.rotated.T * filter_) @ self.vectors.T) / np.sqrt(noise)
        return found

    def remainder(self, fading: np.ndarray, start: np.ndarray) -> np.ndarray:
        """A(0) e^{−(U+λ)τ}, shape (d, p)."""
        found: np.ndarray = ((start @ self.vectors) * fading) @ self.vectors.T
        return found


def _form(left: np.ndarray, matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """left · matrix · right at every time."""
    r: np.ndarray = np.einsum("ti,ti->t", left @ matrix, right)
    return r
