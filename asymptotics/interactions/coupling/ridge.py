r"""Ridge in Hermite features with the law of the inputs and Γ known, at any N, also N < F.

.. math:: \mathbb E\|Δ_k\|^2 = \sum_j λ_j^2\Big(-\frac{∂ b_j}{∂ λ_k}\Big)\|θ_j\|^2 + γV_k, \qquad
          V_k = \mathrm{Tr}_kR + \sum_j λ_j \frac{∂\mathrm{Tr}_kR}{∂λ_j},

j over constant, vector, traceless and trace part; j ≠ k is aliasing: interactions read as Gaussian terms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.input.checks import array, number
from .model import CoupledGaussian, Split, order_counts
from .traces import PENALTY, equivalent, trace_matrix


@dataclass(frozen=True)
class Ridge:
    """Errors of ridge by order.

    Parameters
    ----------
    variance : ndarray, shape (3,)
        V_k.
    bias : ndarray, shape (3, 4)
        λ_j²(−∂b_j/∂λ_k): what a unit of truth in the component j (constant, vector, traceless, trace) leaves in the order k.
    traces : ndarray, shape (3,)
        Tr_k R.
    """

    variance: np.ndarray
    bias: np.ndarray
    traces: np.ndarray

    def error(self, squares: np.ndarray, noise: float) -> np.ndarray:
        """E‖Δ_k‖², shape (3,), of ‖θ_j‖² by component, shape (4,), and noise γ."""
        return np.asarray(self.bias @ squares + noise * self.variance)


def ridge(inputs: int, samples: int, penalties: np.ndarray) -> Ridge:
    """Errors at penalties λ₀, λ₁, λ₂ > 0 (all may be 0 where N > F)."""
    lambdas = array("penalties", penalties, shape=(3,))
    if not lambdas.any():
        # Without ridge there is no bias, and N − 1 is what is exact for Wishart matrices.
        found = equivalent(inputs, samples - 1).traces()
        return Ridge(found, np.zeros((3, 4)), found)
    at = equivalent(inputs, samples, lambdas)
    slopes = at.derivatives()
    matrix = trace_matrix(inputs)
    bias = (lambdas[PENALTY] ** 2)[None, :] * -slopes.T
    return Ridge(at.traces() + matrix @ slopes @ lambdas, bias, at.traces())


def component_squares(truth: CoupledGaussian) -> np.ndarray:
    """Tr Γ^{-1}θ_jθ_jᵀ of the truth by component (constant, vector, traceless, trace), shape (4,)."""
    constant, linear, C = truth.hermite()
    m = truth.inputs
    trace = np.einsum("kii->k", C)
    traceless = C - trace[:, None, None] * np.eye(m) / m
    # In normalised features uᵀCu − Tr C has the squared norm 2 Tr C²; its trace mode is (Tr C)√(2/m).
    forms = (
        np.outer(constant, constant),
        linear @ linear.T,
        2 * np.einsum("kij,lij->kl", traceless, traceless),
        2 / m * np.outer(trace, trace),
    )
    return np.array([float(np.trace(np.linalg.solve(truth.Gamma, form))) for form in forms])


def ridge_kl(truth: CoupledGaussian, found: Ridge) -> Split:
    """E KL by parts, the same in both directions: ½ Tr Γ^{-1} E ΔΔᵀ of each order; what is known costs nothing."""
    return Split.of(0.0, 0.0, 0.5 * (found.error(component_squares(truth), 0.0) + truth.outputs * found.variance))


def bayes_errors(
    inputs: int, samples: int, noise: float, norms: np.ndarray, constant_penalty: float = 1e-3
) -> np.ndarray:
    """E‖Δ_k‖² of the best penalties λ_j = γF_j/‖θ_j‖² (Gaussian couplings): γ Tr_k R, shape (3,).

    Parameters
    ----------
    inputs, samples : int
    noise : float
        γ.
    norms : array, shape (2,)
        ‖θ_1‖, ‖θ_2‖.
    constant_penalty : float
        λ₀.
    """
    gamma = number("noise", noise, above=0)
    sizes = array("norms", norms, shape=(2,))
    penalties = np.array([constant_penalty, *(gamma * order_counts(inputs)[1:] / sizes**2)])
    return np.asarray(gamma * equivalent(inputs, samples, penalties).traces())
