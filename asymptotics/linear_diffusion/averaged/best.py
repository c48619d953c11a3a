"""The best values of everything a data set of N samples has on average: with the terms of O(1) and O(1/N), and their errors.

Relative to a leading term of O(d), for real Gaussian data. What the O(1/N) terms move is the stated error: the terms that follow
are smaller as long as the expansion converges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..resolvents.corrections import diagonal_correction, expansion, next_diagonal
from ..resolvents.equivalents import critical_kappa
from ..settings import LinearDiffusion
from .agreement import corrected_cosines
from .divergences import averaged_divergences, divergence_terms
from .losses import loss_terms, total_loss_terms
from .optimum import corrected_regularisation
from .training import averaged_training
from .wishart import wishart_averages

#: A value and how much its last term moves it.
Best = dict[str, tuple[float | None, float | None]]
TRACES: tuple[str, ...] = ("log_det", "trace_inverse", "trace_inverse_squared", "trace_sigma_inverse")
TRACES += ("trace_sigma_inverse_squared", "trace_empirical_inverse_squared", "gap_trace")

KL = ("kl_generated_target", "kl_target_generated")


def summed(terms: Sequence[float] | np.ndarray) -> tuple[float | None, float | None]:
    """Sum and last term of an expansion; None where it does not converge, the last term being the larger correction."""
    leading, first, last = (float(term) for term in terms)
    if abs(last) > abs(first) and abs(last) > 1e-12 * abs(leading):
        return None, None
    return leading + first + last, abs(last)


def best_traces(values: np.ndarray, samples: int, c: float) -> Best:
    """Log-determinant, traces and divergences."""
    if c == 0.0:
        exact, divergences = wishart_averages(values, samples), averaged_divergences(values, samples, c)
        found: Best = {name: (getattr(exact, name), 0.0) for name in TRACES}
        found |= {KL[0]: (divergences.generated_target, 0.0), KL[1]: (divergences.target_generated, 0.0)}
        return {name: pair if pair[0] is not None else (None, None) for name, pair in found.items()}
    orders = expansion(values, samples, c)
    found = {name: summed([float(getattr(order, name)) for order in orders]) for name in TRACES}
    if np.any(values == 0):
        return found | dict.fromkeys(KL, (None, None))
    for name, terms in zip(KL, divergence_terms(values, samples, c, orders).T, strict=True):
        found[name] = summed(terms)
    return found


def best_losses(settings: LinearDiffusion, values: np.ndarray) -> Best:
    """Losses at step t and summed over all steps."""
    big, c, schedule, t = settings.samples, settings.regularisation, settings.schedule(), settings.time
    found: Best = {}
    at_step, in_all = loss_terms(values, big, c, schedule, t or 1), total_loss_terms(values, big, c, schedule)
    for suffix, terms in (("", at_step), ("_total", in_all)):
        for k, name in enumerate(("train_loss", "test_loss")):
            found[name + suffix] = summed(terms[:, k])
    return found


def best_null_mass(values: np.ndarray, samples: int) -> tuple[float | None, float | None]:
    """Tr ΣP over the null space: the limit c → 0 of c Tr Σ(Σ₀+c)⁻¹."""
    kappa = np.array(critical_kappa(values, samples))
    if kappa == 0:
        return 0.0, 0.0
    n, one = samples - 1, np.array(1.0)
    first, last = (float(term(values, n, one, kappa) @ values) for term in (diagonal_correction, next_diagonal))
    return summed([n * float(kappa), first, last])


@dataclass(frozen=True)
class BestCurves:
    """Losses of gradient flow against training time with the terms up to O(1/N), what the last moves, and the optimum of the test loss.

    Parameters
    ----------
    train, test : ndarray
    train_error, test_error : ndarray
    tau : float or None
    loss : float
    tau_error : float or None
    loss_error : float
    """

    train: np.ndarray
    test: np.ndarray
    train_error: np.ndarray
    test_error: np.ndarray
    tau: float | None
    loss: float
    tau_error: float | None
    loss_error: float

    def optimum(self) -> Best:
        """The optimum by the names of the theory's fields."""
        return {
            "stopping.optimum.tau": (self.tau, self.tau_error),
            "stopping.optimum.loss": (self.loss, self.loss_error),
        }


def best_curves(settings: LinearDiffusion, values: np.ndarray, tau: np.ndarray) -> BestCurves:
    """Gradient flow at the given training times."""
    arguments = (values, settings.samples, settings.regularisation, settings.schedule(), settings.time or 1)
    before, after = (averaged_training(*arguments, order=order) for order in (1, 2))
    (train, test), old = after.losses(tau), before.losses(tau)
    (old_tau, old_loss), (best_tau, loss) = before.optimum(), after.optimum()
    shift = abs(best_tau - old_tau) if best_tau is not None and old_tau is not None else None
    errors = np.abs(train - old[0]), np.abs(test - old[1])
    return BestCurves(train, test, *errors, best_tau, loss, shift, abs(loss - old_loss))


def best_values(settings: LinearDiffusion, values: np.ndarray) -> Best:
    """Everything but the curve, by the names of the theory's fields."""
    big, c = settings.samples, settings.regularisation
    found = best_losses(settings, values) | best_traces(values, big, c)
    found["null_mass"] = best_null_mass(values, big)
    cosines = [corrected_cosines(values, big, c, order=order) for order in (1, 2)]
    for k, name in enumerate(("cosine_models", "cosine_truth")):
        found[name] = (cosines[1][k], abs(cosines[1][k] - cosines[0][k]))
    forward, reverse = corrected_regularisation(values, big)
    found["optimal_regularisation.forward"], found["optimal_regularisation.reverse"] = forward, reverse
    return found
