"""Figures of the flow learned from a handful of samples of a binary Gaussian mixture (Cui et al., arXiv 2310.03575)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from asymptotics import Interpolant
from asymptotics.mixture_flow import (
    TABLEAUX,
    Drift,
    MixtureFlow,
    Problem,
    Ridge,
    Runs,
    Simulation,
    TrainingSet,
    advance,
    at,
    compare,
    curve,
    discretise,
    final_state,
    make_grid,
    optimal_ridge,
    plots,
    predict,
    run_grid,
    simulate,
    solve,
)
from asymptotics.tools import COLOURS, points, style

from ..base import Drawing, label_ticks, mean_and_error, name_kinds
from .plane import LINEAR, PAPER, plane


def _run(flow: MixtureFlow, **simulation: Any) -> Runs:
    # 24 fourth-order steps end within 1e-6 of the exact solution.
    table = {"times": [1.0], "seed": 7, "steps": 24} | simulation
    return simulate(Problem(flow, LINEAR, Simulation.from_table(table)))


def _expected(runs: Runs, name: str) -> float:
    """What the theory expects of these runs, the half-space bias of their dimension included."""
    problem = Problem.from_tables(runs.experiment)
    return float(predict(problem, run_grid(problem))[name][0])


def path(quick: bool) -> Drawing:
    """Order parameters along t."""
    flow = MixtureFlow(8, 1.5, 0.1)
    size = (
        {"dimension": 2000, "runs": 6, "samples": 200} if quick else {"dimension": 20_000, "runs": 16, "samples": 500}
    )
    problem = Problem(flow, LINEAR, Simulation.from_table({"seed": 7} | size))
    theory, runs = solve(problem), simulate(problem)
    with style() as plt:
        figure, (norm, others) = plt.subplots(
            2, 1, figsize=(3.4, 3.9), sharex=True, height_ratios=(1, 1.7), layout="constrained"
        )
        for (name, label), colour in zip(plots.CURVES, COLOURS, strict=False):
            # The norm is several times the others.
            ax = norm if name == "Q" else others
            ax.plot(theory.t, getattr(theory, name), color=colour, label=label)
            points(ax, runs.t, runs.mean(name), runs.sem(name), color=colour)
        others.axhline(0.0, color="0.8", linewidth=0.7, zorder=0)
        norm.set_title(rf"$n = {flow.samples}$, $\sigma = {flow.cluster_std:g}$, $\lambda = {flow.ridge:g}$")
        others.set(xlabel="$t$", ylim=(-0.3, 1.4))
        for ax in (norm, others):
            ax.set_ylabel("order parameter")
        name_kinds(norm, line="theory", point=f"$d = {size['dimension']}$")
        norm.legend(loc="upper left")
        others.legend(loc="upper left", ncols=2)
    verdict = compare(theory, runs)
    names = ("M", "Q_xi", "Q_eta", "Q", "cosine")
    data = {"t": theory.t, "t_runs": runs.t} | {n: getattr(theory, n) for n in names}
    data |= {f"{n}_mean": runs.mean(n) for n in names} | {f"{n}_sem": runs.sem(n) for n in names}
    gap = max(float(np.max(np.abs(runs.mean(n) - getattr(theory(runs.t), n)))) for n in names)
    data |= {"agree": np.array(verdict.passed), "gap": np.array(gap)}
    return Drawing(
        figure,
        "Order parameters of a generated point X_t = s (M μ + Q^ξ ξ + Q^η η) + X^⊥ along t, with ξ = Σ s^μ x₀^μ of the training"
        " noise, η = Σ s^μ (x₁^μ − s^μ μ) of the training data and s = ±1 the cluster; Q = ‖X‖²/d; signed as in the published equations."
        f" n = {flow.samples} samples, σ = {flow.cluster_std}, λ = {flow.ridge}, α = 1 − t, β = t. Lines: exact asymptotics. Points:"
        f" mean and standard error (mostly smaller than the marker) over {size['runs']} training sets in d = {size['dimension']}.",
        f"{PAPER}, order parameters against t",
        data,
        problem.to_tables(),
        f"largest difference from the asymptotics {gap:.2g}; with the half-space bias of this d included, all"
        f" {verdict.count} numbers agree within their error bars: {'yes' if verdict.passed else 'no'}",
    )


def error(quick: bool) -> Drawing:
    """Error and cosine of the generated mean against n, with all baselines."""
    sigma, ridge = 0.7, 0.2
    n = np.unique(np.geomspace(2, 1024, 80).round())
    theory = curve(n, sigma, ridge)
    counts = np.array([2, 4, 8, 16, 32, 64] if quick else [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024])
    size = {"dimension": 1000 if quick else 5000, "runs": 6, "samples": 100}
    runs = [_run(MixtureFlow(int(k), sigma, ridge), **size) for k in counts]
    with style() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.1), layout="constrained")
        shown = (
            ("mean_error", r"learned flow, $\|\hat\mu-\mu\|^2/d$", "-", 0),
            ("mw2_squared", r"learned flow, $MW_2^2/d$", (0, (1, 1)), 3),
            ("no_skip_error", "no skip connection", "-.", 2),
            ("pca_error", "PCA", ":", 5),
            ("bayes_error", "Bayes-optimal", "--", 1),
        )
        for name, label, line, colour in shown:
            left.plot(n, n * theory[name], linestyle=line, color=COLOURS[colour], label=label)
        left.plot(n, n * theory["asymptote"], color="0.6", linewidth=0.8, label=r"$2\sigma^2$")
        right.plot(n, theory["mean_cosine"], color=COLOURS[0], label="learned flow")
        right.plot(n, theory["bayes_cosine"], "--", color=COLOURS[1], label="Bayes-optimal and PCA")
        out: dict[str, np.ndarray] = {}
        for ax, name in ((left, "mean_error"), (right, "mean_cosine")):
            mean = np.array([float(r.mean(name)) for r in runs])
            sem = np.array([float(r.sem(name)) for r in runs])
            scale = counts if ax is left else 1.0
            points(ax, counts, scale * mean, scale * sem, color=COLOURS[0])
            out |= {f"{name}_mean": mean, f"{name}_sem": sem}
        left.set(xscale="log", ylim=(0.3, 1.15), xlabel="$n$", ylabel=r"$n\,\times$ error per dimension")
        right.set(xscale="log", xlabel="$n$", ylabel=r"$\cos(\hat\mu, \mu)$")
        exact = np.array([_expected(r, "mean_error") for r in runs])
        left.plot(counts, counts * exact, color=COLOURS[6], linewidth=0.8, label=f"the same, $d = {size['dimension']}$")
        name_kinds(right, point=f"learned flow, $d = {size['dimension']}$")
        left.legend(loc="upper center", bbox_to_anchor=(0.5, 0.72), ncols=2)
        right.legend()
    off = (out["mean_error_mean"] - exact) / out["mean_error_sem"]
    score = float(np.max(np.abs(off)))
    out["score"] = off
    return Drawing(
        figure,
        f"(a) Error of the generated mean μ̂, times n, against the number of samples n: what falls as 1/n is a level; σ = {sigma},"
        f" λ = {ridge}. MW₂: mixture Wasserstein distance of target and generated density. (b) Cosine of μ̂ with the centroid μ."
        f" Lines: exact asymptotics; thin black: with the half-space bias of d = {size['dimension']}, of relative order n/d, which lifts"
        f" the points. Points: mean and standard error of {size['runs']} training sets in that d.",
        f"{PAPER}, distance and cosine against n",
        {"n": n, "n_runs": counts} | theory | out,
        {"mixture_flow": MixtureFlow(16, sigma, ridge).to_table(), "simulation": size},
        f"largest difference of the error {score:.1f} standard errors, the half-space bias of d = {size['dimension']} included",
    )


def spread(quick: bool) -> Drawing:
    """Standard deviation of the generated clusters."""
    sigma = 0.5
    n = np.unique(np.geomspace(2, 1024, 80).round())
    counts = np.array([2, 4, 16, 64] if quick else [2, 4, 8, 16, 64, 256])
    size = {"dimension": 2000, "runs": 6 if quick else 16, "samples": 60}
    data: dict[str, np.ndarray] = {"n": n, "n_runs": counts}
    scores = []
    with style() as plt:
        figure, ax = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
        for ridge, colour in zip((0.0, 0.1, 0.5, 2.0), COLOURS, strict=False):
            theory = curve(n, sigma, ridge)["sigma_generated"]
            ax.plot(n, theory, color=colour, label=rf"$\lambda = {ridge:g}$")
            runs = [_run(MixtureFlow(int(k), sigma, ridge), **size) for k in counts]
            mean = np.array([float(r.mean("sigma_generated")) for r in runs])
            sem = np.array([float(r.sem("sigma_generated")) for r in runs])
            points(ax, counts, mean, sem, color=colour)
            data |= {f"theory_{ridge:g}": theory, f"mean_{ridge:g}": mean, f"sem_{ridge:g}": sem}
            scores.append(np.max(np.abs(mean - curve(counts, sigma, ridge)["sigma_generated"])))
        ax.set(xscale="log", xlabel="$n$", ylabel=r"generated standard deviation $\sigma_g$")
        ax.legend()
    return Drawing(
        figure,
        f"Generated clusters are wider than the target (σ = {sigma}) by the penalty alone: σ_g² = σ² + λm²/(λ + n − 1)."
        f" Points: d = 2000, {size['runs']} training sets, standard errors.",
        f"{PAPER}, generated density",
        data,
        {"mixture_flow": MixtureFlow(16, sigma, 0.5).to_table(), "simulation": size},
        f"largest difference {max(scores):.2g}",
    )


def sweeps(quick: bool) -> Drawing:
    """The error against the ridge and against the number of noises."""
    sigma, dimension = 1.5, 4000 if quick else 20_000
    runs_count = 6 if quick else 24
    ridges = np.concatenate([[0.0], np.geomspace(0.01, 60, 150)])
    some = np.array([0.1, 1.0, 5.0, 30.0])
    draws, many = np.array([1, 2, 4, 8, 16]), np.arange(1, 33)
    data: dict[str, np.ndarray] = {"ridge": ridges, "noises": many}
    scores = []
    with style() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.1), layout="constrained")
        for n, colour in zip((4, 8, 32), COLOURS, strict=False):
            theory = final_state(samples=n, cluster_std=sigma, ridge=ridges).mean_error
            left.plot(ridges, theory, color=colour, label=f"$n = {n}$")
            best, value = optimal_ridge(n, sigma)
            left.plot(best, value, "v", color=colour, markersize=5)
            more = final_state(samples=n, cluster_std=sigma, ridge=0.0, noises=many).mean_error
            right.plot(many, more, color=colour)
            right.axhline(sigma**2 / n, color=colour, linestyle=":", linewidth=0.9)
            for ax, values, flows, label in (
                (left, some, [MixtureFlow(n, sigma, float(x)) for x in some], "ridge"),
                (right, draws, [MixtureFlow(n, sigma, 0.0, noises=int(x)) for x in draws], "noises"),
            ):
                runs = [_run(f, dimension=dimension, runs=runs_count, samples=50) for f in flows]
                mean = np.array([float(r.mean("mean_error")) for r in runs])
                sem = np.array([float(r.sem("mean_error")) for r in runs])
                points(ax, values, mean, sem, color=colour)
                exact = np.array([_expected(r, "mean_error") for r in runs])
                scores.append(float(np.max(np.abs(mean - exact) / sem)))
                data |= {f"{label}_{n}_mean": mean, f"{label}_{n}_sem": sem}
            data |= {f"theory_ridge_{n}": theory, f"theory_noises_{n}": more}
        left.set(yscale="log", xlabel=r"ridge $\lambda$", ylabel=r"$\|\hat\mu-\mu\|^2/d$")
        left.set_xscale("symlog", linthresh=0.1)
        left.set_xlim(left=-0.01)
        right.set(xscale="log", yscale="log", xlabel="noises for each sample, $K$", ylabel=r"$\|\hat\mu-\mu\|^2/d$")
        for ax in (left, right):
            label_ticks(ax.yaxis, [0.05, 0.1, 0.2, 0.5, 1])
        label_ticks(right.xaxis, [1, 2, 4, 8, 16, 32])
        left.legend()
        right.set_title(r"$\lambda = 0$; dotted: $\sigma^2/n$")
        left.set_title("triangles: the optimal ridge")
    return Drawing(
        figure,
        f"Error of the generated mean against the ridge (left, one noise for each sample) and the number of noises (right);"
        f" σ = {sigma}. Points: d = {dimension}, {runs_count} training sets, standard errors.",
        f"{PAPER}, generalised to any ridge and several noises",
        data,
        {
            "mixture_flow": MixtureFlow(8, sigma, 1.0).to_table(),
            "simulation": {"dimension": dimension, "runs": runs_count},
        },
        f"largest difference {max(scores):.1f} standard errors over {3 * (len(some) + len(draws))} points,"
        " the half-space bias of this d included (it lifts the points over the lines)",
    )


def convergence(quick: bool) -> Drawing:
    """Error of explicit samplers against the number of steps."""
    flow, interpolant, d = MixtureFlow(8, 1.5, 0.1), Interpolant.preset("trigonometric"), 500
    numbers = np.array([10, 20, 40, 80, 160, 320])
    repeats = 4 if quick else 16
    names = ("M", "Q_xi", "Q_eta", "perp")
    exact = at(flow, interpolant, 1.0)
    data: dict[str, np.ndarray] = {"steps": numbers}
    slopes = []
    with style() as plt:
        figure, ax = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
        for scheme, colour in zip(("euler", "heun", "rk4"), COLOURS, strict=False):
            grids = [make_grid(interpolant, int(k), scheme, "time", np.array([1.0])) for k in numbers]
            runs = [discretise(flow, g) for g in grids]
            gap = np.array([max(abs(float(getattr(r, x)[0] - getattr(exact, x))) for x in names) for r in runs])
            ax.plot(numbers, gap, color=colour, label=f"{scheme}, order {TABLEAUX[scheme].order}")
            measured = np.array([[_deviation(flow, g, d, seed) for seed in range(repeats)] for g in grids])
            mean, sem = mean_and_error(measured, axis=1)
            points(ax, numbers, mean, sem, color=colour)
            slopes.append(float(np.log2(gap[-2] / gap[-1])))
            data |= {f"{scheme}_theory": gap, f"{scheme}_mean": mean, f"{scheme}_sem": sem}
        ax.set(xscale="log", yscale="log", xlabel="steps", ylabel="error at $t = 1$")
        ax.legend()
    return Drawing(
        figure,
        "Explicit samplers against the exact solution. Lines: largest error of the four order parameters. Points: root mean"
        f" square deviation of transported points from the finite-dimensional solution, d = {d}, {repeats} training sets.",
        f"{PAPER}, discretisation of the flow",
        data,
        {"mixture_flow": flow.to_table(), "interpolant": interpolant.to_table()},
        "orders measured at the last doubling: " + ", ".join(f"{x:.2f}" for x in slopes),
    )


def _deviation(flow: MixtureFlow, grid: Any, dimension: int, seed: int) -> float:
    """Root mean square deviation per dimension of 20 transported points from the exact finite-dimensional solution."""
    sums = TrainingSet(flow, dimension, np.random.SeedSequence(seed)).sums()
    ridge = Ridge.of(sums, flow.samples, flow.ridge)
    start = np.random.default_rng(seed).standard_normal((20, dimension))
    rate, gain, p, q = ridge.drift(grid.alpha, grid.beta, grid.alpha_dot, grid.beta_dot)

    def directions(first: int, last: int) -> np.ndarray:
        return np.outer(p[first:last].ravel(), ridge.data) + np.outer(q[first:last].ravel(), ridge.noise)

    x = advance(start.copy(), Drift(rate, gain, directions), grid.lengths, grid.tableau, 0, len(grid.lengths))
    return float(np.sqrt(np.mean((x - ridge.flow_map(0.0, 1.0, start)) ** 2)))


FIGURES: dict[str, Callable[[bool], Drawing]] = {
    "mixture-path": path,
    "mixture-error": error,
    "mixture-spread": spread,
    "mixture-plane": plane,
    "mixture-sweeps": sweeps,
    "mixture-convergence": convergence,
}
