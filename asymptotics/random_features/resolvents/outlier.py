r"""What the mean μ₀ of an activation adds at finite d: one eigenvalue u ≃ μ₀²p along the constant vector of the features.

It acts as a bias of the network. With m drawn noises a sample that bias fits the mean of the nm noises, |ξ̄|² ≃ d/(nm): the train
loss falls by (2g − g²)/(nm), g = uf(u), the others rise by g²/(nm). A random start A(0) of variance ω/p adds Δωμ₀²e^{−2(u+λ)τ}.
Both vanish as d → ∞ at fixed τ > 0, but through e^{−uτ}, u ∝ d: no polynomial in 1/d follows them.
"""

from __future__ import annotations

import numpy as np


def of_the_mean(
    filters: np.ndarray, fading: np.ndarray, eigenvalue: float, features: int, noised: int, start: float
) -> np.ndarray:
    """What it adds to train, test and memorisation loss, shape (3, times).

    Parameters
    ----------
    filters, fading : ndarray, shape (times,)
        f and e^{−(u+λ)τ} at this eigenvalue.
    eigenvalue : float
        u.
    features, noised : int
        p; nm, 0 for the exact average over the noise.
    start : float
        Δω.
    """
    g = eigenvalue * filters
    fitted = np.array([g**2 - 2 * g, g**2, g**2]) / noised if noised else np.zeros((3, g.size))
    added: np.ndarray = fitted + start * eigenvalue / features * fading**2
    return added
