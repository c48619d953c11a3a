"""Figures of linear diffusion models at finite N with structured covariance (Merger and Goldt, arXiv 2505.24769)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from asymptotics.linear_diffusion import (
    LinearDiffusion,
    Problem,
    Schedule,
    generated_variance,
    moments,
    run_sampler,
    sweep,
)
from asymptotics.tools import COLOURS, points, style

from ..base import Drawing, label_ticks, name_kinds
from .digits import effective_dimensions, images, spectra
from .measured import experiment_of, measured_by, put_verdict, sample_sizes, scores_of, theory_of, verdict_of

PAPER = "Merger and Goldt, arXiv 2505.24769"
EXPONENTS = (0.0, 0.5, 1.0, 1.5, 2.0)
RIDGES = (0.0, 1e-3, 1e-2, 1e-1)


def _settings(dimension: int, exponent: float, samples: int, ridge: float, **more: Any) -> LinearDiffusion:
    return LinearDiffusion(
        spectrum={"power": exponent}, dimension=dimension, samples=samples, regularisation=ridge, time=100, **more
    )


@dataclass(frozen=True)
class _Curve:
    """One curve against N: spectrum's exponent and ridge, and how it is drawn."""

    label: str
    exponent: float
    ridge: float
    colour: str
    #: Dashed where it would hide the one below it, or has no points.
    dashed: bool = False
    simulated: bool = True


def _against_samples(curves: list[_Curve], quick: bool, caption: str) -> Drawing:
    """Losses and both divergences per dimension against N/d."""
    dimension, runs, at, lines = sample_sizes(quick)
    data: dict[str, np.ndarray] = {"samples": lines, "measured_samples": at}
    pairs = []
    names = ("train_loss", "test_loss", "kl_generated_target", "kl_target_generated")
    titles = ("train loss $/\\,d$", "test loss $/\\,d$", r"KL$(\rho_N\|\rho)\,/\,d$", r"KL$(\rho\|\rho_N)\,/\,d$")
    with style() as plt:
        figure, axes = plt.subplots(2, 2, figsize=(7.0, 5.0), layout="constrained", sharex=True)
        for k, curve in enumerate(curves):
            theory = sweep(_settings(dimension, curve.exponent, 2, curve.ridge), lines.tolist(), tau=[1.0])
            found = (
                [measured_by(_settings(dimension, curve.exponent, int(n), curve.ridge), runs) for n in at]
                if curve.simulated
                else []
            )
            pairs += found
            for ax, name in zip(axes.flat, names, strict=True):
                column = np.array([np.nan if v is None else v for v in getattr(theory, name)], dtype=float)
                # A dashed line above the full ones, its points hollow: what coincides shows both.
                place = 4 if curve.dashed and curve.simulated else 2 + k / 10
                ax.plot(lines / dimension, column / dimension, color=curve.colour, label=curve.label,
                        linestyle="--" if curve.dashed else "-", zorder=place)  # fmt: skip
                if found:
                    shape: dict[str, Any] = (
                        {"mfc": "white", "markersize": 5.5, "zorder": 2} if curve.dashed else {"zorder": 3}
                    )
                    put_verdict(ax, at / dimension, [r for _, r in found], name, dimension, curve.colour, **shape)
                data[f"{name} {curve.label}"] = column / dimension
        for ax, title in zip(axes.flat, titles, strict=True):
            ax.set(xscale="log", yscale="log", ylabel=title)
        for ax in axes[1]:
            ax.plot(lines / dimension, dimension / (4 * lines), color="0.4", linestyle=":", label=r"$d/4N$")
            ax.set_xlabel("$N/d$")
        label_ticks(axes[0, 0].yaxis, [0.03, 0.1, 0.2, 0.3, 0.5, 1])
        label_ticks(axes[0, 1].yaxis, [0.3, 0.5, 1, 2, 5, 10])
        label_ticks(axes[1, 0].xaxis, [0.1, 0.2, 0.5, 1, 2, 5, 10])
        name_kinds(axes[1, 1], line="theory", point=f"$d = {dimension}$")
        # The one corner without lines.
        axes[0, 0].legend(*axes[1, 1].get_legend_handles_labels(), ncols=2, loc="lower right", columnspacing=1.0)
    # One point of the grid: N = d of the first case.
    experiment = experiment_of(_settings(dimension, curves[0].exponent, dimension, curves[0].ridge), runs)
    source = f"{PAPER}: losses and divergences against N"
    data["score"] = scores_of(pairs)
    return Drawing(figure, caption.format(d=dimension, runs=runs), source, data, experiment, verdict_of(pairs))


def samples(quick: bool) -> Drawing:
    """Losses and divergences against N for several hierarchies."""
    # One hue from light to dark in the order of k.
    colours = ("#56B4E9", "#0072B2", "#009E73", "#E69F00", "#D55E00")
    return _against_samples(
        [
            _Curve(f"$k={k:g}$", k, 1e-3, colour, dashed=k % 1 != 0, simulated=k % 1 == 0)
            for k, colour in zip(EXPONENTS, colours, strict=True)
        ],
        quick,
        "Linear denoisers trained on N Gaussian samples, covariance eigenvalues λ_ν ∝ ν^(−k) of trace d: the larger k, the stronger"
        " the hierarchy; ridge c = 0.001, step 100 of 1000, d = {d}. (a) Train and (b) test loss, (c) divergence of the generated"
        " density ρ_N from the target ρ and (d) back, all per dimension. Lines: averages over data sets (dashed: without"
        " simulation); points: full process, mean and standard error (smaller than the marker where not seen) over {runs} data sets."
        " Below N = d hierarchy helps; above, the divergence falls as d/4N per dimension whatever the spectrum.",
    )


def regularisation(quick: bool) -> Drawing:
    """Losses and divergences against N for several ridges."""
    colours = (COLOURS[6], "#56B4E9", "#0072B2", "#D55E00")
    return _against_samples(
        [_Curve(f"$c={c:g}$", 1.0, c, colour, dashed=c == 0) for c, colour in zip(RIDGES, colours, strict=True)],
        quick,
        "Linear denoisers trained on N Gaussian samples, λ_ν ∝ ν^(−1) of trace d = {d}, several ridges c (no ridge, c = 0: dashed and"
        " hollow, nearly that of c = 0.001 where both exist), step 100 of 1000. (a) Train and (b) test loss, (c) divergence of the"
        " generated density ρ_N from the target ρ and (d) back, all per dimension. Without a ridge both divergences are infinite"
        " below N = d; a ridge keeps them finite and costs accuracy at large N. Lines: averages over data sets; points: full process,"
        " mean and standard error (smaller than the marker where not seen) over {runs} data sets.",
    )


def early_stopping(quick: bool) -> Drawing:
    """Loss against training time, the optimum marked."""
    dimension, runs = (60, 12) if quick else (150, 32)
    tau = [0.1, 0.3, 1.0, 3.0, 10.0] if quick else [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]
    data: dict[str, np.ndarray] = {"measured_tau": np.array(tau)}
    pairs = []
    with style() as plt:
        figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.0), layout="constrained")
        for k, exponent in enumerate(EXPONENTS):
            settings = _settings(dimension, exponent, dimension // 2, 0.0)
            theory = theory_of(Problem(settings), tau=np.geomspace(0.02, 100, 120))
            times = np.array(theory.stopping.tau)
            for ax, name in zip(axes, ("test_loss", "train_loss"), strict=True):
                curve = np.array(getattr(theory.stopping, name)) / dimension
                ax.plot(times, curve, color=COLOURS[k], label=f"$k={exponent:g}$")
                data[f"{name} k={exponent:g}"] = curve
            best = theory.stopping.optimum
            axes[0].plot(best.tau, best.loss / dimension, "*", color=COLOURS[k], markersize=9, zorder=5)
            if exponent in (0.0, 1.0, 2.0):
                pair = measured_by(settings, runs, tau)
                pairs.append(pair)
                for ax, name in zip(axes, ("flow_test_loss", "flow_train_loss"), strict=True):
                    mean, sem = (q(name) / dimension for q in (pair[1].mean, pair[1].sem))
                    points(ax, tau, mean, sem, color=COLOURS[k], linestyle="none")
            data["tau"] = times
        axes[0].set_yscale("log")
        for ax, title in zip(axes, ("test loss per dimension", "train loss per dimension"), strict=True):
            ax.set_xscale("log")
            ax.set_xlabel(r"training time $\tau$")
            ax.set_title(title)
        axes[0].legend()
    caption = (
        f"Gradient flow, d = {dimension}, N = d/2, c = 0, step 100 of 1000. Lines: averages over data sets, "
        "stars: optimal stopping; "
        f"points: gradient flow in full, mean and standard error over {runs} data sets. The null space of the "
        "empirical covariance "
        "is learned last and causes the overfitting."
    )
    experiment = experiment_of(_settings(dimension, 1.0, dimension // 2, 0.0), runs, tau)
    return Drawing(figure, caption, f"{PAPER}: loss against training time", data, experiment, verdict_of(pairs))


def agreement(quick: bool) -> Drawing:
    """Cosine of two models trained on disjoint sets, and of a model with the truth, against N."""
    dimension, runs, at, lines = sample_sizes(quick)
    data: dict[str, np.ndarray] = {"samples": lines, "measured_samples": at}
    pairs = []
    with style() as plt:
        figure, axes = plt.subplots(1, 2, figsize=(7.0, 2.9), layout="constrained", sharey=True)
        for k, exponent in enumerate((0.0, 1.0, 2.0)):
            theory = sweep(_settings(dimension, exponent, 2, 0.0), lines.tolist(), tau=[1.0])
            found = [measured_by(_settings(dimension, exponent, int(n), 0.0), runs) for n in at]
            pairs += found
            for ax, name in zip(axes, ("cosine_models", "cosine_truth"), strict=True):
                column = np.array(getattr(theory, name))
                ax.plot(lines / dimension, column, color=COLOURS[k], label=f"$k={exponent:g}$")
                put_verdict(ax, at / dimension, [r for _, r in found], name, 1.0, COLOURS[k])
                data[f"{name} k={exponent:g}"] = column
        for ax, title in zip(axes, ("two models, disjoint data", "model and truth"), strict=True):
            ax.set_xscale("log")
            ax.set_xlabel("$N/d$")
            ax.set_title(title)
        axes[0].set_ylabel("cosine of samples from the same noise")
        axes[0].legend()
    caption = (
        f"Agreement of linear models without a ridge, d = {dimension}. Lines: theory to leading order; points: "
        "full process, mean and "
        f"standard error over {runs} pairs of data sets."
    )
    experiment = experiment_of(_settings(dimension, 1.0, dimension, 0.0), runs)
    return Drawing(figure, caption, f"{PAPER}: cosine to a reference model", data, experiment, verdict_of(pairs))


def sampler(quick: bool) -> Drawing:
    """Generated variance against the target's, mode by mode."""
    schedule, count = Schedule(200 if quick else 1000), 4000 if quick else 10_000
    values = np.geomspace(1e-3, 20.0, 12)
    line = np.geomspace(3e-4, 50.0, 200)
    data: dict[str, np.ndarray] = {"eigenvalue": line, "measured_eigenvalue": values}
    worst = 0.0
    rng = np.random.default_rng(0)
    with style() as plt:
        figure, ax = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
        labels = {
            "beta": r"$\beta_t$",
            "posterior": r"$\tilde\beta_t$",
            "exact": r"$\beta_t s_{t-1}/s_t$",
            "flow": "flow",
        }
        for k, (name, label) in enumerate(labels.items()):
            theory = generated_variance(line, schedule, name)
            ax.plot(line, theory / line, color=COLOURS[k], label=label, linestyle="--" if name == "flow" else "-")
            data[f"variance {name}"] = theory
            if name == "flow":
                continue
            u = run_sampler(rng, count, np.zeros(values.size), np.diag(values), schedule, 0.0, name, True)
            measured = np.diag(moments(u)[1]) * count / (count - 1)
            sem = measured * np.sqrt(2 / (count - 1))
            points(ax, values, measured / values, sem / values, color=COLOURS[k], linestyle="none")
            worst = max(worst, float(np.abs((measured - generated_variance(values, schedule, name)) / sem).max()))
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlabel(r"variance of the model's target, $s_0=\lambda^0+c$")
        ax.set_ylabel("generated / target variance")
        label_ticks(ax.yaxis, [0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1, 1.2])
        ax.legend(title=r"noise $\sigma_t^2$")
    caption = (
        f"DDPM sampler with {schedule.steps} steps and the optimal linear denoiser, three choices of the "
        "noise, and the limit of the "
        f"probability flow. Lines: telescoped solution; points: variance of {count} samples with standard errors."
    )
    settings = LinearDiffusion(spectrum=values.tolist(), samples=count, steps=schedule.steps)
    experiment = {"linear_diffusion": settings.to_table()}
    closeness = f"36 variances, at most {worst:.1f} standard errors apart"
    return Drawing(figure, caption, f"{PAPER}: the sampler (no figure there)", data, experiment, closeness)


FIGURES: dict[str, Callable[[bool], Drawing]] = {
    "linear-spectra": spectra,
    "linear-samples": samples,
    "linear-regularisation": regularisation,
    "linear-early-stopping": early_stopping,
    "linear-agreement": agreement,
    "linear-sampler": sampler,
    "linear-effective-dimension": effective_dimensions,
    "linear-images": images,
}
