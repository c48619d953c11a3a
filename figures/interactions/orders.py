"""Figures of interacting theories: how the divergence of a learned coupling splits by order (Merger et al. 2023)."""

from __future__ import annotations

import numpy as np

import asymptotics as asy
from asymptotics.interactions import Interactions, Problem, Simulation, bayes_errors, simulate, solve
from asymptotics.tools import COLOURS, points, style

from ..base import Drawing, Figures, mean_and_error

PAPER = "Merger et al., PRX 2023 (arXiv 2304.00599), and the talk of 12.08.2025: divergence by order against N"


def orders(quick: bool = False) -> Drawing:
    """KL by order against N for several dimensions, and the two stages of learning with few samples."""
    sizes, runs = ((5, 10) if quick else (5, 10, 20)), (60 if quick else 300)
    data: dict[str, np.ndarray] = {}
    worst = 0.0
    with style() as plt:
        figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.0), layout="constrained")
        for k, m in enumerate(sizes):
            features = 1 + m + m * (m + 1) // 2
            grid = np.unique(np.round(np.geomspace(features + m + 3, 60 * features, 40)).astype(int))
            found = [solve(Problem(Interactions(m, m, int(n)))) for n in grid]
            low = np.array([split.kl_target_learned.gaussian for split in found])
            high = np.array([split.kl_target_learned.order_2 for split in found])
            axes[0].loglog(grid / m**2, high / m, color=COLOURS[k], label=f"d = {2 * m}")
            axes[0].loglog(grid / m**2, low / m, color=COLOURS[k], linestyle="--")
            data |= {f"N d={2 * m}": grid, f"k<=2 d={2 * m}": low, f"k>2 d={2 * m}": high}
            for n in grid[[len(grid) // 3, 2 * len(grid) // 3]]:
                problem = Problem(Interactions(m, m, int(n)), Simulation(runs=runs))
                sample = simulate(problem, workers=1, progress=False)
                value = sample.column("kl_target_learned", "order_2")
                mean, sem = (x / m for x in mean_and_error(value))
                points(axes[0], [n / m**2], [mean], [sem], color=COLOURS[k])
                worst = max(worst, abs(float(mean * m / high[list(grid).index(n)]) - 1))
        axes[0].plot([], [], color="0.3", label="interactions (k > 2)")
        axes[0].plot([], [], color="0.3", linestyle="--", label="Gaussian part (k ≤ 2)")
        axes[0].set(xlabel="$N/m^2$", ylabel="E KL(target‖learned)/m")
        axes[0].legend()
        m, counts = 30, np.unique(np.round(np.geomspace(20, 20_000, 12 if quick else 30)).astype(int))
        errors = np.array([bayes_errors(m, int(n), 0.5, np.ones(2)) for n in counts])
        for j, label in ((1, "linear terms"), (2, "interactions")):
            axes[1].semilogx(counts, errors[:, j], color=COLOURS[j], label=label)
        axes[1].axvline(m, color="0.7", linewidth=0.8, linestyle=":")
        axes[1].axvline(m * (m + 1) / 2, color="0.7", linewidth=0.8, linestyle=":")
        axes[1].set(xlabel="N", ylabel="error of the best ridge", title=f"m = {m} inputs, noise 0.5")
        axes[1].legend()
        data |= {"N ridge": counts, "ridge errors": errors}
    caption = (
        "A quadratic coupling of m coordinates to m others (d = 2m), known split, maximum likelihood. Left: the part of the "
        f"divergence that only interactions have, and the rest; lines: theory, points: {runs} data sets. Right: best ridge by "
        "order; dotted: N = m and N = m(m+1)/2. Gaussian terms are learned at N of the order of d, generic interactions at d²."
    )
    closeness = f"largest difference of simulated and predicted means of k > 2: {100 * worst:.1f} %"
    return Drawing(figure, caption, PAPER, data, asy.example("interactions").to_table(), closeness)


FIGURES: Figures = {"interactions-orders": orders}
