"""Figures of the narrow auto-encoder trained by online SGD (Cui, Pehlevan, Lu, arXiv 2501.03937)."""

from __future__ import annotations

from typing import Any

import numpy as np

import asymptotics as asy
from asymptotics.autoencoder import (
    GeneratedDensity,
    OrderParameterPath,
    Runs,
    density_legend,
    draw_densities,
    draw_frame,
    film,
    plot_path,
)
from asymptotics.tools import COLOURS, Verdict, points, style

from ...base import Drawing, Figures

PAPER = "Cui, Pehlevan, Lu, arXiv 2501.03937"


def _order_parameters(path: OrderParameterPath, runs: Runs) -> dict[str, np.ndarray]:
    """Every plotted number of a path and its runs."""
    tau = np.linspace(0, path.tau_max, 201)
    data = {"tau": tau, "tau_runs": runs.tau}
    for name in ("Q", "Theta", "M", "b"):
        data |= {name: getattr(path(tau), name), f"{name}_mean": runs.mean(name), f"{name}_sem": runs.sem(name)}
    return data


def _worst(verdict: Verdict) -> str:
    row = max((r for r in verdict.rows if r.counted), key=lambda r: r.worst())
    return f"{'agree' if verdict.passed else 'disagree'}; largest excess {np.max(row.scores()):.1f} standard errors, {row.name}"


def three_clusters(quick: bool) -> Drawing:
    """The reference example: order parameters along τ and the densities of target, theory and experiment."""
    changes = {"simulation.dimension": 400 if quick else 1000, "simulation.runs": 6 if quick else 24}
    exp = asy.example("three-clusters").replace(changes | {"simulation.samples": 1000 if quick else 4000})
    path = asy.solve(exp)
    runs = asy.simulate(exp, progress=False)
    law = GeneratedDensity.from_path(path, exp.problem)
    with style() as plt:
        figure, axes = plt.subplots(2, 2, figsize=(7.0, 5.6), layout="constrained")
        plot_path(path, runs, axes[0, 0])
        # Above the curves.
        axes[0, 0].set_ylim(top=2.9)
        axes[0, 0].legend(ncols=3, loc="upper center")
        draw_densities(exp.problem, law, runs.generated.reshape(-1, 2), [axes[0, 1], axes[1, 0], axes[1, 1]])
    verdict = asy.compare(path, runs)
    return Drawing(
        figure,
        "Three clusters of equal weight and unit variance in all directions at (3, 0), (0, −3), (−3, 0) along u₁, u₂; two tied tanh"
        " units from w_γ = 0.1 √d μ_γ, one training time t = 0.7, η = 0.1, weight decay 0.1, α = 1 − t, β = t; sampler without"
        " noise, 99 steps to t = 0.99. (a) Order parameters Q = WWᵀ/d, Θ (overlaps with u₁, u₂) and the skip connection b along the"
        f" training; lines: theory; points: mean and standard error of {runs.runs} trainings in d = {runs.dimension}, smaller than"
        " the marker where not seen; band: predicted standard deviation of one training. (b) Density of the target projected on u₁,"
        " u₂, (c) of generated points at τ = 4 by theory (exact, no kernel estimate), (d) of the points that the trained networks"
        " generate (histogram; contours of the theory and, dashed, of the target hold 30, 60 and 90 % of the mass).",
        f"{PAPER}, order parameters and generated density of three clusters",
        _order_parameters(path, runs) | {"generated": runs.generated, "agree": np.array(verdict.passed)},
        exp.to_table(),
        f"{verdict.count} numbers compared, with the means extrapolated in 1/d: {_worst(verdict)}",
    )


def _convergence(exp: asy.Experiment, sizes: list[tuple[int, int]]) -> tuple[float, np.ndarray, np.ndarray]:
    """b(τ_max) of the theory whose every eigenvalue has mass 1/784, and in R^d with every eigenvalue repeated."""
    even = exp.replace({"target.spikes": 0})
    theta, q = even.problem.initial_overlaps()
    even = even.replace(denoiser={"init": {"random": 0.0, "realisation": None, "Theta": theta, "Q": q}})
    path = asy.solve(even, tolerance=1e-2)
    options: dict[str, Any] = {"samples": 1, "tau": [path.tau_max], "companion": False, "progress": False}
    runs = [asy.simulate(even, dimension=d, runs=n, **options) for d, n in sizes]
    b = [(float(r.mean("b")[-1]), float(r.sem("b")[-1])) for r in runs]
    return path(path.tau_max).b, np.array(b)[:, 0], np.array(b)[:, 1]


def mnist_gaussian(quick: bool) -> Drawing:
    """A Gaussian with the covariance of real digits: order parameters, densities at three τ, and how finite d shows."""
    exp = asy.example("mnist-gaussian").replace(
        {"simulation.runs": 6 if quick else 24, "simulation.samples": 1, "sampling.stop": 0.9}
    )
    path = asy.solve(exp, tolerance=1e-3)
    runs = asy.simulate(exp, progress=False)
    # Those of the trainings that the densities are made of: at one time they cost a start.
    few = {"simulation.runs": 4 if quick else 12, "simulation.samples": 1500 if quick else 6000}
    start = asy.simulate(exp.replace(few), tau=[0.0], companion=False, progress=False)
    shown = film(path, start, [1.0, 2.5, 8.0], progress=False, frame=[[-3.2, 3.2]] * 2)
    theory, even, error = _convergence(exp, [(784, 3), (3136, 2)] if quick else [(784, 12), (3136, 6), (12544, 3)])
    d = np.array([784, 3136, 12544])[: len(even)]
    data = {
        "d": d,
        "b_even": even,
        "b_even_sem": error,
        "b_theory": np.array(theory),
        "shown": shown.tau,
        "x": shown.grid[0],
        "y": shown.grid[1],
        "edges": shown.edges[0],
        "theory": shown.theory,
        "target": shown.target,
        "experiment": np.array([shown.counted(k) for k in range(3)]),
        "overlap": shown.overlaps,
    }
    with style() as plt:
        figure = plt.figure(figsize=(7.0, 4.6), layout="constrained")
        grid = figure.add_gridspec(2, 1, height_ratios=(1, 1.05))
        course, convergence_of_b = grid[0].subgridspec(1, 2, width_ratios=(7, 5)).subplots()
        axes = list(grid[1].subgridspec(1, 3).subplots(sharey=True))
        plot_path(path, runs, course)
        course.set_ylim(-2.1, 5.4)
        course.legend(ncols=4, loc="upper center", handlelength=1.2, columnspacing=0.9)
        points(convergence_of_b, d, np.abs(theory - even), error, color=COLOURS[1], label="experiment")
        line = np.array([500.0, 20_000.0])
        convergence_of_b.plot(line, abs(theory - even[0]) * 784 / line, color=COLOURS[0], label=r"$\propto 1/d$")
        convergence_of_b.set(xscale="log", yscale="log", xlabel="$d$, all masses 1/784")
        convergence_of_b.set_ylabel(r"$|b_{\mathrm{theory}} - b|$ at $\tau = 8$")
        convergence_of_b.legend()
        pictures = [draw_frame(shown, k, axis) for k, axis in enumerate(axes)]
        for axis in axes:
            axis.set_xlabel(r"$e_1\cdot x$")
        axes[0].set_ylabel(r"$e_2\cdot x$")
        figure.colorbar(pictures[0], ax=axes, pad=0.01, aspect=18, label="density / largest of theory")
        density_legend(figure, "outside lower center")
    end = path(8.0)
    rows = ", ".join(
        f"{label}: theory {value:.4f}, experiment {m:.4f} ± {s:.4f}"
        for label, value, m, s in (
            ("b", end.b, runs.mean("b")[-1], runs.sem("b")[-1]),
            ("Q₂₂", end.Q[1, 1], runs.mean("Q")[-1][1, 1], runs.sem("Q")[-1][1, 1]),
            ("Θ₂₂", end.Theta[1, 1], runs.mean("Theta")[-1][1, 1], runs.sem("Theta")[-1][1, 1]),
        )
    )
    convergence = ", ".join(f"{b:.4f} (d = {n})" for n, b in zip(d, even, strict=True))
    return Drawing(
        figure,
        f"Gaussian with the pixel covariance of MNIST digits, r = 2, tanh, d = 784, {runs.runs} trainings from one drawn start;"
        " lines and contours theory, points mean and standard error. Top left: order parameters (Q: Gram matrix of the weights, Theta:"
        " overlaps with the two leading eigenvectors e_1, e_2, b: skip connection). Below: densities on these eigenvectors at three"
        " training times, sampler stopped at t = 0.9; contours hold 30, 60 and 90 % of the mass in the frame, colour: points of"
        f" {few['simulation.runs']} networks. What two tanh units know of the target is where the four combinations of their signs"
        " lie: the density shrinks to four peaks, the narrower the nearer b is to 1. How finite d"
        f" shows, at τ = 8 ({rows}): the bulk of the loss is Tr Σ ="
        " 52.7, not of order d, so that corrections of relative order 1/Tr Σ are seen in b. Top right: with every eigenvalue"
        f" repeated and the same initial overlaps b = {convergence} tends to the theory {theory:.4f} of equal masses as 1/d.",
        f"{PAPER}, the experiment on MNIST covariances",
        _order_parameters(path, runs) | data,
        exp.to_table(),
        f"{rows}; gap of b times d: {', '.join(f'{x:.1f}' for x in d * np.abs(theory - even))}; mass shared by the histogram of the"
        f" networks and the density of theory, lowered by counting noise: {', '.join(f'{x:.2f}' for x in shown.overlaps)}",
    )


FIGURES: Figures = {"three-clusters": three_clusters, "mnist-gaussian": mnist_gaussian}
