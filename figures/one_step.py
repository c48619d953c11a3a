"""Figures of the linear one-step denoiser and its transition from memorisation to generalisation (Halder 2024)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from asymptotics.one_step import (
    OneStep,
    Problem,
    Sampling,
    Simulation,
    amise_bandwidth,
    ensemble,
    flow_divergence,
    kernel_bandwidth,
    kl_floor,
    kl_generated_target,
    mise,
    mise_bandwidth,
    mixing_bandwidth,
    plots,
    probability_curve,
    quadratic_truncation,
    signal_fraction,
    solve,
)
from asymptotics.tools import COLOURS, points, style

from .base import Drawing, name_kinds

PAPER = "Halder, arXiv 2411.17807"
TIME = 2.0
PROBABILITY = r"$P(E_{OG} < E_{TG})$"
KL = r"$\mathrm{KL}(G\|O)$"


def _problem(
    dimension: int, g: float, *, samples: int = 2, runs: int = 40, seed: int = 0, steps: int = 1,
    scheme: str = "deterministic", **changes: Any,
) -> Problem:  # fmt: skip
    """The author's parameters: T = 2, λ = e^{−2T} g, σ = 1, μ = 10."""
    model = OneStep(dimension, samples, TIME, g * math.exp(-2.0 * TIME), mean=10.0, **changes)
    return Problem(model, Sampling(steps, scheme), Simulation(runs, seed))


def _fraction(problem: Problem) -> float:
    return signal_fraction(TIME, problem.one_step.noise_scale)


def _sizes(dimension: int, ratios: Any) -> list[int]:
    return [max(2, round(dimension * ratio)) for ratio in ratios]


def error(quick: bool) -> Drawing:
    """E H² against n."""
    d, runs = (40, 12) if quick else (100, 60)
    scales = (0.01, 0.05, 0.2)
    fine = np.unique(np.geomspace(0.3 * d, 100 * d, 160).astype(int))
    sizes = _sizes(d, (0.5, 1.5, 2, 3, 5, 10, 20, 50))
    data: dict[str, np.ndarray] = {"samples_line": fine, "samples": np.array(sizes), "noise_factor": np.array(scales)}
    worst = 0.0
    with style() as plt:
        figure, ax = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
        for g in scales:
            problem = _problem(d, g, runs=runs)
            q = _fraction(problem)
            sweep = probability_curve(problem, sizes, progress=False)
            plots.plot_hellinger(q, d, fine, sweep, ax=ax)
            mean, sem = (sweep.column(kind, "hellinger_squared") for kind in ("mean", "sem"))
            predicted = np.array([solve(problem.at(n)).hellinger_squared for n in sizes])
            ratio = d / np.array(sizes)
            away = np.abs(ratio - q) > 0.15
            worst = max(worst, float(np.max(np.abs(mean - predicted)[away])))
            data |= {f"mean_g{g}": mean, f"sem_g{g}": sem, f"theory_g{g}": predicted}
        ax.set(title=f"d = {d}, T = 2; dotted: n → ∞", ylim=(-0.02, 1.04))
        ax.legend()
    return Drawing(
        figure,
        f"Squared Hellinger distance of generated and underlying density against the number of samples, d = {d}, λ = g e^(−2T)"
        f" with g = 0.01, 0.05, 0.2. Lines: fixed point over the Marchenko–Pastur law. Points: {runs} data sets with standard"
        " errors.",
        f"{PAPER}, Fig. 3",
        data,
        _problem(d, scales[0], runs=runs).to_tables(),
        f"largest |simulation − theory| of E H² away from d/n = q: {worst:.4f}",
    )


def transition(quick: bool) -> Drawing:
    """P(E_OG < E_TG) against n, exact and kernel underlying density side by side."""
    d, fresh, runs = (40, 1500, 24) if quick else (100, 10_000, 200)
    ratios = (0.25, 0.5, 0.75, 1.0, 1.25, 2.0) if quick else (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 5.0)
    sizes = _sizes(d, ratios)
    data: dict[str, np.ndarray] = {"samples": np.array(sizes)}
    with style() as plt:
        figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.1), sharey=True, layout="constrained")
        for ax, kind in zip(axes, ("exact", "kernel"), strict=True):
            sweeps, labels = [], []
            for g in (0.01, 0.1, 1.0):
                problem = _problem(d, g, runs=runs, seed=1, underlying=kind, underlying_samples=fresh)
                q = _fraction(problem)
                sweep = probability_curve(problem, sizes, progress=False)
                sweeps.append(sweep)
                labels.append(f"q = {q:.2f}")
                data |= {f"P_{kind}_g{g}": sweep.probability, f"interval_{kind}_g{g}": sweep.interval}
            plots.plot_probability(sweeps, labels, ax=ax)
            ax.axvline(d, color="0.6", lw=0.8, ls=":")
            ax.set_title("exact Gaussian" if kind == "exact" else f"kernel estimate of {fresh} fresh samples")
            ax.set_xticks([n for n in (10, 20, 50, 100, 200, 500) if sizes[0] <= n <= sizes[-1]])
            ax.set_ylabel(PROBABILITY if kind == "exact" else "")
        axes[1].get_legend().remove()
    lowest = min(float(np.min(data[f"P_exact_g{g}"])) for g in (0.01, 0.1, 1.0))
    kernel = data["P_kernel_g0.01"]
    return Drawing(
        figure,
        f"Probability that the generated density is nearer to the underlying than to the training density, d = {d}, T = 2,"
        f" {runs} data sets a point (Wilson intervals); dotted vertical line: n = d. The transition needs a kernel"
        " estimate of the underlying density (right): with the exact Gaussian (left) there is no memorisation at these n."
        " Lines only guide the eye.",
        f"{PAPER}, Fig. 4",
        data,
        _problem(d, 0.01, runs=runs, underlying="kernel", underlying_samples=fresh).to_tables(),
        f"smallest P with the exact density {lowest:.2f}; kernel, q near 1: {kernel[0]:.2f} at n = {sizes[0]},"
        f" {kernel[-1]:.2f} at n = {sizes[-1]}",
    )


def regimes(quick: bool) -> Drawing:
    """The three regimes of P up to n = n_O, beside the fall of E H²."""
    d, fresh, runs = (40, 1500, 24) if quick else (100, 10_000, 160)
    top = fresh / d
    sizes = _sizes(d, np.concatenate([[0.5, 0.75, 1.0, 1.25, 1.5, 2.0], np.geomspace(5.0, top, 4 if quick else 5)]))
    problem = _problem(d, 0.01, runs=runs, underlying="kernel", underlying_samples=fresh)
    sweep = probability_curve(problem, sizes, progress=False)
    q = _fraction(problem)
    fine = np.unique(np.geomspace(0.5 * d, fresh, 120).astype(int))
    with style() as plt:
        figure, (upper, lower) = plt.subplots(2, 1, figsize=(3.4, 3.3), sharex=True, layout="constrained")
        plots.plot_probability([sweep], ax=upper)
        upper.set_ylabel(PROBABILITY)
        upper.axhline(0.5, color="0.6", lw=0.8, ls="--")
        plots.plot_hellinger(q, d, fine, sweep, ax=lower)
        for ax in (upper, lower):
            ax.axvline(d, color="0.6", lw=0.8, ls=":")
            ax.axvline(fresh, color="0.6", lw=0.8, ls=":")
        upper.set(xlabel="", title=rf"$d = {d}$, $q = {q:.3f}$; dotted: $n = d$, $n_O$")
    return Drawing(
        figure,
        f"Three regimes at q near 1: P rises from 0 to near 1 at n ≈ d, where E H² begins to fall (below; line: theory),"
        f" stays high, and comes down towards 1/2 as n reaches the {fresh} samples of the underlying estimate."
        f" d = {d}, {runs} data sets a point.",
        f"{PAPER}, Figs. 1(c), 3 and 4",
        {
            "samples": np.array(sizes),
            "probability": sweep.probability,
            "interval": sweep.interval,
            "hellinger_squared": sweep.column("mean", "hellinger_squared"),
            "hellinger_squared_sem": sweep.column("sem", "hellinger_squared"),
        },
        problem.to_tables(),
        f"P = {sweep.probability[0]:.2f} at n = {sizes[0]}, at most {sweep.probability.max():.2f},"
        f" {sweep.probability[-1]:.2f} at n = n_O",
    )


def parts(quick: bool) -> Drawing:
    """KL(G‖O) and its parts against d/n with the second-order expansion; the floor against noise."""
    d, runs = (40, 16) if quick else (100, 80)
    scales = (0.05, 1.0)
    ratios = np.geomspace(0.02, 0.92, 120)
    some = (0.03, 0.08, 0.2, 0.35, 0.6, 0.8)
    data: dict[str, np.ndarray] = {"ratio_line": ratios, "ratio": np.array(some)}
    off = []
    with style() as plt:
        figure, axes = plt.subplots(1, 3, figsize=(7.0, 2.7), layout="constrained")
        for ax, g in zip(axes[:2], scales, strict=True):
            problem = _problem(d, g, runs=runs)
            q = _fraction(problem)
            sizes = [max(d + 3, round(d / ratio)) for ratio in ratios]
            forward = [kl_generated_target(q, d, n) for n in sizes]
            x = d / np.array(sizes)
            shown = (("total", KL), ("variance", "variance part"), ("mean", "mean part"))
            for k, (name, label) in enumerate(shown):
                ax.plot(
                    x, [getattr(p, name) for p in forward], color=COLOURS[k], ls="-" if k == 0 else "--", label=label
                )
            truncated = [quadratic_truncation(q, d, n) for n in sizes]
            ax.plot(x, truncated, color=COLOURS[6], ls=":", label="second order")
            names = ("kl_generated_target", "kl_generated_target_variance", "kl_generated_target_mean")
            sweep = probability_curve(problem, [round(d / ratio) for ratio in some], progress=False)
            for k, name in enumerate(names):
                mean, sem = sweep.column("mean", name), sweep.column("sem", name)
                points(ax, d / sweep.samples, mean, sem, color=COLOURS[k])
                data |= {f"{name}_g{g}": mean, f"{name}_sem_g{g}": sem}
            predicted = np.array([kl_generated_target(q, d, int(n)).total for n in sweep.samples])
            off.append(sweep.column("mean", names[0]) / predicted - 1.0)
            ax.axvline(q, color="0.6", lw=0.8, ls=":")
            ax.set(xscale="log", yscale="log", xlabel="$d/n$", title=rf"$q = {q:.3f}$", ylim=(8e-3, 2e3))
        axes[0].set_ylabel("divergence of G from O")
        name_kinds(axes[1], point=f"{runs} data sets")
        axes[0].legend(loc="upper left")
        axes[1].legend(*(found[-1:] for found in axes[1].get_legend_handles_labels()), loc="upper left")
        ratio = 60
        noise = np.geomspace(0.02, 30.0, 100)
        floors = np.array([kl_floor(1.0 / (1.0 + v), d).generated_target for v in noise])
        finite = np.array([kl_generated_target(1.0 / (1.0 + v), d, ratio * d).total for v in noise])
        measured = []
        for v in (0.05, 0.3, 1.0, 5.0, 20.0):
            model = OneStep(d, ratio * d, TIME, v / math.expm1(2 * TIME))
            problem = Problem(model, simulation=Simulation(max(4, runs // 8)))
            run = ensemble(problem, progress=False)
            expected = solve(problem).kl_generated_target.total
            measured.append((v, run.mean("kl_generated_target"), run.sem("kl_generated_target"), expected))
        columns = np.array(measured, dtype=float).T
        off.append(columns[1] / columns[3] - 1.0)
        axes[2].plot(noise, floors, color=COLOURS[0], label=r"$n \to \infty$")
        axes[2].plot(noise, 0.25 * d * noise**2, color=COLOURS[6], ls=":", label=r"$d\,v^2/4$")
        axes[2].plot(noise, finite, color=COLOURS[1], ls="--", label=f"$n = {ratio}\\,d$")
        points(axes[2], columns[0], columns[1], columns[2], color=COLOURS[1], label=f"$n = {ratio}\\,d$")
        axes[2].set(xscale="log", yscale="log", xlabel=r"noise $v = \lambda(e^{2T}-1)/\sigma^2$")
        axes[2].set(ylabel=f"smallest {KL}", ylim=(0.3 * floors[0], 4 * floors[-1]))
        axes[2].legend(loc="lower right")
        data |= {"noise": columns[0], "floor_mean": columns[1], "floor_sem": columns[2], "floor_theory": columns[3]}
    data["off"] = np.concatenate(off)
    return Drawing(
        figure,
        f"(a), (b) Divergence KL(G‖O) of the generated density G from the underlying O, its variance and mean parts, and its"
        f" expansion to second order (dotted curve; no bound) against d/n, d = {d}, T = 2, for two signal fractions q = 1/(1 + v);"
        f" vertical dotted line: d/n = q. (c) Its value for n → ∞ and for n = {ratio} d against the noise scale v, and the published"
        " law d v²/4 of small v (dotted). Lines: theory with finite-size terms. Points: mean and standard error (smaller than the"
        f" marker where not seen) of {runs} data sets, in (c) of {max(4, runs // 8)}.",
        f"{PAPER}, Fig. 2",
        data,
        _problem(d, scales[1], runs=runs).to_tables(),
        f"largest relative deviation of E KL(G‖O) from theory: {np.abs(np.concatenate(off)).max():.3f} ({sum(map(len, off))} numbers)",
    )


def widths(quick: bool) -> Drawing:
    """Kernel variances and their relative error against n."""
    d = 100
    sizes = np.unique(np.geomspace(4, 1e7, 60 if quick else 200).astype(int))
    with style() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.0), layout="constrained")
        plots.plot_bandwidths(d, sizes, ax=left)
        small = 2
        n_small = np.unique(np.geomspace(4, 1e5, 80).astype(int))
        plots.plot_bandwidths(small, n_small, ax=right)
        right.get_legend().remove()
        right.set_ylabel("")
    functions = {
        "mixing": mixing_bandwidth,
        "kernel": kernel_bandwidth,
        "amise": amise_bandwidth,
        "mise": mise_bandwidth,
    }
    data = {name: np.array([f(int(n), d) for n in sizes]) for name, f in functions.items()}
    errors = {name: mise(f(10**4, d), 10**4, d) for name, f in functions.items()}
    return Drawing(
        figure,
        "Kernel variance of a density estimate of n samples of N(0, 1): at the mixing time, its leading term n^(−2/d) (the"
        " published training density), the asymptotic rule, and the exact optimum, in d = 100 (left) and d = 2 (right). Mixing"
        " and the asymptotic optimum coincide only where n^(2/d) ≫ 1 and d is large; in d = 2 they scale differently.",
        f"{PAPER}, section 2.2 (no figure there)",
        {"samples": sizes, **data},
        _problem(d, 0.01, samples=10**4, underlying="kernel", underlying_samples=10**4).to_tables(),
        "squared error at d = 100, n = 10⁴ relative to the zero function: "
        + ", ".join(f"{name} {value:.3g}" for name, value in errors.items()),
    )


def steps(quick: bool) -> Drawing:
    """KL(G‖O) and P against the number of steps."""
    d, runs, fresh = (30, 12, 1000) if quick else (60, 40, 4000)
    counts = (1, 2, 4, 8, 16) if quick else (1, 2, 4, 8, 16, 32)
    ratios, fill = (20, 80, 320), ("full", "none", "full")
    problem = _problem(d, 1.0, samples=20 * d)
    q = _fraction(problem)
    data: dict[str, np.ndarray] = {"steps": np.array(counts), "ratios": np.array(ratios)}
    scores = []
    with style() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.3), layout="constrained")
        for k, scheme in enumerate(("deterministic", "ancestral")):
            fine = np.arange(1, counts[-1] + 1)
            left.plot(fine, [_floor(d, int(c), scheme) for c in fine], color=COLOURS[k])
            mean, sem = np.empty((3, len(counts))), np.empty((3, len(counts)))
            for i, ratio in enumerate(ratios):
                # Of more samples a data set fluctuates less.
                given: dict[str, Any] = {"samples": ratio * d, "runs": max(runs // (1, 2, 5)[i], 6), "seed": i}
                found = [ensemble(_problem(d, 1.0, steps=c, scheme=scheme, **given), progress=False) for c in counts]
                mean[i] = [r.mean("kl_generated_target") for r in found]
                sem[i] = [r.sem("kl_generated_target") for r in found]
                points(left, counts, mean[i], sem[i], color=COLOURS[k], fillstyle=fill[i], alpha=(0.4, 1.0, 1.0)[i])
                left.plot(counts, mean[i], color=COLOURS[k], lw=0.6, ls=":", alpha=(0.4, 1.0, 1.0)[i])
            # Differences from n → ∞ fall as 1/n.
            exact = np.array([_floor(d, c, scheme) for c in counts])
            step = ratios[2] / ratios[1]
            beyond, error = (step * mean[2] - mean[1]) / (step - 1), np.hypot(step * sem[2], sem[1]) / (step - 1)
            scores.append((beyond - exact) / error)
            data |= {f"kl_{scheme}": mean, f"kl_{scheme}_sem": sem, f"kl_{scheme}_limit": exact}
        limit = flow_divergence(q, d, ratios[0] * d).total
        left.axhline(limit, color="0.4", lw=0.9, ls="--")
        left.annotate(f"deterministic, $k\\to\\infty$, $n = {ratios[0]}\\,d$", (1, limit), xytext=(0, -9),
                      textcoords="offset points", fontsize=7, color="0.3")  # fmt: skip
        left.set(xscale="log", yscale="log", xlabel="steps $k$", ylabel=KL, title=rf"$d = {d}$, $q = {q:.2f}$")
        for k, scheme in enumerate(("deterministic", "ancestral")):
            left.plot([], [], color=COLOURS[k], label=scheme)
        name_kinds(left, line=r"theory, $n \to \infty$")
        for i, ratio in enumerate(ratios):
            left.errorbar([], [], yerr=[], fmt="o", markersize=3.5, color="0.35", fillstyle=fill[i],
                          alpha=(0.4, 1.0, 1.0)[i], label=f"$n = {ratio}\\,d$")  # fmt: skip
        left.set_ylim(top=200 * limit)
        left.legend(ncols=2, loc="upper right")
        for k, ratio in enumerate((1.25, 2.0, 5.0)):
            more: dict[str, Any] = {
                "samples": round(ratio * d),
                "runs": 2 * runs,
                "underlying": "kernel",
                "underlying_samples": fresh,
            }
            found = [ensemble(_problem(d, 1.0, steps=c, **more), progress=False) for c in counts]
            p = np.array([r.probability for r in found])
            low, high = np.array([r.interval() for r in found]).T
            # drawn a little apart, so that equal values stay legible
            x = np.array(counts) * 1.04 ** (k - 1)
            bars = [np.maximum(p - low, 0.0), np.maximum(high - p, 0.0)]
            points(right, x, p, bars, color=COLOURS[k + 2], label=f"$n = {ratio:g}\\,d$")
            right.plot(x, p, color=COLOURS[k + 2], lw=0.7, ls=":")
            data |= {f"P_{ratio:g}": p}
        right.set(xscale="log", xlabel="steps $k$", ylabel=PROBABILITY, ylim=(-0.04, 1.04))
        right.set_title(f"O: kernel estimate of {fresh} fresh samples")
        right.legend(loc="center right", bbox_to_anchor=(1.0, 0.58))
        for ax in (left, right):
            ax.set_xticks(counts, [str(c) for c in counts])
            ax.minorticks_off()
    z = np.concatenate(scores)
    data["score"] = z
    return Drawing(
        figure,
        f"The linear denoiser applied in k steps at equal steps of the angle (an extension), d = {d}, g = 1. (a) KL(G‖O) of"
        " generated and underlying density for both samplers. Lines: theory for infinitely many samples. Points: mean and standard"
        f" error of up to {runs} data sets of n = {ratios[0]} d, {ratios[1]} d and {ratios[2]} d samples, which come down to the"
        f" lines as 1/n; dashed: theory of k → ∞ for the deterministic sampler at n = {ratios[0]} d. (b) Probability that the"
        " generated density is nearer to the underlying than to the training density, deterministic sampler, Wilson intervals."
        " Dotted lines guide the eye.",
        f"extension of {PAPER}",
        data,
        problem.to_tables(),
        f"points extrapolated to n → ∞ in 1/n from {ratios[1]} d and {ratios[2]} d: root mean square {np.sqrt(np.mean(z**2)):.2f}, at"
        f" most {np.abs(z).max():.1f} standard errors from the lines ({z.size} points); deterministic, n = {ratios[0]} d, k ="
        f" {counts[-1]}: KL {data['kl_deterministic'][0, -1]:.3f} against {limit:.3f} for k → ∞",
    )


def _floor(dimension: int, count: int, scheme: str = "deterministic") -> float:
    """KL(G‖O) for n → ∞ after ``count`` steps."""
    found = solve(_problem(dimension, 1.0, steps=count, scheme=scheme)).multistep.kl_floor.generated_target
    return math.nan if found is None else found


FIGURES: dict[str, Callable[[bool], Drawing]] = {
    "one-step-error": error,
    "one-step-transition": transition,
    "one-step-regimes": regimes,
    "one-step-divergences": parts,
    "one-step-bandwidths": widths,
    "one-step-steps": steps,
}
