r"""The distribution that the DDPM sampler really gives at finite T, averaged over data sets.

Its variance along the modes of Σ₀ is v₀(λ⁰) of `sampler.generated_variance`, so that traces and divergences are averages
Σ_ν f(λ⁰_ν) v_νᵀPv_ν with P = 1, Σ, Σ⁻¹: contour integrals of deterministic equivalents.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..diffusion.sampler import generated_variance, mean_of_modes, variance_of_modes
from ..diffusion.schedule import Schedule
from ..resolvents.contour import resolvent
from ..resolvents.orders import by_order


@dataclass(frozen=True)
class Generated:
    """Averages for the sampler's Gaussian; a divergence is None where it is infinite.

    Parameters
    ----------
    trace : float
        Trace of its covariance.
    kl_generated_target, kl_target_generated : float or None
        Totals in nats, to leading order in d.
    mean_slack : float
        (1/2N) Tr g²: the part of ``kl_generated_target`` that is approximate (exact in one dimension: 0).
    """

    trace: float
    kl_generated_target: float | None
    kl_target_generated: float | None
    mean_slack: float = 0.0


@by_order
def generated_averages(
    eigenvalues: np.ndarray,
    samples: int,
    regularisation: float,
    schedule: Schedule,
    variance: str = "beta",
    *,
    last_noise: bool = True,
    order: int = 0,
) -> Generated:
    """Trace and divergences of the DDPM samples, averaged over data sets whose mean is an estimate of μ = 0.

    Parameters
    ----------
    eigenvalues : ndarray, shape (d,)
    samples : int
        N ≥ 2.
    regularisation : float
        c ≥ 0.
    schedule : Schedule
    variance : {"beta", "posterior", "exact", "flow"}
    last_noise : bool
    order : {0, 1, 2}
        See `asymptotics.linear_diffusion.resolvents.orders`.

    Notes
    -----
    Of the mean's error, Tr ΣfΣ⁻¹f/N with f = 1 − g the factor of the mean, the part quadratic in g is taken as Tr g².
    """
    values = np.asarray(eigenvalues, dtype=float)
    # v₀ has its poles where s_t = 0 for some t ≥ 1, at or beyond −c₁: outside this contour
    shift = float(schedule.effective_regularisation(regularisation, 1))
    singular = bool(np.any(values == 0))
    probes = [np.ones_like(values), values] + ([] if singular else [1.0 / values])
    r = resolvent(values, samples, shift, probes=np.array(probes), order=order)
    s0 = r.shifted - shift + regularisation
    v0 = variance_of_modes(s0, schedule, variance, last_noise)
    lost = 1.0 - mean_of_modes(s0, schedule)
    trace = float(r.average(v0))
    smallest = float(generated_variance(regularisation, schedule, variance, last_noise=last_noise))
    if singular or smallest <= 0:
        return Generated(trace, None, None)
    log_target, log_det, d = float(np.log(values).sum()), float(r.average(np.log(v0))), values.size
    square = float(r.average(lost**2))
    mean = (d - 2 * float(r.average(lost)) + square) / samples
    forward = 0.5 * (log_target - log_det - d + float(r.average(v0, 2)) + mean)
    reverse = 0.5 * (log_det - log_target - d + float(r.average((1 + (1 - lost) ** 2 / samples) / v0, 1)))
    return Generated(trace, forward, reverse, 0.5 * square / samples if d > 1 else 0.0)
