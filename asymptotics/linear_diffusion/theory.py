"""The asymptotic prediction: everything that is known of a data set of N samples on average, in one object."""

from __future__ import annotations

import dataclasses
import time as clock
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..common.input.checks import InputError, array, present
from .averaged.agreement import effective_dimension, model_agreement, null_directions
from .averaged.best import TRACES, best_curves, best_values
from .averaged.divergences import averaged_divergences
from .averaged.losses import loss_terms, total_losses
from .averaged.optimum import BestRegularisation, optimal_regularisation
from .averaged.training import Curves, Optimum, Stopping, averaged_training
from .averaged.wishart import KlLimits, limits_per_dimension, wishart_averages
from .diffusion.sampler import VARIANCES, Sampled, Variances, generated_mean, generated_variance
from .prediction import Averages, Corrections, Sweep
from .problem import Problem
from .resolvents.corrections import finite_size_corrections
from .resolvents.equivalents import critical_kappa, deterministic_equivalents, null_space_mass
from .settings import LinearDiffusion

#: How many modes of the target the ``sampler`` field shows unless told otherwise.
SHOWN_MODES = 8


def solve(
    problem: Problem,
    *,
    samples: Sequence[int] | None = None,
    tau: Sequence[float] | np.ndarray | None = None,
    eigenvalues: Sequence[float] | np.ndarray | None = None,
    progress: bool | None = None,
) -> Averages | Sweep:
    """The theory of an experiment.

    Parameters
    ----------
    problem : Problem
    samples : sequence of int, optional
        Sweep the number of samples: the fields become lists.
    tau, eigenvalues
        See `averaged`.
    progress : bool, optional
        Without effect: it takes milliseconds.
    """
    problem = Problem.of(problem)
    settings = problem.linear_diffusion
    if samples is None:
        found = averaged(settings, tau=tau, eigenvalues=eigenvalues)
        return dataclasses.replace(found, experiment=problem.to_tables())
    return sweep(settings, samples, tau=tau, eigenvalues=eigenvalues)


def averaged(
    settings: LinearDiffusion,
    *,
    tau: Sequence[float] | np.ndarray | None = None,
    eigenvalues: Sequence[float] | np.ndarray | None = None,
) -> Averages:
    """All averages over data sets for one setting.

    Parameters
    ----------
    settings : LinearDiffusion
    tau : sequence of float, optional
        Training times of the early-stopping curve; default 100 from far below the fastest relaxation to beyond the slowest.
    eigenvalues : sequence of float, optional
        Empirical eigenvalues λ⁰ at which the sampler's variance is given; default the leading ones of the target.

    Raises
    ------
    InputError
        If a training time or an eigenvalue is negative.
    """
    started = clock.perf_counter()
    spectrum, schedule = settings.covariance(), settings.schedule()
    values, big, c, t = spectrum.eigenvalues, settings.samples, settings.regularisation, present(settings.time, "time")
    d = values.size
    losses = loss_terms(values, big, c, schedule, t, 1)
    totals = total_losses(values, big, c, schedule)
    divergences = averaged_divergences(values, big, c)
    best = optimal_regularisation(values, big)
    notes = _kl_notes(spectrum.singular, d, big, c, best[1] is None)
    traces, extra = _traces(values, big, c, spectrum.singular, notes)
    curve = averaged_training(values, big, c, schedule, t)
    times = curve.grid() if tau is None else _non_negative("tau", tau)
    curves = curve.losses(times)
    optimum = curve.optimum()
    if optimum[0] is None:
        notes.append("stopping.optimum.tau: the averaged test loss falls for ever; its limit is given as loss")
    flow = best_curves(settings, values, times)
    best_of = best_values(settings, values) | flow.optimum()
    missing = [name for name, (value, _) in best_of.items() if value is None]
    if missing:
        notes.append(
            f"corrected.{{{', '.join(missing)}}}: no finite value, or the expansion in 1/N does not converge here"
        )
    alike = model_agreement(values, big, c)
    modes = spectrum.eigenvalues[:SHOWN_MODES] if eigenvalues is None else _non_negative("eigenvalues", eigenvalues)
    gamma = d / big
    limits = limits_per_dimension(gamma) if c == 0 and gamma < 1 else (None, None)
    return Averages(
        dimension=d,
        samples=big,
        regularisation=c,
        steps=settings.steps,
        time=t,
        spectrum=spectrum.name,
        alpha_bar=float(schedule.alpha_bar[t]),
        train_loss=float(losses[0, 0]),
        test_loss=float(losses[0, 1]),
        train_loss_total=totals[0],
        test_loss_total=totals[1],
        kl_generated_target=divergences.generated_target,
        kl_target_generated=divergences.target_generated,
        kl_generated_target_corrected=divergences.generated_target_corrected,
        kl_target_generated_corrected=divergences.target_generated_corrected,
        kl_limits=KlLimits(limits[0], limits[1], gamma / 4),
        corrections=Corrections(float(losses[1, 0]), float(losses[1, 1]), **extra),
        optimal_regularisation=BestRegularisation(*best),
        stopping=Stopping(
            times.tolist(),
            curves[1].tolist(),
            curves[1].tolist(),
            curves[0].tolist(),
            Optimum(*optimum),
            Curves(flow.test.tolist(), flow.train.tolist(), Optimum(flow.tau, flow.loss)),
        ),
        cosine_models=alike.models,
        cosine_truth=alike.truth,
        d_eff=effective_dimension(values, settings.fourth_moment),
        null_mass=null_space_mass(values, big),
        null_directions=null_directions(values, big),
        sampler=_sampler(modes, c, settings),
        notes=notes,
        experiment={"linear_diffusion": settings.to_table()},
        seconds=clock.perf_counter() - started,
        corrected={name: value for name, (value, _) in best_of.items()},
        errors={name: error for name, (_, error) in best_of.items()},
        **traces,
    )


def sweep(settings: LinearDiffusion, samples: Sequence[int], **options: Any) -> Sweep:
    """`averaged` for several N; the training times of all curves are those of the first unless ``tau`` is given."""
    if len(samples) == 0:
        raise InputError("samples: must be at least one number")
    results = [averaged(settings.replace(samples=samples[0]), **options)]
    options = {**options, "tau": results[0].stopping.tau}
    results += [averaged(settings.replace(samples=n), **options) for n in samples[1:]]
    return Sweep(tuple(results), results[0].experiment, sum(r.seconds for r in results))


def _non_negative(name: str, value: ArrayLike) -> np.ndarray:
    checked = np.atleast_1d(array(name, value))
    if checked.ndim != 1 or checked.size == 0 or checked.min() < 0:
        raise InputError(f"{name} = {checked.tolist()}: must be numbers >= 0")
    return checked


def _kl_notes(singular: bool, dimension: int, samples: int, regularisation: float, unbounded: bool) -> list[str]:
    """Why divergences and optimal regularisations are None."""
    if singular:
        reverse = "the cross-entropy falls without bound as c → 0"
        if not unbounded:
            reverse = "minimises the cross-entropy of target and generated"
        return [
            "kl_*: the target's covariance is singular, both divergences are infinite at any c",
            "optimal_regularisation.forward: KL(generated‖target) is infinite at any c",
            f"optimal_regularisation.reverse: {reverse}",
        ]
    if regularisation > 0 or samples > dimension + 2:
        return []
    if samples <= dimension:
        return [f"kl_*: infinite without regularisation, N = {samples} <= d = {dimension} (Σ₀ is singular)"]
    reason = f"infinite without regularisation for N <= d + 2 = {dimension + 2}"
    return [f"kl_target_generated: its mean over data sets is {reason}"]


def _traces(
    values: np.ndarray, samples: int, c: float, singular: bool, notes: list[str]
) -> tuple[dict[str, Any], dict[str, float]]:
    """κ, log-determinant and traces, and their corrections."""
    if c > 0:
        e, more = deterministic_equivalents(values, samples, c), finite_size_corrections(values, samples, c)
        found = {name: float(getattr(e, name)) for name in ("kappa", "log_det_correction", *TRACES)}
        return found, {name: float(value) for name, value in vars(more).items()}
    exact = wishart_averages(values, samples)
    d = values.size
    reason = "the target's covariance is singular" if singular else f"N = {samples}, d = {d}"
    if exact.log_det is None:
        notes.append(f"log_det, trace_*, gap_trace: infinite without regularisation ({reason})")
    elif exact.trace_inverse is None:
        notes.append(
            f"trace_*, gap_trace: means over data sets are infinite without regularisation ({reason}, N <= d + 2)"
        )
    elif exact.gap_trace is None:
        notes.append(f"*_squared, gap_trace: means are infinite without regularisation ({reason}, N <= d + 4)")
    correction = None if exact.log_det is None else 0.0
    known = {name: getattr(exact, name) for name in TRACES}
    return known | {"kappa": critical_kappa(values, samples), "log_det_correction": correction}, {}


def _sampler(modes: np.ndarray, c: float, settings: LinearDiffusion) -> Sampled:
    schedule = settings.schedule()
    s0 = modes + c
    given, without = (
        Variances(*(generated_variance(s0, schedule, name, last_noise=last).tolist() for name in VARIANCES))
        for last in (settings.last_noise, False)
    )
    return Sampled(modes.tolist(), settings.variance, generated_mean(s0, schedule).tolist(), given, without)
