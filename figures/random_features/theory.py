"""Figures of random-feature score models: memorisation in training time (Bonnaire et al., arXiv 2505.17638)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from asymptotics.random_features import (
    Flow,
    Problem,
    RandomFeatures,
    Simulation,
    characteristic_times,
    kernel_limit,
    longest,
    memory_rate,
    ridge,
    samples_star,
)
from asymptotics.tools import COLOURS, style

from ..base import Drawing

PAPER = "Bonnaire, Urfin, Biroli and Mézard, arXiv 2505.17638"
GEORGE = "George, Veiga and Macris, arXiv 2502.00336"


def problem_of(
    features: float, samples: float, time: float, simulation: Simulation | None = None, **more: Any
) -> Problem:
    """The problem of p/d, n/d and t, and further keys of its table."""
    return Problem(RandomFeatures(features, samples, time, **more), simulation or Simulation())


def tables_of(problem: Problem) -> dict[str, Any]:
    """The experiment's tables."""
    return {
        "random_features": problem.random_features.to_table(),
        "simulation": problem.simulation.to_table(),
    }


def flow_of(problem: Problem, times: np.ndarray) -> Flow:
    """Gradient flow that serves at these times."""
    return Flow.of(problem.model, longest(problem.model, times))


def times(quick: bool) -> Drawing:
    """Times of best stopping and of memorisation against the number of samples."""
    ratios = np.geomspace(2, 4096, 12 if quick else 34)
    data: dict[str, np.ndarray] = {"samples": ratios}
    with style() as plt:
        figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.1), layout="constrained")
        for k, features in enumerate((64.0, 1024.0)):
            star, memory, gap, rate = (np.full(ratios.size, np.nan) for _ in range(4))
            for i, ratio in enumerate(ratios):
                problem = problem_of(features, float(ratio), 0.01)
                until = longest(problem.model, np.zeros(1))
                found = characteristic_times(Flow.of(problem.model, until), problem.random_features.noise, until)
                rate[i] = memory_rate(problem.model, problem.random_features.noise, 1.0)
                gap[i] = np.nan if found.final_gap is None else found.final_gap
                star[i] = np.nan if found.star is None else found.star
                memory[i] = np.nan if found.memorisation is None else found.memorisation
            axes[0].plot(ratios, memory, "-", color=COLOURS[k], label=rf"$\tau_{{mem}}$, p/d = {features:g}")
            axes[0].plot(ratios, 1 / rate, ":", color=COLOURS[k], label="$1/u_-$")
            axes[0].plot(ratios, star, "--", color=COLOURS[k], label=r"$\tau^*$")
            axes[1].plot(ratios, gap, color=COLOURS[k], label=f"p/d = {features:g}")
            limit = samples_star(problem.model, problem.random_features.noise, 1.0)
            axes[1].axvline(limit, color=COLOURS[k], linestyle=":", linewidth=0.8)
            for name, values in (("star", star), ("memorisation", memory), ("gap", gap), ("rate", rate)):
                data[f"{name} p/d={features:g}"] = values
        for ax in axes:
            ax.set(xscale="log", yscale="log", xlabel="n/d")
        axes[0].set(ylabel=r"training time $\tau$", ylim=(2e-6, None))
        axes[0].legend(loc="lower right", ncols=2)
        axes[1].legend()
        axes[1].set_title("final test minus train loss")
    few = data["memorisation p/d=1024"] * data["rate p/d=1024"]
    few = few[np.isfinite(few) & (ratios < 200)]
    return Drawing(
        figure,
        "Random features at t = 0.01, theory. Left: the time of memorisation grows in proportion to n up to n*, where 1/u₋ "
        "saturates at 1/s² (beyond, what is left of the gap comes from elsewhere); best stopping hardly moves. Right: the final "
        "gap; above n* (dotted) overfitting vanishes however long the training.",
        f"{PAPER}: memorisation time against n",
        data,
        tables_of(problem),
        f"at p/d = 1024, n/d < 200 the time of half the gap is {few.min():.2f} to {few.max():.2f} times 1/u₋",
    )


def phases(quick: bool) -> Drawing:
    """Map of the final gap with n*."""
    count = 14 if quick else 40
    features, ratios = np.geomspace(1, 1024, count), np.geomspace(0.5, 512, count)
    gap = np.empty((count, count))
    star = np.empty(count)
    for i, f in enumerate(features):
        for j, r in enumerate(ratios):
            problem = problem_of(float(f), float(r), 0.05)
            point = ridge(problem.model, 0.0)
            gap[i, j] = point.test_loss - point.train_loss
        star[i] = samples_star(problem.model, problem.random_features.noise, 1.0) or np.nan
    with style() as plt:
        figure, axis = plt.subplots(figsize=(3.4, 2.7), layout="constrained")
        image = axis.pcolormesh(ratios, features, np.log10(gap), shading="nearest", rasterized=True)
        axis.plot(star, features, color="w", linestyle="--", label="$n^*(p)$")
        axis.set(xscale="log", yscale="log", xlabel="n/d", ylabel="p/d", xlim=(ratios[0], ratios[-1]))
        figure.colorbar(image, label=r"$\log_{10}$ final test − train loss")
        axis.legend(labelcolor="w", loc="lower right")
    above = gap[-1, ratios > 4 * star[-1]]
    return Drawing(
        figure,
        "Test minus train loss after infinite training, t = 0.05, tanh, theory. Below n* (dashed) networks memorise in the end; "
        "above, they cannot.",
        f"{PAPER}: phase diagram in (n, p)",
        {"features": features, "samples": ratios, "gap": gap, "samples_star": star},
        tables_of(problem),
        f"at p/d = 1024 and n > 4 n* the gap is at most {above.max():.2g}" if above.size else "",
    )


def stopping(quick: bool) -> Drawing:
    """Best stopping and the best ridge against the number of noises."""
    kinds: list[int | str] = [1, 2, 4, 8, 16, 32, 64, "all"]
    data: dict[str, np.ndarray] = {}
    stopped, tuned, ends, bayes = [], [], [], 0.0
    strengths = np.geomspace(1e-4, 30, 40 if quick else 200)
    for m in kinds:
        problem = problem_of(8.0, 4.0, 0.05, noises=m)
        until = longest(problem.model, np.zeros(1))
        found = characteristic_times(Flow.of(problem.model, until), problem.random_features.noise, until)
        stopped.append(np.nan if found.star_loss is None else found.star_loss)
        ends.append(np.nan if found.final is None else found.final.test_loss)
        tuned.append(min(ridge(problem.model, float(x)).test_loss for x in strengths))
        decay = float(np.exp(-0.1))
        bayes = decay / (1 - decay + decay)
    at = np.arange(len(kinds))
    data |= {"stopped": np.array(stopped), "ridge": np.array(tuned), "end": np.array(ends)}
    with style() as plt:
        figure, axis = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
        axis.plot(at, stopped, "o-", ms=3, label=r"stopped at $\tau^*$")
        axis.plot(at, tuned, "s--", ms=3, label="best ridge")
        axis.axhline(bayes, color="0.6", linestyle=":", label="least possible")
        axis.set_xticks(at, [str(m) for m in kinds])
        axis.set(xlabel="noises a sample m", ylabel="test loss per dimension")
        axis.legend()
    better = np.array(tuned) - np.array(stopped)
    return Drawing(
        figure,
        "Best early stopping and best ridge against the number m of noises a sample, p/d = 8, n/d = 4, t = 0.05, tanh, theory. "
        "More noises help.",
        f"{GEORGE}: test loss against the number of noises",
        data,
        tables_of(problem),
        f"early stopping is better than the best ridge by {better.min():.2g} to {better.max():.2g}",
    )


def kernel(quick: bool) -> Drawing:
    """The kernel limit, approached by many features; its plateau is the optimum of a linear model."""
    scaled = np.geomspace(0.1, 1e4, 60 if quick else 160)
    data: dict[str, np.ndarray] = {"tau": scaled}
    limit = kernel_limit(problem_of(4.0, 32.0, 0.01).model, scaled)
    data["test"], data["train"] = limit.test_loss, limit.train_loss
    # The optimum of a linear model on the same data: b² → 0 memory, which is an activation's linear part alone.
    linear = problem_of(1e5, 32.0, 0.01, activation="linear")
    flat = flow_of(linear, np.array([1e2])).losses(np.array([1e2]))
    least = float(np.exp(-0.02))
    with style() as plt:
        figure, axis = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
        for k, features in enumerate((16.0, 64.0, 256.0)):
            _, test, _ = flow_of(problem_of(features, 32.0, 0.01), scaled / features).losses(scaled / features)
            axis.plot(scaled, test - least, color=COLOURS[k], label=f"p/d = {features:g}")
            data[f"test p/d={features:g}"] = test
        axis.plot(scaled, limit.test_loss - least, color="k", linestyle="--", label="kernel limit")
        axis.axhline(float(flat[1][0]) - least, color="0.6", linestyle=":", label="optimal linear model")
        axis.set(xscale="log", yscale="log", xlabel=r"$\tau' = \tau p/d$", ylabel="test loss above the least possible")
        axis.legend()
    data["linear"] = np.array([flat[1][0], flat[0][0]])
    return Drawing(
        figure,
        "Many features, n/d = 32, t = 0.01, tanh, theory: curves of finite p/d approach the kernel limit, whose plateau is the "
        "optimum of a linear model on the same data (dotted); memorisation comes after.",
        f"{PAPER}: training of the kernel limit",
        data,
        tables_of(problem_of(256.0, 32.0, 0.01)),
        f"least test loss of the limit {limit.test_loss.min():.5f}, optimal linear model {flat[1][0]:.5f}",
    )


FIGURES: dict[str, Callable[[bool], Drawing]] = {
    "features-times": times,
    "features-phases": phases,
    "features-stopping": stopping,
    "features-kernel": kernel,
}
