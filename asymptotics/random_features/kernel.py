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

from .contour import DENSITY, ellipse
from .equations import Model, SolveError
from .flow import relaxation

#: Half-height of the ellipse in ln(σ₀ + b²/α²).
HEIGHT = np.pi / 4


@dataclass(frozen=True)
class SampleAverage:
    """Averages over the uncentred sample covariance of n = ψ_n d samples.

    Parameters
    ----------
    nodes : ndarray of complex
    weights : ndarray of complex, shape (2, nodes)
        (1/d)Tr f(S){1, Σ} ≃ 2 Re Σ_j weights_j f(nodes_j).
    """

    nodes: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, model: Model, shift: float) -> SampleAverage:
        """For functions that are analytic right of −shift."""
        sigma, mass = model.sigma, model.mass
        top = (np.sqrt(sigma.max()) + np.sqrt(mass @ sigma / model.psi_n)) ** 2
        half = 0.5 * np.log((top + shift) / shift)
        stretch = np.exp(np.hypot(half, HEIGHT) - half)
        low, high = shift / stretch - shift, (top + shift) * stretch - shift
        count = max(32, int(np.ceil(DENSITY * np.hypot(half, HEIGHT) / HEIGHT)))
        z, weights, _ = ellipse(low, high, shift, HEIGHT, count)
        kappa = _effective(model, low, z)
        # (S − z)⁻¹ ≃ −(κ/z)(Σ + κ)⁻¹
        inverse = 1 / (sigma + kappa[:, None])
        traces = -(kappa / z)[:, None] * (inverse @ np.stack([mass, mass * sigma], axis=1))
        return cls(z, -weights * traces.T)

    def trace(self, values: np.ndarray, probe: int = 0) -> np.ndarray:
        """(1/d)Tr f(S), or times Σ (``probe`` 1), from f at the nodes, shape (..., nodes)."""
        r: np.ndarray = 2 * (values @ self.weights[probe]).real
        return r


def _effective(model: Model, low: float, z: np.ndarray) -> np.ndarray:
    """κ(z) with κ(1 − ⟨σ/(σ+κ)⟩/ψ_n) = −z at the nodes in order, followed from the real point ``low`` < 0."""
    found, kappa, at = [], complex(-low + (model.mass @ model.sigma) / model.psi_n), complex(low)
    kappa = _root(model, at, kappa, 200)
    for goal in z:
        stride = goal - at
        while at != goal:
            wanted = goal if abs(goal - at) <= abs(stride) * (1 + 1e-12) else at + stride
            try:
                new = _root(model, wanted, kappa, 12)
                close = abs(new - kappa) < 0.5 * abs(kappa) and new.imag <= 0
            except SolveError:
                close = False
            if close:
                kappa, at = new, wanted
            else:
                stride /= 2
                if abs(stride) < 1e-9 * abs(goal):
                    raise SolveError(f"no physical root of the sample covariance at z = {wanted:.6g}")
        found.append(kappa)
    return np.array(found)


def _root(model: Model, z: complex, kappa: complex, steps: int) -> complex:
    for _ in range(steps):
        ratio = model.sigma / (model.sigma + kappa)
        slope = 1 - model.mass @ ratio**2 / model.psi_n
        step = (kappa * (1 - model.mass @ ratio / model.psi_n) + z) / slope
        kappa = complex(kappa - step)
        if abs(step) < 1e-13 * abs(kappa):
            return kappa
    raise SolveError(f"the sample covariance's equation did not converge at z = {z:.6g}")


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
