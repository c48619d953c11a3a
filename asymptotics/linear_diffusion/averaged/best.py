"""The best values of everything a data set of N samples has on average: with the terms of O(1) and O(1/N), and their errors.

Relative to a leading term of O(d), for real Gaussian data. What the O(1/N) terms move is the stated error: the terms that follow
are smaller as long as the expansion converges.
"""

from __future__ import annotations

import numpy as np

from ..resolvents.corrections import diagonal_correction, finite_size_corrections, next_diagonal
from ..resolvents.equivalents import critical_kappa, deterministic_equivalents
from ..settings import LinearDiffusion
from .agreement import corrected_cosines
from .kl import averaged_divergences, corrected_regularisation, wishart_averages
from .losses import averaged_losses, corrected_losses, total_loss_terms
from .training import averaged_training

#: A value and how much its last term moves it.
Best = dict[str, tuple[float | None, float | None]]
TRACES: tuple[str, ...] = ("log_det", "trace_inverse", "trace_inverse_squared", "trace_sigma_inverse")
TRACES += ("trace_sigma_inverse_squared", "trace_empirical_inverse_squared", "gap_trace")


def summed(terms: tuple[float, float, float]) -> tuple[float | None, float | None]:
    """Sum and last term of an expansion; None where it does not converge, the last term being the larger correction."""
    leading, first, last = (float(term) for term in terms)
    if abs(last) > abs(first) and abs(last) > 1e-12 * abs(leading):
        return None, None
    return leading + first + last, abs(last)


def best_traces(values: np.ndarray, samples: int, c: float) -> Best:
    """Log-determinant, traces and divergences."""
    if c == 0.0:
        exact, divergences = wishart_averages(values, samples), averaged_divergences(values, samples, c)
        found: Best = {name: (getattr(exact, name, None), 0.0) for name in TRACES}
        found["trace_empirical_inverse_squared"] = (exact.trace_inverse, 0.0)
        found["kl_generated_target"] = (divergences.generated_target, 0.0)
        found["kl_target_generated"] = (divergences.target_generated, 0.0)
        return {name: pair if pair[0] is not None else (None, None) for name, pair in found.items()}
    orders = [deterministic_equivalents(values, samples, c)]
    orders += [finite_size_corrections(values, samples, c, next_order=more) for more in (False, True)]  # type: ignore[misc]
    parts = {name: tuple(float(getattr(order, name)) for order in orders) for name in TRACES[:-1]}
    squares = zip(parts["trace_sigma_inverse_squared"], parts["trace_empirical_inverse_squared"], strict=True)
    parts["gap_trace"] = tuple(a - b for a, b in squares)
    found = {name: summed(terms) for name, terms in parts.items()}  # type: ignore[arg-type]
    if np.any(values == 0):
        return found | {"kl_generated_target": (None, None), "kl_target_generated": (None, None)}
    log_target = float(np.log(values).sum())
    log_det, trace = parts["log_det"], parts["trace_sigma_inverse"]
    bare = (0.5 * (log_target + c * float((1 / values).sum())), 0.5 * (-log_target - values.size))
    forward = (bare[0] - 0.5 * log_det[0], -0.5 * log_det[1], -0.5 * log_det[2])
    reverse = tuple(
        0.5 * (a + (1 + 1 / samples) * b) + (bare[1] if k == 0 else 0.0)
        for k, (a, b) in enumerate(zip(log_det, trace, strict=True))
    )
    return found | {"kl_generated_target": summed(forward), "kl_target_generated": summed(reverse)}  # type: ignore[arg-type]


def best_losses(settings: LinearDiffusion, values: np.ndarray) -> Best:
    """Losses at step t and summed over all steps."""
    big, c, schedule, t = settings.samples, settings.regularisation, settings.schedule(), settings.time
    at = (values, big, c, schedule, t or 1)
    curves = np.array([averaged_losses(*at), corrected_losses(*at), corrected_losses(*at, next_order=True)])
    single = np.diff(curves, axis=0, prepend=0.0)
    found: Best = {}
    for suffix, terms in (("", single), ("_total", total_loss_terms(values, big, c, schedule))):
        for k, name in enumerate(("train_loss", "test_loss")):
            found[name + suffix] = summed((terms[0, k], terms[1, k], terms[2, k]))
    return found


def best_null_mass(values: np.ndarray, samples: int) -> tuple[float | None, float | None]:
    """Tr ΣP over the null space: the limit c → 0 of c Tr Σ(Σ₀+c)⁻¹."""
    kappa = np.array(critical_kappa(values, samples))
    if kappa == 0:
        return 0.0, 0.0
    n, one = samples - 1, np.array(1.0)
    first, last = (float(term(values, n, one, kappa) @ values) for term in (diagonal_correction, next_diagonal))
    return summed((n * float(kappa), first, last))


def best_curve(
    settings: LinearDiffusion, values: np.ndarray, tau: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray], Best]:
    """Train and test loss of gradient flow (value, last term) and the best stopping time."""
    arguments = (values, settings.samples, settings.regularisation, settings.schedule(), settings.time or 1)
    before, after = (averaged_training(*arguments, corrected=True, next_order=more) for more in (False, True))
    losses = [[curve, np.abs(curve - old)] for curve, old in zip(after.losses(tau), before.losses(tau), strict=True)]
    old, best = before.optimum(), after.optimum()
    shift = abs(best[0] - old[0]) if best[0] is not None and old[0] is not None else None
    found: Best = {
        "stopping.optimum.tau": (best[0], shift),
        "stopping.optimum.loss": (best[1], abs(best[1] - old[1])),
    }
    return losses[0], losses[1], found


def best_values(settings: LinearDiffusion, values: np.ndarray) -> Best:
    """Everything but the curve, by the names of `averages.Averages`."""
    big, c = settings.samples, settings.regularisation
    found = best_losses(settings, values) | best_traces(values, big, c)
    found["null_mass"] = best_null_mass(values, big)
    cosines = [corrected_cosines(values, big, c, next_order=more) for more in (False, True)]
    for k, name in enumerate(("cosine_models", "cosine_truth")):
        found[name] = (cosines[1][k], abs(cosines[1][k] - cosines[0][k]))
    forward, reverse = corrected_regularisation(values, big)
    found["optimal_regularisation.forward"], found["optimal_regularisation.reverse"] = forward, reverse
    return found
