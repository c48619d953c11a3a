"""Figures of how the auto-encoder learns: distances to the target along training, errors, sample complexity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import asymptotics as asy
from asymptotics.autoencoder import (
    Network,
    Problem,
    denoising_error,
    generate,
    learning_curves,
    measure_denoising_error,
    measure_score,
    score_error,
    train_networks,
)
from asymptotics.autoencoder import sample_complexity as found
from asymptotics.tools import COLOURS, mixture_w2_squared, points, run_ensemble, spawn, style

from ...base import Drawing, Figures, mean_and_error, name_kinds
from .reference import PAPER


def _centroid_cosines(network: Network) -> np.ndarray:
    """Cosine of every centroid with span(W), by linear algebra on the weights."""
    basis, _ = np.linalg.qr(network.weights.T)
    mu = network.problem.target.centroids @ network.references
    return np.asarray(np.linalg.norm(mu @ basis, axis=1) / np.linalg.norm(mu, axis=1))


def _measured(
    seed: np.random.SeedSequence, problem: Problem, taus: np.ndarray, shown: np.ndarray, t: np.ndarray, samples: int
) -> dict[str, np.ndarray]:
    """Everything drawn, measured on one training in R^d."""
    training, *children = seed.spawn(2)
    cells = learning_curves.target_cells(problem)
    networks = train_networks(problem, taus, training)
    out: dict[str, list[Any]] = {name: [] for name in ("sliced", "mixture", "masses", "cosines", "denoising", "score")}
    for network in networks:
        x = generate(network, samples, children[0]).projections
        mixture = learning_curves.cell_mixture(problem, x)
        out["sliced"].append(learning_curves.sliced_to_target(problem, x))
        out["mixture"].append(np.sqrt(mixture_w2_squared(cells, mixture)[0]))
        out["masses"].append(mixture.weights)
        out["cosines"].append(_centroid_cosines(network))
        if np.any(np.isclose(network.tau, shown)):
            error = measure_denoising_error(network, t, samples=samples // 2, seed=children[0])
            Lambda = problem.target.mean_eigenvalue
            plain = (1 - network.b * t) ** 2 * Lambda + (network.b * (1 - t)) ** 2
            out["denoising"].append(error["total"] - network.dimension * plain)
            ratios = []
            for k, time in enumerate(t):
                points_, score = measure_score(network, float(time), law="target", samples=samples // 2, seed=k)
                exact = score_error.projected_score(problem, float(time), points_)
                ratios.append(np.mean(np.sum((score - exact) ** 2, axis=1)) / np.mean(np.sum(exact**2, axis=1)))
            out["score"].append(ratios)
    return {name: np.array(values) for name, values in out.items()}


def _ensemble(problem: Problem, runs: int, *arguments: Any) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Mean and standard error of everything drawn."""
    found = run_ensemble(_measured, spawn(0, runs), problem, *arguments, progress=False)
    both = {name: mean_and_error([run[name] for run in found]) for name in found[0]}
    return {name: mean for name, (mean, _) in both.items()}, {name: sem for name, (_, sem) in both.items()}


def curves(quick: bool) -> Drawing:
    """Distances to the target, cell masses, angles, denoising and score errors along training."""
    d, runs, samples = (300, 4, 1000) if quick else (1000, 16, 4000)
    exp = asy.Experiment(
        target={"weights": [0.5, 0.3, 0.2], "centroids": [[3, 0], [0, -3], [-3, 0]]},
        denoiser={"hidden_units": 2, "init": {"centroids": 0.03, "random": 0.4}},
        training={"times": [0.3, 0.6, 0.9], "learning_rate": 0.1, "weight_decay": 0.1, "tau": 6.0},
        sampling={"stop": 0.9},
        simulation={"dimension": d},
    )
    problem, path = exp.problem, asy.solve(exp, tolerance=1e-4)
    taus, shown = np.array([0.0, 0.2, 0.5, 1, 1.5, 2, 3, 4.5, 6]), np.array([0.5, 2.0, 6.0])
    theory = learning_curves.learning_curves(path, np.union1d(np.linspace(0, 6, 25 if quick else 49), taus))
    t, fine = np.array([0.15, 0.35, 0.55, 0.75]), np.linspace(0.05, 0.85, 17)
    mean, sem = _ensemble(problem, runs, taus, shown, t, samples)
    # A smaller dimension tells what is left of finite d (below 150 the next orders in 1/d are as large).
    low = max(150, d // 4)
    low_problem = exp.replace({"simulation.dimension": low}).problem
    low_mean, low_sem = _ensemble(low_problem, 2 * runs, taus, shown, t, samples // 2)
    denoising = np.array([denoising_error(problem, path(float(tau)), fine).order_one for tau in shown])
    scores = np.array(
        [score_error.score_error(problem, path(float(tau)), fine, law="target").relative for tau in shown]
    )
    n = taus / 0.2
    with style() as plt:
        figure = plt.figure(figsize=(7.0, 4.5), layout="constrained")
        grid = figure.add_gridspec(2, 6)
        axes = [figure.add_subplot(grid[0, 2 * k : 2 * k + 2]) for k in range(3)]
        axes += [figure.add_subplot(grid[1, 3 * k : 3 * k + 3]) for k in range(2)]
        for name, label, colour in (
            ("sliced", "sliced $W_2$", COLOURS[3]),
            ("mixture", "$MW_2$ of cell moments", COLOURS[4]),
        ):
            axes[0].plot(theory.samples, getattr(theory, name), color=colour, label=label)
            points(axes[0], n, mean[name], sem[name], color=colour)
        for c in range(3):
            label = rf"$\pi_{c + 1} = {problem.target.weights[c]:g}$"
            for ax, name in ((axes[1], "masses"), (axes[2], "cosines")):
                # Dashes where two clusters have the same curve by symmetry.
                dash = ("-", "-", "--")[c]
                ax.plot(theory.samples, getattr(theory, name)[:, c], color=COLOURS[c], label=label, linestyle=dash)
                points(ax, n, mean[name][:, c], sem[name][:, c], color=COLOURS[c])
            points(axes[1], n, low_mean["masses"][:, c], low_sem["masses"][:, c], color=COLOURS[c], mfc="w", zorder=1)
        for k, tau in enumerate(shown):
            for ax, line, name in ((axes[3], denoising, "denoising"), (axes[4], scores, "score")):
                ax.plot(fine, line[k], color=COLOURS[5 + k], label=rf"$\tau = {tau:g}$, $n/d = {tau / 0.2:g}$")
                points(ax, t, mean[name][k], sem[name][k], color=COLOURS[5 + k])
        for ax, title in zip(
            axes[:3], ("distance to the target", "mass in the cell", "cosine with span $W$"), strict=True
        ):
            ax.set(xlabel="samples per dimension $n/d$", title=title)
        axes[3].set(title="denoising error, $O(1)$ part")
        axes[4].set(title="relative error of the score", yscale="log")
        for ax in axes[3:]:
            ax.set_xlabel("sampling time $t$ (noise at 0, data at 1)")
        name_kinds(axes[0], line="theory", point=f"$d = {d}$")
        axes[0].set_ylim(top=1.45 * float(np.max(theory.mixture)))
        axes[0].legend(loc="upper right")
        axes[1].errorbar([], [], yerr=[], fmt="o", markersize=3.5, color="0.35", mfc="w", label=f"$d = {low}$")
        axes[1].legend(loc="center right", bbox_to_anchor=(1.0, 0.5))
        axes[2].legend(loc="lower right")
        axes[3].legend(loc="upper right")
    exact = {name: getattr(theory, name)[np.searchsorted(theory.tau, taus)] for name in ("masses", "cosines")}
    gap = {name: float(np.max(np.abs(mean[name] - exact[name]))) for name in exact}
    beyond = {name: (d * mean[name] - low * low_mean[name]) / (d - low) - exact[name] for name in exact}
    left = {name: float(np.max(np.abs(beyond[name]))) for name in exact}
    error = {name: np.hypot(d * sem[name], low * low_sem[name]) / (d - low) for name in exact}
    # At τ = 0 the experiment's overlaps are exact by construction.
    score = {name: float(np.max(np.abs(beyond[name] / error[name])[1:])) for name in exact}
    data = {"tau": theory.tau, "t": fine, "tau_runs": taus, "t_runs": t, "denoising": denoising, "score": scores}
    data |= {name: getattr(theory, name) for name in ("sliced", "mixture", "masses", "cosines")}
    data |= {f"{name}_beyond": beyond[name] for name in exact} | {
        f"{name}_score": np.array(score[name]) for name in exact
    }
    data |= {"masses_low": low_mean["masses"], "masses_low_sem": low_sem["masses"]}
    data |= {f"{name}_mean": value for name, value in mean.items()} | {
        f"{name}_sem": value for name, value in sem.items()
    }
    return Drawing(
        figure,
        "Learning curves: three clusters of unit variance at (3, 0), (0, −3), (−3, 0) with weights π = 0.5, 0.3, 0.2, two tied tanh"
        " units, E_t over t = 0.3, 0.6, 0.9, η = 0.1, weight decay 0.1, start almost without overlap, sampler stopped at t = 0.9;"
        f" n/d = τ/(2η), noise level α = 1 − t. Lines: theory; points: mean and standard error of {runs} trainings in d = {d},"
        f" {samples} generated points each. (a) Sliced and mixture Wasserstein distance between target and generated projections;"
        f" (b) generated mass in the Voronoi cell of each centroid (open points: d = {low}, to show how finite d matters); (c) cosine"
        " of each centroid with the span of the weights;"
        " (d) denoising error minus its bulk; (e) error of the network's score in the reference plane,"
        " relative to the exact score.",
        f"{PAPER}, order-parameter equations and generated density",
        data,
        exp.to_table(),
        f"largest difference from theory at d = {d}: cell masses {gap['masses']:.3f}, cosines {gap['cosines']:.3f}; extrapolated"
        f" in 1/d: {left['masses']:.3f} ({score['masses']:.1f} standard errors) and {left['cosines']:.3f}"
        f" ({score['cosines']:.1f})",
    )


def _crossing(grid: np.ndarray, heights: np.ndarray) -> float:
    """First τ at which heights reach one half, by linear interpolation (NaN if never)."""
    above = np.flatnonzero(heights >= 0.5)
    if len(above) == 0 or above[0] == 0:
        return float("nan") if len(above) == 0 else 0.0
    k = int(above[0])
    return float(np.interp(0.5, heights[k - 1 : k + 1], grid[k - 1 : k + 1]))


def _cosines(seed: np.random.SeedSequence, problem: Problem, grid: np.ndarray) -> np.ndarray:
    """Cosine of every centroid with span(W) along one training in R^d, by linear algebra on the weights: (times, clusters)."""

    return np.array([_centroid_cosines(network) for network in train_networks(problem, grid, seed)])


def sample_complexity(quick: bool) -> Drawing:
    """Samples per dimension until each of two clusters is found, against its weight and against the initial overlap."""
    d, runs = (400, 5) if quick else (1000, 16)
    base = asy.Experiment(
        target={"weights": [0.5, 0.5], "centroids": [[3, 0], [0, 3]]},
        denoiser={"hidden_units": 2, "init": {"centroids": 0.05, "random": 0.5}},
        training={"times": [0.7], "learning_rate": 0.1, "weight_decay": 0.1, "tau": 6.0},
        simulation={"dimension": d},
    )
    weights = np.array([0.1, 0.2, 0.35, 0.5, 0.65, 0.8])
    overlaps = np.array([0.02, 0.035, 0.06])
    sweeps: list[tuple[str, np.ndarray, np.ndarray, Callable[[float], dict[str, Any]]]] = [
        ("weight", weights, np.linspace(0.08, 0.85, 25), lambda w: {"target.weights": [1 - w, w]}),
        ("overlap", overlaps, np.geomspace(0.012, 0.09, 16), lambda a: {"denoiser.init.centroids": float(a)}),
    ]
    data: dict[str, np.ndarray] = {}
    gaps = []
    with style() as plt:
        figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.1), layout="constrained")
        for ax, (name, measured, fine, change) in zip(axes, sweeps, strict=True):
            theory = np.array([found(asy.solve(base.replace(change(x)), tolerance=1e-3)).samples for x in fine])
            exact = np.array([found(asy.solve(base.replace(change(x)), tolerance=1e-3)).samples for x in measured])
            mean, sem = np.empty((len(measured), 2)), np.empty((len(measured), 2))
            for i, x in enumerate(measured):
                problem = base.replace(change(x)).problem
                grid = np.linspace(0, min(6.0, 0.2 * 1.7 * float(np.nanmax(exact[i])) + 0.1), 61)
                seen = run_ensemble(_cosines, spawn(i, runs), problem, grid, progress=False)
                times = np.array([[_crossing(grid, run[:, c]) for c in range(2)] for run in seen]) / 0.2
                mean[i], sem[i] = mean_and_error(times)
            for c, label in enumerate((r"cluster 1, weight $1 - \pi_2$", r"cluster 2, weight $\pi_2$")):
                ax.plot(
                    fine, theory[:, c], color=COLOURS[c], label=label, linestyle=("-", "--")[c * (name == "overlap")]
                )
                points(ax, measured, mean[:, c], sem[:, c], color=COLOURS[c])
            data |= {f"{name}": fine, f"{name}_theory": theory, f"{name}_runs": measured}
            data |= {f"{name}_mean": mean, f"{name}_sem": sem}
            gaps.append(np.max(np.abs(mean - exact) / exact))
        axes[0].set(xlabel=r"$\pi_2$", ylabel="$n/d$ until found", yscale="log")
        axes[1].set(
            xlabel=r"initial overlap $a$ ($w_\gamma = a\sqrt{d}\,\mu_\gamma$ + noise)",
            ylabel="$n/d$ until found", xscale="log",
        )  # fmt: skip
        axes[1].set_xticks(ticks := [0.01, 0.02, 0.05, 0.1], [f"{x:g}" for x in ticks])
        axes[1].minorticks_off()
        name_kinds(axes[0], line="theory", point="experiment")
        axes[0].legend(loc="upper center", ncols=2)
        axes[0].set_ylim(top=3 * axes[0].get_ylim()[1])
        axes[1].legend(title="equal weights: one curve", title_fontsize=7)
    return Drawing(
        figure,
        "Samples per dimension, n/d = τ/(2η), until the cosine between a centroid and the span of the weights crosses 1/2, for"
        f" two clusters at distance 3 along orthogonal directions. Lines: theory; points: mean and standard error of {runs}"
        f" trainings in d = {d}, errors smaller than the marks where not seen. Left: a cluster needs the more samples the rarer it"
        " is. Right: and logarithmically more the"
        " smaller the initial overlap (the fields are at a saddle).",
        f"{PAPER}, order-parameter equations",
        data,
        base.to_table(),
        f"largest relative difference of n/d: {gaps[0]:.2f} (left), {gaps[1]:.2f} (right)",
    )


FIGURES: Figures = {"learning-curves": curves, "sample-complexity": sample_complexity}
