r"""One quadratic coupling as a statistical model: samples, the most likely parameters, and KL in closed form, order by order.

.. math:: x_A \sim N(μ, Σ), \qquad x_B = a + b x_A + x_A^\top C x_A + N(0, Γ)

in d = m + r dimensions, x = (x_A, x_B): all flows of one coupling with a known split and affine layers that respect it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.input.checks import InputError, array, fail
from ...common.output.records import Record
from ..networks.flow import Affine, Coupling, Flow


@dataclass(frozen=True)
class Split(Record):
    """KL, or its average, by parts that are each ≥ 0 and add up: None where infinite.

    The orders are those of Hermite polynomials in x_A under the law that KL averages with: an orthogonal split. (Splits by raw
    monomials have signed terms of order N^{−1/2}; that by moment-matched Gaussians can have a negative rest.)

    Parameters
    ----------
    inputs : float
        The Gaussian law of x_A.
    noise : float
        The covariance of what is added.
    order_0, order_1, order_2 : float
        Constant, linear and quadratic part of the error in the mean of x_B given x_A; ``order_2`` is what no Gaussian has (k > 2).
    total : float
    """

    inputs: float | None
    noise: float | None
    order_0: float | None
    order_1: float | None
    order_2: float | None
    total: float | None

    @classmethod
    def of(cls, inputs: float, noise: float, orders: np.ndarray) -> Split:
        """With the sum."""
        zero, one, two = (float(k) for k in orders)
        return cls(inputs, noise, zero, one, two, inputs + noise + zero + one + two)

    @property
    def gaussian(self) -> float | None:
        """The k ≤ 2 half: all but ``order_2``."""
        return None if self.total is None or self.order_2 is None else self.total - self.order_2


#: Names of the parts, in order.
PARTS = ("inputs", "noise", "order_0", "order_1", "order_2", "total")


def _covariance(name: str, value: np.ndarray, size: int) -> np.ndarray:
    found = array(name, value, shape=(size, size))
    if not np.allclose(found, found.T, rtol=1e-10, atol=0) or np.linalg.eigvalsh(found)[0] <= 0:
        fail(name, value, "a symmetric matrix with positive eigenvalues")
    return (found + found.T) / 2


@dataclass(frozen=True)
class CoupledGaussian:
    """The law of (x_A, x_B).

    Parameters
    ----------
    mean, covariance : ndarray, shapes (m,), (m, m)
        μ, Σ of the inputs.
    a, b, C : ndarray, shapes (r,), (r, m), (r, m, m)
        Constant, linear and quadratic part of the mean of x_B; C is symmetrised in its last two.
    Gamma : ndarray, shape (r, r)
        Covariance of what is added.
    """

    mean: np.ndarray
    covariance: np.ndarray
    a: np.ndarray
    b: np.ndarray
    C: np.ndarray
    Gamma: np.ndarray

    def __post_init__(self) -> None:
        mean, a = array("mean", self.mean, ndim=1), array("a", self.a, ndim=1)
        m, r = len(mean), len(a)
        C = array("C", self.C, shape=(r, m, m))
        values = {
            "mean": mean,
            "covariance": _covariance("covariance", self.covariance, m),
            "a": a,
            "b": array("b", self.b, shape=(r, m)),
            "C": (C + C.transpose(0, 2, 1)) / 2,
            "Gamma": _covariance("Gamma", self.Gamma, r),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def inputs(self) -> int:
        """m."""
        return len(self.mean)

    @property
    def outputs(self) -> int:
        """r."""
        return len(self.a)

    def expected(self, x: np.ndarray) -> np.ndarray:
        """Mean of x_B given x_A, (n, m) → (n, r)."""
        return np.asarray(self.a + x @ self.b.T + np.einsum("kij,ni,nj->nk", self.C, x, x, optimize=True))

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Samples (x_A, x_B), shape (count, m + r)."""
        x = self.mean + rng.standard_normal((count, self.inputs)) @ np.linalg.cholesky(self.covariance).T
        noise = rng.standard_normal((count, self.outputs)) @ np.linalg.cholesky(self.Gamma).T
        return np.hstack([x, self.expected(x) + noise])

    def flow(self) -> Flow:
        """The flow whose density this is: subtract the quadratic part, then whiten what is Gaussian."""
        m, d = self.inputs, self.inputs + self.outputs
        G = np.zeros((d, d, d))
        G[m:, :m, :m] = -self.C
        W = np.zeros((d, d))
        W[:m, :m] = np.linalg.inv(np.linalg.cholesky(self.covariance))
        W[m:, m:] = np.linalg.inv(np.linalg.cholesky(self.Gamma))
        W[m:, :m] = -W[m:, m:] @ self.b
        return Flow((Coupling(G), Affine(W, -np.concatenate([W[:m, :m] @ self.mean, W[m:, m:] @ self.a]))))

    @property
    def features(self) -> int:
        """F = 1 + m + m(m+1)/2."""
        return feature_count(self.inputs)

    def hermite(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Constant, linear and quadratic part of the mean of x_B in white inputs u, x_A = μ + Σ^{1/2}u, as Hermite coefficients.

        Shapes (r,), (r, m), (r, m, m): a + bμ + μᵀCμ + Tr CΣ; (b + 2μᵀC)Σ^{1/2}; Σ^{1/2}CΣ^{1/2}.
        """
        values, vectors = np.linalg.eigh(self.covariance)
        root = (vectors * np.sqrt(values)) @ vectors.T
        constant = self.a + self.b @ self.mean + self.C @ self.mean @ self.mean
        constant = constant + np.einsum("kij,ij->k", self.C, self.covariance)
        linear = (self.b + 2 * self.C @ self.mean) @ root
        return constant, linear, root @ self.C @ root

    def negentropy(self) -> float:
        """KL to the Gaussian of the same moments, ½ ln det(1 + Γ^{-1}Q), Q_{kl} = 2 Tr C_kΣC_lΣ: what no Gaussian model gets below."""
        q = self._quadratic(self.C)
        return float(0.5 * np.linalg.slogdet(np.eye(self.outputs) + np.linalg.solve(self.Gamma, q))[1])

    def _quadratic(self, C: np.ndarray) -> np.ndarray:
        product = C @ self.covariance
        return np.asarray(2 * np.einsum("kij,lji->kl", product, product))

    def kl(self, other: CoupledGaussian) -> Split:
        r"""KL(self‖other) by parts, without sampling: averages of Hermite polynomials under the own law of x_A.

        .. math:: K_j = \tfrac12 \mathrm{Tr}\,Γ'^{-1}H_j, \quad H_0 = h_0h_0^\top,\; H_1 = h_1Σh_1^\top,\;
                  (H_2)_{kl} = 2\,\mathrm{Tr}\,ΔC_kΣΔC_lΣ .
        """
        if (self.inputs, self.outputs) != (other.inputs, other.outputs):
            raise InputError("other: must have the inputs and outputs of this model")
        a, b, C = self.a - other.a, self.b - other.b, self.C - other.C
        zero = a + b @ self.mean + C @ self.mean @ self.mean + np.einsum("kij,ij->k", C, self.covariance)
        one = b + 2 * C @ self.mean
        orders = [
            0.5 * np.trace(np.linalg.solve(other.Gamma, h))
            for h in (np.outer(zero, zero), one @ self.covariance @ one.T, self._quadratic(C))
        ]
        inputs = gaussian_kl(self.mean, self.covariance, other.mean, other.covariance)
        nothing = np.zeros(self.outputs)
        return Split.of(inputs, gaussian_kl(nothing, self.Gamma, nothing, other.Gamma), np.array(orders))


def gaussian_kl(
    mean: np.ndarray, covariance: np.ndarray, other_mean: np.ndarray, other_covariance: np.ndarray
) -> float:
    """KL(N(mean, covariance)‖N(other_mean, other_covariance))."""
    lower = np.linalg.cholesky(other_covariance)
    ratio = np.linalg.solve(lower, np.linalg.solve(lower, covariance).T)
    shift = np.linalg.solve(lower, mean - other_mean)
    return float(0.5 * (np.trace(ratio) - len(mean) - np.linalg.slogdet(ratio)[1] + shift @ shift))


def feature_count(inputs: int) -> int:
    """F = 1 + m + m(m+1)/2: constant, linear and quadratic features."""
    return 1 + inputs + inputs * (inputs + 1) // 2


def order_counts(inputs: int) -> np.ndarray:
    """(1, m, m(m+1)/2)."""
    return np.array([1, inputs, inputs * (inputs + 1) // 2])


def parameter_count(inputs: int, outputs: int) -> int:
    """P = m + m(m+1)/2 + rF + r(r+1)/2 of one coupling with a known split."""
    return inputs + inputs * (inputs + 1) // 2 + outputs * feature_count(inputs) + outputs * (outputs + 1) // 2


def hermite_features(u: np.ndarray) -> np.ndarray:
    """ψ = (1, u_a, (u_a² − 1)/√2, u_au_b with a < b) of white inputs, (n, m) → (n, F)."""
    first, second = np.triu_indices(u.shape[1], 1)
    return np.hstack([np.ones((len(u), 1)), u, (u * u - 1) / np.sqrt(2), u[:, first] * u[:, second]])


def coefficients(C: np.ndarray) -> np.ndarray:
    """Coefficients of uᵀCu − Tr C in the quadratic `hermite_features`, (r, m, m) → (r, m(m+1)/2)."""
    first, second = np.triu_indices(C.shape[1], 1)
    return np.hstack([np.sqrt(2) * np.einsum("kii->ki", C), 2 * C[:, first, second]])


def from_coefficients(theta: np.ndarray, inputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a, b, C of coefficients (r, F) of the `hermite_features`."""
    r, m = len(theta), inputs
    first, second = np.triu_indices(m, 1)
    C = np.zeros((r, m, m))
    C[:, np.arange(m), np.arange(m)] = theta[:, 1 + m : 1 + 2 * m] / np.sqrt(2)
    C[:, first, second] = C[:, second, first] = theta[:, 1 + 2 * m :] / 2
    return theta[:, 0] - np.einsum("kii->k", C), theta[:, 1 : 1 + m], C


def fit(data: np.ndarray, inputs: int) -> CoupledGaussian:
    """The most likely model of samples (x_A, x_B), shape (N, m + r): empirical moments of x_A, least squares, mean square of the rest.

    Raises
    ------
    InputError
        For N ≤ F or N ≤ m: the likelihood has no maximum (a covariance is 0).
    """
    points = array("data", data, ndim=2)
    n, d = points.shape
    if not 0 < inputs < d:
        fail("inputs", inputs, f"from 1 to {d - 1}, less than the dimension of the data")
    # r outputs leave N − F degrees of freedom, which must be r at least.
    least = feature_count(inputs) + d - inputs
    if n < least:
        raise InputError(
            f"data: {n} samples, at least {least} are needed (F + r); with fewer the likelihood is unbounded"
        )
    x, y = points[:, :inputs], points[:, inputs:]
    mean = x.mean(axis=0)
    covariance = np.cov(x.T, bias=True).reshape(inputs, inputs)
    # Features of centred and whitened inputs: the same span, better conditioned.
    lower = np.linalg.cholesky(covariance)
    psi = hermite_features(np.linalg.solve(lower, (x - mean).T).T)
    theta = np.linalg.lstsq(psi, y, rcond=None)[0].T
    rest = y - psi @ theta.T
    a, b, C = from_coefficients(theta, inputs)
    inverse = np.linalg.inv(lower)
    C = inverse.T @ C @ inverse
    b = b @ inverse
    return CoupledGaussian(
        mean, covariance, a - b @ mean + C @ mean @ mean, b - 2 * C @ mean, C, rest.T @ rest / n
    )  # fmt: skip


def fit_ridge(data: np.ndarray, truth: CoupledGaussian, penalties: np.ndarray) -> CoupledGaussian:
    """Ridge in Hermite features of the known law of the inputs, Γ known too: Θ = argmin ‖Y − ΨΘᵀ‖² + Σ_j λ_j‖Θ_j‖².

    Parameters
    ----------
    data : ndarray, shape (N, m + r)
    truth : CoupledGaussian
        Its mean, covariance and Gamma are those of the result.
    penalties : ndarray, shape (3,)
        λ_j of each order.
    """
    m = truth.inputs
    values, vectors = np.linalg.eigh(truth.covariance)
    inverse = (vectors / np.sqrt(values)) @ vectors.T
    psi = hermite_features((data[:, :m] - truth.mean) @ inverse)
    penalty = np.repeat(penalties, order_counts(m))
    theta = np.linalg.solve(psi.T @ psi + np.diag(penalty), psi.T @ data[:, m:]).T
    a, b, C = from_coefficients(theta, m)
    C = inverse @ C @ inverse
    b = b @ inverse
    mean = truth.mean
    return CoupledGaussian(
        mean, truth.covariance, a - b @ mean + C @ mean @ mean, b - 2 * C @ mean, C, truth.Gamma
    )  # fmt: skip
