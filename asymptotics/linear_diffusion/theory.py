"""The asymptotic prediction: everything that is known of a data set of N samples on average, in one object."""

from __future__ import annotations

import dataclasses
import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from asymptotics.common.checks import InputError, array
from asymptotics.common.results import Result, to_builtin

from .agreement import agreement, effective_dimension, null_directions
from .corrections import corrections
from .equivalents import critical_kappa, equivalents, null_space_mass
from .kl import averaged_divergences, limits_per_dimension, optimal_regularisation, wishart_averages
from .losses import averaged_losses, corrected_losses, total_losses
from .sampler import VARIANCES, generated_mean, generated_variance
from .settings import LinearDiffusion
from .training import averaged_training

#: How many modes of the target the ``sampler`` field shows unless told otherwise.
SHOWN_MODES = 8


@dataclass(frozen=True)
class Averages(Result):
    """Averages over data sets of N Gaussian samples; a field without a finite value is None and ``notes`` says why.

    At c > 0 deterministic equivalents (relative error O(1/d), without the O(1) corrections, which are in ``corrections``); at
    c = 0 the exact averages of the Wishart distribution, where there is one, for log-determinant, traces and divergences.

    Parameters
    ----------
    dimension, samples, regularisation, steps, time
        d, N, c, T, t.
    spectrum : str
        Name of the target's spectrum.
    alpha_bar : float
        ᾱ_t.
    train_loss, test_loss : float
        At step t, summed over components.
    train_loss_total, test_loss_total : float
        Summed over all steps too.
    kl_generated_target, kl_target_generated : float or None
        Totals in nats, without the O(1) correction; ``..._corrected`` with it (at c = 0 both are exact).
    kl_limits : dict
        At c = 0 and γ = d/N < 1: both divergences per dimension for d → ∞, and γ/4.
    kappa : float
        κ(ĉ).
    log_det, log_det_correction : float or None
        ln|Σ₀+c| and its O(1) correction (0 at c = 0, where the average is exact).
    trace_inverse, trace_inverse_squared : float or None
        Tr(Σ₀+c)⁻¹, Tr(Σ₀+c)⁻².
    trace_sigma_inverse, trace_sigma_inverse_squared : float or None
        Tr Σ(Σ₀+c)⁻¹, Tr Σ(Σ₀+c)⁻².
    trace_empirical_inverse_squared, gap_trace : float or None
        Tr Σ₀(Σ₀+c)⁻², Tr (Σ−Σ₀)(Σ₀+c)⁻².
    corrections : dict
        O(1) corrections of the log-determinant, the traces, the losses at t; empty at c = 0 but for the losses.
    optimal_regularisation : dict
        ``forward``: c that minimises KL(generated‖target); ``reverse``: KL(target‖generated).
    stopping : dict
        Gradient flow at step t: ``tau``, ``loss`` (test; the same as ``test_loss``), ``train_loss``, ``optimum`` = {tau, loss}.
    cosine_models, cosine_truth : float
        Cosine of samples from the same noise: two models trained on disjoint sets of N samples; a model and the truth.
    d_eff : float
        Effective dimension of the covariance's estimation.
    null_mass : float
        Tr ΣP over the null space of Σ₀; ``null_directions`` is its dimension within the support of Σ.
    sampler : dict
        Variances of the DDPM samples along modes with λ⁰ = ``eigenvalue``, for every choice of σ_t², and the mean's factor.
    settings : dict
        The table that gave all this.
    """

    dimension: int
    samples: int
    regularisation: float
    steps: int
    time: int
    spectrum: str
    alpha_bar: float
    train_loss: float
    test_loss: float
    train_loss_total: float
    test_loss_total: float
    kl_generated_target: float | None
    kl_target_generated: float | None
    kl_generated_target_corrected: float | None
    kl_target_generated_corrected: float | None
    kl_limits: dict[str, float | None]
    kappa: float
    log_det: float | None
    log_det_correction: float | None
    trace_inverse: float | None
    trace_inverse_squared: float | None
    trace_sigma_inverse: float | None
    trace_sigma_inverse_squared: float | None
    trace_empirical_inverse_squared: float | None
    gap_trace: float | None
    corrections: dict[str, float]
    optimal_regularisation: dict[str, float | None]
    stopping: dict[str, Any]
    cosine_models: float
    cosine_truth: float
    d_eff: float
    null_mass: float
    null_directions: int
    sampler: dict[str, Any]
    notes: list[str]
    settings: dict[str, Any]
    seconds: float

    def summary(self) -> str:
        def show(value: float | None) -> str:
            return "–" if value is None else f"{value:.6g}"

        best = self.stopping["optimum"]
        lines = [
            f"linear diffusion: d = {self.dimension}, N = {self.samples}, c = {self.regularisation:g}, spectrum "
            f"{self.spectrum}, step {self.time} of {self.steps}",
            f"  loss              train {show(self.train_loss)}, test {show(self.test_loss)}",
            f"  KL                generated‖target {show(self.kl_generated_target)}, "
            f"target‖generated {show(self.kl_target_generated)}",
            f"  best c            forward {show(self.optimal_regularisation['forward'])}, "
            f"reverse {show(self.optimal_regularisation['reverse'])}",
            f"  early stopping    τ* {show(best['tau'])}, test loss {show(best['loss'])}",
            f"  κ {show(self.kappa)}, ln det {show(self.log_det)} (correction {show(self.log_det_correction)})",
            f"  traces            (Σ₀+c)⁻¹ {show(self.trace_inverse)}, Σ(Σ₀+c)⁻¹ {show(self.trace_sigma_inverse)}, "
            f"gap {show(self.gap_trace)}",
            f"  agreement         two models {show(self.cosine_models)}, with the truth {show(self.cosine_truth)}",
            f"  d_eff {show(self.d_eff)}, null mass {show(self.null_mass)} in {self.null_directions} directions",
        ]
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])

    def __repr__(self) -> str:
        return self.summary()

    def plot(self, ax: Any = None) -> tuple[Any, Any]:
        """The loss against training time."""
        from .plots import stopping_curve

        return stopping_curve(self, ax=ax)


@dataclass(frozen=True)
class Sweep(Result):
    """Averages for several N: the fields of `Averages` as lists, one entry for each of ``samples``.

    In ``stopping`` the training times ``tau`` are the same for all N; ``loss`` has one list for each N.
    """

    samples: list[int]
    columns: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        columns = self.__dict__.get("columns", {})
        if name in columns:
            return columns[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def to_json(self) -> dict[str, Any]:
        return {"samples": self.samples, **to_builtin(self.columns)}

    def summary(self) -> str:
        names = ("train_loss", "test_loss", "kl_generated_target", "kl_target_generated", "kappa", "cosine_models")
        lines = [f"{'samples':>9} " + " ".join(f"{n:>20}" for n in names)]
        for k, n in enumerate(self.samples):
            row = [self.columns[name][k] for name in names]
            lines.append(f"{n:>9} " + " ".join(f"{'–' if v is None else format(v, '.6g'):>20}" for v in row))
        return "\n".join(lines + [f"note: {note}" for note in self.columns["notes"]])

    def __repr__(self) -> str:
        return self.summary()

    def plot(self, ax: Any = None) -> tuple[Any, Any]:
        """Losses against N."""
        from .plots import sweep_curve

        return sweep_curve(self, ax=ax)


#: Fields that do not depend on N: one value in a sweep.
SHARED = frozenset(
    "dimension regularisation steps time spectrum alpha_bar d_eff sampler notes settings seconds samples".split()
)


def solve(
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
    values, big, c, t = spectrum.eigenvalues, settings.samples, settings.regularisation, _time(settings)
    d = values.size
    notes: list[str] = []
    train, test = averaged_losses(values, big, c, schedule, t)
    totals = total_losses(values, big, c, schedule)
    divergences = averaged_divergences(values, big, c)
    best = optimal_regularisation(values, big)
    kl_notes(spectrum.singular, d, big, c, notes)
    traces, extra = _traces(values, big, c, spectrum.singular, notes)
    loss_correction = corrected_losses(values, big, c, schedule, t)
    extra |= {"train_loss": float(loss_correction[0] - train), "test_loss": float(loss_correction[1] - test)}
    curve = averaged_training(values, big, c, schedule, t)
    times = curve.grid() if tau is None else _non_negative("tau", tau)
    curves = curve.losses(times)
    optimum = curve.optimum()
    if optimum[0] is None:
        notes.append("stopping.optimum.tau: the averaged test loss falls for ever; its limit is given as loss")
    alike = agreement(values, big, c)
    modes = spectrum.eigenvalues[:SHOWN_MODES] if eigenvalues is None else _non_negative("eigenvalue", eigenvalues)
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
        train_loss=float(train),
        test_loss=float(test),
        train_loss_total=totals[0],
        test_loss_total=totals[1],
        kl_generated_target=divergences.generated_target,
        kl_target_generated=divergences.target_generated,
        kl_generated_target_corrected=divergences.generated_target_corrected,
        kl_target_generated_corrected=divergences.target_generated_corrected,
        kl_limits={
            "generated_target_per_dimension": limits[0],
            "target_generated_per_dimension": limits[1],
            "leading_order_per_dimension": gamma / 4,
        },
        corrections=extra,
        optimal_regularisation={"forward": best[0], "reverse": best[1]},
        stopping={
            "tau": times.tolist(),
            "loss": curves[1].tolist(),
            "test_loss": curves[1].tolist(),
            "train_loss": curves[0].tolist(),
            "optimum": {"tau": optimum[0], "loss": optimum[1]},
        },
        cosine_models=alike.models,
        cosine_truth=alike.truth,
        d_eff=effective_dimension(values, settings.fourth_moment),
        null_mass=null_space_mass(values, big),
        null_directions=null_directions(values, big),
        sampler=_sampler(modes, c, settings),
        notes=notes,
        settings=settings.to_table(),
        seconds=clock.perf_counter() - started,
        **traces,
    )


def sweep(settings: LinearDiffusion, samples: Sequence[int], **options: Any) -> Sweep:
    """`solve` for several N; the training times of all curves are those of the first unless ``tau`` is given."""
    if len(samples) == 0:
        raise InputError("samples: must be at least one number")
    results = [solve(settings.replace(samples=samples[0]), **options)]
    options = {**options, "tau": results[0].stopping["tau"]}
    results += [solve(settings.replace(samples=n), **options) for n in samples[1:]]
    columns: dict[str, Any] = {}
    for f in dataclasses.fields(Averages):
        column = [getattr(r, f.name) for r in results]
        columns[f.name] = column[0] if f.name in SHARED else _transposed(column)
    columns["notes"] = list(dict.fromkeys(f"N = {r.samples}: {note}" for r in results for note in r.notes))
    columns["seconds"] = sum(r.seconds for r in results)
    columns["stopping"]["tau"] = results[0].stopping["tau"]
    sizes = columns.pop("samples", None) or [r.samples for r in results]
    return Sweep([r.samples for r in results] if not isinstance(sizes, list) else sizes, columns)


def _transposed(column: list[Any]) -> Any:
    """A list of dicts as a dict of lists, to any depth."""
    if isinstance(column[0], dict):
        return {key: _transposed([entry.get(key) for entry in column]) for key in column[0]}
    return column


def _time(settings: LinearDiffusion) -> int:
    assert settings.time is not None
    return settings.time


def _non_negative(name: str, value: Any) -> np.ndarray:
    checked = np.atleast_1d(array(name, value))
    if checked.ndim != 1 or checked.size == 0 or checked.min() < 0:
        raise InputError(f"{name} = {checked.tolist()}: must be numbers >= 0")
    return checked


def kl_notes(singular: bool, dimension: int, samples: int, regularisation: float, notes: list[str]) -> None:
    """Append why divergences and optimal regularisations are None."""
    if singular:
        notes.append("kl_*: the target's covariance is singular, both divergences are infinite at any c")
        notes.append(
            "optimal_regularisation.forward: KL(generated‖target) is infinite at any c; reverse minimises the cross-entropy"
        )
    elif regularisation == 0 and samples <= dimension:
        notes.append(f"kl_*: infinite without regularisation, N = {samples} <= d = {dimension} (Σ₀ is singular)")
    elif regularisation == 0 and samples <= dimension + 2:
        notes.append(
            f"kl_target_generated: its mean over data sets is infinite without regularisation for N <= d + 2 = {dimension + 2}"
        )


def _traces(
    values: np.ndarray, samples: int, c: float, singular: bool, notes: list[str]
) -> tuple[dict[str, float | None], dict[str, float]]:
    """κ, log-determinant and traces, and their corrections."""
    names = (
        "trace_inverse",
        "trace_inverse_squared",
        "trace_sigma_inverse",
        "trace_sigma_inverse_squared",
        "trace_empirical_inverse_squared",
        "gap_trace",
    )
    if c > 0:
        e, k = equivalents(values, samples, c), corrections(values, samples, c)
        found: dict[str, float | None] = {name: float(getattr(e, name)) for name in names}
        found |= {
            "kappa": float(e.kappa),
            "log_det": float(e.log_det),
            "log_det_correction": float(e.log_det_correction),
        }
        return found, {name: float(value) for name, value in dataclasses.asdict(k).items()}
    exact = wishart_averages(values, samples)
    found = {name: getattr(exact, name, exact.trace_inverse) for name in names}
    found |= {
        "kappa": critical_kappa(values, samples),
        "log_det": exact.log_det,
        "log_det_correction": None if exact.log_det is None else 0.0,
    }
    d = values.size
    reason = "the target's covariance is singular" if singular else f"N = {samples}, d = {d}"
    if exact.log_det is None:
        notes.append(f"log_det, trace_*, gap_trace: infinite without regularisation ({reason})")
    elif exact.trace_inverse is None:
        notes.append(f"trace_*, gap_trace: means over data sets are infinite without regularisation ({reason}, N <= d + 2)")
    elif exact.gap_trace is None:
        notes.append(f"*_squared, gap_trace: means are infinite without regularisation ({reason}, N <= d + 4)")
    if exact.trace_inverse is None:
        found["trace_empirical_inverse_squared"] = None
    return found, {}


def _sampler(modes: np.ndarray, c: float, settings: LinearDiffusion) -> dict[str, Any]:
    schedule = settings.schedule()
    s0 = modes + c
    return {
        "eigenvalue": modes.tolist(),
        "choice": settings.variance,
        "mean": generated_mean(s0, schedule).tolist(),
        "variance": {
            name: generated_variance(s0, schedule, name, last_noise=settings.last_noise).tolist() for name in VARIANCES
        },
        "variance_without_last_noise": {
            name: generated_variance(s0, schedule, name, last_noise=False).tolist() for name in VARIANCES
        },
    }
