"""Figures of random-feature score models: networks beside the theory (Bonnaire et al., arXiv 2505.17638)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from asymptotics.random_features import (
    Problem,
    RandomFeatures,
    Runs,
    Simulation,
    Trained,
    activation,
    averaged_features,
    bulks,
    compare,
    compare_digits,
    density,
    generated_norm,
    ridge,
    sample,
    simulate,
    solve,
)
from asymptotics.tools import COLOURS, points, style

from ..base import Drawing, mean_and_error
from .theory import GEORGE, PAPER, flow_of, problem_of, tables_of


def spectrum(quick: bool) -> Drawing:
    """Eigenvalues of U: atom, memory bulk, bulk of samples, top bulk."""
    dimension = 60 if quick else 150
    problem = problem_of(16.0, 4.0, 0.05, Simulation(dimension=dimension))
    law, (found, atom) = density(problem.model), bulks(problem.model)
    p, n, _ = problem.counts(dimension)
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((p, dimension)) / np.sqrt(dimension)
    drawn = averaged_features(weights, rng.standard_normal((dimension, n)), 0.05, activation("tanh"))
    network = Trained(drawn)
    values, weight = network.values, network.own / network.values / dimension
    edges = np.geomspace(0.006, 30, 90)
    width = np.diff(np.log(edges))
    counts, _ = np.histogram(values, edges)
    carried, _ = np.histogram(values, edges, weights=weight)
    # What one draw has around each bulk: up to halfway to its neighbours.
    cuts = [0.0, *(np.sqrt(a.upper * b.lower) for a, b in pairwise(found)), np.inf]
    cuts[0] = np.sqrt(problem.model.s2 * found[0].lower)
    measured = [float(weight[(values > a) & (values < b)].sum()) for a, b in pairwise(cuts)]
    middle = np.sqrt(edges[1:] * edges[:-1])
    with style() as plt:
        figure, axes = plt.subplots(2, 1, figsize=(7.0, 4.5), layout="constrained", sharex=True)
        shown = law.density > 0
        scale = problem.model.psi_p * law.eigenvalues
        axes[0].plot(law.eigenvalues, np.where(shown, scale * law.density, np.nan), color=COLOURS[0], label="theory")
        axes[0].stairs(counts / dimension / width, edges, color="0.6", label=f"one network, d = {dimension}")
        axes[1].plot(law.eigenvalues, np.where(shown, law.eigenvalues * law.target, np.nan), color=COLOURS[1])
        axes[1].stairs(carried / width, edges, color="0.6")
        for ax in axes:
            ax.axvline(problem.model.s2, color="0.3", linestyle=":", linewidth=0.8)
            ax.set_xscale("log")
        axes[0].set(yscale="log", ylabel="eigenvalues/d per ln u", ylim=(1e-2, 2e2), xlim=(0.006, 30))
        axes[1].set(xlabel="eigenvalue u", ylabel="target weight per ln u", ylim=(0, 0.75))
        for bulk, name in zip(found, ("memory", "samples", "data"), strict=True):
            axes[1].annotate(f"{name}\n{bulk.mass:.3g} d, {bulk.target_weight:.3f}", (np.sqrt(bulk.lower * bulk.upper), 0.9),
                             xycoords=("data", "axes fraction"), ha="center", va="top", fontsize=7)  # fmt: skip
        axes[0].legend()
    carried_by = ", ".join(f"{b.target_weight:.3f} ({m:.3f})" for b, m in zip(found, measured, strict=True))
    if atom is None:
        raise RuntimeError("p > n: there is an atom")
    return Drawing(
        figure,
        "Spectrum of the features' second moments, p/d = 16, n/d = 4, t = 0.05, tanh: an atom of "
        f"{atom.mass:.3g} d eigenvalues at s² (dotted), a memory bulk of exactly d, n − d others that carry almost nothing, and d "
        f"at the top. Lines: theory; steps: one network in d = {dimension}, whose atom is smeared at p ~ d². Below: each "
        "eigenvalue's weight in what can be learned.",
        f"{PAPER}: spectrum of U (there with two bulks)",
        {
            "eigenvalues": law.eigenvalues,
            "density": law.density,
            "target": law.target,
            "edges": np.array([(b.lower, b.upper) for b in found]),
            "bin_centres": middle,
            "network_density": counts / dimension / width,
            "network_target": carried / width,
        },
        tables_of(problem),
        f"target weight of the three bulks, theory (one network): {carried_by}",
    )


def training(quick: bool) -> Drawing:
    """Train and test loss against training time for several numbers of samples."""
    dimension, runs = (32, 6) if quick else (100, 8)
    measured = np.geomspace(0.01, 1e4, 7 if quick else 13)
    times = np.geomspace(0.003, 1e4, 200)
    data: dict[str, np.ndarray] = {"tau": times, "measured_tau": measured}
    worst: list[float] = []
    with style() as plt:
        figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.1), layout="constrained", sharex=True)
        for k, ratio in enumerate((1.0, 2.0, 4.0, 8.0)):
            simulation = Simulation(dimension=dimension, runs=runs, seed=k, sizes=2 if quick else 3)
            problem = problem_of(8.0, ratio, 0.05, simulation, times=measured.tolist(), ridge=1e-2)
            train, test, _ = flow_of(problem, times).losses(times)
            found = simulate(problem, workers=1)
            worst += [float(np.max(r.scores())) for r in compare(solve(problem), found).rows]
            for ax, values, name in ((axes[0], train, "train_loss"), (axes[1], test, "test_loss")):
                ax.plot(times, values, color=COLOURS[k], label=f"n/d = {ratio:g}")
                mean, sem = found.mean(name, extrapolated=False), found.sem(name, extrapolated=False)
                points(ax, measured, mean, sem, color=COLOURS[k], linestyle="none")
                data[f"{name} n/d={ratio:g}"] = values
                data[f"measured {name} n/d={ratio:g}"] = mean
        for ax, title in zip(axes, ("train", "test"), strict=True):
            ax.set(xscale="log", xlabel=r"training time $\tau$", title=title)
        axes[1].set_yscale("log")
        axes[0].legend()
    return Drawing(
        figure,
        "Losses per dimension along gradient flow, p/d = 8, t = 0.05, tanh, the noise averaged exactly. Lines: theory; points: "
        f"networks in d = {dimension}, mean and standard error over {runs} runs. All data sizes generalise at the same time; "
        "memorisation comes later in proportion to n, and is less bad.",
        f"{PAPER}: train and test loss against training time",
        data,
        tables_of(problem),
        f"largest difference extrapolated in 1/d: {max(worst):.1f} standard errors",
    )


def noises(quick: bool) -> Drawing:
    """Learning curves against the number of features for several numbers of noises."""
    ratios = np.geomspace(0.3, 30, 60 if quick else 160)
    at = np.array([0.5, 1.0, 4.0, 8.0]) if quick else np.array([0.5, 1.0, 1.5, 3.0, 6.0, 8.0, 12.0])
    dimension, runs = (24, 4) if quick else (60, 8)
    data: dict[str, np.ndarray] = {"features": ratios, "measured_features": at}
    errors = []
    with style() as plt:
        figure, axes = plt.subplots(1, 3, figsize=(7.0, 2.4), layout="constrained", sharex=True)
        for k, m in enumerate((1, 2, 4, "all")):
            curve = [ridge(problem_of(float(r), 2.0, 0.05, noises=m).model, 1e-3) for r in ratios]
            simulation = Simulation(dimension=dimension, runs=runs, seed=k, sizes=1)
            drawn = [problem_of(float(r), 2.0, 0.05, simulation, noises=m, ridge=1e-3, times=[0.0]) for r in at]
            found: list[Runs] = [simulate(problem, workers=1) for problem in drawn]
            for ax, (i, name) in zip(axes, enumerate(("train_loss", "test_loss", "memorisation_loss")), strict=True):
                line = np.array([getattr(c, name) for c in curve])
                ax.plot(ratios, line, color=COLOURS[k], label=f"m = {m}")
                mean = np.array([f.mean("ridge", extrapolated=False)[i] for f in found])
                sem = np.array([f.sem("ridge", extrapolated=False)[i] for f in found])
                points(ax, at, mean, sem, color=COLOURS[k], linestyle="none")
                data[f"{name} m={m}"], data[f"measured {name} m={m}"] = line, mean
                errors += list(np.abs(mean / np.array([getattr(ridge(p.model, 1e-3), name) for p in drawn]) - 1)[:2])
        for ax, title in zip(axes, ("train", "test", "memorisation"), strict=True):
            ax.set(xscale="log", xlabel="p/d", title=title)
        axes[1].set_yscale("log")
        axes[0].legend()
    return Drawing(
        figure,
        "Ridge estimator, λ = 0.001, n/d = 2, t = 0.05, tanh, m noises a sample. The test loss peaks where p = nm. Lines: theory; "
        f"points: networks in d = {dimension}, mean and standard error over {runs} runs (the peak is rounded there). The "
        "memorisation loss is the train loss with the noise averaged out.",
        f"{GEORGE}: learning curves against the number of features",
        data,
        tables_of(drawn[-1]),
        f"away from the peak (p/d at most 1) the networks are within {100 * max(errors):.0f} % of the theory",
    )


def recall(quick: bool) -> Drawing:
    """Norm and recall of samples against training time."""
    dimension, runs, features, steps, count = (16, 3, 6.0, 12, 60) if quick else (48, 4, 10.0, 30, 300)
    tau = np.geomspace(1, 1e6, 5 if quick else 8)
    problem = problem_of(features, 2.0, 0.05, Simulation(dimension=dimension, runs=runs))
    found = sample(problem, tau, points=count, steps=steps, workers=1)
    grid = np.geomspace(1, 1e6, 20 if quick else 40)
    linear = generated_norm(problem.random_features, grid * features, finite_features=True)
    with style() as plt:
        figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.0), layout="constrained", sharex=True)

        def put(ax: Any, values: np.ndarray, colour: str, label: str) -> None:
            points(ax, tau, *mean_and_error(values), color=colour, linestyle="-", linewidth=0.6, label=label)

        put(axes[0], found.norm, COLOURS[0], "samples")
        axes[0].plot(grid, linear, color="k", linestyle="--", label="linear part, many features")
        axes[0].axhline(1.0, color="0.7", linewidth=0.8)
        put(axes[1], found.recall_train, COLOURS[1], "training points")
        put(axes[1], found.recall_fresh, COLOURS[2], "fresh points")
        axes[0].set_title("$|x|^2/d$ of samples")
        axes[1].set_title("distance²/d after noise and denoising")
        for ax in axes:
            ax.set(xscale="log", xlabel=r"training time $\tau_0$")
            ax.legend()
    copied = float(found.copied.max())
    gap = found.recall_gap.mean(axis=0)
    return Drawing(
        figure,
        f"Samples of networks in d = {dimension}, p/d = {features:g}, n/d = 2, trained for the same number of steps at all diffusion "
        f"times; mean and standard error over {runs} runs. Left: the norm falls (memorised, the linear part shrinks to zero); "
        "the excess over the linear part is an instability of the norm. Right: points noised to t = 0.3 and denoised; the gap "
        "between training and fresh points is what shows memory.",
        f"{PAPER}: generated samples against training time",
        {
            "tau": tau,
            "norm": found.norm,
            "recall_train": found.recall_train,
            "recall_fresh": found.recall_fresh,
            "linear_tau": grid,
            "linear": linear,
            "copied": found.copied,
        },
        tables_of(problem),
        f"recall gap from {gap[0]:.3f} to {gap[-1]:.3f}; share of samples nearer than a third to a training point: {copied:.2g}",
    )


def digits(quick: bool) -> Drawing:
    """MNIST digits against the theory with their covariance."""
    ratio, runs = (0.25, 2) if quick else (1.0, 4)
    settings = RandomFeatures(
        ratio, 0.5 if quick else 1.0, 0.1, spectrum="mnist", trace=784.0, times=np.geomspace(0.03, 1e3, 8).tolist()
    )
    found = compare_digits(settings, Simulation(runs=runs), workers=1)
    fine = np.geomspace(0.03, 1e3, 100)
    train, test, _ = flow_of(Problem(settings), fine).losses(fine)
    with style() as plt:
        figure, axis = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
        for k, (name, line) in enumerate((("train", train), ("test", test))):
            axis.plot(fine, line, color=COLOURS[k], label=f"{name}, theory")
            of_runs, label = mean_and_error(getattr(found, name)), f"{name}, digits"
            points(axis, found.times, *of_runs, color=COLOURS[k], linestyle="none", label=label)
        axis.set(xscale="log", xlabel=r"training time $\tau$", ylabel="loss per dimension")
        axis.legend()
    gaps = [float(np.abs(g).max()) for g in found.gap()]
    return Drawing(
        figure,
        f"Networks of {found.features} features trained on {found.samples} MNIST digits (centred, Tr Σ = d), t = 0.1, tanh: points "
        f"with standard error over {runs} runs; lines: theory of Gaussian data with the digits' covariance. The difference is "
        "that of outlying directions and of data that are not Gaussian.",
        "losses on digits (no published figure)",
        {
            "tau": fine,
            "train": train,
            "test": test,
            "measured_tau": found.times,
            "measured_train": found.train,
            "measured_test": found.test,
        },
        {"random_features": settings.to_table()},
        f"digits differ from the theory by at most {gaps[0]:.1%} (train) and {gaps[1]:.1%} (test)",
    )


FIGURES: dict[str, Callable[[bool], Drawing]] = {
    "features-spectrum": spectrum,
    "features-training": training,
    "features-noises": noises,
    "features-recall": recall,
    "features-digits": digits,
}
