"""What an experiment is told before it is solved, because its answer is not what it may be taken for."""

from __future__ import annotations

import warnings

import numpy as np

#: Singular values below this share of the largest are zero.
RANK = 1e-10


class DependentBasisWarning(UserWarning):
    """The functions ψ_k of the skip connection are linearly dependent at the training times."""


def of_basis(psi: np.ndarray, weights: np.ndarray) -> None:
    """Warn where the ψ_k (basis, times) are linearly dependent at the times of E_t."""
    values = np.linalg.svd(psi * np.sqrt(weights), compute_uv=False)
    rank = int(np.sum(values > RANK * max(float(values[0]), 1e-300))) if values.size else 0
    if rank < len(psi):
        warnings.warn(
            f"denoiser.skip_basis: the {len(psi)} functions are linearly dependent at the training times (rank {rank}): only {rank} "
            f"combination{'s' * (rank != 1)} of the b_k can be learned; the change of b is that of least norm",
            DependentBasisWarning,
            stacklevel=4,
        )
