r"""Kullback–Leibler divergences between the target ρ = N(μ, Σ) and what the model generates, ρ_N = N(μ₀, Σ₀ + c).

Both are totals over the d dimensions, in nats, averaged over data sets of N samples:

.. math::

    \mathbb E\,\mathrm{KL}(\rho_N\|\rho)&=\tfrac12[\ln|\Sigma|-\mathbb E\ln|\Sigma_0+c|+c\,\mathrm{Tr}\Sigma^{-1}],\\
    \mathbb E\,\mathrm{KL}(\rho\|\rho_N)&=\tfrac12[\mathbb E\ln|\Sigma_0+c|-\ln|\Sigma|-d
        +(1+\tfrac1N)\,\mathbb E\,\mathrm{Tr}\Sigma(\Sigma_0+c)^{-1}].

References: Merger and Goldt 2025 (arXiv 2505.24769); the averages at c = 0 are those of the Wishart distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...common.input.checks import integer, number
from ..resolvents.corrections import expansion
from ..resolvents.equivalents import Traces
from .wishart import wishart_kl_generated_target, wishart_kl_target_generated


@dataclass(frozen=True)
class Divergences:
    """Averaged divergences; None where infinite.

    ``corrected`` values include the O(1) corrections of the log-determinant and of the trace (at c = 0 all are exact).
    """

    generated_target: float | None
    target_generated: float | None
    generated_target_corrected: float | None
    target_generated_corrected: float | None


def divergence_terms(values: np.ndarray, samples: int, c: float, traces: Sequence[Traces]) -> np.ndarray:
    """Terms of E KL(ρ_N‖ρ) and E KL(ρ‖ρ_N) at c > 0 from those of the `traces`, Σ with an inverse; shape (terms, 2)."""
    log_target = float(np.log(values).sum())
    log_det = np.array([float(t.log_det) for t in traces])
    trace = np.array([float(t.trace_sigma_inverse) for t in traces])
    found = 0.5 * np.column_stack([-log_det, log_det + (1 + 1 / samples) * trace])
    found[0] += 0.5 * np.array([log_target + c * float((1 / values).sum()), -log_target - values.size])
    return np.asarray(found)


def averaged_divergences(eigenvalues: np.ndarray, samples: int, regularisation: float) -> Divergences:
    """E KL(ρ_N‖ρ) and E KL(ρ‖ρ_N): exact at c = 0, deterministic equivalents at c > 0; None if Σ has no inverse."""
    values = np.asarray(eigenvalues, dtype=float)
    big, c = integer("samples", samples, at_least=2), number("regularisation", regularisation, at_least=0)
    if np.any(values == 0):
        return Divergences(None, None, None, None)
    if c == 0:
        forward = wishart_kl_generated_target(values.size, big) if big > values.size else None
        reverse = wishart_kl_target_generated(values.size, big) if big > values.size + 2 else None
        return Divergences(forward, reverse, forward, reverse)
    leading, more = divergence_terms(values, big, c, expansion(values, big, c, 1)).tolist()
    return Divergences(leading[0], leading[1], leading[0] + more[0], leading[1] + more[1])
