r"""Kernel limit p/d → ∞ (after d → ∞): closed form for any ψ_n, through the sample covariance S = XXᵀ/n.

U/ψ_p reduces to one 2 × 2 matrix for every eigenvalue σ₀ of S,
:math:`M=\begin{pmatrix}\alpha^2\sigma_0+b^2&\alpha\sqrt{\sigma_0\varepsilon}\\\cdot&\varepsilon\end{pmatrix}`,
ε = v²/ψ_n, det M = εb²; with τ' = ψ_pτ, a = [f_τ'(M)]₁₁ and G = [f_2τ'(M)]₁₁,

.. math::

    L_{\rm train}=1-\tfrac{b^2}d{\rm Tr}\,G(S),\qquad
    L_{\rm test}=1-\tfrac{2b^2}d{\rm Tr}\,a(S)+\tfrac{b^2}d{\rm Tr}\,a(S)^2(b^2+\alpha^2\Sigma).

After the fast phase the model is the optimum of a linear diffusion model on the same data. Averages over S are contour integrals
of its resolvent, as in `asymptotics.linear_diffusion` (there with the mean estimated, n = N − 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.numerics.laws.sample_covariance import Population
from ...common.numerics.quadrature.contours import around_interval
from ..resolvents.contour import DENSITY
from ..resolvents.equations import Model
from .flow import relaxation

#: Half-height of the ellipse in ln(σ₀ + b²/α²).
HEIGHT = np.pi / 4


@dataclass(frozen=True)
class SampleAverage:
    """Averages over the uncentred sample covariance of n = ψ_n d samples.

    Parameters
    ----------
    nodes : ndarray of complex
    weights : ndarray of complex, shape (3, nodes)
        (1/d)Tr f(S){1, Σ, Σ⁻¹} ≃ 2 Re Σ_j weights_j f(nodes_j); the last is infinite where Σ has zero eigenvalues.
    """

    nodes: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, model: Model, shift: float) -> SampleAverage:
        """For functions that are analytic right of −shift."""
        population = Population(model.sigma, model.mass, model.psi_n)
        shifted, weights, left = around_interval(0.0, population.upper_edge(), shift, HEIGHT, DENSITY, 32)
        z, start = shifted - shift, shift - left
        found = np.array(list(population.along(start, float(population.real(np.array([start]))[0]), -z)))
        # (S − z)⁻¹ ≃ −(κ/z)(Σ + κ)⁻¹
        inverse = 1 / (model.sigma + found[:, None])
        zero = model.sigma == 0
        inverted = np.where(zero, np.inf if np.any(zero) else 0.0, model.mass / np.where(zero, 1.0, model.sigma))
        probes = np.stack([model.mass, model.mass * model.sigma, inverted], axis=1)
        with np.errstate(invalid="ignore"):
            traces = -(found / z)[:, None] * (inverse @ probes)
        return cls(z, -weights * traces.T)

    def trace(self, values: np.ndarray, probe: int = 0) -> np.ndarray:
        """(1/d)Tr f(S), or times Σ (``probe`` 1) or Σ⁻¹ (2), from f at the nodes, shape (..., nodes)."""
        r: np.ndarray = 2 * (values @ self.weights[probe]).real
        return r


def corner(model: Model, sigma_0: np.ndarray, times: np.ndarray, shift: float = 0.0, power: int = 1) -> np.ndarray:
    """[f_τ'(M + shift)^power]₁₁ at every time, shape (times, *sigma_0.shape)."""
    epsilon = model.v2 / model.psi_n
    first = model.alpha2 * sigma_0 + model.b2
    middle, half = (first + epsilon) / 2, (first - epsilon) / 2
    root = np.sqrt((half**2 + model.alpha2 * sigma_0 * epsilon).astype(complex))
    # At a double eigenvalue the quotient below stays finite.
    root = np.where(np.abs(root) < 1e-10 * np.abs(middle), 1e-10 * np.abs(middle), root)
    # The smaller eigenvalue from the determinant, without a difference of nearly equal numbers.
    pair = (middle + root, epsilon * model.b2 / (middle + root))
    upper, lower = (relaxation(x + shift, times) ** power for x in pair)
    result: np.ndarray = (upper + lower) / 2 + half * (upper - lower) / (2 * root)
    return result


@dataclass(frozen=True)
class KernelLimit:
    """Losses in the kernel limit.

    Parameters
    ----------
    times : ndarray
        τ' = ψ_pτ.
    train_loss, test_loss : ndarray
    """

    times: np.ndarray
    train_loss: np.ndarray
    test_loss: np.ndarray


def kernel_limit(model: Model, scaled_times: np.ndarray, *, finite_features: bool = False) -> KernelLimit:
    """Losses at τ' = ψ_pτ; with ``finite_features`` the leading correction of a large ψ_p is kept.

    Parameters
    ----------
    model : Model
        With the noise averaged exactly.
    scaled_times : ndarray
        τ'.
    finite_features : bool
        Use ψ_pM + s² and what the features' own fluctuations add to the test loss.
    """
    times = np.atleast_1d(np.asarray(scaled_times, dtype=float))
    average = SampleAverage.of(model, model.b2 / model.alpha2)
    # f_τ(ψ_pM + s²) = f_τ'(M + s²/ψ_p)/ψ_p
    shift = model.s2 / model.psi_p if finite_features else 0.0
    a = corner(model, average.nodes, times, shift)
    b2 = model.b2
    train = 1 - b2 * average.trace(corner(model, average.nodes, 2 * times, shift))
    test = 1 - 2 * b2 * average.trace(a) + b2 * (b2 * average.trace(a**2) + model.alpha2 * average.trace(a**2, 1))
    if finite_features:
        own = average.trace(corner(model, average.nodes, times, shift, power=2))
        test += b2 * (model.v2 + model.s2) / model.psi_p * own
    return KernelLimit(times, train, test)
