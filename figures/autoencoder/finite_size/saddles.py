"""Figures of saddles: escape times against the dimension over six decades, and the law of typical runs."""

from __future__ import annotations

from typing import Any

import numpy as np

import asymptotics as asy
from asymptotics.tools import COLOURS, points, style

from ...base import Drawing, Figures, mean_and_error

PAPER = "setting of Cui, Pehlevan, Lu, arXiv 2501.03937 (two clusters, one unit); escape from saddles not in the paper"


def _resting(size: float, learning_rate: float, tau: float) -> asy.Experiment:
    """Two clusters, one unit without overlap, whose norm and skip connection are already at rest: the path stays on its saddle."""
    experiment = asy.Experiment(
        target={"weights": [0.5, 0.5], "centroids": [[size], [-size]]},
        denoiser={"hidden_units": 1, "init": {"random": 0.1}},
        training={"times": [0.5], "learning_rate": learning_rate, "weight_decay": 0.05, "tau": tau},
    )
    rest = [p for p in asy.fixed_points(experiment, starts=4, progress=False) if not np.any(p.Theta) and p.Q[0, 0] > 0]
    saddle = min(rest, key=lambda p: float(p.Q[0, 0]))
    return experiment.replace({"denoiser.skip": saddle.b, "denoiser.init.random": float(np.sqrt(saddle.Q[0, 0]))})


def escapes(quick: bool) -> Drawing:
    """Mean escape time against d: theory, exact chain, full simulation."""
    experiment = _resting(4.0, 0.5, 3.0)
    dimensions = [30 * 10**k for k in (range(4) if quick else range(7))]
    counts = [200] * 4 if quick else [1000, 1000, 1000, 1000, 200, 40, 8]
    full_dimensions, full_count = ([30, 300], 40) if quick else ([30, 100, 300, 1000], 400)
    laws = [asy.escape(experiment, d, chain=n, progress=False) for d, n in zip(dimensions, counts, strict=True)]
    trained = [asy.escape(experiment, d, full=full_count, progress=False) for d in full_dimensions]
    grid = np.geomspace(20, 1.5 * dimensions[-1], 60)
    first = laws[-1]
    line = first.mean + np.log(grid / first.dimension) / (2 * first.rate)
    data: dict[str, np.ndarray] = {
        "d_line": grid,
        "line": line,
        "rate": np.array(first.rate),
        "std": np.array(first.std),
    }
    scores, spreads = [], []
    with style() as plt:
        figure, ax = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
        ax.fill_between(grid, line - first.std, line + first.std, color=COLOURS[0], alpha=0.15, linewidth=0)
        ax.plot(grid, line, color=COLOURS[0], label="theory (band: one standard deviation of a run)")
        for name, ds, found, mark in (
            ("chain", dimensions, laws, {"color": COLOURS[1], "label": "exact chain"}),
            ("simulation", full_dimensions, trained, {"color": COLOURS[2], "mfc": "white", "label": "SGD in $R^d$"}),
        ):
            mean, sem, std = (
                np.array([getattr(getattr(law.measured, name), key) for law in found]) for key in ("mean", "sem", "std")
            )
            points(ax, ds, mean, sem, **mark)
            data |= {f"d_{name}": np.array(ds), name: np.stack([mean, sem, std])}
            runs = np.array([getattr(law.measured, name).runs for law in found])
            scores += [
                (d, (m - law.mean) / (law.std / np.sqrt(n))) for d, m, law, n in zip(ds, mean, found, runs, strict=True)
            ]
            spreads += list(std[runs >= 100] / first.std)
        ax.set_xscale("log")
        ax.set_xlabel("dimension $d$")
        ax.set_ylabel(r"escape time $\tau$ to $|\Theta| = 0.3$")
        ax.legend(loc="upper left")
    mean, sem, _ = data["chain"]
    # At the smallest d the next order in 1/d shows.
    logs = np.log(np.array(dimensions))
    slope, error = np.polyfit(logs[1:], mean[1:], 1, w=1 / sem[1:], cov="unscaled")
    large = [abs(s) for d, s in scores if d >= 300]
    return Drawing(
        figure,
        f"Time at which runs leave the uninformed saddle, from weights drawn anew: two clusters at ±4, one tanh unit, growth rate "
        f"{first.rate:.4f} per tau. Line: mean s* + (ln d − ln C_eff + 1.2704)/(2 gamma). Points: {counts[0]} to {counts[-1]} runs of "
        f"the exact chain over {np.log10(dimensions[-1] / dimensions[0]):.0f} decades of d, {full_count} trainings in R^d; bars: standard "
        "errors.",
        PAPER,
        data,
        experiment.to_table(),
        f"for d ≥ 300 at most {max(large):.1f} standard errors from the line ({len(large)} points), at d = 30 up to "
        f"{max(abs(s) for d, s in scores if d < 100):.1f}; slope of the chain there in ln d {slope[0]:.4f} ± "
        f"{np.sqrt(error[0, 0]):.4f} against 1/(2 gamma) = {1 / (2 * first.rate):.4f}; standard deviations "
        f"{min(spreads):.3f} to {max(spreads):.3f} of the predicted one",
    )


def typical(quick: bool) -> Drawing:
    """Runs from random starts, the path that none of them follows, and the law of typical runs."""
    d, count, draws = 500, *((16, 16) if quick else (120, 160))
    experiment = _resting(2.0, 0.2, 6.0).replace(
        {"simulation.dimension": d, "simulation.runs": count, "simulation.samples": 1}
    )
    taus = np.linspace(0.0, 6.0, 25)
    law = asy.typical(experiment, d, draws, 0, tau=taus, progress=False)
    runs = asy.simulate(experiment, tau=taus, initial="drawn", progress=False)
    low, middle, high = law.quantiles()[:, :, 0]
    sizes = np.abs(runs.Theta[:, :, 0, 0])
    sample = np.abs(law.sample(16)[:, :, 0])
    shown = (6, 10, 14)
    with style() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 2.9), layout="constrained")
        left.plot(taus, sizes.T, color=COLOURS[1], linewidth=0.4, alpha=0.5)
        left.fill_between(taus, low, high, color=COLOURS[0], alpha=0.2, linewidth=0, label="typical runs, 10 to 90 %")
        left.plot(taus, middle, color=COLOURS[0], label="median")
        left.plot(taus, np.zeros_like(taus), "k--", label=r"path at $d \to \infty$")
        left.set_xlabel(r"training time $\tau = 2\eta n/d$")
        left.set_ylabel(r"$|\Theta|$")
        left.set_ylim(-0.05, 1.6)
        left.legend(loc="upper left")
        for n, k in enumerate(shown):
            x = np.sort(sample[:, k])
            right.plot(x, (np.arange(len(x)) + 0.5) / len(x), color=COLOURS[n], label=rf"$\tau = {taus[k]:g}$")
            y = np.sort(sizes[:, k])
            right.step(
                y, (np.arange(len(y)) + 1) / len(y), where="post", color=COLOURS[n], linewidth=0.8, linestyle=":"
            )
        right.set_xlabel(r"$|\Theta|$")
        right.set_ylabel("share of runs below")
        right.legend()
    mean, error = mean_and_error(sizes)
    # The law is sampled too: by so many branches.
    score = (mean - sample.mean(axis=0))[1:] / np.hypot(error, sample.std(axis=0) / np.sqrt(draws))[1:]
    data: dict[str, Any] = {
        "tau": taus,
        "quantiles": np.stack([low, middle, high]),
        "runs": sizes,
        "law_mean": sample.mean(axis=0),
    }
    data |= {"mean": mean, "sem": error}
    return Drawing(
        figure,
        f"Two clusters at ±2, one tanh unit, weights drawn anew, d = {d}. Thin lines: {count} trainings in R^d. Blue: the law of typical "
        f"runs, {draws} branches drawn at tau = {law.leaving:.2f} with their own noise and bias of order 1/d. Right: shares of runs below "
        "|Theta| at three training times, theory as lines, trainings as dotted steps. At d → ∞ the path has no overlap for ever.",
        PAPER,
        data,
        experiment.to_table(),
        f"mean |Theta| of the trainings: root mean square {np.sqrt(np.mean(score**2)):.1f}, at most {np.abs(score).max():.1f} standard "
        f"errors (of both) from the law's, at {len(score)} training times",
    )


FIGURES: Figures = {"saddles-escape": escapes, "saddles-typical": typical}
