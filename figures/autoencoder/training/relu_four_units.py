"""Figure of the ReLU auto-encoder with four hidden units: order parameters, and target, theory, experiment densities."""

from __future__ import annotations

from typing import Any

import numpy as np

import asymptotics as asy
from asymptotics.autoencoder import GeneratedDensity, draw_densities
from asymptotics.tools import COLOURS, points, style

from ...base import Drawing, Figures, mean_and_error

PAPER = "Cui, Pehlevan, Lu, arXiv 2501.03937: generated densities, ReLU with four hidden units"
SHOWN = (("Q", (0, 0)), ("Q", (1, 1)), ("Q", (3, 3)), ("Q", (0, 2)), ("Theta", (0, 0)), ("Theta", (1, 1)), ("b", ()))


def relu(quick: bool) -> Drawing:
    """Order parameters against τ, and the three densities of the first two projections."""
    experiment = asy.example("relu-four-units")
    size: dict[str, Any] = (
        {"dimension": 300, "runs": 6, "samples": 2000} if quick else {"dimension": 1000, "runs": 16, "samples": 5000}
    )
    path = asy.solve(experiment, tolerance=2e-3)
    runs = asy.simulate(experiment, progress=False, **size)
    law = GeneratedDensity.from_path(path, experiment.problem)
    tau = np.linspace(0, path.tau_max, 201)
    data: dict[str, np.ndarray] = {"tau": tau, "tau_runs": runs.tau}
    scores = []
    with style() as plt:
        figure, panels = plt.subplots(2, 2, figsize=(7.0, 5.6), layout="constrained")
        axes = panels.ravel()
        for k, (name, index) in enumerate(SHOWN):
            pick = (slice(None), *index)
            where = "".join(str(i + 1) for i in index)
            symbol = {"Q": "Q", "Theta": r"\Theta", "b": "b"}[name]
            label = rf"${symbol}_{{{where}}}$" if where else f"${symbol}$"
            theory = getattr(path(tau), name)[pick]
            mean, sem = runs.mean(name)[pick], runs.sem(name)[pick]
            # Q₁₁ and Q₂₂ nearly coincide.
            axes[0].plot(tau, theory, color=COLOURS[k], label=label, linestyle="--" if k == 1 else "-")
            points(axes[0], runs.tau, mean, sem, color=COLOURS[k])
            data |= {f"{name}{where}": theory, f"{name}{where}_mean": mean, f"{name}{where}_sem": sem}
            gap = np.abs(mean - getattr(path(runs.tau.clip(max=path.tau_max)), name)[pick])
            scores.append(float(np.max(gap)))
        axes[0].set(xlabel=r"training time $\tau = 2\eta n/d$", ylabel="order parameters")
        axes[0].set_ylim(-1.15, 1.75)
        axes[0].legend(ncols=4, loc="upper center", columnspacing=1.0, handlelength=1.4)
        draw_densities(experiment.problem, law, runs.generated.reshape(-1, 2), axes[1:])
    means = law.moments()[0]
    data |= {"generated": runs.generated, "generated_mean_theory": means}
    found, sem = mean_and_error(runs.generated.mean(axis=1))
    worst = float(np.max(np.abs(found - means) / sem))
    return Drawing(
        figure,
        "Four ReLU units on three clusters of unit variance at (3, 0), (0, -3), (-3, 0) (the example relu-four-units: one training"
        " time t = 0.7, eta = 0.1, weight decay 0.1, sampler without noise to t = 0.99). Top left: order parameters, Q the Gram matrix"
        " of the units' weights, Theta their overlaps with the reference directions, b the skip connection; lines: theory, points: mean"
        f" and standard error (smaller than the mark where not seen) over {size['runs']} runs at d = {size['dimension']}. Else: target"
        " density, generated density of theory and of the trained networks, on the plane of the centroids; dashed: target, full:"
        " theory; they hold 30, 60 and 90 % of the mass in the frame. ReLU does not saturate: samples go far out along the weights.",
        PAPER,
        data,
        experiment.to_table(),
        f"largest difference of an order parameter from theory {max(scores):.3f}; means of the generated projections within"
        f" {worst:.1f} standard errors",
    )


FIGURES: Figures = {"relu-four-units": relu}
