"""Asymptotic prediction of the one-step model at given d, n, T, λ, σ: every number of `asymptotics solve`."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..common.output.results import Result, to_builtin
from . import bandwidth, divergences, hellinger
from .finite_size import mean_log_det, mean_log_overlap
from .multistep import flow_divergence, log_noise_to_signal, multistep_fraction
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


@dataclass(frozen=True)
class Theory(Result):
    r"""What the theory says of one experiment. None where there is no finite value; `notes` says why.

    Parameters
    ----------
    parameters : dict
        The tables of the experiment.
    q : float
        Signal fraction q.
    ratio : float
        γ = d/n.
    log_det_rate : float
        Λ = (1/d) E ln|Σ_G|/σ^{2d} at finite d and n; None near and beyond γ = q, where only its limit is known.
    trace_rate : float
        m = E Tr Σ_G/(dσ²).
    kl_generated_target : dict
        E KL(G‖O): ``total``, ``variance``, ``mean``, at finite d and n.
    kl_target_generated : float
        Typical KL(O‖G).
    n_star : float
        d/q.
    hellinger_squared, log_bhattacharyya : float
        H² = 1 − BC and ln BC, typical values (d = 1: from the exact mean of ln BC).
    hellinger_floor : float
        H² for n → ∞.
    kl_floor : dict
        Both divergences for n → ∞.
    mixing_time : float
        t_C.
    h2_mixing, h2_kernel, h2_amise, h2_mise : float
        Kernel variances: at the mixing time; its leading term σ²n^{−2/d}, which the training density has; the asymptotic
        optimum; the exact optimum.
    relative_mise : dict
        Exact MISE/∫p² at each of them (the zero function scores 1).
    gaussian_time : dict
        t_S for the underlying covariance and for the largest empirical eigenvalue σ²(1 + √γ)².
    quadratic_truncation : float
        Second-order expansion of the variance part.
    monotone : bool
        Whether the variance part grows with d/n at every d/n; ``decreasing_interval`` is where it does not.
    multistep : dict
        k, q_k and the floors of the k-step sampler for n → ∞; and KL(G‖O) at this n for k → ∞.
    asymptotic : dict
        The same names without finite-size terms.
    notes : tuple of str
        ``name: reason`` for each null.
    seconds : float
        Time taken.
    """

    parameters: dict[str, Any]
    q: float
    ratio: float
    log_det_rate: float | None
    trace_rate: float | None
    kl_generated_target: dict[str, float | None]
    kl_target_generated: float | None
    n_star: float | None
    hellinger_squared: float
    log_bhattacharyya: float | None
    hellinger_floor: float
    kl_floor: dict[str, float | None]
    mixing_time: float
    h2_mixing: float
    h2_kernel: float
    h2_amise: float
    h2_mise: float
    relative_mise: dict[str, float | None]
    gaussian_time: dict[str, float]
    quadratic_truncation: float | None
    monotone: bool
    decreasing_interval: tuple[float, float] | None
    multistep: dict[str, Any]
    asymptotic: dict[str, Any]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    sweep: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        data = super().to_json()
        if not self.sweep:
            del data["sweep"]
        return data

    def summary(self) -> str:
        def show(value: float | None) -> str:
            return "none" if value is None else f"{value:.6g}"

        model = self.parameters["one_step"]
        kl = self.kl_generated_target
        lines = [
            f"One-step linear denoiser, d = {model['dimension']}, n = {model['samples']}, q = {self.q:.6g},"
            f" n* = d/q = {show(self.n_star)}",
            f"  KL(G||O)  {show(kl['total'])} = variance {show(kl['variance'])} + mean {show(kl['mean'])}"
            f"   (floor {show(self.kl_floor['generated_target'])})",
            f"  KL(O||G)  {show(self.kl_target_generated)} (typical)   (floor {show(self.kl_floor['target_generated'])})",
            f"  H^2       {show(self.hellinger_squared)}   (floor {show(self.hellinger_floor)})"
            f"   ln BC {show(self.log_bhattacharyya)}",
            f"  (1/d) ln|S_G| {show(self.log_det_rate)}   (1/d) Tr S_G {show(self.trace_rate)}",
            f"  mixing time {self.mixing_time:.6g}; h^2: mixing {self.h2_mixing:.6g}, kernel {self.h2_kernel:.6g},"
            f" AMISE {self.h2_amise:.6g}, MISE {self.h2_mise:.6g}",
        ]
        if self.multistep["steps"] > 1:
            lines.append(
                f"  {self.multistep['steps']} steps: variance fraction {self.multistep['q']:.6g} for n -> infinity"
            )
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])


def _floors(q: float, dimension: int) -> dict[str, Any]:
    return {
        "hellinger_floor": hellinger.hellinger_floor(q, dimension),
        "kl_floor": to_builtin(divergences.kl_floor(q, dimension)),
    }


def _part(q: float, d: int, n: int, asymptotic: bool) -> dict[str, Any]:
    """The quantities that exist with and without finite-size terms."""
    if n <= d:
        bhattacharyya = -math.inf
    elif d == 1 and not asymptotic:
        bhattacharyya = mean_log_overlap(q, n)
    else:
        log_det = divergences.log_det_rate(q, d, n, asymptotic=asymptotic)
        bhattacharyya = hellinger.log_bhattacharyya(q, d, n, log_det)
    typical = divergences.kl_target_generated(q, d, n)["total"] if d > 1 or asymptotic else math.nan
    forward = divergences.kl_generated_target(q, d, n, asymptotic=asymptotic)
    log_det = divergences.log_det_rate(q, d, n, asymptotic=True)
    if n > d and not asymptotic:
        log_det = mean_log_det(q, d, n)[0] / d
        if math.isnan(log_det):  # the limit is no value at this d and n
            forward |= {"total": math.nan, "variance": math.nan}
    return to_builtin(
        {
            "log_det_rate": log_det,
            "trace_rate": divergences.trace_rate(q, d, n, asymptotic=asymptotic),
            "kl_generated_target": forward,
            "kl_target_generated": typical,
            "log_bhattacharyya": bhattacharyya,
            "hellinger_squared": -math.expm1(bhattacharyya),
        }
    )


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


def _flow(q: float, d: int, n: int) -> dict[str, float | None]:
    if d == 1:  # the Marchenko–Pastur law is no approximation of one eigenvalue
        return {"total": None, "variance": None, "mean": None}
    return to_builtin(flow_divergence(q, d, n))


#: Numbers that a sweep has a list of.
SWEPT = (
    "log_det_rate", "trace_rate", "kl_generated_target", "kl_target_generated", "hellinger_squared",
    "log_bhattacharyya", "mixing_time", "h2_mixing", "h2_kernel", "h2_amise", "h2_mise",
)  # fmt: skip


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
    result = predict(problem.one_step, problem.sampling)
    if samples is None:
        return result
    points = [predict(problem.at(n).one_step, problem.sampling) for n in samples]
    sweep = {name: [getattr(point, name) for point in points] for name in SWEPT}
    return dataclasses.replace(result, sweep={"samples": list(samples), **sweep})


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
    widths: dict[str, Any] = {
        "h2_mixing": bandwidth.mixing_bandwidth(n, d, sigma),
        "h2_kernel": bandwidth.kernel_bandwidth(n, d, sigma),
        "h2_amise": bandwidth.amise_bandwidth(n, d, sigma),
        "h2_mise": bandwidth.mise_bandwidth(n, d, sigma),
    }
    interval = divergences.decreasing_interval(q)
    truncation = divergences.quadratic_truncation(q, d, n)
    star = divergences.critical_samples(q, d)
    return Theory(
        parameters={"one_step": model.to_table(), "sampling": sampling.to_table()},
        q=q,
        ratio=d / n,
        **_part(q, d, n, asymptotic=False),
        n_star=star if math.isfinite(star) else None,
        **_floors(q, d),
        mixing_time=bandwidth.mixing_time(n, d, sigma),
        **widths,
        relative_mise=to_builtin({name: bandwidth.mise(h2, n, d, sigma) for name, h2 in widths.items()}),
        gaussian_time={
            "underlying": bandwidth.gaussian_time(sigma**2),
            "empirical": bandwidth.gaussian_time(sigma**2 * (1.0 + math.sqrt(d / n)) ** 2),
        },
        quadratic_truncation=truncation if math.isfinite(truncation) else None,
        monotone=interval is None,
        decreasing_interval=interval,
        multistep={
            "steps": sampling.steps,
            "scheme": sampling.scheme,
            "q": q_steps,
            **_floors(_inside(q_steps), d),
            "kl_generated_target_flow": _flow(q, d, n),
        },
        asymptotic=_part(q, d, n, asymptotic=True),
        notes=_notes(q, d, n),
        seconds=time.perf_counter() - start,
    )


def _inside(q: float) -> float:
    return min(max(q, sys.float_info.min), 1.0 - 0.5 * sys.float_info.epsilon)
