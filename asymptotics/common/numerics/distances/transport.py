"""Optimal transport between Gaussians and between Gaussian mixtures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...input.checks import ComputationError, array, fail
from ..algebra.gram import symmetric_root


def bures_squared(first: Any, second: Any) -> float:
    r"""Squared Bures distance of two covariances.

    .. math:: B^2(A, B) = \mathrm{tr}\,A + \mathrm{tr}\,B - 2\,\mathrm{tr}\,(A^{1/2} B A^{1/2})^{1/2}

    Parameters
    ----------
    first, second : array_like
        Both matrices of shape (d, d), or both variances along common axes, of shape (d,).

    Returns
    -------
    float

    Raises
    ------
    InputError
        If a matrix is not symmetric positive semi-definite, or the shapes differ.
    """
    a, b = _covariance("first", first), _covariance("second", second)
    if a.shape != b.shape:
        fail("second", b.shape, f"a covariance of shape {a.shape}")
    if a.ndim == 1:
        return float(np.sum((np.sqrt(a) - np.sqrt(b)) ** 2))
    # tr (A^{1/2} B A^{1/2})^{1/2} is the nuclear norm of A^{1/2} B^{1/2}.
    fidelity = np.linalg.svd(symmetric_root(a) @ symmetric_root(b), compute_uv=False).sum()
    return float(max(np.trace(a) + np.trace(b) - 2 * fidelity, 0.0))


def _covariance(name: str, value: Any) -> np.ndarray:
    c = array(name, value)
    if c.ndim not in (1, 2) or c.size == 0 or (c.ndim == 2 and c.shape[0] != c.shape[1]):
        fail(name, c.shape, "a covariance of shape (d, d), or variances of shape (d,)")
    scale = max(float(np.max(np.abs(c))), np.finfo(float).tiny)
    if c.ndim == 2 and not np.allclose(c, c.T, rtol=0, atol=1e-10 * scale):
        fail(name, c, "symmetric")
    lowest = float(np.min(c)) if c.ndim == 1 else float(np.linalg.eigvalsh(c)[0])
    if lowest < -1e-10 * scale * len(c):
        fail(name, c, f"positive semi-definite (lowest eigenvalue {lowest:.3g})")
    return np.maximum(c, 0.0) if c.ndim == 1 else (c + c.T) / 2


def gaussian_w2_squared(first_mean: Any, first_covariance: Any, second_mean: Any, second_covariance: Any) -> float:
    r"""Squared 2-Wasserstein distance of two Gaussians, ‖m₁ − m₂‖² + B²(Σ₁, Σ₂).

    Parameters
    ----------
    first_mean, second_mean : array_like, shape (d,)
    first_covariance, second_covariance : array_like, shape (d, d) or (d,)
        Covariance matrices, or variances along common axes.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If the shapes differ or a covariance is not positive semi-definite.
    """
    a, b = array("first_mean", first_mean, ndim=1), array("second_mean", second_mean, ndim=1)
    if a.shape != b.shape:
        fail("second_mean", b.shape, f"of shape {a.shape}")
    return float(np.sum((a - b) ** 2)) + bures_squared(first_covariance, second_covariance)


@dataclass(frozen=True)
class Mixture:
    """A Gaussian mixture.

    Parameters
    ----------
    weights : array_like, shape (k,)
        Non-negative, with sum 1.
    means : array_like, shape (k, d)
    covariances : array_like, shape (k, d, d), (k, d) or (k,)
        Matrices, variances along the axes, or isotropic variances.

    Raises
    ------
    InputError
        If the shapes do not fit together or the weights are no distribution.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def __post_init__(self) -> None:
        weights, means = array("weights", self.weights, ndim=1), array("means", self.means, ndim=2)
        if len(weights) == 0 or np.any(weights < 0) or not np.isclose(weights.sum(), 1, rtol=0, atol=1e-9):
            fail("weights", weights, "non-negative with sum 1")
        count, dimension = means.shape
        if count != len(weights):
            fail("means", means.shape, f"of shape ({len(weights)}, d)")
        covariances = array("covariances", self.covariances)
        if covariances.shape == (count,):
            covariances = np.repeat(covariances[:, None], dimension, axis=1)
        if covariances.shape not in ((count, dimension), (count, dimension, dimension)):
            fail("covariances", covariances.shape, f"of shape ({count},), ({count}, {dimension}) or with a matrix each")
        for name, value in (("weights", weights / weights.sum()), ("means", means), ("covariances", covariances)):
            object.__setattr__(self, name, value)

    def matrices(self) -> np.ndarray:
        """Covariances as matrices, shape (k, d, d)."""
        if self.covariances.ndim == 3:
            return self.covariances
        return self.covariances[:, :, None] * np.eye(self.means.shape[1])


def mixture_w2_squared(first: Mixture, second: Mixture) -> tuple[float, np.ndarray]:
    r"""Squared mixture-Wasserstein distance, and the coupling of the weights that attains it.

    .. math:: MW_2^2 = \min_{\pi\in\Pi(p,q)} \sum_{kl} \pi_{kl}\,W_2^2(g_k, g_l)

    solved as a linear programme (Delon, Desolneux, SIAM J. Imaging Sci. 13, 936, 2020).

    Parameters
    ----------
    first, second : Mixture
        In the same dimension.

    Returns
    -------
    (distance, coupling) : float and ndarray of shape (k, l)

    Raises
    ------
    InputError
        If the dimensions differ.
    RuntimeError
        If the linear programme does not converge.
    """
    from scipy.optimize import linprog

    if first.means.shape[1] != second.means.shape[1]:
        fail("second", second.means.shape[1], f"a mixture in dimension {first.means.shape[1]}")
    same = first.covariances.ndim == second.covariances.ndim
    ours = first.covariances if same else first.matrices()
    theirs = second.covariances if same else second.matrices()
    cost = np.array(
        [
            [gaussian_w2_squared(m, c, n, e) for n, e in zip(second.means, theirs, strict=True)]
            for m, c in zip(first.means, ours, strict=True)
        ]
    )
    rows, columns = cost.shape
    marginals = np.vstack([np.kron(np.eye(rows), np.ones(columns)), np.kron(np.ones(rows), np.eye(columns))])
    # The last row follows from the others; a redundant row can make presolve call rounding an infeasibility.
    scale = max(float(cost.max()), np.finfo(float).tiny)
    answer = linprog(
        cost.ravel() / scale,
        A_eq=marginals[:-1],
        b_eq=np.concatenate([first.weights, second.weights])[:-1],
        bounds=(0, None),
        method="highs",
    )
    if not answer.success:
        raise ComputationError(f"the linear programme of the mixture-Wasserstein distance failed: {answer.message}")
    coupling = answer.x.reshape(rows, columns)
    return float(np.sum(coupling * cost)), coupling
