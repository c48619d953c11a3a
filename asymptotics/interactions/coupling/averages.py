r"""KL of the most likely model, averaged over data: it does not depend on the truth (affine and shift equivariance).

.. math::

    \mathbb E\,\mathrm{KL}(p\|\hat p) &= \mathrm{KL}^{\rm rev}_{A}(m,N) + \tfrac12\Big[\ell(N{-}F,r)-r+\tfrac{rN}{N-F-r-1}
        \big(1+t_0+t_1+t_2\big)\Big],\\
    \mathbb E\,\mathrm{KL}(\hat p\|p) &= \mathrm{KL}^{\rm fwd}_{A}(m,N) + \tfrac12\Big[-\ell(N{-}F,r)-\tfrac{rF}N
        +r(\hat t_0+\hat t_1+\hat t_2)\Big],

ℓ(n, r) = Σ ψ((n+1−i)/2) + r ln(2/N). All is exact but the traces t.
"""

from __future__ import annotations

import numpy as np

from ...common.numerics.laws.wishart import mean_log_det, wishart_kl_generated_target, wishart_kl_target_generated
from .model import Split, feature_count


def kl_target_learned(inputs: int, outputs: int, samples: int, traces: np.ndarray) -> Split:
    """E KL(p‖p̂) by parts, N ≥ F + r + 2."""
    m, r, n = inputs, outputs, samples
    left = n - feature_count(m)
    factor = r * n / (left - r - 1)
    noise = 0.5 * (_log_ratio(left, r, n) - r + factor)
    return Split.of(wishart_kl_target_generated(m, n), noise, 0.5 * factor * traces)


def kl_learned_target(inputs: int, outputs: int, samples: int, traces: np.ndarray) -> Split:
    """E KL(p̂‖p) by parts, from the traces with whitened inputs, N ≥ F + r."""
    m, r, n = inputs, outputs, samples
    f = feature_count(m)
    noise = 0.5 * (-_log_ratio(n - f, r, n) - r * f / n)
    return Split.of(wishart_kl_generated_target(m, n), noise, 0.5 * r * traces)


def _log_ratio(degrees: int, outputs: int, samples: int) -> float:
    """ℓ: E ln|Γ̂|/|Γ|."""
    return mean_log_det(outputs, degrees) - outputs * float(np.log(samples))
