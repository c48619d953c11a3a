"""Derivatives of Gaussian expectations by means and covariances of the fields.

Of a `FieldLaw` known fields are at the nodes z. Whatever is linear or quadratic in the linear fields is averaged over their
residual in closed form (`node_sums`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...kernels.shared.fields import FieldLaw


@dataclass(frozen=True)
class MovingLaw(FieldLaw):
    """The joint law of known and linear fields under every condition (…), and how it moves along D directions.

    Attributes
    ----------
    dmean, domega, demean, dcross, de : (…, D, n), (…, D, n, n), (…, D, J), (…, D, J, n), (…, D, J, J)
        Derivatives of m, Ω = S Sᵀ, μ, Cov(e, ω), Cov(e, e).
    """

    dmean: np.ndarray
    domega: np.ndarray
    demean: np.ndarray
    dcross: np.ndarray
    de: np.ndarray


def hermite(z: np.ndarray, w: np.ndarray) -> np.ndarray:
    """w × (1, z_i, z_i z_j − δ_ij for i ≤ j) at the nodes, (N, 1 + n + n (n + 1)/2)."""
    i, j = np.triu_indices(z.shape[1])
    second = z[:, i] * z[:, j] - (i == j)
    return np.asarray(w[:, None] * np.concatenate([np.ones((len(z), 1)), z, second], axis=1))


def flat(x: np.ndarray, axes: int = 2) -> np.ndarray:
    """The last axes as one."""
    return x.reshape(*x.shape[: x.ndim - axes], -1)


def transposed(x: np.ndarray) -> np.ndarray:
    """The last two axes exchanged."""
    return np.swapaxes(x, -1, -2)


def derivatives(
    F: np.ndarray, Fe: np.ndarray, Fee: np.ndarray | None, law: MovingLaw, by_explicit: np.ndarray, explicit: np.ndarray
) -> np.ndarray:
    """Derivatives of E[F] along the directions of a law, (…, functions, D).

    Bonnet and Price for all fields; in ω by parts (Hermite polynomials of the nodes), in e by derivatives of F.

    Parameters
    ----------
    F : (…, functions, 1 + n + n (n + 1)/2)
        Moments with the polynomials of `hermite`.
    Fe, Fee : (…, functions, L, 1 + n or more), (…, functions, L, L) or None
        The same of ∂F/∂e; mean of ∂²F/∂e².
    by_explicit, explicit : (…, functions, V), (D, V)
        Means of the derivatives by the explicit variables, and their motion.
    """
    n = law.mean.shape[-1]
    B, inverse = law.regression[..., None, :, :], law.inverse
    i, j = np.triu_indices(n)
    second = np.zeros((*F.shape[:-1], n, n))
    second[..., i, j] = second[..., j, i] = F[..., 1 + n : 1 + n + len(i)]
    second = inverse[..., None, :, :] @ second @ inverse[..., None, :, :]
    out = (F[..., 1 : 1 + n] @ inverse) @ transposed(law.dmean) + by_explicit @ explicit.T
    out += flat(second) @ transposed(flat(law.domega)) / 2
    if Fe.shape[-2]:
        out += Fe[..., 0] @ transposed(law.demean - law.dmean @ transposed(law.regression))
        slope = Fe[..., 1 : 1 + n] @ inverse[..., None, :, :]
        out += flat(slope) @ transposed(flat(law.dcross - B @ law.domega))
        if Fee is not None:
            mixed = law.dcross @ transposed(B)
            left = law.de - mixed - transposed(mixed) + B @ law.domega @ transposed(B)
            out += flat(Fee) @ transposed(flat(left)) / 2
    return np.asarray(out)
