"""Memorisation against the number of samples: linear and non-linear networks, and the exact score (Halder 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

import asymptotics as asy
from asymptotics.linear_diffusion import model_agreement
from asymptotics.one_step import fit, probability_curve, relative_law, signal_fraction
from asymptotics.tools import COLOURS, points, style

from ..base import Drawing, Figures, mean_and_error

PAPER = "Halder 2024 (arXiv 2411.17807), Fig. 4 and definition (4.1); Merger and Goldt (arXiv 2505.24769): agreement of two models"


def transition(quick: bool = False) -> Drawing:
    """P(E_OG < E_TG) and agreement of halves against n."""
    sets = 20 if quick else 60
    data: dict[str, np.ndarray] = {}
    with style() as plt:
        figure, axes = plt.subplots(1, 3, figsize=(7.0, 2.3), layout="constrained")
        worst = _joint(axes[0], data, sets * 2)
        _coordinates(axes[1], data, sets)
        table = _halves(axes[1:], data, 4 if quick else 16)
        for ax in axes:
            ax.set(xscale="log", xlabel="n")
            ax.legend()
    caption = (
        "Left: probability that the linear one-step model (d = 40, T = 2) generalises in all dimensions, with 1000 points behind the "
        "underlying density; lines: theory (sums of random energies), points: data sets; with the exact law the theory "
        "has probability 1 throughout. Middle: the same by densities of single coordinates for the same model, and for the exact empirical "
        "score, which copies; and for the network of the right panel in its two reference directions, whose own bias keeps it nearer to "
        "the blurred training density mostly. Right: cosine of what two networks learn from the halves of n samples: tanh on three "
        "clusters (d = 100, τ = 2, many passes for n < 1000), its generated points, and the linear model's samples in theory (white data)."
    )
    closeness = f"largest difference of simulated probability and theory, left: {worst:.3f}"
    return Drawing(figure, caption, PAPER, data, table, closeness)


def _joint(axis: Axes, data: dict[str, np.ndarray], runs: int) -> float:
    """The linear model in all dimensions, theory and data sets."""
    base = asy.example("one-step-transition").replace(
        {"one_step.dimension": 40, "one_step.underlying_samples": 1000, "simulation.runs": runs}
    )
    samples, worst = np.array([20, 30, 38, 46, 60, 100, 300, 1000]), 0.0
    grid = np.unique(np.round(np.geomspace(20, 1000, 30)).astype(int))
    for k, g in enumerate((0.01, 0.3)):
        chosen = base.replace({"one_step.noise_scale": float(g * np.exp(-4.0))})
        model = chosen.problem.one_step
        q = signal_fraction(model.diffusion_time, model.noise_scale, model.std)
        laws = [relative_law(q, 40, int(n), 1000) for n in grid]
        lines = np.array([np.nan if law is None else law.probability for law in laws])
        found = probability_curve(chosen.problem, samples.tolist(), workers=1, progress=False)
        axis.plot(grid, lines, color=COLOURS[k], label=f"linear, q = {q:.2f}")
        points(axis, samples, found.probability, found.probability_sem, color=COLOURS[k])
        data |= {f"theory q={q:.2f}": lines, f"simulated q={q:.2f}": found.probability}
        worst = max(worst, float(np.max(np.abs(np.interp(samples, grid, lines) - found.probability))))
    data |= {"n theory": grid, "n simulated": samples}
    axis.set(ylabel="P(E_OG < E_TG)", title="all dimensions")
    return worst


def _coordinates(axis: Axes, data: dict[str, np.ndarray], sets: int) -> None:
    """The measure for any generator, by single coordinates."""
    d, counts = 40, np.array([10, 20, 30, 45, 80, 200, 1000])
    rng = np.random.default_rng(0)
    original = rng.standard_normal((2000, d))
    curves: dict[str, list[float]] = {"linear, q = 0.99": [], "exact empirical score": []}
    for n in counts:
        training = rng.standard_normal((sets, n, d))
        linear, exact = [], []
        for x in training:
            law = fit(x, rng.standard_normal((n, d)), [0.0, 2.0], 0.01 * np.exp(-4.0))
            linear.append(law.mean + rng.standard_normal((1000, d)) @ law.factor.T)
            # The exact score of the data, followed to a small time: copies with a little noise.
            exact.append(x[rng.integers(0, n, 1000)] + 0.05 * rng.standard_normal((1000, d)))
        for name, generated in zip(curves, (linear, exact), strict=True):
            curves[name].append(asy.memorisation(generated, list(training), original).probability or 0.0)
    for k, (name, values) in enumerate(curves.items()):
        p = np.array(values)
        points(axis, counts, p, np.sqrt(p * (1 - p) / (sets - 1)), color=COLOURS[k], linestyle="-", label=name)
        data[f"coordinates {name}"] = p
    data["n coordinates"] = counts
    axis.set(title="single coordinates", ylim=(-0.03, 1.05))


def _halves(both: Sequence[Axes], data: dict[str, np.ndarray], runs: int) -> dict[str, Any]:
    """Agreement of the halves: a tanh network, and the linear model; and the network by the same measure as before."""
    axis = both[1]
    counts = np.array([20, 60, 200, 600, 2000])
    chosen = asy.example("three-clusters").replace(
        {"simulation.dimension": 100, "simulation.runs": runs, "simulation.samples": 200, "training.tau": 2.0}
    )
    rows: dict[str, list[np.ndarray]] = {"network": [], "samples": []}
    centroids, rng = np.array([[3.0, 0.0], [0.0, -3.0], [-3.0, 0.0]]), np.random.default_rng(1)
    original = centroids[rng.integers(0, 3, 4000)] + rng.standard_normal((4000, 2))
    probability = []
    for n in counts:
        found = asy.simulate(chosen.replace({"simulation.data": int(n)}), tau=[2.0], workers=1, progress=False)
        probability.append(asy.memorisation(list(found.generated), list(found.trained), original).probability or 0.0)
        rows["network"].append(found.agreement[:, -1])
        rows["samples"].append(found.sample_agreement.mean(axis=1))
    p = np.array(probability)
    points(both[0], counts, p, np.sqrt(p * (1 - p) / (runs - 1)), color=COLOURS[2], linestyle="-", label="tanh network")
    data["coordinates network"] = p
    for k, (name, label) in enumerate((("network", "tanh network, outputs"), ("samples", "its generated points"))):
        mean, sem = mean_and_error(np.array(rows[name]), axis=1)
        points(axis, counts, mean, sem, color=COLOURS[k], linestyle="-", label=label)
        data[f"agreement {name}"] = np.array(rows[name])
    grid = np.unique(np.round(np.geomspace(20, 2000, 25)).astype(int))
    lines = np.array([model_agreement(np.ones(100), int(n) // 2, 0.01).models for n in grid])
    axis.plot(grid, lines, color=COLOURS[2], label="linear model, theory")
    data |= {"n halves": counts, "n linear": grid, "agreement linear": lines}
    axis.set(ylabel="cosine of two halves")
    return chosen.replace({"simulation.data": 200}).to_table()


FIGURES: Figures = {"memorisation-transition": transition}
