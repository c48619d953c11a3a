"""Figures of the linear one-step denoiser: what they share, and the denoiser applied in several steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from asymptotics.one_step import (
    OneStep,
    Problem,
    Sampling,
    Simulation,
    ensemble,
    flow_divergence,
    signal_fraction,
    solve,
)
from asymptotics.tools import COLOURS, points, style

from ..base import Drawing, name_kinds

PAPER = "Halder, arXiv 2411.17807"
TIME = 2.0
PROBABILITY = r"$P(E_{OG} < E_{TG})$"
KL = r"$\mathrm{KL}(G\|O)$"


def problem_of(
    dimension: int, g: float, *, samples: int = 2, runs: int = 40, seed: int = 0, steps: int = 1,
    scheme: str = "deterministic", **changes: Any,
) -> Problem:  # fmt: skip
    """The author's parameters: T = 2, λ = e^{−2T} g, σ = 1, μ = 10."""
    model = OneStep(dimension, samples, TIME, g * math.exp(-2.0 * TIME), mean=10.0, **changes)
    return Problem(model, Sampling(steps, scheme), Simulation(runs, seed))


def fraction(problem: Problem) -> float:
    """Signal fraction q of a problem."""
    return signal_fraction(TIME, problem.one_step.noise_scale)


def steps(quick: bool) -> Drawing:
    """KL(G‖O) and P against the number of steps."""
    d, runs, fresh = (30, 12, 1000) if quick else (60, 40, 4000)
    counts = (1, 2, 4, 8, 16) if quick else (1, 2, 4, 8, 16, 32)
    ratios, fill = (20, 80, 320), ("full", "none", "full")
    problem = problem_of(d, 1.0, samples=20 * d)
    q = fraction(problem)
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
                found = [ensemble(problem_of(d, 1.0, steps=c, scheme=scheme, **given), progress=False) for c in counts]
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
        limit = float(np.array(flow_divergence(q, d, ratios[0] * d).total, dtype=float))
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
        for k, few in enumerate((1.25, 2.0, 5.0)):
            more: dict[str, Any] = {
                "samples": round(few * d),
                "runs": 2 * runs,
                "underlying": "kernel",
                "underlying_samples": fresh,
            }
            found = [ensemble(problem_of(d, 1.0, steps=c, **more), progress=False) for c in counts]
            p = np.array([r.probability for r in found])
            low, high = np.array([r.interval() for r in found]).T
            # drawn a little apart, so that equal values stay legible
            x = np.array(counts) * 1.04 ** (k - 1)
            bars = [np.maximum(p - low, 0.0), np.maximum(high - p, 0.0)]
            points(right, x, p, bars, color=COLOURS[k + 2], label=f"$n = {few:g}\\,d$")
            right.plot(x, p, color=COLOURS[k + 2], lw=0.7, ls=":")
            data |= {f"P_{few:g}": p}
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
    found = solve(problem_of(dimension, 1.0, steps=count, scheme=scheme)).multistep.kl_floor.generated_target
    return math.nan if found is None else found
