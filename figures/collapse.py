"""Figures of mode collapse and model collapse over generations (Cui, Pehlevan, Lu 2025)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import asymptotics as asy
from asymptotics.autoencoder.collapse_map import CollapseMap, phase_diagram
from asymptotics.autoencoder.collapse_plots import (
    plot_cobweb,
    plot_collapse,
    plot_generations,
    plot_phase_diagram,
)
from asymptotics.autoencoder.collapse_result import Collapse
from asymptotics.autoencoder.generations_comparison import compare
from asymptotics.common.plotting import COLOURS, style

from .base import Drawing

PAPER = "Cui, Pehlevan, Lu, arXiv 2501.03937"
EXAMPLE = "model-collapse"


def _chain(quick: bool) -> tuple[asy.Experiment, Collapse]:
    e = asy.example(EXAMPLE).replace(
        {
            "generations.nodes": 1024 if quick else 4096,
            "simulation.dimension": 200 if quick else 1000,
            "simulation.runs": 4 if quick else 8,
        }
    )
    return e, asy.generations(e, simulate=True, progress=False)


def _closeness(chain: Collapse) -> str:
    assert chain.simulation is not None
    verdict = compare(chain, chain.simulation)
    worst = max(float(np.max(row.scores())) for row in verdict.rows)
    state = "agree" if verdict.passed else f"disagree in {', '.join(verdict.failures())}"
    return f"theory and experiment (extrapolated in 1/d) {state}; the largest of {verdict.count} differences is {worst:.1f} s.e."


def _data(chain: Collapse) -> dict[str, np.ndarray]:
    assert chain.simulation is not None
    names = ("Lambda", "b", "v", "distance", "bulk_distance", "Q", "Theta", "mean", "covariance")
    data = {name: np.asarray(getattr(chain, name)) for name in names}
    data |= {f"experiment_{name}": chain.simulation.mean(name) for name in names}
    return data | {f"experiment_{name}_sem": chain.simulation.sem(name) for name in names}


def densities(quick: bool) -> Drawing:
    """Target and generated densities, generation by generation."""
    e, chain = _chain(quick)
    figure, _ = plot_generations(chain)
    assert chain.simulation is not None
    caption = (
        "Three clusters, and what three generations of networks make of them, each trained on the samples of the one before: "
        "contours that hold 30, 60 and 90 % of the theory's mass (points of the theory's law, in blue, where its Gaussian part "
        f"is too narrow to draw) over samples of {chain.simulation.runs} networks in R^d, d = {chain.simulation.dimension}."
    )
    return Drawing(figure, caption, f"{PAPER}, model collapse", _data(chain), e.to_table(), _closeness(chain))


def decay(quick: bool) -> Drawing:
    """Λ, b and distances against generation."""
    e, chain = _chain(quick)
    figure, _ = plot_collapse(chain)
    assert chain.simulation is not None
    caption = (
        "Mean eigenvalue of the training data, skip connection and distances to the original target against generation: theory "
        f"(lines) and chains in R^d (points with standard errors, d = {chain.simulation.dimension}). The experiment's Lambda is "
        "the trace per dimension and keeps a part of order 1/d from the weights' directions, which the limit has lost."
    )
    return Drawing(figure, caption, f"{PAPER}, model collapse", _data(chain), e.to_table(), _closeness(chain))


def cobweb(quick: bool) -> Drawing:
    """The collapse map at two shares of original data, and for one late training time."""
    e = asy.example(EXAMPLE)
    cases = (
        ("ten times", CollapseMap(e.problem)),
        (r"ten times, $\varphi = 0.3$", CollapseMap(e.problem, 0.3)),
        (r"one time $t = 0.7$", CollapseMap(e.replace({"training.times": [0.7]}).problem)),
    )
    data: dict[str, np.ndarray] = {}
    with style() as plt:
        figure, axes = plt.subplots(1, 3, figsize=(10, 3.3), layout="constrained")
        for k, (axis, (title, f)) in enumerate(zip(axes, cases, strict=True)):
            plot_cobweb(f, axis)
            axis.set_title(f"{title}: {f.phase()}")
            points = f.fixed_points()
            data[f"fixed_points_{k}"] = np.array([p.Lambda for p in points])
            data[f"slopes_{k}"] = np.array([p.slope for p in points])
            data[f"iterates_{k}"] = f.iterate(12)
    caption = (
        "Variance of the directions that are not followed, from one generation to the next: map, diagonal, fixed points (filled: "
        "stable) and the iteration from the original target. Linear interpolant, Euler steps of .01 to t = .99, tau = 4."
    )
    return Drawing(figure, caption, f"{PAPER}: closed on the skip connection", data, e.to_table())


def phases(quick: bool) -> Drawing:
    """Collapse, stable spread and blow-up over (t_f, τ), (t_f, ε) and (t_f, φ)."""
    n = 14 if quick else 45
    e = asy.example(EXAMPLE).replace({"training.times": [0.7], "sampling.scheme": "euler"})
    many = asy.example(EXAMPLE)
    stops = np.linspace(0.3, 0.995, n)
    diagrams = (
        ("one time $t = 0.7$", phase_diagram(e.problem, ("stop", stops), ("tau", np.geomspace(0.5, 16, n)))),
        ("one time $t = 0.7$", phase_diagram(e.problem, ("stop", stops), ("epsilon", np.linspace(0, 2, n)))),
        ("ten times", phase_diagram(many.problem, ("stop", stops), ("original", np.linspace(0, 0.9, n)))),
    )
    data: dict[str, np.ndarray] = {}
    with style() as plt:
        figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
        for k, (axis, (title, diagram)) in enumerate(zip(axes, diagrams, strict=True)):
            plot_phase_diagram(diagram, axis)
            axis.set_title(title)
            if diagram.names[1] == "tau":
                axis.set_yscale("log")
            data |= {
                f"x_{k}": diagram.x,
                f"y_{k}": diagram.y,
                f"limit_{k}": diagram.limit,
                f"stable_{k}": diagram.stable,
            }
    caption = (
        "Where the collapse map's iteration from the original target ends: blue collapse, white a stable spread, red blow-up "
        "(lines: a tenth, one and ten times the original; dashed: a second stable limit). Noise is epsilon (1 - t)."
    )
    return Drawing(figure, caption, f"{PAPER}: phase diagram of its collapse", data, e.to_table())


def remedy(quick: bool) -> Drawing:
    """What original data mixed into every generation does to the limit."""
    n = 60 if quick else 400
    phi = np.linspace(0, 1, n)
    data: dict[str, np.ndarray] = {"phi": phi}
    with style() as plt:
        figure, axis = plt.subplots(figsize=(4.4, 3.2), layout="constrained")
        for k, stop in enumerate((0.6, 0.9, 0.99)):
            e = asy.example(EXAMPLE).replace({"sampling.stop": stop})
            limits = np.array([CollapseMap(e.problem, float(x)).limit() for x in phi])
            critical = CollapseMap(e.problem).critical_fraction()
            axis.plot(phi, limits, color=COLOURS[k], label=f"$t_f = {stop:g}$")
            axis.axvline(critical["fraction"], color=COLOURS[k], ls=":", lw=0.9)
            data[f"limit_{stop:g}"] = limits
            data[f"critical_{stop:g}"] = np.array(critical["fraction"])
        axis.axhline(0.5, color="0.7", lw=0.8)
        axis.set_xlabel(r"share $\varphi$ of original data")
        axis.set_ylabel(r"$\Lambda$ after many generations")
        axis.legend()
    caption = (
        "Limit of the mean eigenvalue against the share of original data in every generation; dotted: the share that keeps half "
        "of it. Ten training times, tau = 4."
    )
    return Drawing(figure, caption, f"{PAPER}: the remedy for its collapse", data, asy.example(EXAMPLE).to_table())


FIGURES: dict[str, Callable[[bool], Drawing]] = {
    "collapse-densities": densities,
    "collapse-decay": decay,
    "collapse-cobweb": cobweb,
    "collapse-phases": phases,
    "collapse-remedy": remedy,
}
