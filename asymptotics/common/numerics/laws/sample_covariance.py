r"""The resolvent of a sample covariance off the real axis: its effective regularisation along a contour.

For n samples of covariance Σ with eigenvalues σ_ν of masses m_ν, (S + ĉ)⁻¹ ≃ (κ/ĉ)(Σ + κ)⁻¹ with

.. math:: \hat c=\kappa\Bigl(1-\frac1n\sum_\nu m_\nu\frac{\sigma_\nu}{\sigma_\nu+\kappa}\Bigr).

Off the real axis the physical root is the only one whose imaginary part has the sign of that of ĉ (Silverstein and Choi 1995).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...input.checks import ComputationError

#: Newton's method on the real axis needs some ten; each gains at least a factor of two.
ITERATIONS = 400


class SolveError(ComputationError):
    """A self-consistent equation has no physical root that could be found (the message says where)."""


@dataclass(frozen=True)
class Population:
    """What the equation holds.

    Parameters
    ----------
    values : ndarray
        σ_ν ≥ 0.
    masses : ndarray
        m_ν, in the units of ``samples``: 1 each where that is a number of samples, shares where it is n/d.
    samples : float
        n.
    """

    values: np.ndarray
    masses: np.ndarray
    samples: float

    def upper_edge(self) -> float:
        """A bound on the largest eigenvalue of S: σ₁(1 + √(Tr Σ/(σ₁n)))²."""
        top = float(np.max(self.values))
        return top * (1.0 + np.sqrt(float(self.masses @ self.values) / (top * self.samples))) ** 2

    def real(self, c_hat: np.ndarray) -> np.ndarray:
        """κ > 0 at real ĉ > 0, shape (points,), to rounding.

        The right-hand side is convex in κ and positive at κ = ĉ + Tr Σ/n, from where Newton's method descends monotonically
        to the root.
        """
        kappa = c_hat + self.masses @ self.values / self.samples
        active = np.arange(kappa.size)
        surplus = self.samples - self.masses.sum()
        for _ in range(ITERATIONS):
            k = kappa[active]
            rest = k[:, None] / (self.values + k[:, None])  # κ/(σ+κ) = 1 − σ/(σ+κ), without cancellation
            weighted = self.masses * rest
            lost = weighted.sum(axis=1)
            slope = (surplus + 2 * lost - np.einsum("ij,ij->i", weighted, rest)) / self.samples
            step = (k * (surplus + lost) / self.samples - c_hat[active]) / slope
            kappa[active] = np.maximum(k - step, k * 1e-3)
            active = active[step > 4e-16 * k]
            if active.size == 0:
                return kappa
        raise SolveError("the fixed point of the sample covariance's equation did not converge")

    def newton(self, c_hat: complex, kappa: complex) -> tuple[complex, complex] | None:
        """The root near ``kappa`` and ∂ĉ/∂κ there; None if Newton's method leaves the physical branch (Im ĉ < 0)."""
        for _ in range(30):
            ratio = self.values / (self.values + kappa)
            weighted = self.masses * ratio
            slope = 1.0 - (weighted @ ratio) / self.samples
            step = (kappa * (1.0 - weighted.sum() / self.samples) - c_hat) / slope
            if not np.isfinite(step):
                return None
            kappa -= step
            if abs(step) <= 1e-13 * abs(kappa):
                return (complex(kappa), complex(slope)) if kappa.imag < 0 else None
        return None

    def along(self, start: float, kappa: float, goals: np.ndarray) -> Iterator[complex]:
        """κ at the points ``goals`` (Im ĉ < 0) in order, from its real value at the real point ``start`` > 0.

        Raises
        ------
        SolveError
            If the root cannot be followed.
        """
        at, root = complex(start), complex(kappa)
        ratio = self.values / (self.values + kappa)
        slope = complex(1.0 - (self.masses @ ratio**2) / self.samples)
        for goal in map(complex, goals):
            first = stride = goal - at
            while at != goal:
                wanted = goal if abs(goal - at) <= abs(stride) else at + stride
                found = self.newton(wanted, root + (wanted - at) / slope)
                if found is None:
                    stride /= 2
                    if abs(stride) < 1e-9 * abs(first):
                        raise SolveError(f"no physical root of the sample covariance's equation at c = {wanted:.6g}")
                    continue
                (root, slope), at = found, wanted
            yield root
