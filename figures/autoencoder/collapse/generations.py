"""Figures of model collapse over generations: densities, and what decays (Cui, Pehlevan, Lu 2025)."""

from __future__ import annotations

import numpy as np

import asymptotics as asy
from asymptotics import autoencoder
from asymptotics.tools import COLOURS, points, style

from ...base import Drawing, Figures, name_kinds
from .collapse_map import EXAMPLE, PAPER


def _chain(quick: bool) -> tuple[asy.Experiment, autoencoder.Collapse, autoencoder.CollapseRuns]:
    e = asy.example(EXAMPLE).replace(
        {
            "generations.nodes": 1024 if quick else 4096,
            "simulation.dimension": 200 if quick else 1000,
            "simulation.runs": 4 if quick else 8,
        }
    )
    chain = asy.generations(e, simulate=True, progress=False)
    return e, chain, chain.simulation


def _closeness(chain: autoencoder.Collapse, runs: autoencoder.CollapseRuns) -> str:
    verdict = chain.compare()
    worst = max(float(np.max(row.scores())) for row in verdict.rows if row.counted)
    state = "agree" if verdict.passed else f"disagree in {', '.join(verdict.failures())}"
    return (
        f"theory and experiment (extrapolated in 1/d) {state}; the largest of {verdict.count} differences is {worst:.1f} s.e., which"
        f" are those of {runs.runs} chains and judged by Student's law"
    )


def _data(chain: autoencoder.Collapse, runs: autoencoder.CollapseRuns) -> dict[str, np.ndarray]:
    names = ("Lambda", "b", "v", "distance", "bulk_distance", "Q", "Theta", "mean", "covariance")
    data = {name: np.asarray(getattr(chain, name)) for name in names}
    data |= {f"experiment_{name}": runs.mean(name) for name in names}
    return data | {f"experiment_{name}_sem": runs.sem(name) for name in names}


def densities(quick: bool) -> Drawing:
    """Target and generated densities, generation by generation."""
    e, chain, runs = _chain(quick)
    with style() as plt:
        figure, axes = plt.subplots(2, 2, figsize=(7.0, 5.4), layout="constrained", sharex=True, sharey=True)
        autoencoder.plot_generations(chain, axes=axes.ravel())
        for axis in axes[0]:
            axis.set_xlabel("")
        axes[1, 0].set_ylabel(axes[0, 0].get_ylabel())
    caption = (
        "Three clusters, and what three generations of networks make of them, each trained on the samples of the one before, on the"
        " plane of the centroids: contours that hold 30, 60 and 90 % of the mass, of the target (dashed) and of the generated law by"
        f" theory (blue), over samples of {runs.runs} networks in R^d, d = {runs.dimension}. Insets: one of the peaks, enlarged"
        " (in the frame peaks are drawn no narrower than its hundredth part). Each"
        " network in R^d has its own peaks, which differ by their fluctuations of order 1/√d. Setting: the example"
        f" {EXAMPLE} (tanh, two hidden units, ten training times, t_f = 0.99)."
    )
    return Drawing(
        figure, caption, f"{PAPER}, model collapse", _data(chain, runs), e.to_table(), _closeness(chain, runs)
    )


def decay(quick: bool) -> Drawing:
    """Λ, b and distances against generation."""
    e, chain, runs = _chain(quick)
    generation = np.arange(1, chain.count + 1)
    data = _data(chain, runs)
    with style() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.0), layout="constrained")
        autoencoder.plot_collapse(chain, ax=left)
        # On a linear scale, against which 1/d is small; what is left of it is on the right.
        left.set_yscale("linear")
        left.set_ylim(-0.05, 1.75)
        left.set_ylabel("quantity of the generation")
        name_kinds(left, line="theory", point="experiment")
        left.legend(ncols=3, loc="upper center")
        for k, (name, label) in enumerate((("Lambda", r"$\Lambda$"), ("b", "$b$"))):
            for low, d in ((False, runs.dimension), (True, runs.low_dimension)):
                gap, sem = (d * x for x in (runs.mean(name, low=low) - getattr(chain, name), runs.sem(name, low=low)))
                fill, shift = ("w", 0.06) if low else (COLOURS[k], -0.06)
                points(right, generation + shift, gap, sem, color=COLOURS[k], mfc=fill, label=f"{label}, $d = {d}$")
                data |= {f"gap_{name}_{d}": gap, f"gap_{name}_{d}_sem": sem}
        right.axhline(0, color="0.6", lw=0.8)
        right.set_xticks(generation)
        right.set(xlabel="generation", ylabel="$d$ × (experiment − theory)")
        right.set_ylim(-1, 1.3 * right.get_ylim()[1])
        right.legend(ncols=2, loc="upper center")
    caption = (
        "Left: mean eigenvalue of the training data, skip connection and distances to the original target against generation; "
        f"theory (lines) and chains in R^d (points with standard errors, d = {runs.dimension}). Right: what finite d adds to "
        "the first two, times d, at two dimensions: of order 1/d. The experiment's Lambda is the trace per dimension and keeps a "
        "part of order 1/d from the weights' directions, which the limit has lost; b learns from it."
    )
    return Drawing(figure, caption, f"{PAPER}, model collapse", data, e.to_table(), _closeness(chain, runs))


FIGURES: Figures = {"collapse-densities": densities, "collapse-decay": decay}
