"""Asymptotic prediction of the one-step model at given d, n, T, λ, σ: every number of `asymptotics solve`."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Sequence
from typing import Any

from ..common.output.results import to_builtin
from .closed_forms import bandwidth, divergences, hellinger
from .closed_forms.divergences import Parts
from .closed_forms.finite_size import mean_log_det, mean_log_overlap
from .closed_forms.multistep import flow_divergence, log_noise_to_signal, multistep_fraction
from .closed_forms.relative_distance import LEAST_DIMENSION, SHARE, relative_law
from .prediction import Along, AtSize, Bandwidths, GaussianTime, Multistep, Theory
from .problem import Problem
from .settings import OneStep, Sampling


def signal_fraction(diffusion_time: float, noise_scale: float, std: float = 1.0) -> float:
    r"""q = σ²/(σ² + λ(e^{2T} − 1)) = cos² φ_T, the squared correlation of clean and noisy data.

    Parameters
    ----------
    diffusion_time, noise_scale, std : float
        T > 0, λ > 0, σ > 0.

    Returns
    -------
    float
        In the open interval (0, 1): rounded to its nearest inner floats where q would round to 0 or 1.
    """
    log_ratio = log_noise_to_signal(diffusion_time, noise_scale, std)
    return _inside(1.0 / (1.0 + math.exp(log_ratio)) if log_ratio < 700.0 else math.exp(-log_ratio))


def _part(q: float, d: int, n: int, asymptotic: bool) -> AtSize:
    """The quantities that exist with and without finite-size terms."""
    if n <= d:
        bhattacharyya = -math.inf
    elif d == 1 and not asymptotic:
        bhattacharyya = mean_log_overlap(q, n)
    else:
        log_det = divergences.log_det_rate(q, d, n, asymptotic=asymptotic)
        bhattacharyya = hellinger.log_bhattacharyya(q, d, n, log_det)
    typical = divergences.kl_target_generated(q, d, n).total if d > 1 or asymptotic else math.nan
    forward = divergences.kl_generated_target(q, d, n, asymptotic=asymptotic)
    log_det = divergences.log_det_rate(q, d, n, asymptotic=True)
    if n > d and not asymptotic:
        log_det = mean_log_det(q, d, n)[0] / d
        if math.isnan(log_det):  # the limit is no value at this d and n
            forward = Parts(None, None, forward.mean)
    trace = divergences.trace_rate(q, d, n, asymptotic=asymptotic)
    return AtSize(log_det, trace, forward, typical, bhattacharyya, -math.expm1(bhattacharyya)).finite()


def _notes(q: float, d: int, n: int) -> tuple[str, ...]:
    notes = []
    if n <= d:
        notes += [
            "log_det_rate, log_bhattacharyya: n <= d, the generated covariance is singular, so that H^2 = 1",
            "trace_rate: n <= d, the formula of the full-rank regression does not apply",
            "kl_generated_target: infinite, because the generated covariance is singular for n <= d",
        ]
    elif n <= d + 2:
        notes += [
            "trace_rate: infinite, the inverse-Wishart mean exists for n > d + 2 only",
            "kl_generated_target: infinite mean for n <= d + 2",
        ]
    if not math.isfinite(d / q):
        notes.append("n_star, kl_floor: q is at the edge of floating point, d/q overflows")
    if d / n >= q:
        reason = "infinite" if n <= d else "the typical value diverges"
        notes.append(f"kl_target_generated: {reason} for n <= n_star = d/q (its mean is infinite at every n)")
    elif d == 1:
        notes.append(
            "kl_target_generated: d = 1, where its mean is infinite and the limit of large d is no typical value"
        )
    else:
        notes.append("kl_target_generated is a typical value to leading order in d; its 1/d term is not known")
    if n > d > 1:
        notes.append(
            "log_bhattacharyya, hellinger_squared are to leading order in d; the O(1) term of ln|1 + S_G| is not known"
        )
        notes += _series_notes(q, d, n)
    if d == 1:
        notes.append("multistep.kl_generated_target_flow: d = 1, known in the limit of large d only")
    return tuple(notes)


def _series_notes(q: float, d: int, n: int) -> list[str]:
    """What is known of ln|Σ_G| at finite size."""
    value, error = mean_log_det(q, d, n)
    if not math.isnan(value):
        stated = f"log_det_rate and the variance part of kl_generated_target: error {error / d:.1e} and {error / 2:.1e}"
        return [stated] if error > 1e-9 else []
    if d / n >= q:
        reason = "d/n >= q, where the terms of ln|S_G| beyond the limit of large d are not known"
    else:
        reason = "n is near d or n_star = d/q, where the expansion of ln|S_G| in 1/d does not converge"
    return [f"log_det_rate, kl_generated_target: {reason}; the limit is in asymptotic"]


def _flow(q: float, d: int, n: int) -> Parts:
    # the Marchenko–Pastur law is no approximation of one eigenvalue
    return Parts(None, None, None) if d == 1 else flow_divergence(q, d, n).finite()


def solve(
    problem: Problem,
    sampler: Sampling | None = None,
    *,
    samples: Sequence[int] | None = None,
    progress: bool | None = None,
) -> Theory:
    """The theory of an experiment.

    Parameters
    ----------
    problem : Problem
    sampler : Sampling, optional
        Before 0.2.0: settings were given one by one.
    samples : sequence of int, optional
        Also a sweep over these numbers of samples, in ``sweep`` of the result (one list a quantity).
    progress : bool, optional
        Without effect: it takes milliseconds.
    """
    problem = Problem.of(problem, sampler)
    result = with_probability(problem, predict(problem.one_step, problem.sampling))
    result = dataclasses.replace(result, experiment=problem.to_tables())
    if samples is None:
        return result
    points = [with_probability(at, predict(at.one_step, at.sampling)) for at in map(problem.at, samples)]
    along = {f.name: [getattr(point, f.name) for point in points] for f in dataclasses.fields(Along)[1:]}
    return dataclasses.replace(result, sweep=Along(list(samples), **along))


def with_probability(problem: Problem, result: Theory) -> Theory:
    """The same with P(E_OG < E_TG), which takes some tenths of a second."""
    model = problem.one_step
    if problem.sampling.steps > 1:
        why = "probability: known of one step of the sampler only"
        return dataclasses.replace(result, notes=(*result.notes, why))
    law = relative_law(
        result.q, model.dimension, model.samples, None if model.underlying == "exact" else model.underlying_samples
    )
    if law is None:
        why = f"probability: an asymptotic prediction, for d >= {LEAST_DIMENSION} and n >= d/{SHARE}"
        return dataclasses.replace(result, notes=(*result.notes, why))
    return dataclasses.replace(result, probability=law.probability, log_ratio=law.log_ratio)


def predict(model: OneStep, sampling: Sampling | None = None) -> Theory:
    r"""Evaluate the whole theory at one point; closed forms and four one-dimensional roots.

    Parameters
    ----------
    model : OneStep
    sampling : Sampling, optional
        The number of steps whose n → ∞ limit is reported; the finite-n values are of the one-step model.

    Returns
    -------
    Theory

    Notes
    -----
    Halder 2024 (arXiv 2411.17807), sections 2 and 3 and appendix B.
    """
    start = time.perf_counter()
    sampling = sampling or Sampling()
    d, n, sigma = model.dimension, model.samples, model.std
    q = signal_fraction(model.diffusion_time, model.noise_scale, sigma)
    q_steps = multistep_fraction(
        model.diffusion_time,
        model.noise_scale,
        sigma,
        steps=sampling.steps,
        scheme=sampling.scheme,
        spacing=sampling.spacing,
    )
    widths = [
        width(n, d, sigma)
        for width in (
            bandwidth.mixing_bandwidth,
            bandwidth.kernel_bandwidth,
            bandwidth.amise_bandwidth,
            bandwidth.mise_bandwidth,
        )
    ]
    interval = divergences.decreasing_interval(q)
    q_floor = _inside(q_steps)
    at_size: dict[str, Any] = vars(_part(q, d, n, asymptotic=False))
    return Theory(
        experiment={"one_step": model.to_table(), "sampling": sampling.to_table()},
        q=q,
        ratio=d / n,
        **at_size,
        n_star=to_builtin(divergences.critical_samples(q, d)),
        hellinger_floor=hellinger.hellinger_floor(q, d),
        kl_floor=divergences.kl_floor(q, d).finite(),
        mixing_time=bandwidth.mixing_time(n, d, sigma),
        h2_mixing=widths[0],
        h2_kernel=widths[1],
        h2_amise=widths[2],
        h2_mise=widths[3],
        relative_mise=Bandwidths(*(bandwidth.mise(h2, n, d, sigma) for h2 in widths)).finite(),
        gaussian_time=GaussianTime(
            bandwidth.gaussian_time(sigma**2), bandwidth.gaussian_time(sigma**2 * (1.0 + math.sqrt(d / n)) ** 2)
        ),
        quadratic_truncation=to_builtin(divergences.quadratic_truncation(q, d, n)),
        monotone=interval is None,
        decreasing_interval=interval,
        multistep=Multistep(
            sampling.steps,
            sampling.scheme,
            q_steps,
            hellinger.hellinger_floor(q_floor, d),
            divergences.kl_floor(q_floor, d).finite(),
            _flow(q, d, n),
        ),
        asymptotic=_part(q, d, n, asymptotic=True),
        notes=_notes(q, d, n),
        seconds=time.perf_counter() - start,
    )


def _inside(q: float) -> float:
    return min(max(q, sys.float_info.min), 1.0 - 0.5 * sys.float_info.epsilon)
