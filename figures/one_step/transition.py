"""Figures of the linear one-step denoiser and its transition from memorisation to generalisation (Halder 2024)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from asymptotics.one_step import (
    OneStep,
    Problem,
    Simulation,
    amise_bandwidth,
    ensemble,
    kernel_bandwidth,
    kl_floor,
    kl_generated_target,
    mise,
    mise_bandwidth,
    mixing_bandwidth,
    plots,
    probability_curve,
    quadratic_truncation,
    solve,
)
from asymptotics.tools import COLOURS, points, style

from ..base import Drawing, name_kinds
from .steps import KL, PAPER, PROBABILITY, TIME, fraction, problem_of, steps


def _sizes(dimension: int, ratios: Iterable[float]) -> list[int]:
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
            problem = problem_of(d, g, runs=runs)
            q = fraction(problem)
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
        problem_of(d, scales[0], runs=runs).to_tables(),
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
                problem = problem_of(d, g, runs=runs, seed=1, underlying=kind, underlying_samples=fresh)
                q = fraction(problem)
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
        problem_of(d, 0.01, runs=runs, underlying="kernel", underlying_samples=fresh).to_tables(),
        f"smallest P with the exact density {lowest:.2f}; kernel, q near 1: {kernel[0]:.2f} at n = {sizes[0]},"
        f" {kernel[-1]:.2f} at n = {sizes[-1]}",
    )


def regimes(quick: bool) -> Drawing:
    """The three regimes of P up to n = n_O, beside the fall of E H²."""
    d, fresh, runs = (40, 1500, 24) if quick else (100, 10_000, 160)
    top = fresh / d
    sizes = _sizes(d, np.concatenate([[0.5, 0.75, 1.0, 1.25, 1.5, 2.0], np.geomspace(5.0, top, 4 if quick else 5)]))
    problem = problem_of(d, 0.01, runs=runs, underlying="kernel", underlying_samples=fresh)
    sweep = probability_curve(problem, sizes, progress=False)
    q = fraction(problem)
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
    off, scores = [], []
    with style() as plt:
        figure, axes = plt.subplots(1, 3, figsize=(7.0, 2.7), layout="constrained")
        for ax, g in zip(axes[:2], scales, strict=True):
            problem = problem_of(d, g, runs=runs)
            q = fraction(problem)
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
            scores.append((sweep.column("mean", names[0]) - predicted) / sweep.column("sem", names[0]))
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
        scores.append((columns[1] - columns[3]) / columns[2])
        axes[2].plot(noise, floors, color=COLOURS[0], label=r"$n \to \infty$")
        axes[2].plot(noise, 0.25 * d * noise**2, color=COLOURS[6], ls=":", label=r"$d\,v^2/4$")
        axes[2].plot(noise, finite, color=COLOURS[1], ls="--", label=f"$n = {ratio}\\,d$")
        points(axes[2], columns[0], columns[1], columns[2], color=COLOURS[1], label=f"$n = {ratio}\\,d$")
        axes[2].set(xscale="log", yscale="log", xlabel=r"noise $v = \lambda(e^{2T}-1)/\sigma^2$")
        axes[2].set(ylabel=f"smallest {KL}", ylim=(0.3 * floors[0], 4 * floors[-1]))
        axes[2].legend(loc="lower right")
        data |= {"noise": columns[0], "floor_mean": columns[1], "floor_sem": columns[2], "floor_theory": columns[3]}
    z = np.concatenate(scores)
    data |= {"off": np.concatenate(off), "score": z}
    return Drawing(
        figure,
        f"(a), (b) Divergence KL(G‖O) of the generated density G from the underlying O, its variance and mean parts, and its"
        f" expansion to second order (dotted curve; no bound) against d/n, d = {d}, T = 2, for two signal fractions q = 1/(1 + v);"
        f" vertical dotted line: d/n = q. (c) Its value for n → ∞ and for n = {ratio} d against the noise scale v, and the published"
        " law d v²/4 of small v (dotted). Lines: theory with finite-size terms (of large d where d/n is near q and beyond: the small"
        " step there). Points: mean and standard error (smaller than the"
        f" marker where not seen) of {runs} data sets, in (c) of {max(4, runs // 8)}.",
        f"{PAPER}, Fig. 2",
        data,
        problem_of(d, scales[1], runs=runs).to_tables(),
        f"E KL(G‖O) of {z.size} points: at most {100 * np.abs(np.concatenate(off)).max():.1f} % and {np.abs(z).max():.1f} standard"
        f" errors from theory, root mean square {np.sqrt(np.mean(z**2)):.2f} standard errors",
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
        problem_of(d, 0.01, samples=10**4, underlying="kernel", underlying_samples=10**4).to_tables(),
        "squared error at d = 100, n = 10⁴ relative to the zero function: "
        + ", ".join(f"{name} {value:.3g}" for name, value in errors.items()),
    )


FIGURES: dict[str, Callable[[bool], Drawing]] = {
    "one-step-error": error,
    "one-step-transition": transition,
    "one-step-regimes": regimes,
    "one-step-divergences": parts,
    "one-step-bandwidths": widths,
    "one-step-steps": steps,
}
